"""How often the right cause is named: a server with a real PostgreSQL that is made to break in one way after the other.

Each trial starts a stand-in server, lets users come until the p99 of its answers crosses a limit, and asks the rules of
the capacity search for the cause, from what they observe of the processes and of PostgreSQL. What is to be short is
made so by cgroups (as root): a CPU quota for the server or the database, few reads a second, little memory for it.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.causes_server import ROWS
from benchmarks.measuring import Report, Table, tell, whole
from coordinator.observe.causes import Cause, CauseKind, cause_of
from coordinator.observe.processes import process
from coordinator.observe.state import Moment, ObservedState
from coordinator.observe.watching import Watch, sources
from mmload.cli.locust_process import free_port
from mmload.config.coordinator_tables import Monitor
from mmload.errors import ServerNotReady

LIMIT_SECONDS, WINDOW_SECONDS, LOOK_SECONDS = 0.6, 6.0, 0.5
REST_SECONDS = 0.3
MOST_USERS = 60
# Users who come, one each so many seconds; and how long it goes on once the limit is crossed.
_COME_SECONDS, _AFTER_SECONDS, _LONGEST_SECONDS = 0.5, 4.0, 60.0
# The lateness at which an agent says that it is at its own limit.
_LATE_SECONDS, _BEAT_SECONDS = 0.1, 0.02
_CGROUPS = Path("/sys/fs/cgroup")
# The table is twice as large: what is read is seldom there.
_DATABASE_BYTES = 140 * 2**20
_CORE = 0.15  # of a core: so the benchmark itself takes little


@dataclass(frozen=True, slots=True)
class Breakage:
    """One way to break: the work, the pool, what is held back, and the causes that are right."""

    work: str
    right: tuple[str, ...]
    pool: int = 40
    server_cores: float = 0.0
    database_cores: float = 0.0
    reads_per_second: int = 0
    generator_cores: float = 0.0


BREAKAGES: Mapping[str, Breakage] = {
    "CPU of the server": Breakage("server_cpu", (CauseKind.SERVER_CPU,), server_cores=_CORE),
    "connection pool": Breakage("pool", (CauseKind.POOL,), pool=4),
    "CPU of the database": Breakage("database_cpu", (CauseKind.DATABASE_CPU,), database_cores=_CORE),
    "locks": Breakage("locks", (CauseKind.LOCKS,)),
    "I/O": Breakage("io", (CauseKind.IO,), pool=16, reads_per_second=40),
    "one slow query": Breakage("slow_query", (CauseKind.SLOW_QUERY,), database_cores=_CORE),
    "network": Breakage("network", (CauseKind.NOT_KNOWN,)),
    "generator": Breakage("generator", (CauseKind.GENERATOR,), generator_cores=0.02),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=whole, default=10, help="of each way to break (default: %(default)s)")
    others = "leave out what the machine as a whole does: others are at work on it"
    parser.add_argument("--others", action="store_true", help=others)
    parser.add_argument("--only", choices=tuple(BREAKAGES), action="append", help="only this way (may be repeated)")


def measure(args: argparse.Namespace) -> Report:
    if os.getuid() != 0 or not (_CGROUPS / "cpu").is_dir():
        raise ServerNotReady("this takes root and cgroups of version 1: they make the server break")
    found = {}
    for name in args.only or BREAKAGES:
        found[name] = [_trial(BREAKAGES[name], others=args.others) for _ in range(args.trials)]
        tell(f"{name}: {_told(found[name])}")
    rows = [_row(name, BREAKAGES[name], causes) for name, causes in found.items()]
    columns = ("broken by", "trials", "right", "of them sure", "not known", "wrong", "wrong and sure", "named")
    figures = {row[0]: dict(zip(columns[1:], row[1:], strict=True)) for row in rows}
    return Report({"causes": figures}, (Table("causes", columns, tuple(rows)),))


def _row(name: str, breakage: Breakage, causes: list[Cause]) -> tuple[Any, ...]:
    right = [cause for cause in causes if cause.kind in breakage.right]
    unknown = [cause for cause in causes if cause.kind == CauseKind.NOT_KNOWN and cause not in right]
    wrong = [cause for cause in causes if cause not in right and cause not in unknown]
    sure = [sum(cause.sure for cause in each) for each in (right, wrong)]
    return name, len(causes), len(right), sure[0], len(unknown), len(wrong), sure[1], _told(causes)


def _told(causes: list[Cause]) -> str:
    counts = Counter(f"{cause.kind}{'' if cause.sure else '?'}" for cause in causes)
    return ", ".join(f"{kind} {count}" for kind, count in counts.most_common())


def _trial(breakage: Breakage, *, others: bool) -> Cause:
    from tests.coordinator.observe.postgres import PASSWORD, running_postgres

    memory = ("shared_buffers=8MB",) if breakage.reads_per_second else ()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres("max_connections=60", "track_io_timing=on", *memory))
        postmaster = _postmaster(postgres)
        if breakage.reads_per_second:
            # Before the table is written: pages in memory belong to who has read or written them first.
            little = {"memory.limit_in_bytes": str(_DATABASE_BYTES)}
            stack.enter_context(_held("memory", postmaster, little))
        _filled(postgres, pages=bool(breakage.reads_per_second))
        _hold_database(stack, postmaster, breakage)
        port = free_port()
        dsn = f"host=127.0.0.1 port={postgres.port} user=mm dbname=mm"
        _serve(stack, port, dsn, PASSWORD, breakage)
        observe = postgres.observe(server_url=f"http://127.0.0.1:{port}", max_open_conns=breakage.pool)
        watch = Watch(sources(Monitor(), observe), time.monotonic)
        stack.callback(watch.close)
        if breakage.generator_cores:
            stack.enter_context(_held("cpu", os.getpid(), _cpu(breakage.generator_cores)))
        moments = Load(port, watch).until_broken()
    if others:
        moments = [replace(moment, state=_without_machine(moment.state)) for moment in moments]
    found = cause_of(moments, WINDOW_SECONDS)
    if found is None or found.kind not in breakage.right:
        tell(f"  not right: {found}")
    return found or Cause(CauseKind.NOT_KNOWN, False, ("no limit was crossed",), "")


def _without_machine(state: ObservedState | None) -> ObservedState | None:
    if state is None:
        return None
    return msgspec.structs.replace(state, machine_cpu=None, machine_io_wait=None, machine_disk=None)


def _filled(postgres: Any, *, pages: bool) -> None:
    with postgres.session() as session:
        session.execute("CREATE TABLE counters (id int PRIMARY KEY, value int)")
        session.execute("INSERT INTO counters VALUES (1, 0)")
        if pages:
            session.execute("CREATE TABLE pages (id int PRIMARY KEY, content text)")
            session.execute("ALTER TABLE pages ALTER content SET STORAGE PLAIN")
            session.execute(
                f"INSERT INTO pages SELECT n, repeat(chr(65 + n % 26), 4000) FROM generate_series(1, {ROWS}) n"
            )
            session.execute("CHECKPOINT")


def _postmaster(postgres: Any) -> int:
    with postgres.session() as session:
        backend = session.execute("SELECT pg_backend_pid()").fetchone()[0]
        return process(Path(f"/proc/{backend}/stat").read_text()).parent


def _hold_database(stack: ExitStack, postmaster: int, breakage: Breakage) -> None:
    """Its first process is in the cgroup before the server connects: those of new connections are, too."""
    if breakage.database_cores:
        stack.enter_context(_held("cpu", postmaster, _cpu(breakage.database_cores)))
    if breakage.reads_per_second:
        device = os.stat("/tmp").st_dev
        reads = f"{os.major(device)}:{os.minor(device)} {breakage.reads_per_second}"
        stack.enter_context(_held("blkio", postmaster, {"blkio.throttle.read_iops_device": reads}))


def _serve(stack: ExitStack, port: int, dsn: str, password: str, breakage: Breakage) -> None:
    command = [sys.executable, "-m", "benchmarks.causes_server", str(port), dsn, breakage.work, str(breakage.pool)]
    environ = {**os.environ, "PGPASSWORD": password}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    stack.callback(server.wait)
    stack.callback(server.kill)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    if breakage.server_cores:
        stack.enter_context(_held("cpu", server.pid, _cpu(breakage.server_cores)))


def _cpu(cores: float) -> dict[str, str]:
    return {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(round(100_000 * cores))}


@contextmanager
def _held(controller: str, pid: int, limits: Mapping[str, str]) -> Iterator[None]:
    """A cgroup with these limits and this process; what is left in it goes back to where that one was."""
    before = _CGROUPS / controller / _cgroup_of(pid, controller)
    folder = before / f"mmload-causes-{os.getpid()}-{pid}"
    folder.mkdir()
    try:
        for name, value in limits.items():
            (folder / name).write_text(value)
        (folder / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        while left := (folder / "cgroup.procs").read_text().split():
            for each in left:
                with suppress(ProcessLookupError):
                    (before / "cgroup.procs").write_text(each)
        folder.rmdir()


def _cgroup_of(pid: int, controller: str) -> str:
    rows = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    path = next(path for _, controllers, path in rows if controller in controllers.split(","))
    # Where the folder of a container is mounted as the top, it does not have the path.
    return path.strip("/") if (_CGROUPS / controller / path.strip("/")).is_dir() else ""


class Load:
    """Users who come one by one, rest and ask; what their requests take, and whether the clients are late."""

    def __init__(self, port: int, watch: Watch) -> None:
        self._port, self._watch = port, watch
        self._times: deque[tuple[float, float]] = deque()
        self._ended = threading.Event()
        self._users = 0
        self._late: deque[tuple[float, float]] = deque()

    def until_broken(self) -> list[Moment]:
        """The moments of the search, until some seconds after the limit was crossed."""
        began, moments, broken = time.monotonic(), list[Moment](), float("inf")
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            while (now := time.monotonic() - began) < min(_LONGEST_SECONDS, broken + _AFTER_SECONDS):
                if broken == float("inf") and self._users < min(MOST_USERS, 1 + now / _COME_SECONDS):
                    self._users += 1
                    threading.Thread(target=self._live, daemon=True).start()
                breached = self._p99() > LIMIT_SECONDS
                broken = min(broken, now) if breached else broken
                moments.append(Moment(now, self._users, breached, self._is_late(), self._watch.state()))
                time.sleep(LOOK_SECONDS / 2)
        finally:
            self._ended.set()
        return moments

    def _p99(self) -> float:
        since = time.monotonic() - WINDOW_SECONDS
        while self._times and self._times[0][0] < since:
            self._times.popleft()
        taken = sorted(seconds for _, seconds in list(self._times))
        return taken[int(0.99 * len(taken))] if len(taken) >= 20 else 0.0

    def _live(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as connection:
            replies = connection.makefile("rb")
            while not self._ended.wait(random.expovariate(1 / REST_SECONDS)):
                began = time.monotonic()
                connection.sendall(b"\n")
                replies.readline()
                self._times.append((time.monotonic(), time.monotonic() - began))

    def _beat(self) -> None:
        while not self._ended.is_set():
            due = time.monotonic() + _BEAT_SECONDS
            time.sleep(_BEAT_SECONDS)
            self._late.append((time.monotonic(), time.monotonic() - due))

    def _is_late(self) -> bool:
        """Not for a moment, as on a busy machine, but for most of the time."""
        since = time.monotonic() - WINDOW_SECONDS / 2
        while self._late and self._late[0][0] < since:
            self._late.popleft()
        late = [seconds for _, seconds in list(self._late)]
        return sum(seconds for seconds in late if seconds > _LATE_SECONDS) > WINDOW_SECONDS / 4
