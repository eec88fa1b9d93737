"""The server's processes on this machine: what CPU they take of what they may, read from /proc. Linux.

Without the right to see whose socket a port is (another user's processes), Mattermost is found by its name.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from coordinator.observe.state import ObservedState, Source

_TICKS = os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"
# What listens in front of a server, and is not it.
_PROXIES = frozenset("nginx haproxy envoy caddy traefik apache2 httpd docker-proxy varnishd".split())
SERVER, DATABASE = "mattermost", "postgres"
# Whole disks: a partition's time is its disk's, and what lies on top of a disk counts it twice.
_DISK = re.compile(r"(sd[a-z]+|x?vd[a-z]+|nvme\d+n\d+|mmcblk\d+)$")
# Which processes belong to the server is looked up anew so often: it may be started again.
_FIND_EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One line of /proc/PID/stat."""

    pid: int
    name: str
    parent: int
    cpu_seconds: float


def process(text: str) -> ProcessTimes:
    """Of a text of /proc/PID/stat. The name is in brackets and may have any character in it. Pure."""
    before, _, after = text.rpartition(")")
    pid, _, name = before.partition("(")
    fields = after.split()
    return ProcessTimes(int(pid), name, int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS)


def listening(text: str, port: int) -> dict[str, int]:
    """The sockets that listen on a port, of a text of /proc/net/tcp or tcp6: the user of each, by its inode. Pure."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {row[9]: int(row[7]) for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port}


def family(processes: Mapping[int, ProcessTimes], root: int) -> set[int]:
    """A process and all below it. Pure."""
    below: dict[int, list[int]] = {}
    for each in processes.values():
        below.setdefault(each.parent, []).append(each.pid)
    found, waiting = set[int](), [root]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += below.get(pid, [])
    return found


def roots(processes: Mapping[int, ProcessTimes], name: str) -> list[int]:
    """Processes of this name whose parent has another. Pure."""
    return [
        each.pid
        for each in processes.values()
        if each.name == name and (each.parent not in processes or processes[each.parent].name != name)
    ]


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """What /proc/stat and /proc/diskstats count, in seconds of all cores together, and of each disk."""

    busy: float
    io_wait: float
    all: float
    disks: Mapping[str, float] = field(default_factory=dict)


def machine_times(stat: str, diskstats: str) -> MachineTimes:
    """What the host takes for others counts as busy: it is not there. Pure."""
    ticks = [int(each) for each in stat.splitlines()[0].split()[1:9]]
    idle, io_wait = ticks[3], ticks[4]
    rows = [line.split() for line in diskstats.splitlines()]
    disks = {row[2]: int(row[12]) / 1000 for row in rows if len(row) > 12 and _DISK.match(row[2])}
    return MachineTimes((sum(ticks) - idle - io_wait) / _TICKS, io_wait / _TICKS, sum(ticks) / _TICKS, disks)


def machine_state(before: MachineTimes, after: MachineTimes, seconds: float, cores: int) -> ObservedState:
    """What the machine did in between. Pure."""
    passed = after.all - before.all
    if passed <= 0 or seconds <= 0:
        return ObservedState()
    disks = [used - before.disks[name] for name, used in after.disks.items() if name in before.disks]
    return ObservedState(
        machine_cpu=_share(after.busy - before.busy, passed),
        machine_cores=cores,
        machine_io_wait=_share(after.io_wait - before.io_wait, passed),
        machine_disk=_share(max(disks), seconds) if disks else None,
    )


def _share(part: float, whole: float) -> float:
    """From 0 to 1, whatever rounding and counters that step back make of it."""
    return min(1.0, max(0.0, part / whole))


def used(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """CPU seconds of a group of processes in between; of one that is new, all it has used. Pure."""
    return sum(max(0.0, seconds - before.get(pid, 0.0)) for pid, seconds in after.items())


@dataclass(frozen=True, slots=True)
class Quota:
    """The strictest CPU quota that holds for a process: the folder of its cgroup, and how many cores."""

    folder: Path
    cores: float


def quota_cores(limit: str, period: str = "") -> float | None:
    """Of `cpu.max` (version 2), or of `cpu.cfs_quota_us` and `cpu.cfs_period_us`; None without a quota. Pure."""
    parts = [*limit.split(), *period.split()]
    with suppress(ValueError, IndexError):
        if (allowed := int(parts[0])) > 0:
            return allowed / int(parts[1])
    return None


def _counters(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(" ") for line in text.splitlines())}


def throttled_share(before: str, after: str) -> float | None:
    """The share of periods in which a quota was used up, of two texts of `cpu.stat`. Pure."""
    earlier, later = _counters(before), _counters(after)
    with suppress(KeyError, ValueError, ZeroDivisionError):
        periods = int(later["nr_periods"]) - int(earlier["nr_periods"])
        return (int(later["nr_throttled"]) - int(earlier["nr_throttled"])) / periods if periods > 0 else 0.0
    return None


def is_here(host: str) -> bool:
    """Whether a host's address is one of this machine: nothing else can be bound to."""
    with suppress(OSError):
        for family_, _, _, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM):
            with suppress(OSError), socket.socket(family_, socket.SOCK_DGRAM) as tried:
                tried.bind(address)
                return True
    return False


# Cores in use, and the share of periods held back.
_Told = tuple[float | None, float | None]


@dataclass(slots=True)
class _Group:
    """The server, or its database: its first process, and what was read of it last."""

    root: int
    cores: float
    quota: Quota | None
    cpu: dict[int, float] = field(default_factory=dict)
    throttling: str = ""


class Processes(Source):
    """Mattermost behind a URL, and its PostgreSQL, as processes of this machine."""

    def __init__(
        self,
        server_url: str,
        postgres_url: str = "",
        *,
        proc: Path = Path("/proc"),
        cgroups: Path = Path("/sys/fs/cgroup"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._database = urlsplit(server_url), urlsplit(postgres_url)
        self._proc, self._cgroups, self._clock = proc, cgroups, clock
        self._groups: dict[str, _Group] = {}
        # Processes that belong to none of them.
        self._others: set[int] = set()
        self._machine: MachineTimes | None = None
        self._last = 0.0
        self._found_at: float | None = None

    def found(self) -> str:
        """Which processes are looked at, in words; "" without a server here."""
        processes = self._find(self._clock())
        return " and ".join(f"{processes[each.root].name} ({each.root})" for each in self._groups.values())

    def look(self) -> ObservedState:
        """What they did since the last look; nothing at the first, or where the server is not here."""
        now = self._clock()
        due = self._found_at is None or now - self._found_at >= _FIND_EVERY_SECONDS
        processes = self._find(now) if due else self._processes()
        seconds, self._last = now - self._last, now
        if SERVER not in self._groups:
            self._others.update(processes)
            return ObservedState()
        machine = machine_times(_text(self._proc / "stat"), _text(self._proc / "diskstats"))
        state = ObservedState(shared_machine=True)
        if self._machine is not None:
            state = machine_state(self._machine, machine, seconds, os.cpu_count() or 1)
        self._machine = machine
        told = {name: self._used(group, processes, seconds) for name, group in self._groups.items()}
        self._others |= processes.keys() - {pid for group in self._groups.values() for pid in group.cpu}
        return _together(state, told, self._groups)

    def _used(self, group: _Group, processes: Mapping[int, ProcessTimes], seconds: float) -> _Told:
        """Cores in use, and the share of periods held back, since the last look."""
        cpu = {pid: processes[pid].cpu_seconds for pid in family(processes, group.root) if pid in processes}
        throttling = _text(group.quota.folder / "cpu.stat") if group.quota else ""
        before, group.cpu = group.cpu, cpu
        was, group.throttling = group.throttling, throttling
        if not before or not cpu or seconds <= 0:
            return None, None
        return used(before, cpu) / seconds, throttled_share(was, throttling)

    def _processes(self) -> dict[int, ProcessTimes]:
        """All but those that are known to belong to no group: who has no ancestor in one gets none later."""
        found = {}
        for entry in os.listdir(self._proc):
            if entry.isdecimal() and int(entry) not in self._others:
                with suppress(OSError, ValueError, IndexError):
                    found[int(entry)] = process((self._proc / entry / "stat").read_text(errors="replace"))
        return found

    def _find(self, now: float) -> dict[int, ProcessTimes]:
        """Look among all processes."""
        self._found_at = now
        self._others.clear()
        processes = self._processes()
        server = self._server_root(processes)
        wanted = {SERVER: server, DATABASE: self._database_root(processes, server)}
        for name, root in wanted.items():
            if root is None:
                self._groups.pop(name, None)
            elif name not in self._groups or self._groups[name].root != root:
                self._groups[name] = self._group(root)
        return processes

    def _server_root(self, processes: Mapping[int, ProcessTimes]) -> int | None:
        host = self._server.hostname
        if not host or not is_here(host):
            return None
        port = self._server.port or (443 if self._server.scheme == "https" else 80)
        return self._listener(processes, port, SERVER)

    def _database_root(self, processes: Mapping[int, ProcessTimes], server: int | None) -> int | None:
        """The one behind the address; without an address, Mattermost's is the only one of this machine."""
        if server is None:
            return None
        if not self._database.hostname:
            return _only(roots(processes, DATABASE)) if processes[server].name == SERVER else None
        if not is_here(self._database.hostname):
            return None
        return self._listener(processes, self._database.port or 5432, DATABASE)

    def _listener(self, processes: Mapping[int, ProcessTimes], port: int, name: str) -> int | None:
        """The process that listens on a port: of those that inherited the socket, the one above the others.

        Behind a proxy, in a container and of another user, it is the only process of that name, if there is one.
        """
        sockets: dict[str, int] = {}
        for table in ("tcp", "tcp6"):
            sockets |= listening(_text(self._proc / "net" / table), port)
        inodes = {f"socket:[{inode}]" for inode in sockets}
        group = self._groups.get(name)
        if group is not None and group.root in processes and self._holds(group.root, inodes):
            return group.root
        holders = {pid for pid in processes if inodes and self._holds(pid, inodes)}
        found = next((pid for pid in sorted(holders) if processes[pid].parent not in holders), None)
        if found is not None and processes[found].name not in _PROXIES:
            return found
        named = roots(processes, name)
        if found is None and sockets:
            named = [pid for pid in named if self._user(pid) in sockets.values()]
        return _only(named)

    def _user(self, pid: int) -> int | None:
        try:
            return (self._proc / str(pid)).stat().st_uid
        except OSError:
            return None

    def _holds(self, pid: int, inodes: Iterable[str]) -> bool:
        folder = self._proc / str(pid) / "fd"
        with suppress(OSError):
            for each in os.listdir(folder):
                with suppress(OSError):
                    if os.readlink(folder / each) in inodes:
                        return True
        return False

    def _group(self, root: int) -> _Group:
        quota = self._quota(_text(self._proc / str(root) / "cgroup"))
        try:
            cores = float(len(os.sched_getaffinity(root)))
        except OSError:
            cores = float(os.cpu_count() or 1)
        return _Group(root, min(cores, quota.cores) if quota else cores, quota)

    def _quota(self, cgroup: str) -> Quota | None:
        """The strictest of its cgroup and of those above it."""
        found = [
            Quota(folder, cores)
            for line in cgroup.splitlines()
            for folder in _folders(self._cgroups, line)
            if (cores := _quota_of(folder)) is not None
        ]
        return min(found, key=lambda each: each.cores, default=None)


def _folders(cgroups: Path, line: str) -> list[Path]:
    """The folders of a line of /proc/PID/cgroup, from its own up: version 2, or the CPU controller of version 1."""
    number, controllers, path = line.split(":", 2)
    if number == "0":
        tops = [cgroups, cgroups / "unified"]
    elif "cpu" in controllers.split(","):
        tops = [cgroups / controllers, cgroups / "cpu"]
    else:
        return []
    parts = Path(path.strip("/")).parts
    return [top.joinpath(*parts[:depth]) for top in tops for depth in range(len(parts), -1, -1)]


def _quota_of(folder: Path) -> float | None:
    if limit := _text(folder / "cpu.max"):
        return quota_cores(limit)
    return quota_cores(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _together(machine: ObservedState, told: Mapping[str, _Told], groups: Mapping[str, _Group]) -> ObservedState:
    server, database = groups[SERVER], groups.get(DATABASE)
    cpu, throttled = told[SERVER]
    database_cpu, database_throttled = told.get(DATABASE, (None, None))
    both = database is not None and server.quota is not None and database.quota is not None
    return replace(
        machine,
        server_cpu=cpu,
        server_cores=server.cores,
        server_throttled=throttled,
        database_cpu=database_cpu,
        database_cores=database.cores if database else None,
        database_throttled=database_throttled,
        shared_machine=True,
        shared_quota=both and server.quota == (database.quota if database else None),
    )


def _only(found: list[int]) -> int | None:
    return found[0] if len(found) == 1 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
