"""How many people the sandbox of `mmload capacity --sandbox` holds, measured the long way: what a search should find.

A run at each number of people, each long. The truth is the number at which the p99 of the last 30 s is above the limit
in half of all seconds, the load being constant; it lies where a logistic curve through the levels' shares passes one
half. Beside it, what queueing theory says of people who ask one thing at a time, as rarely as these do. Real people ask
for several things at once, and in bursts.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.capacity.theory import Station, capacity
from benchmarks.capacity.truths import half_point
from benchmarks.commands import mmload
from benchmarks.measuring import Report, Table, positive, tell, whole, wholes
from mmload.cli import sandbox
from mmload.cli.capacity import DEMO_COMMUNITY, DEMO_IDLE_MS, DEMO_P99_SECONDS, DEMO_SERVICE_MS, DEMO_SLOTS
from mmload.cli.sandbox import communities, settle
from mmload.errors import ExitCode, MmloadError
from mmload.metrics.delta import all_times
from mmload.metrics.histogram import Histogram
from mmload.results.folder import read_figures, read_run
from mmload.results.model import RunPhase
from mmload.results.thresholds import evaluate

# As a search reads it.
WINDOW_SECONDS = 30
# The last log-ins of the ramp must have left the server and the window.
SETTLING_SECONDS = 60
_SPAWN_RATE = 2.0
_END_SECONDS = 60
_FEWEST_LEVELS = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--users",
        type=wholes,
        default=(285, 300, 315),
        help="numbers of people, with commas (default: 285,300,315)",
    )
    add("--seconds", type=whole, default=600, help="of each run that count (default: %(default)s)")
    add(
        "--at-once",
        type=whole,
        default=1,
        help="runs side by side, each on a sandbox of its own (default: %(default)s)",
    )
    add("--slots", type=whole, default=DEMO_SLOTS, help="requests served at a time (default: %(default)s)")
    add("--service-ms", type=positive, default=DEMO_SERVICE_MS, help="time for each (default: %(default)g)")
    add("--idle-ms", type=whole, default=DEMO_IDLE_MS, help="mean pause of a person (default: %(default)s)")
    add("--community", type=whole, default=DEMO_COMMUNITY, help="people who hear of each other (default: %(default)s)")
    add("--p99", type=positive, default=DEMO_P99_SECONDS, help="the limit in seconds (default: %(default)g)")


@dataclass(frozen=True, slots=True)
class Level:
    """One run.

    `share`: of the seconds in which the p99 of the last 30 s was above the limit; `p99`: the middle one of them, and
    `mean` of all requests, in seconds; `rate`: requests per second; `trusted`: by the run's own verdict.
    """

    users: int
    share: float
    p99: float
    mean: float
    rate: float
    trusted: bool


def measure(args: argparse.Namespace) -> Report:
    """All levels, each on a server of its own."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.at_once) as lanes:
        found = list(lanes.map(lambda users: _level(users, Path(folder), args), sorted(set(args.users))))
    levels = [level for level in found if level is not None]
    if len(levels) < _FEWEST_LEVELS:
        raise MmloadError(f"all users got in at {len(levels)} of these numbers: at least {_FEWEST_LEVELS} are needed")
    return report(levels, args.p99, Station(args.slots, args.service_ms / 1000, think_seconds(levels)))


def _level(users: int, folder: Path, args: argparse.Namespace) -> Level | None:
    """One run; None if the server was too busy to let everybody in for long enough."""
    name = f"at-{users}"
    seconds = math.ceil(users / _SPAWN_RATE) + SETTLING_SECONDS + args.seconds
    options = ("--users", users, "--spawn-rate", _SPAWN_RATE, "--run-time", f"{seconds}s", "--name", name)
    capacity_options = ("--slots", str(args.slots), "--service-ms", str(args.service_ms), "--random-service")
    with sandbox.sandbox(*capacity_options) as server:
        people = settle(server, os.environ, communities(users, args.community), folder / f"{name}.txt")
        longest = 2 * seconds + _END_SECONDS
        ended = mmload(folder, "run", "--server", server, *options, idle_ms=args.idle_ms, seconds=longest, more=people)
    if ended.returncode not in (ExitCode.PASSED, ExitCode.INCONCLUSIVE):
        raise MmloadError(f"a run with {users} users ended with exit code {ended.returncode}: {ended.stderr[-300:]}")
    [made] = folder.glob(f"runs/*-{name}")
    level = _read(made, users, args.p99, trusted=ended.returncode == ExitCode.PASSED)
    if level is None:
        tell(f"{users} users: never all of them were in for long enough")
        return None
    tell(
        f"{users} users: p99 {level.p99:.3f} s, too slow in {level.share:.0%} of the time, {level.rate:.1f} requests/s"
    )
    return level


def _read(made: Path, users: int, limit: float, *, trusted: bool) -> Level | None:
    steady = (second for second in read_figures(made) if second.phase is RunPhase.STEADY)
    p99s = windows([all_times(second.figures.routes) for second in steady][SETTLING_SECONDS:])
    run = read_run(made)
    mean, rate = (
        evaluate(f"{subject}(requests) < 1{unit}", run).value for subject, unit in (("avg", "s"), ("rate", "/s"))
    )
    if not p99s or mean is None or rate is None:
        return None
    return Level(users, sum(p99 > limit for p99 in p99s) / len(p99s), sorted(p99s)[len(p99s) // 2], mean, rate, trusted)


def windows(seconds: Sequence[Histogram]) -> list[float]:
    """The p99 of each span of 30 s, one for each second. Pure."""
    return [p99 for p99 in _p99s(seconds) if p99 is not None]


def _p99s(seconds: Sequence[Histogram]) -> Iterator[float | None]:
    for end in range(WINDOW_SECONDS, len(seconds) + 1):
        window = Histogram()
        for second in seconds[end - WINDOW_SECONDS : end]:
            window.merge(second)
        yield window.percentile(99)


def think_seconds(levels: Sequence[Level]) -> float:
    """The mean time between a person's answer and next request. Pure. Of the lowest level: there nobody queues."""
    least = levels[0]
    return least.users / least.rate - least.mean


def crossing(levels: Sequence[Level]) -> float | None:
    """The number of people that are too many in half of the time; None outside of the levels. Pure."""
    x = np.log(np.array([level.users for level in levels], dtype=float))
    at = half_point(x, np.array([level.share for level in levels]))
    return math.exp(at) if x[0] <= at <= x[-1] else None


def report(levels: Sequence[Level], limit: float, station: Station) -> Report:
    """The levels, and both answers. Pure."""
    found, theory = crossing(levels), capacity(station, limit)
    rows = tuple(
        (each.users, f"{each.share:.0%}", each.p99, each.mean, each.rate, "yes" if each.trusted else "no")
        for each in levels
    )
    answers = (
        ("measured", f"{found:.0f}" if found is not None else "outside of these levels"),
        ("theory, one request at a time", f"{theory:.0f}"),
    )
    figures = {"levels": [asdict(level) for level in levels], "capacity": found, "theory": theory}
    columns = ("users", "time above the limit", "p99 s", "mean s", "requests/s", "trusted")
    return Report(
        figures,
        (Table("Levels", columns, rows), Table(f"People at a p99 of {limit:g} s", ("how", "people"), answers)),
    )
