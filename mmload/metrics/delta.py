"""Figures that can be merged: those of one second of one process, of all processes, of a whole run.

A `Delta` travels from a worker to the master, and is kept in the run's folder, in the form its fields show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from mmload.metrics.histogram import Histogram

# More distinct names than this are a fault of ours (an id in a route or reason); memory stays bounded all the same.
MOST_NAMES = 500
OTHER = "(other)"


class Failures(msgspec.Struct, omit_defaults=True):
    """The failures for one reason: how many, and the first and the last of them (seconds since 1970)."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, count: int, first: float, last: float) -> None:
        """Count more of them."""
        self.first = min(self.first, first) if self.count else first
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
        """Take in the other's figures."""
        self.skipped += other.skipped
        self.times.merge(other.times)
        self.failed_times.merge(other.failed_times)


class RouteFigures(msgspec.Struct, omit_defaults=True):
    """One route (method and path, ids replaced): times of good answers, times and reasons of failures."""

    times: Histogram = msgspec.field(default_factory=Histogram)
    failed_times: Histogram = msgspec.field(default_factory=Histogram)
    failures: dict[str, Failures] = {}

    @property
    def count(self) -> int:
        """All requests, good or not."""
        return self.times.count + self.failed_times.count

    def fail(self, seconds: float, reason: str, now: float) -> None:
        """Count one failed request."""
        self.failed_times.record(seconds)
        entry(self.failures, reason, Failures).add(1, now, now)

    def merge(self, other: RouteFigures) -> None:
        """Take in the other's figures."""
        self.times.merge(other.times)
        self.failed_times.merge(other.failed_times)
        for reason, failures in other.failures.items():
            entry(self.failures, reason, Failures).add(failures.count, failures.first, failures.last)


class UserGauges(msgspec.Struct, omit_defaults=True):
    """Where the users of a process are now: waiting to get in, in and acting, or never coming in."""

    waiting: int = 0
    present: int = 0
    gave_up: int = 0


class Delta(msgspec.Struct, omit_defaults=True):
    """What was counted in a span of time. `users` is the level at its end; the rest are sums."""

    actions: dict[str, ActionFigures] = {}
    routes: dict[str, RouteFigures] = {}
    logins: dict[str, RouteFigures] = {}
    counters: dict[str, int] = {}
    events: dict[str, int] = {}
    spans: dict[str, Histogram] = {}
    unavailable: dict[str, str] = {}
    users: UserGauges = msgspec.field(default_factory=UserGauges)

    def merge(self, other: Delta) -> None:
        """Add the other's sums; `users` is left alone (levels of different processes and moments do not add up)."""
        for name, action in other.actions.items():
            entry(self.actions, name, ActionFigures).merge(action)
        for mine, theirs in ((self.routes, other.routes), (self.logins, other.logins)):
            for route, figures in theirs.items():
                entry(mine, route, RouteFigures).merge(figures)
        for name, times in other.spans.items():
            entry(self.spans, name, Histogram).merge(times)
        _add(self.counters, other.counters)
        _add(self.events, other.events)
        for feature, reason in other.unavailable.items():
            self.unavailable.setdefault(feature, reason)

    def to_wire(self) -> dict[str, Any]:
        """As plain dicts, texts and numbers, for msgpack and JSON."""
        wire: dict[str, Any] = msgspec.to_builtins(self)
        return wire

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """What `to_wire` gave. Raises `msgspec.ValidationError`."""
        return msgspec.convert(wire, cls, strict=False)


def answered(reason: str) -> bool:
    """Whether a failed request got an answer at all: its reason then begins with the status."""
    return reason[:3].isdigit()


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


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        if name not in sums and len(sums) >= MOST_NAMES:
            name = OTHER
        sums[name] = sums.get(name, 0) + count
