"""The image's health check: a master answers on its port, a worker is connected to its master. Else, nothing is wrong.

By the command lines of the container's processes: the same image is all of them.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PROC = Path("/proc")
WEB_PORT, MASTER_PORT = "--web-port", "--master-port"
DEFAULT_MASTER_PORT = 5557  # Locust's
ESTABLISHED = "01"
SECONDS = 8


def problem(commands: Iterable[Sequence[str]], connected_ports: Iterable[int], answers: Iterable[int] = ()) -> str:
    """What is wrong, or "". `answers` are the ports that answer. Pure."""
    ports, answering = set(connected_ports), set(answers)
    for command in commands:
        if "--worker" in command:
            port = int(value(command, MASTER_PORT) or DEFAULT_MASTER_PORT)
            if port not in ports:
                return f"a worker is not connected to port {port} of its master"
        elif (port_text := value(command, WEB_PORT)) and int(port_text) not in answering:
            return f"nobody answers on port {port_text}"
    return ""


def value(command: Sequence[str], option: str) -> str:
    """Of an option of Locust's, or "". Pure."""
    return command[command.index(option) + 1] if option in command[:-1] else ""


def locust_commands() -> Iterator[list[str]]:
    """The command lines of Locust's processes in this container."""
    for file in PROC.glob("[0-9]*/cmdline"):
        try:
            command = file.read_text(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        if command[1:3] == ["-m", "locust"]:
            yield command


def connected() -> Iterator[int]:
    """The ports of others that this container is connected to."""
    for name in ("tcp", "tcp6"):
        try:
            rows = (PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for _, _, other, state, *_ in map(str.split, rows):
            if state == ESTABLISHED:
                yield int(other.rpartition(":")[2], 16)


def does_answer(port: int) -> bool:
    """Whatever it answers: without the token that is 401."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def main() -> int:
    commands = list(locust_commands())
    web = {int(port) for command in commands if (port := value(command, WEB_PORT))}
    wrong = problem(commands, connected(), filter(does_answer, web))
    print(wrong or "healthy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
