"""Figures that can be merged: those of one second of one process, of all processes, of a whole run.

A `Delta` travels from a worker to the master, and is kept in the run's folder, in the form its fields show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import msgspec

from mmload.metrics.browser import BrowserHost, BrowserStep
from mmload.metrics.counts import DeliveryCounts, SessionCounts, SocketCounts, UserGauges
from mmload.metrics.histogram import Histogram, plain

# More distinct names than this are a fault of ours (an id in a route or reason); memory stays bounded all the same.
MOST_NAMES = 500
OTHER = "(other)"
# Named one by one; beyond that they are only counted.
MOST_LOSSES = 1000


class Failures(msgspec.Struct, omit_defaults=True):
    """The failures for one reason: how many, the first and the last of them (seconds since 1970).

    `example` is the `X-Request-Id` of one of them, by which the server's log tells more; "" if none had one.
    """

    count: int = 0
    first: float = 0.0
    last: float = 0.0
    example: str = ""

    def add(self, count: int, first: float, last: float, example: str = "") -> None:
        self.first = min(self.first, first) if self.count else first
        self.example = self.example or example
        self.last = max(self.last, last)
        self.count += count


class ActionFigures(msgspec.Struct, omit_defaults=True):
    """One action: the times of those that went well, of those that failed, and how many were skipped."""

    skipped: int = 0
    times: Histogram = msgspec.field(default_factory=Histogram)
    failed_times: Histogram = msgspec.field(default_factory=Histogram)

    @property
    def done(self) -> int:
        """Those that were carried out, well or not."""
        return self.times.count + self.failed_times.count

    def merge(self, other: ActionFigures) -> None:
        self.skipped += other.skipped
        self.times.merge(other.times)
        self.failed_times.merge(other.failed_times)


class RouteFigures(msgspec.Struct, omit_defaults=True):
    """One route (method and path, ids replaced): times of good answers, times and reasons of failures.

    `expected`: refusals among the good answers that a real client gets, too (somebody deleted the post meanwhile).
    """

    times: Histogram = msgspec.field(default_factory=Histogram)
    failed_times: Histogram = msgspec.field(default_factory=Histogram)
    failures: dict[str, Failures] = {}
    expected: dict[str, Failures] = {}

    @property
    def count(self) -> int:
        """All requests, good or not."""
        return self.times.count + self.failed_times.count

    def fail(self, seconds: float, reason: str, now: float, request_id: str = "") -> None:
        self.failed_times.record(seconds)
        entry(self.failures, reason, Failures).add(1, now, now, request_id)

    def refuse_as_expected(self, seconds: float, reason: str, now: float, request_id: str = "") -> None:
        self.times.record(seconds)
        entry(self.expected, reason, Failures).add(1, now, now, request_id)

    def merge(self, other: RouteFigures) -> None:
        self.times.merge(other.times)
        self.failed_times.merge(other.failed_times)
        for mine, theirs in ((self.failures, other.failures), (self.expected, other.expected)):
            for reason, more in theirs.items():
                entry(mine, reason, Failures).add(more.count, more.first, more.last, more.example)


class ProcessHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one process of the generator fared in one second: whether its figures of that second are to be trusted.

    `cpu`: CPU seconds per second (1.0 is a whole core). `lag_ms`: the longest that the event loop kept something
    waiting. `backlog`: the most sockets that were found readable at once. `gc_ms`: garbage collection, summed up.
    `rss_bytes`: memory. `steal`: the share of the machine's CPU time that its host gave to others. `throttled_ms`: how
    long the system held the process back for its CPU quota. What the system does not tell is None.
    """

    cpu: float = 0.0
    lag_ms: float = 0.0
    backlog: int = 0
    gc_ms: float = 0.0
    rss_bytes: int = 0
    steal: float | None = None
    throttled_ms: float | None = None


class Loss(msgspec.Struct, frozen=True, omit_defaults=True):
    """A post that did not reach all sockets it should have: which, and how many it missed, by reason.

    `sent_ms` is since 1970. A post with receivers in several processes may be named once for each.
    """

    post_id: str
    channel_id: str
    sent_ms: int
    expected: int
    missing: dict[str, int]


class Delta(msgspec.Struct, omit_defaults=True):
    """What was counted in a span of time. `users` and `health` are how things stood in it; the rest are sums.

    `losses` names at most `MOST_LOSSES` of the posts that were not delivered to all.
    """

    actions: dict[str, ActionFigures] = {}
    routes: dict[str, RouteFigures] = {}
    logins: dict[str, RouteFigures] = {}
    deliveries: DeliveryCounts = msgspec.field(default_factory=DeliveryCounts)
    sockets: SocketCounts = msgspec.field(default_factory=SocketCounts)
    sessions: SessionCounts = msgspec.field(default_factory=SessionCounts)
    events: dict[str, int] = {}
    kept_out: dict[str, int] = {}
    spans: dict[str, Histogram] = {}
    unavailable: dict[str, str] = {}
    users: UserGauges = msgspec.field(default_factory=UserGauges)
    health: ProcessHealth | None = None
    losses: list[Loss] = []
    browser: dict[str, BrowserStep] = {}
    browser_hosts: dict[str, BrowserHost] = {}

    def merge(self, other: Delta) -> None:
        """Add the other's sums; `users` and `health` are left alone: those of different processes do not add up."""
        for table, make in _TABLES.items():
            mine = getattr(self, table)
            for name, figures in getattr(other, table).items():
                entry(mine, name, make).merge(figures)
        self.deliveries.merge(other.deliveries)
        self.sockets.merge(other.sockets)
        self.sessions.merge(other.sessions)
        for sums, more in ((self.events, other.events), (self.kept_out, other.kept_out)):
            for name, count in more.items():
                count_one(sums, name, count)
        for feature, reason in other.unavailable.items():
            self.unavailable.setdefault(feature, reason)
        self.losses += other.losses[: MOST_LOSSES - len(self.losses)]

    def pack(self) -> None:
        """Let all histograms take as little memory as may be (`Histogram.pack`)."""
        for times in self._histograms():
            times.pack()

    def _histograms(self) -> Iterator[Histogram]:
        yield from self.spans.values()
        for table in (self.actions, self.routes, self.logins):
            for figures in table.values():
                yield figures.times
                yield figures.failed_times
        for step in self.browser.values():
            yield step.times
            yield from step.vitals.values()

    def to_wire(self) -> dict[str, Any]:
        """As plain dicts, texts and numbers, for msgpack and JSON."""
        wire: dict[str, Any] = msgspec.to_builtins(self, enc_hook=plain)
        return wire

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """What `to_wire` gave. Raises `msgspec.ValidationError`."""
        return msgspec.convert(wire, cls, strict=False)


# What a delta has by name, and is merged name by name.
_TABLES: Mapping[str, type[Any]] = {
    "actions": ActionFigures,
    "routes": RouteFigures,
    "logins": RouteFigures,
    "spans": Histogram,
    "browser": BrowserStep,
    "browser_hosts": BrowserHost,
}


def answered(reason: str) -> bool:
    """Whether a failed request got an answer at all: its reason then begins with the status."""
    return reason[:3].isdigit()


def is_server_error(reason: str) -> bool:
    return answered(reason) and reason.startswith("5")


def all_times(routes: Mapping[str, RouteFigures]) -> Histogram:
    """The times of all good answers together."""
    whole = Histogram()
    for figures in routes.values():
        whole.merge(figures.times)
    return whole


def entry(table: dict[str, Any], name: str, make: type[Any]) -> Any:
    """The entry of a name, made if new; names beyond the limit share one entry."""
    found = table.get(name)
    if found is None:
        if len(table) >= MOST_NAMES:
            name = OTHER
        found = table.setdefault(name, make())
    return found


def count_one(sums: dict[str, int], name: str, count: int = 1) -> None:
    """Count something by its name; names beyond the limit share one."""
    if name not in sums and len(sums) >= MOST_NAMES:
        name = OTHER
    sums[name] = sums.get(name, 0) + count
