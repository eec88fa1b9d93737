"""The commands as processes of their own, with nothing of the caller's configuration."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmload.cli.locust_process import free_port
from tests.run import processes
from tests.run.processes import PATIENCE_SECONDS, Ended, end


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """`python -m …` in this folder."""
    return processes.start(["-m", *arguments], folder, PYTHONUNBUFFERED="1", **more)


def run(folder: Path, *arguments: str, **more: str) -> Ended:
    return end(start(folder, *arguments, **more))


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
