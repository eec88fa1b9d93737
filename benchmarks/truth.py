"""How far the reported latencies are from the true ones, by how busy the generator's core is.

Some users ask a responder that answers after a known delay and says how long the request was really there (both
processes read the same clock). Other users of the same process make requests until the core is as busy as wanted.
`kept waiting` is the share of time in which the process could have run but another program had the core: where it is
not small, the errors are the machine's, not ours.
"""

from __future__ import annotations

# Before anything that makes sockets: as in a worker, the standard library is patched by Locust.
import locust  # noqa: F401  # isort: skip

import argparse
import random
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import gevent
import msgspec

from benchmarks import responder
from benchmarks.measuring import Report, Table, kept_waiting_seconds, part, positive, python_process, tell, whole
from mmload.client.capabilities import MissingFeatures
from mmload.client.http.client import Rest, Route, Transport, decoded
from mmload.metrics.recorder import Recorder
from mmload.models import PostList, User

_PROBE, _SMALL, _PAGE = Route("GET", "/probe"), Route("GET", "/users/me"), Route("GET", "/channels/{id}/posts")
_USER, _POSTS = msgspec.json.Decoder(User), msgspec.json.Decoder(PostList)
# One request in so many of the load is for a page of posts: about as often as in the mix.
_PAGE_EVERY = 10
_CALIBRATION_SECONDS = 1.5
_CALIBRATION_CALLS_PER_SECOND = 500.0


class Times(msgspec.Struct):
    """What the responder says of one request: when it was there, when the answer left."""

    arrived: float
    left: float


_TIMES = msgspec.json.Decoder(Times)


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--delay-ms", type=whole, default=50, help="true duration (default: %(default)s)")
    add("--busy", type=part, nargs="+", default=[0.1, 0.4, 0.7, 0.9], help="shares of a core (default: %(default)s)")
    add("--probes", type=whole, default=20, help="users whose requests are compared (default: %(default)s)")
    add("--users", type=whole, default=200, help="users that make the load (default: %(default)s)")
    add("--seconds", type=positive, default=10.0, help="length of a round (default: %(default)g)")
    add("--rounds", type=whole, default=3, help="rounds at each share (default: %(default)s)")


@dataclass(slots=True)
class Round:
    """One round: the share of a core that this process used, how long it was kept waiting for one, and the errors."""

    busy: float
    waiting: float
    errors_ms: list[float] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """Nearest rank."""
        ordered = sorted(self.errors_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@dataclass(slots=True)
class Probe:
    """A user that asks what takes a known time, and compares."""

    url: str
    delay_ms: int
    rng: random.Random
    recorder: Recorder
    errors_ms: list[float]
    reported: float = 0.0

    def run(self) -> None:
        rest = Rest(Transport(self.url), report=self._report, unavailable=MissingFeatures(lambda *_: None))
        path = f"/probe?delay={self.delay_ms}"
        while True:
            gevent.sleep(self.rng.uniform(0, 2 * self.delay_ms / 1000))
            answer = rest.call(_PROBE, path)
            true = _TIMES.decode(answer.content())
            self.errors_ms.append((self.reported - (true.left - true.arrived)) * 1000)

    def _report(self, route: Route, start: float, seconds: float, size: int, failure: Any) -> None:
        self.reported = seconds
        self.recorder.request(str(route), seconds)


@dataclass(slots=True)
class Load:
    """Users that keep the process busy; `pause_seconds` is the mean of each one's exponential pauses."""

    url: str
    users: int
    recorder: Recorder
    pause_seconds: float
    calls: int = 0

    def start(self) -> list[Any]:
        return [gevent.spawn(self._run, random.Random(number)) for number in range(self.users)]

    def set_rate(self, calls_per_second: float) -> None:
        self.pause_seconds = self.users / calls_per_second

    def _run(self, rng: random.Random) -> None:
        rest = Rest(Transport(self.url), report=self._report, unavailable=MissingFeatures(lambda *_: None))
        while True:
            gevent.sleep(rng.expovariate(1 / self.pause_seconds))
            if rng.random() * _PAGE_EVERY < 1:
                decoded(rest.call(_PAGE, "/channels/c/posts"), _POSTS, _PAGE)
            else:
                decoded(rest.call(_SMALL, "/users/me"), _USER, _SMALL)
            self.calls += 1

    def _report(self, route: Route, start: float, seconds: float, size: int, failure: Any) -> None:
        self.recorder.request(str(route), seconds)


def shares(seconds: float) -> tuple[float, float]:
    """Let the others work for so long; the shares of it in which this process ran, and in which it could have run."""
    began, used, waited = time.perf_counter(), time.process_time(), kept_waiting_seconds()
    gevent.sleep(seconds)
    length = time.perf_counter() - began
    return (time.process_time() - used) / length, (kept_waiting_seconds() - waited) / length


def at_share(load: Load, share: float, cost: float) -> float:
    """Set the load to a share of the core, knowing what a call costs in seconds; corrected once by what comes of it."""
    load.set_rate(share / cost)
    seen, _ = shares(_CALIBRATION_SECONDS)
    better = cost * seen / share
    load.set_rate(share / better)
    return better


def rounds(load: Load, errors_ms: list[float], args: argparse.Namespace) -> dict[float, list[Round]]:
    """All shares in turn, several times."""
    load.set_rate(_CALIBRATION_CALLS_PER_SECOND)
    gevent.sleep(_CALIBRATION_SECONDS)
    calls = load.calls
    busy, _ = shares(_CALIBRATION_SECONDS)
    cost = busy * _CALIBRATION_SECONDS / max(1, load.calls - calls)
    found: dict[float, list[Round]] = {share: [] for share in args.busy}
    for number in range(args.rounds):
        for share in args.busy:
            cost = at_share(load, share, cost)
            tell(f"round {number + 1}: {share:.0%} of a core")
            errors_ms.clear()
            busy, waiting = shares(args.seconds)
            found[share].append(Round(busy, waiting, errors_ms.copy()))
    return found


def measure(args: argparse.Namespace) -> Report:
    # The load asks another responder: what we add to the latencies is in question, not what a busy server adds.
    with python_process("-m", responder.__name__) as exact, python_process("-m", responder.__name__) as quick:
        recorder = Recorder()
        errors_ms: list[float] = []
        load = Load(f"http://127.0.0.1:{quick}", args.users, recorder, args.users / _CALIBRATION_CALLS_PER_SECOND)
        greenlets = load.start()
        for number in range(args.probes):
            rng = random.Random(-1 - number)
            probe = Probe(f"http://127.0.0.1:{exact}", args.delay_ms, rng, recorder, errors_ms)
            greenlets.append(gevent.spawn(probe.run))
        try:
            return report(rounds(load, errors_ms, args))
        finally:
            gevent.killall(greenlets)


def figures(share: float, found: list[Round]) -> dict[str, float]:
    """One share's figures: of the rounds the best and the one in the middle. Pure."""
    by_percent = {percent: [each.percentile(percent) for each in found] for percent in (50, 90, 99)}
    return {
        "wanted": share,
        "busy": median(each.busy for each in found),
        "kept_waiting": min(each.waiting for each in found),
        "kept_waiting_median": median(each.waiting for each in found),
        "probes": sum(len(each.errors_ms) for each in found),
        **{f"p{percent}_ms": min(values) for percent, values in by_percent.items()},
        **{f"p{percent}_ms_median": median(values) for percent, values in by_percent.items()},
    }


def report(found: dict[float, list[Round]]) -> Report:
    """Table and figures. Pure."""
    points = [figures(share, each) for share, each in found.items()]
    columns = ("core busy", "kept waiting", "p50 ms", "median", "p90 ms", "median", "p99 ms", "median", "probes")
    keys = (
        "busy",
        "kept_waiting",
        "p50_ms",
        "p50_ms_median",
        "p90_ms",
        "p90_ms_median",
        "p99_ms",
        "p99_ms_median",
        "probes",
    )
    rows = tuple(tuple(each[key] for key in keys) for each in points)
    return Report({"points": points}, (Table("Reported minus true latency", columns, rows),))
