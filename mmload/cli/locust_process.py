"""Locust as a child process: how it is started, watched, stopped and, if necessary, killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmload.cli.progress import RunProgress
from mmload.errors import MmloadError
from mmload.signals import start_child

# How long users in the middle of an action may go on when the run ends.
STOP_TIMEOUT_SECONDS = 10
# Stopping all users and writing the last figures should not take longer than this.
LONGEST_END_SECONDS = 120.0
POLL_SECONDS = 0.25
# Workers are forked from a process that has imported everything, but the machine may be busy.
WORKERS_START_SECONDS = 60
LOOPBACK = "127.0.0.1"
# Below those that systems give to outgoing connections.
_PORTS = range(15_000, 30_000)
# Not the run's seed: two commands with the same one must not choose the same port.
_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class LocustLoad:
    users: int
    spawn_rate: float
    run_time_seconds: int
    server_url: str
    processes: int = 1
    in_stages: bool = False
    # Where the master listens for workers on other machines; 0: there are none.
    master_port: int = 0
    master_host: str = ""
    workers_wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How Locust ended: its exit code, and whether we were told to stop it."""

    code: int
    interrupted: bool


def locustfile() -> Path:
    return Path(__file__).resolve().parent.parent / "locustfile.py"


def command(load: LocustLoad, file: Path, user_classes: Sequence[str] = (), *, verbose: bool = False) -> list[str]:
    """Locust's command line. A spawn rate of 0 is all at once; no classes: what the locustfile says."""
    return [
        *(sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"),
        *("-u", str(load.users), "-r", f"{load.spawn_rate or load.users:g}"),
        # The stages end the test themselves.
        *(() if load.in_stages else ("-t", f"{load.run_time_seconds}s")),
        *("--host", load.server_url, "--stop-timeout", str(STOP_TIMEOUT_SECONDS)),
        *("--loglevel", "DEBUG" if verbose else "INFO"),
        *_workers(load),
        *user_classes,
    ]


def _workers(load: LocustLoad) -> Sequence[str]:
    if not load.master_port:
        return local_workers(load.processes) if load.processes > 1 else ()
    return (
        *("--master", "--master-bind-host", load.master_host, "--master-bind-port", str(load.master_port)),
        *("--expect-workers", str(load.processes), "--expect-workers-max-wait", str(load.workers_wait_seconds)),
    )


def local_workers(processes: int, port: int = 0) -> Sequence[str]:
    """Workers forked by Locust, which connect on loopback. Port 0: a free one, as several runs may go on at once."""
    chosen = str(port or free_port())
    return (
        *("--processes", str(processes), "--expect-workers-max-wait", str(WORKERS_START_SECONDS)),
        *("--master-bind-port", chosen, "--master-port", chosen),
    )


def free_port() -> int:
    """A free port of loopback, outside the range that the system gives to outgoing connections."""
    for port in _RANDOM.sample(_PORTS, 100):
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
    raise MmloadError(f"no free port on {LOOPBACK} from {_PORTS.start} to {_PORTS.stop - 1}")


def start(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start it, with its output in the log. A Ctrl-C at the terminal reaches only us, and we stop it gracefully."""
    with log.open("ab") as output:
        return start_child(
            list(arguments),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def watch(
    process: subprocess.Popen[bytes],
    progress: RunProgress,
    run_time_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    *,
    beside: Callable[[], object] = lambda: None,
) -> Ended:
    """Wait for the end, showing progress; `beside` is called again and again.

    The first signal (Ctrl-C, say) stops the run, the second kills it.
    """
    deadline = clock() + run_time_seconds + LONGEST_END_SECONDS
    interrupts = 0
    while True:
        try:
            if clock() > deadline:
                progress.tell(f"mmload {progress.command}: Locust did not stop in time and was killed")
                kill(process)
            code = _wait(process, progress)
            if code is not None:
                return Ended(code, interrupts > 0)
            if not interrupts:
                beside()
        except KeyboardInterrupt:
            interrupts += 1
            if interrupts == 1:
                progress.tell(f"mmload {progress.command}: interrupted; stopping all users (Ctrl-C again to kill)")
                process.send_signal(signal.SIGINT)
                deadline = clock() + STOP_TIMEOUT_SECONDS + LONGEST_END_SECONDS
            else:
                kill(process)


def _wait(process: subprocess.Popen[bytes], progress: RunProgress) -> int | None:
    """Wait a moment; the exit code if it ended."""
    try:
        code = process.wait(timeout=POLL_SECONDS)
    except subprocess.TimeoutExpired:
        progress.update()
        return None
    progress.end()
    return code


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole session at once, workers too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[Any], signal_number: signal.Signals, seconds: float) -> bool:
    """Ask the process to end and wait; kill what is left of its session. False if it did not end by itself."""
    in_time = True
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            in_time = False
    kill(process)
    process.wait()
    return in_time


def last_lines(log: Path, number: int, secrets: Sequence[str]) -> list[str]:
    """The end of a log, with secrets replaced."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text.splitlines()[-number:]
