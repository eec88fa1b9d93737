"""One host, by OpenSSH's own `ssh`: the user's configuration, keys, agent and jump hosts hold."""

from __future__ import annotations

import json
import queue
import re
import shlex
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmload.deploy import host as on_host
from mmload.errors import ExitCode, MmloadError, UsageError
from mmload.signals import start_child

# Python 3.11 or newer, under whichever name.
PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
NO_PYTHON = 41
BEAT_SECONDS = 2.0
# Without a word for so long a host is lost; ssh itself finds out as soon.
SILENCE_SECONDS = 10.0
CONNECT_SECONDS = 15
ANSWER_SECONDS = 60.0
_CLOCK_LOOKS = 3
# Unpacking, and the first imports, on a slow disk.
INSTALL_SECONDS = 300.0
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "2",
    "ExitOnForwardFailure": "yes",
    # The port that a tunnel gets is told at this level.
    "LogLevel": "INFO",
    # A connection of our own: over a shared one a tunnel would outlive us.
    "ControlMaster": "no",
    "ControlPath": "none",
}
_ALLOCATED = re.compile(r"^Allocated port (\d+) for remote forward")
_NOT_A_HOST = re.compile(r"^-|[\s'\"\\;|&$`<>()]")


class HostFailed(MmloadError):
    """A host that can't be reached, or can't do what it is told."""

    exit_code = ExitCode.CONFIGURATION_REFUSED

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why = name, why


def host_names(text: str) -> list[str]:
    """`load1,user@load2,ssh://load3:2222` as names that ssh knows. Raises UsageError. Pure."""
    names = [each.strip() for each in text.split(",") if each.strip()]
    for name in names:
        if _NOT_A_HOST.search(name):
            raise UsageError(f"--hosts: {name!r} is not a host name: expected load1, user@load1 or ssh://load1:2222")
    if not names:
        raise UsageError("--hosts: expected host names separated by commas, such as load1,load2")
    return list(dict.fromkeys(names))


def remote_program(folder: str, python: str = "") -> str:
    """The command line for the host's shell, whichever that is: it reads the program from standard input. Pure.

    `folder` is below the home folder; it is an argument so that the program can be found by it. No secret is here.
    """
    names = shlex.quote(python) if python else " ".join(PYTHONS)
    read = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.argv.pop(2))), 'mmload-deploy', 'exec'))"
    return "exec sh -c " + shlex.quote(
        f"for p in {names}; do "
        'if "$p" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then '
        f'exec "$p" -c {shlex.quote(read)} "$HOME"/{folder} {len(program())}; '
        f"fi; done; exit {NO_PYTHON}"
    )


def program() -> bytes:
    return Path(on_host.__file__).read_bytes()


def command(name: str, config: str, remote: str, options: Sequence[str] = ()) -> list[str]:
    """The command line of ssh. Pure."""
    own = [part for key, value in _OPTIONS.items() for part in ("-o", f"{key}={value}")]
    return ["ssh", *(("-F", config) if config else ()), *own, *options, "-T", name, remote]


def why_ssh_failed(said: Sequence[str], code: int, name: str, config: str = "") -> str:
    """What ssh said as a sentence that says what to do. Pure."""
    by_hand = " ".join(["ssh", *(("-F", shlex.quote(config)) if config else ()), name])
    text = "\n".join(said)
    if code == NO_PYTHON:
        return "it has no Python 3.11 or newer: install one, or name it with --python"
    for sign, sentence in _FAILURES.items():
        if sign in text:
            return sentence.format(by_hand=by_hand)
    last = [line.strip() for line in said if line.strip()][-2:] or [f"ssh ended with exit code {code}"]
    return f"the connection failed: {'; '.join(last)}"


_FAILURES = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "its host key has changed: somebody may be intercepting the connection, "
    "or it was reinstalled; if you know why, remove the old key (`ssh-keygen -R`) and connect once by hand",
    "Host key verification failed": "its host key is not known here: connect once by hand (`{by_hand}`), compare the "
    "fingerprint, and accept it",
    "Permission denied": "it accepts none of your keys: `{by_hand}` must connect without a prompt "
    "(ssh-copy-id, ssh-add)",
    "Could not resolve hostname": "the host name was not found, neither by DNS nor in ~/.ssh/config",
    "Connection refused": "connection refused: no sshd is listening there",
    "No route to host": "there is no route to it",
    "Connection timed out": "it did not answer in time",
    "timed out": "it did not answer in time",
    "remote port forwarding failed": "its sshd forbids the tunnel for the workers: AllowTcpForwarding must be `yes` or "
    "`remote` there, and PermitListen must not exclude localhost",
    "not responding": "the connection was lost: it does not respond",
    "Broken pipe": "the connection was lost",
    "closed by remote host": "its sshd closed the connection",
}


class SshSession:
    """One connection to a host, with the program at its other end. Made in the main thread: ssh ends with that."""

    def __init__(self, name: str, folder: str, *, config: str = "", python: str = "", tunnel_to: int = 0) -> None:
        self.name, self._config = name, config
        self.offset_seconds, self.round_trip_seconds = 0.0, float("inf")
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.tunnel_port = 0
        self._tunnelled, self._closing = threading.Event(), threading.Event()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=50)
        self._writing, self._asked_at = threading.Lock(), 0.0
        self._heard = time.monotonic()
        tunnel = ("-R", f"127.0.0.1:0:127.0.0.1:{tunnel_to}") if tunnel_to else ()
        self._process = start_child(
            command(name, config, remote_program(folder, python), tunnel),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._read, self._read_errors, self._write_beats)
        ]
        # It fits into the pipe.
        self._write(program())
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> SshSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The end of it: the program there ends its workers when the connection is gone."""
        self._closing.set()
        with suppress(OSError):
            self._process.stdin and self._process.stdin.close()
        if not self.is_lost:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(on_host.END_SECONDS + 2)
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._process.stdout, self._process.stderr):
            stream and stream.close()

    def ask(self, do: str, *, seconds: float = ANSWER_SECONDS, payload: bytes = b"", **told: Any) -> dict[str, Any]:
        """Have something done; its answer. Raises HostFailed."""
        self._send({"do": do, **told, **({"bytes": len(payload)} if payload else {})}, payload)
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise HostFailed(self.name, f"no answer within {seconds:.0f} s ({do})") from None
            if answer is None:
                self._answers.put(None)
                raise HostFailed(self.name, self.failure())
            if answer["to"] == do:
                break
        if problem := answer.get("problem"):
            raise HostFailed(self.name, str(problem))
        return answer

    def measure_clock(self) -> None:
        """How far its clock is from ours: by the quickest of some exchanges."""
        for _ in range(_CLOCK_LOOKS):
            sent = time.time()
            there = float(self.ask("clock")["time"])
            taken = time.time() - sent
            if taken < self.round_trip_seconds:
                self.round_trip_seconds, self.offset_seconds = taken, there - (sent + taken / 2)

    def wait_for_tunnel(self) -> int:
        """The port there that leads to ours. Raises HostFailed."""
        if not self._tunnelled.wait(CONNECT_SECONDS * 2) or not self.tunnel_port:
            raise HostFailed(self.name, self.failure())
        return self.tunnel_port

    @property
    def is_lost(self) -> bool:
        """Whether it is gone, or has said nothing for too long."""
        return self._process.poll() is not None or time.monotonic() - self._heard > SILENCE_SECONDS

    def failure(self) -> str:
        """Why it is gone, in words."""
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1)
            self._threads[1].join(1)
            return why_ssh_failed(list(self._said), code, self.name, self._config)
        return f"no message for {SILENCE_SECONDS:.0f} s"

    def _send(self, told: Mapping[str, Any], payload: bytes = b"") -> None:
        self._write(json.dumps(told).encode() + b"\n" + payload)

    def _write(self, content: bytes) -> None:
        """What can't be sent is found out by whoever waits for the answer."""
        assert self._process.stdin is not None
        with self._writing, suppress(OSError, ValueError):
            self._process.stdin.write(content)
            self._process.stdin.flush()

    def _write_beats(self) -> None:
        while not self._closing.wait(BEAT_SECONDS) and self._process.poll() is None:
            self._send({"do": "beat"})

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.startswith(on_host.MARK.encode()):
                continue
            self._heard = time.monotonic()
            answer = json.loads(line[len(on_host.MARK) :])
            if answer["to"] != "beat":
                (self.events if answer["to"] == "ended" else self._answers).put(answer)
        self._answers.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip()
            if found := _ALLOCATED.match(text):
                self.tunnel_port = int(found[1])
                self._tunnelled.set()
            else:
                self._said.append(text)
        self._tunnelled.set()
