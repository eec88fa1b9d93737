"""Simulated servers with a capacity that can be known: pure models, stepped once a second, seeded.

A user rests 20 s on average and then makes 8 requests at once; while they are open it asks nothing else. A log-in is
free, or costs as much as a user's load of some seconds: then it is under way until its requests are served. What the
coordinator sees is the p99 of the last 30 s from 60 log-spaced buckets, as from a Prometheus histogram.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

REST_SECONDS = 20.0
REQUESTS_PER_REST = 8
REQUESTS_PER_USER_SECOND = REQUESTS_PER_REST / REST_SECONDS
LIMIT_SECONDS = 1.0
WINDOW_SECONDS = 30
LOG_OUTS_PER_SECOND = 20.0
# Where log-ins cost something: so many at a time, each with so many requests open, each taking so long at least.
LOG_INS_AT_ONCE = 10
_LOG_IN_REQUESTS_OPEN = 6
_LOG_IN_REQUEST_SECONDS = 0.1
# Of a log-in's requests this share takes long whatever the load: a page load asks for big things.
_SLOW_SHARE, _SLOW_SECONDS = 0.05, 0.5 * LIMIT_SECONDS
# Of a server whose log-ins alone cross the limit, all of their requests take so long.
_LOG_IN_BREACH_SECONDS = 2.0 * LIMIT_SECONDS
# A server's log-ins cost more or less than the search is told: by this much (sd of the logarithm).
LOG_IN_SPREAD = 0.25
UNKNOWN_SHARE = 0.01
# Fewer requests than this in a window give no percentile.
FEWEST_REQUESTS = 5

SUBSTEPS = 10
SUBSTEP_SECONDS = 1.0 / SUBSTEPS
BUCKETS = 60
_FASTEST_SECONDS, _SLOWEST_SECONDS = 0.005, 60.0
_BUCKETS_PER_LOG = BUCKETS / math.log(_SLOWEST_SECONDS / _FASTEST_SECONDS)
_EDGES = _FASTEST_SECONDS * np.exp(np.arange(BUCKETS + 1) / _BUCKETS_PER_LOG)

Numbers = NDArray[np.float64]


class Kind(StrEnum):
    """What is peculiar about a server."""

    QUEUE = "queue"
    CLIFF = "cliff"
    NOISY = "noisy"
    LEAK = "leak"
    METASTABLE = "metastable"
    SMALL = "small"
    LOG_INS = "log-ins"
    AWAY = "away"


# Only there where log-ins cost something.
WITH_LOG_INS = (Kind.LOG_INS,)
# The same servers as of another kind, with one peculiarity more.
_LIKE = {Kind.LOG_INS: Kind.QUEUE, Kind.AWAY: Kind.QUEUE}


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `saturation` is how many users its workers can just serve; of a cliff, its hard limit."""

    name: str
    kind: Kind
    saturation: float
    workers: int
    log_ins_per_second: float
    leak_per_hour: float = 0.0
    log_in_seconds: float = 0.0  # what one costs, in seconds of a user's load
    away: float = 0.0  # the share of users who never get in

    @property
    def hard(self) -> bool:
        """Whether its limit is a number of users, not of requests."""
        return self.kind is Kind.CLIFF or (self.kind is Kind.SMALL and self.workers > 1)

    @property
    def requests_per_second(self) -> float:
        """What all workers together serve."""
        return self.saturation * REQUESTS_PER_USER_SECOND

    def leaked(self, seconds: float) -> float:
        """The share of its capacity that is left at that moment."""
        return max(0.1, 1.0 - self.leak_per_hour * seconds / 3600.0)


def servers(kind: Kind, count: int, seed: int) -> list[Server]:
    """`count` servers of one kind: sizes spread evenly over the logarithm, the rest by chance."""
    rng = np.random.default_rng([seed, list(Kind).index(_LIKE.get(kind, kind))])
    low, high = {Kind.CLIFF: (150.0, 2000.0), Kind.SMALL: (20.0, 60.0)}.get(kind, (180.0, 2300.0))
    made = []
    for index in range(count):
        share = (index + rng.random()) / count
        saturation = round(low * (high / low) ** share)
        workers = max(3, min(12, round(saturation * rng.uniform(0.006, 0.02))))
        if kind is Kind.SMALL:
            # Every other one is a queue. Its p99 crosses the limit with 11 users less than it can just serve.
            saturation, workers = (saturation, 2) if index % 2 else (saturation + 11, 1)
        log_ins = float(np.exp(rng.uniform(math.log(2.0), math.log(10.0))))
        leak = float(rng.uniform(0.1, 0.3)) if kind is Kind.LEAK else 0.0
        away = round(0.005 + 0.02 * (index + 1) / count, 4) if kind is Kind.AWAY else 0.0
        name = f"{kind}-{seed}-{index}"
        made.append(Server(name, kind, saturation, workers, round(log_ins, 2), round(leak, 3), away=away))
    return made


def with_dear_log_ins(server: Server, told_seconds: float) -> Server:
    """The same server, whose log-ins cost about as much as the search is told."""
    rng = np.random.default_rng([*server.name.encode()])
    return replace(server, log_in_seconds=told_seconds * math.exp(rng.normal(0.0, LOG_IN_SPREAD)))


class Percentile:
    """The p99 of the last 30 seconds, from buckets."""

    def __init__(self) -> None:
        self._seconds: deque[NDArray[np.int64]] = deque()
        self._sum: NDArray[np.int64] = np.zeros(BUCKETS, dtype=np.int64)

    def add(self, durations: Numbers) -> None:
        """One second's requests."""
        places = ((np.log(durations) - math.log(_FASTEST_SECONDS)) * _BUCKETS_PER_LOG).astype(np.int64)
        counts = np.bincount(np.clip(places, 0, BUCKETS - 1), minlength=BUCKETS)
        self._seconds.append(counts)
        self._sum += counts
        if len(self._seconds) > WINDOW_SECONDS:
            self._sum -= self._seconds.popleft()

    def value(self, quantile: float = 0.99) -> float | None:
        """The percentile, interpolated within its bucket; None from too few requests."""
        cumulated = np.cumsum(self._sum)
        total = int(cumulated[-1])
        if total < FEWEST_REQUESTS:
            return None
        rank = quantile * total
        bucket = int(np.searchsorted(cumulated, rank))
        before = int(cumulated[bucket - 1]) if bucket else 0
        share = (rank - before) / max(1, int(self._sum[bucket]))
        return float(_EDGES[bucket] + share * (_EDGES[bucket + 1] - _EDGES[bucket]))


class Queue:
    """Workers behind one queue, as a Lindley recursion in steps of 0.1 s; the users are a closed population."""

    def __init__(self, server: Server, rng: np.random.Generator) -> None:
        self._server = server
        self._rng = rng
        self._open = 0.0
        self._service_seconds = server.workers / server.requests_per_second

    def second(self, users: float, share: float, stops: Numbers | None = None) -> Numbers:
        """The durations of the requests of one second, at `share` of the usual capacity.

        `stops` says how much of each substep the server stands still.
        """
        resting = max(0.0, users - self._open / REQUESTS_PER_REST)
        arrived = self._rng.poisson(resting * REQUESTS_PER_USER_SECOND * SUBSTEP_SECONDS, SUBSTEPS)
        rate = self._server.requests_per_second * share
        working = 1.0 if stops is None else 1.0 - stops
        served = self._rng.poisson(rate * SUBSTEP_SECONDS * working, SUBSTEPS)
        waits = self._waits(arrived.tolist(), served.tolist(), rate)
        if stops is not None:
            waits = waits + stops * SUBSTEP_SECONDS
        service = self._rng.exponential(self._service_seconds / share, int(arrived.sum()))
        return np.repeat(waits, arrived) + service

    def _waits(self, arrived: list[int], served: list[int], rate: float) -> Numbers:
        waits = []
        backlog = self._open
        for came, went in zip(arrived, served, strict=True):
            after = max(0.0, backlog + came - went)
            waits.append((backlog + after) / (2.0 * rate))
            backlog = after
        self._open = backlog
        return np.array(waits)

    @property
    def wait_seconds(self) -> float:
        """How long the newest request will wait at full capacity."""
        return self._open / self._server.requests_per_second


# Of users and time; log-ins under way are users, too, as many as make the same load.
Model = Callable[[float, float], Numbers]


def _queue(server: Server, rng: np.random.Generator) -> Model:
    queue = Queue(server, rng)
    return lambda users, seconds: queue.second(users, server.leaked(seconds))


def _cliff(server: Server, rng: np.random.Generator) -> Model:
    """A p99 of about 0.3 s at any load; above the hard limit 30 % of the requests take 2.5 to 7.5 s.

    The limit is one of users who are in, as of connections: log-ins on their way don't count.
    """

    def second(users: float, seconds: float) -> Numbers:
        count = int(rng.poisson(users * REQUESTS_PER_USER_SECOND))
        durations = np.exp(rng.normal(math.log(0.075), 0.6, count))
        if users > server.saturation:
            slow = rng.random(count) < 0.3
            durations[slow] = rng.uniform(2.5, 7.5, int(slow.sum()))
        return durations

    return second


def _noisy(server: Server, rng: np.random.Generator) -> Model:
    """The capacity wanders (sd 6 %, 20 s), and the world stops for 0.1 to 0.5 s every 30 to 60 s."""
    queue = Queue(server, rng)
    keep = math.exp(-1.0 / 20.0)
    wander = float(rng.normal(0.0, 0.06))
    next_stop = float(rng.uniform(0.0, 60.0))
    now = 0.0

    def second(users: float, seconds: float) -> Numbers:
        nonlocal wander, next_stop, now
        wander = keep * wander + 0.06 * math.sqrt(1.0 - keep * keep) * float(rng.normal())
        stops = None
        if now >= next_stop:
            length = float(rng.uniform(0.1, 0.5))
            stops = np.clip(length / SUBSTEP_SECONDS - np.arange(SUBSTEPS), 0.0, 1.0)
            next_stop = now + float(rng.uniform(30.0, 60.0))
        now += 1.0
        return queue.second(users, max(0.3, 1.0 + wander), stops)

    return second


def _metastable(server: Server, rng: np.random.Generator) -> Model:
    """Behind by more than 2 s it serves 0.6 of the usual, until users fall below 0.55 of saturation and it is idle."""
    queue = Queue(server, rng)
    tipped = False

    def second(users: float, seconds: float) -> Numbers:
        nonlocal tipped
        if queue.wait_seconds > 2.0:
            tipped = True
        elif users < 0.55 * server.saturation and queue.wait_seconds < 0.01:
            tipped = False
        return queue.second(users, 0.6 if tipped else 1.0)

    return second


_MODELS = {
    Kind.QUEUE: _queue,
    Kind.LEAK: _queue,
    Kind.CLIFF: _cliff,
    Kind.NOISY: _noisy,
    Kind.METASTABLE: _metastable,
    Kind.SMALL: lambda server, rng: (_cliff if server.hard else _queue)(server, rng),
    Kind.LOG_INS: _queue,
    Kind.AWAY: _queue,
}


def model(server: Server, rng: np.random.Generator) -> Model:
    """Durations of the requests of one second, from the number of users and the time."""
    return _MODELS[server.kind](server, rng)


@dataclass(frozen=True, slots=True)
class Moment:
    """What can be seen of a server in one second."""

    seconds: float
    users: int
    p99_seconds: float | None


class LogIns:
    """Users on their way in: each makes its requests, a few at a time, and is in when they are made."""

    def __init__(self, server: Server) -> None:
        self._per_second = server.log_ins_per_second
        self._requests = server.log_in_seconds * REQUESTS_PER_USER_SECOND
        self._left: list[float] = []
        self._due = 0.0

    def second(self, missing: float, answer_seconds: float) -> tuple[int, float]:
        """Who got in, and the load (in users) of those under way. Nobody is missing: they give up."""
        del self._left[max(0, math.ceil(missing)) :]
        self._due = min(self._due + self._per_second, max(0.0, missing - len(self._left)))
        coming = min(int(self._due), LOG_INS_AT_ONCE - len(self._left))
        self._due -= coming
        self._left += [self._requests] * coming
        most = _LOG_IN_REQUESTS_OPEN / (_LOG_IN_REQUEST_SECONDS + answer_seconds)
        made = [min(left, most) for left in self._left]
        self._left = [left - done for left, done in zip(self._left, made, strict=True) if left > done]
        return len(made) - len(self._left), math.fsum(made) / REQUESTS_PER_USER_SECOND


# How much more load there is than that of the users, by the time: what a neighbour takes from the server.
Pressure = Callable[[float], float]


def alone(_seconds: float) -> float:
    """No neighbour."""
    return 1.0


class Simulation:
    """One server under load, from its start."""

    def __init__(self, server: Server, seed: int, pressure: Pressure = alone) -> None:
        rng = np.random.default_rng(seed)
        self._pressure = pressure
        self._server = server
        self._rng = rng
        self._model = model(server, rng)
        self._percentile = Percentile()
        self._log_ins = LogIns(server) if server.log_in_seconds else None
        self._answer_seconds = 0.0
        self._users = 0.0
        self.seconds = 0.0

    def second(self, target: int) -> Moment:
        """Let users come or go towards the target for one second, and see what comes of it."""
        gap = target - int(self._server.away * target) - self._users
        further = self._come(gap)
        self._users += max(-LOG_OUTS_PER_SECOND, min(0.0, gap))
        users = int(self._users + 1e-9)
        load = users + (0.0 if self._server.hard else further)
        durations = self._model(load * self._pressure(self.seconds), self.seconds)
        if further:
            breaching = self._server.kind is Kind.LOG_INS
            share, seconds = (1.0, _LOG_IN_BREACH_SECONDS) if breaching else (_SLOW_SHARE, _SLOW_SECONDS)
            slow = self._rng.poisson(further * REQUESTS_PER_USER_SECOND * share)
            durations = np.append(durations, np.full(slow, seconds) + self._answer_seconds)
        self._answer_seconds = float(np.mean(durations)) if len(durations) else 0.0
        self._percentile.add(durations)
        self.seconds += 1.0
        unknown = self._rng.random() < UNKNOWN_SHARE
        return Moment(self.seconds, users, None if unknown else self._percentile.value())

    def _come(self, gap: float) -> float:
        """Let users in; the load of those who are on their way."""
        if self._log_ins is None:
            self._users += max(0.0, min(self._server.log_ins_per_second, gap))
            return 0.0
        came, load = self._log_ins.second(gap, self._answer_seconds)
        self._users += came
        return load


def untipped(server: Server) -> Server:
    """The same server without what depends on its past: the truth is that of a healthy server, now."""
    if server.kind in (Kind.METASTABLE, Kind.LEAK):
        return replace(server, kind=Kind.QUEUE, leak_per_hour=0.0)
    return server
