"""What it costs a server that people come in: everybody by password, and with the sessions that `mmload init` kept.

The sandbox spends as much CPU on a login as Mattermost 11.6 does on hashing a password.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.commands import mmload
from benchmarks.crowd import LONGEST_RAMP_SECONDS, Server, crowd
from benchmarks.measuring import Report, Table, cpu_seconds, nonnegative, tell, whole
from mmload.cli import sandbox
from mmload.config import environment_name
from mmload.errors import MmloadError
from mmload.results.folder import read_run

_LOOK_SECONDS = 0.1
_INIT_SECONDS = 1200.0
_LOGIN_SHARE = environment_name("UsersConfiguration", "LoginShare")
_SESSIONS_FOLDER = environment_name("RunConfiguration", "SessionsFolder")


@dataclass(frozen=True, slots=True)
class Ramp:
    """One way in: until everybody was active, and what the server's process used until then."""

    seconds: float
    server_cpu_seconds: float
    logins: int
    kept_sessions: int


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=whole, default=200, help="people, all at once (default: %(default)s)")
    parser.add_argument(
        "--login-cpu-ms", type=nonnegative, default=250.0, help="the server's CPU for a login (default: %(default)s)"
    )
    parser.add_argument("--spawn-rate", type=whole, default=20, help="people a second (default: %(default)s)")


def measure(args: argparse.Namespace) -> Report:
    with (
        tempfile.TemporaryDirectory(prefix="mmload-sessions-") as folder,
        sandbox.sandbox("--login-cpu-ms", str(args.login_cpu_ms)) as address,
    ):
        server = Server(address)
        environ = {_SESSIONS_FOLDER: str(Path(folder) / "sessions")}
        tell(f"mmload init --users {args.users}, which logs everybody in")
        began = time.monotonic()
        initialise(address, args.users, Path(folder), environ)
        init_seconds = time.monotonic() - began
        tell("a ramp with kept sessions")
        kept = ramp(server, args.users, args.spawn_rate, environ)
        tell("a ramp in which everybody logs in by password")
        by_password = ramp(server, args.users, args.spawn_rate, environ | {_LOGIN_SHARE: "1"})
    return report(args.users, init_seconds, by_password, kept)


def initialise(address: str, users: int, folder: Path, environ: Mapping[str, str]) -> None:
    done = mmload(
        folder,
        "init",
        "--server",
        address,
        "--users",
        users,
        "--posts",
        0,
        "--quiet",
        seconds=_INIT_SECONDS,
        more=environ,
    )
    if done.returncode:
        raise MmloadError(f"mmload init: {done.stderr}")


def ramp(server: Server, users: int, rate: int, environ: Mapping[str, str]) -> Ramp:
    """Let them come in, and look until they are all there."""
    pid = _sandbox_pid()
    with crowd(server, users, float(rate), more=environ) as people:
        people.wait_for_start()
        began, used = time.monotonic(), cpu_seconds(pid)
        while not any(second.active >= users for second in people.seconds()[-3:]):
            people.must_live()
            if time.monotonic() - began > LONGEST_RAMP_SECONDS:
                raise MmloadError(f"not everybody came in: {people.seconds()[-1:]}")
            time.sleep(_LOOK_SECONDS)
        seconds, cpu = time.monotonic() - began, cpu_seconds(pid) - used
        # The record's totals are written every few seconds.
        people.pause(6)
        sessions = read_run(people.folder).totals.whole.sessions
    return Ramp(seconds, cpu, sessions.logins, sessions.kept_sessions)


def _sandbox_pid() -> int:
    children = psutil.Process(os.getpid()).children()
    return next(child.pid for child in children if "mmload.sandbox" in child.cmdline())


def report(users: int, init_seconds: float, by_password: Ramp, kept: Ramp) -> Report:
    """Table and figures. Pure."""
    columns = ("how", "s until all are in", "server's CPU s", "logins", "kept sessions")
    ways = {"everybody by password": by_password, "with kept sessions": kept}
    rows = tuple(
        (name, way.seconds, way.server_cpu_seconds, way.logins, way.kept_sessions) for name, way in ways.items()
    )
    figures = {"users": users, "init_seconds": init_seconds, "by_password": asdict(by_password), "kept": asdict(kept)}
    return Report(figures, (Table(f"{users} people come in (mmload init: {init_seconds:.0f} s)", columns, rows),))
