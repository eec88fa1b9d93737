"""People on a server, for benchmarks: a real headless Locust process, looked at from outside, and what it drives.

The server is another process: a sandbox of the right size, or the one that is given.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import rss_kb, tell
from mmload.cli import locust_process, sandbox
from mmload.cli.locust_process import LocustLoad
from mmload.cli.sandbox import communities, settle
from mmload.config import environment_name
from mmload.errors import MmloadError, UsageError
from mmload.open_files import open_files_needed, raise_open_files
from mmload.results.folder import FACTS, LOG, SECONDS, lines
from mmload.results.model import RunPhase, Second

LONGEST_RAMP_SECONDS = 900.0
# Arrivals a second: a real server hashes passwords, and two cores do no more than this.
SANDBOX_RATE, SERVER_RATE = 40.0, 1.3
POLL_SECONDS = 0.05
_LONGEST_RUN_SECONDS = 24 * 3600
_END_SECONDS = 30


# People of a sandbox are in communities of about so many: whom one hears of does not depend on how many there are.
COMMUNITY_PEOPLE = 100


@dataclass(frozen=True, slots=True)
class Server:
    """Where people go. `accounts` is the file of their accounts; None: those of `mmload init`, by number."""

    url: str
    accounts: Path | None = None


@contextmanager
def served(given: str, users: int, population: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The one that is given, or a sandbox that grows with the number of users, so that each has as many neighbours."""
    # Inherited by the processes started below.
    raise_open_files(open_files_needed(users))
    if given:
        yield Server(checked_server(given))
        return
    with sandbox.sandbox() as address, tempfile.TemporaryDirectory(prefix="mmload-accounts-") as folder:
        tell(f"populating a sandbox for {users} users")
        file = Path(folder) / "accounts.txt"
        settle(address, {**os.environ, **(population or {})}, communities(users, COMMUNITY_PEOPLE), file)
        yield Server(address, file)


def checked_server(text: str) -> str:
    """A server's URL. `UsageError` if it is none. Pure."""
    if not text.startswith(("http://", "https://")):
        raise UsageError(f"--server {text!r}: expected a URL such as http://localhost:8065")
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class Crowd:
    """A running Locust process and the folder of its run."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for_start(self) -> int:
        """Until the test begins; the memory (KB) of the process without any user."""
        while not (self.folder / FACTS).exists():
            self.must_live()
            time.sleep(POLL_SECONDS)
        return rss_kb(self.pid)

    def wait_for_steady(self) -> None:
        """Until all users are in. `MmloadError` when that takes too long."""
        deadline = time.monotonic() + LONGEST_RAMP_SECONDS
        while not any(second.phase is RunPhase.STEADY for second in self.seconds()[-2:]):
            self.must_live()
            if time.monotonic() > deadline:
                raise MmloadError(f"after {LONGEST_RAMP_SECONDS:g} s not all users were in: {self.seconds()[-1:]}")
            time.sleep(1)

    def pause(self, seconds: float) -> None:
        """Let it run. `MmloadError` if it ended meanwhile."""
        time.sleep(seconds)
        self.must_live()

    def must_live(self) -> None:
        """`MmloadError`, with the end of its log, if the process is no more."""
        if self.process.poll() is not None:
            ending = "\n".join(locust_process.last_lines(self.folder / LOG, 10, ()))
            raise MmloadError(f"Locust exited early:\n{ending}")

    def end(self) -> None:
        """Let all users go; the record is whole then."""
        _end(self.process)

    def seconds(self) -> tuple[Second, ...]:
        """The run's record so far."""
        return lines(self.folder / SECONDS, Second, [], required=False)


@contextmanager
def crowd(
    server: Server, users: int, rate: float, more_files: tuple[str, ...] = (), more: Mapping[str, str] | None = None
) -> Iterator[Crowd]:
    """So many users coming in at `rate` a second; ended in order. `more_files` are locustfiles beside our own."""
    with tempfile.TemporaryDirectory(prefix="mmload-benchmark-") as name:
        folder = Path(name)
        load = LocustLoad(users, rate, _LONGEST_RUN_SECONDS, server.url)
        arguments = locust_process.command(load, locust_process.locustfile())
        arguments[arguments.index("-f") + 1] = ",".join([str(locust_process.locustfile()), *more_files])
        environ = {**os.environ, **variables(server, users, folder), **(more or {})}
        process = locust_process.start(arguments, environ, folder / LOG)
        try:
            yield Crowd(process, folder)
        finally:
            _end(process)


def variables(server: Server, users: int, folder: Path) -> dict[str, str]:
    """What makes the process drive this server and write here. Pure."""
    file = {environment_name("UsersConfiguration", "UsersFilePath"): str(server.accounts)} if server.accounts else {}
    return {
        **file,
        "MMLOAD_RUN_FOLDER": str(folder),
        "MMLOAD_CHECKED": "1",
        environment_name("UsersConfiguration", "MaxActiveUsers"): str(users),
        environment_name("ConnectionConfiguration", "ServerURL"): server.url,
        environment_name("ConnectionConfiguration", "WebSocketURL"): "ws" + server.url.removeprefix("http"),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_END_SECONDS)
    if process.poll() is None:
        locust_process.kill(process)
        process.wait()
