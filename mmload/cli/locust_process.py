"""Locust as a process of its own: how it is started, watched, ended and, if need be, killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mmload.cli.progress import Progress
from mmload.errors import MmloadError

# Users in the middle of an action may finish it for so long when the run ends.
STOP_TIMEOUT_SECONDS = 10
# After the run's end (farewells, last figures) nothing should take longer than this.
LONGEST_END_SECONDS = 120.0
POLL_SECONDS = 0.25
# Forked from a process that has imported everything; a machine may be busy all the same.
WORKERS_START_SECONDS = 60
LOOPBACK = "127.0.0.1"
# Below those that systems give to outgoing connections.
_PORTS = range(15_000, 30_000)
# Not the run's: two commands with one seed must not meet.
_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Load:
    """What Locust is to do."""

    users: int
    spawn_rate: float
    run_time_seconds: int
    server_url: str
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """How Locust ended: its exit code, and whether we were asked to end it."""

    code: int
    interrupted: bool


def locustfile() -> Path:
    """The locustfile that travels in the package."""
    return Path(__file__).resolve().parent.parent / "locustfile.py"


def command(load: Load, file: Path, user_classes: Sequence[str] = (), *, verbose: bool = False) -> list[str]:
    """Locust's command line. A spawn rate of 0 is all at once; no classes: what the locustfile says."""
    return [
        *(sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"),
        *("-u", str(load.users), "-r", f"{load.spawn_rate or load.users:g}", "-t", f"{load.run_time_seconds}s"),
        *("--host", load.server_url, "--stop-timeout", str(STOP_TIMEOUT_SECONDS)),
        *("--loglevel", "DEBUG" if verbose else "INFO"),
        *(_workers(load.processes) if load.processes > 1 else ()),
        *user_classes,
    ]


def _workers(processes: int) -> Sequence[str]:
    """Workers forked by Locust. They meet their master on a port of their own: several runs may go on at once."""
    port = str(free_port())
    return (
        *("--processes", str(processes), "--expect-workers-max-wait", str(WORKERS_START_SECONDS)),
        *("--master-bind-host", LOOPBACK, "--master-bind-port", port, "--master-port", port),
    )


def free_port() -> int:
    """A port of loopback that nobody uses now, and no outgoing connection takes before somebody listens on it."""
    for port in _CHANCE.sample(_PORTS, 100):
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
    raise MmloadError(f"no free port on {LOOPBACK} from {_PORTS.start} to {_PORTS.stop - 1}")


def start(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own: a Ctrl-C at the terminal reaches us alone, and we end it in order."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(arguments),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell that starts us in the background ignores SIGINT, and so would Locust.
            preexec_fn=_heed_interrupts,
        )


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def watch(
    process: subprocess.Popen[bytes],
    progress: Progress,
    run_time_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Wait for the end, showing progress. The first Ctrl-C (or SIGTERM) ends the run in order, the second kills it."""
    deadline = clock() + run_time_seconds + LONGEST_END_SECONDS
    interrupts = 0
    with _terminated_as_interrupted():
        while True:
            try:
                if clock() > deadline:
                    progress.tell("mmload run: Locust does not end by itself: killed")
                    kill(process)
                code = _wait(process, progress)
                if code is not None:
                    return Ended(code, interrupts > 0)
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts == 1:
                    progress.tell("mmload run: interrupted; ending in order (Ctrl-C again to kill)")
                    process.send_signal(signal.SIGINT)
                    deadline = clock() + STOP_TIMEOUT_SECONDS + LONGEST_END_SECONDS
                else:
                    kill(process)


def _wait(process: subprocess.Popen[bytes], progress: Progress) -> int | None:
    """One look: the exit code if it ended."""
    try:
        code = process.wait(timeout=POLL_SECONDS)
    except subprocess.TimeoutExpired:
        progress.update()
        return None
    progress.end()
    return code


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole session at once, workers too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """A SIGTERM to us ends the run as Ctrl-C does, also where the shell made us ignore Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def last_lines(log: Path, number: int, secrets: Sequence[str]) -> list[str]:
    """The end of a log, without the secrets that might be in it."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text.splitlines()[-number:]
