"""Steady windows of made-up runs whose truth is known: for counting how often a comparison is right.

Every second has a level (the logarithm of how much slower than usual it was) that it hands on in part to the next, as
real ones do; every run has one of its own. Requests come in bundles, as people's actions do.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.measuring import Report, Table, positive, tell, whole
from mmload.metrics.recorder import DELIVERY, Recorder
from mmload.results.comparison import Comparison, Judgement, compare
from mmload.results.statistics import SteadyWindow

# Median in seconds, how far the times scatter (of their logarithm), and how many come in one bundle.
ROUTES = {
    "GET /channels/{channel_id}/posts": (0.024, 0.25, 1),
    "GET /channels/{channel_id}/stats": (0.021, 0.15, 1),
    "POST /channels/members/{user_id}/view": (0.022, 0.2, 2),
    "POST /posts": (0.026, 0.3, 1),
    "POST /users/status/ids": (0.02, 0.15, 2),
}
_DELIVERY = (0.015, 0.35)
_HEARD_BY = 4


@dataclass(frozen=True, slots=True)
class Server:
    """What one server does to the times. `slower`: a share; `between` and `wander`: standard deviations of logarithms.

    `between` is how much its runs differ, `wander` how much the seconds of a run do, `memory` the share of a second's
    level that the next one takes over.
    """

    slower: float = 0.0
    between: float = 0.0
    wander: float = 0.02
    memory: float = 0.6
    failing: float = 0.0
    bundles_per_second: float = 40.0


def window(server: Server, seconds: int, rng: random.Random, users: int = 20) -> SteadyWindow:
    """One run on it."""
    made = SteadyWindow(users)
    run_level = math.log1p(server.slower) + rng.gauss(0, server.between)
    wandering = rng.gauss(0, server.wander)
    for _ in range(seconds):
        recorder = Recorder(clock=lambda: 0.0)
        _second(recorder, server, run_level + wandering, rng)
        made.add(recorder.take())
        news = server.wander * math.sqrt(1 - server.memory**2)
        wandering = server.memory * wandering + rng.gauss(0, news)
    return made


def _second(recorder: Recorder, server: Server, level: float, rng: random.Random) -> None:
    for _ in range(poisson(server.bundles_per_second, rng)):
        route, (median, scatter, bundle) = rng.choice(list(ROUTES.items()))
        for _ in range(bundle):
            failure = "500 made.up" if rng.random() < server.failing else ""
            recorder.request(route, rng.lognormvariate(math.log(median) + level, scatter), failure)
        if route == "POST /posts":
            _heard(recorder, level, rng)


def _heard(recorder: Recorder, level: float, rng: random.Random) -> None:
    """A post reaches the sockets of its channel one after the other: their times belong together."""
    median, scatter = _DELIVERY
    first = rng.lognormvariate(math.log(median) + level, scatter)
    recorder.deliveries.expected += _HEARD_BY
    recorder.deliveries.delivered += _HEARD_BY
    for number in range(_HEARD_BY):
        recorder.span(DELIVERY, first + number * 0.0002)


def poisson(mean: float, rng: random.Random) -> int:
    """How many come in a second if `mean` do on average (Knuth's way: by waiting times)."""
    count, waited = 0, rng.expovariate(mean)
    while waited < 1:
        count += 1
        waited += rng.expovariate(mean)
    return count


# -- how often a comparison is right ---------------------------------------------------------------------------

# How servers behave, each in words: from one whose seconds know nothing of each other to one that is slow for a quarter
# of a minute at a time, and one whose runs differ twice as much as is assumed.
KINDS = {
    "steady": Server(wander=0.0, memory=0.0, between=0.005),
    "wandering": Server(wander=0.03, memory=0.6, between=0.005),
    "long waves": Server(wander=0.05, memory=0.9, between=0.005),
    "other from run to run": Server(wander=0.02, memory=0.6, between=0.02),
}
_COLUMNS = (
    "server",
    "truth",
    "s",
    "runs each",
    "pairs",
    *map(str, Judgement),
    "interval ± %",
    "truth in the interval %",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: the kind of server, how much slower the new one really is, and what is measured of it."""

    kind: str
    slower: float
    seconds: int
    repeats: int


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--pairs", type=whole, default=100, help="comparisons for each row (default: %(default)s)")
    add("--slower", type=positive, default=10.0, help="by how many per cent the other server is (default: %(default)g)")
    add("--seconds", type=whole, nargs="+", default=[45, 180], help="steady seconds of a run (default: 45 180)")
    add("--repeats", type=whole, nargs="+", default=[1, 3], help="runs of each server (default: 1 3)")
    add("--seed", type=int, default=1, help="(default: %(default)s)")


def measure(args: argparse.Namespace) -> Report:
    """All rows. The repeats are made of the shortest runs."""
    found: dict[Case, list[Comparison]] = {}
    for case in cases(args.seconds, args.repeats, args.slower / 100):
        rng = random.Random(f"{args.seed} {case}")
        found[case] = [comparison(case, rng) for _ in range(args.pairs)]
        tell(" · ".join(map(str, row(case, found[case]))))
    rows = tuple(row(case, each) for case, each in found.items())
    figures = {"rows": [dict(zip(_COLUMNS, each, strict=True)) for each in rows]}
    return Report(figures, (Table("Comparisons of simulated runs: outcomes", _COLUMNS, rows),))


def cases(lengths: Sequence[int], repeats: Sequence[int], slower: float) -> Iterator[Case]:
    """Every kind of server, the same and a slower one, by length and by repeats. Pure."""
    sizes = [(seconds, repeats[0]) for seconds in lengths] + [(lengths[0], number) for number in repeats[1:]]
    for kind in KINDS:
        for seconds, number in sizes:
            for truth in (0.0, slower):
                yield Case(kind, truth, seconds, number)


def comparison(case: Case, rng: random.Random) -> Comparison:
    """One pair: as many runs of each server as the case says."""
    base = KINDS[case.kind]
    old, new = (
        [window(server, case.seconds, rng) for _ in range(case.repeats)]
        for server in (base, replace(base, slower=case.slower))
    )
    return compare(old, new)


def row(case: Case, found: Sequence[Comparison]) -> tuple[Any, ...]:
    """Outcomes counted, and how often the interval of the typical time held the truth. Pure."""
    leading = [difference for each in found for difference in each.differences if difference.leading]
    within = [each.low <= case.slower <= each.high for each in leading]
    return (
        case.kind,
        f"+{case.slower * 100:g} %",
        case.seconds,
        case.repeats,
        len(found),
        *(sum(each.outcome is outcome for each in found) for outcome in Judgement),
        _mean([each.spread * 50 for each in leading]),
        _mean([each * 100 for each in within]),
    )


def _mean(values: Sequence[float]) -> float | str:
    """Their mean; a dash where no window was long enough to tell anything."""
    return round(statistics.fmean(values), 1) if values else "–"
