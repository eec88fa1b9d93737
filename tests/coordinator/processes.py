"""The commands as processes of their own, with nothing of the caller's configuration."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    code: int
    out: str
    err: str


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"} | more


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """`python -m …` in this folder."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environ(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for its end; whatever happens, nothing of it stays."""
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Ended(process.returncode, out, err)


def run(folder: Path, *arguments: str, **more: str) -> Ended:
    return end(start(folder, *arguments, **more))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_that(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def takes_connections(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def agent(server: str, folder: Path, **more: str) -> Iterator[str]:
    """The address of a real agent (Locust) for this server."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    process = start(folder, "mmload", "agent", "--server", server, "--port", str(port), MMLOAD_CHECKED="1", **more)
    try:
        await_that(lambda: takes_connections(port), "the agent did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        end(process)
