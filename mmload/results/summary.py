"""The figures of a run that are told at its end: computed from the record, in the units of their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from mmload.metrics.counts import DeliveryCounts, SessionCounts, SocketCounts
from mmload.metrics.delta import ActionFigures, Delta, RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.results.model import Run, RunPhase, Second
from mmload.results.timeline import percentiles_ms


class UserSummary(msgspec.Struct, frozen=True):
    target: int  # the highest
    active_after_ramp: int | None  # None: the ramp-up never ended
    ramp_seconds: int | None
    highest: int
    waiting: int  # for their turn to log in, when the users began to be stopped
    gave_up: int
    connections: int = 0  # the most WebSockets that were open at once


class Throughput(msgspec.Struct, frozen=True):
    """Counts of a span of the run, and what they are per second."""

    seconds: int
    actions: int
    requests: int
    failures: int

    @property
    def actions_per_second(self) -> float:
        """Over the whole span."""
        return self.actions / self.seconds if self.seconds else 0.0

    @property
    def requests_per_second(self) -> float:
        """Over the whole span, without log-ins."""
        return self.requests / self.seconds if self.seconds else 0.0


class DeliveryTimes(msgspec.Struct, frozen=True):
    """How long deliveries took, over the steady window if there is one.

    `clock_error_ms`: by how much a time between two hosts may be wrong; None if no delivery crossed hosts.
    """

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    clock_error_ms: float | None = None


class FailureRow(msgspec.Struct, frozen=True):
    """The failures of one route for one reason; `first` and `last` in seconds since 1970."""

    route: str
    reason: str
    count: int
    first: float
    last: float
    example: str = ""


class Summary(msgspec.Struct, frozen=True):
    users: UserSummary
    sessions: SessionCounts
    kept_out: dict[str, int]  # tries to log in and load the application that failed, by reason
    whole: Throughput
    steady: Throughput
    events: dict[str, int]
    deliveries: DeliveryCounts
    delivery_times: DeliveryTimes
    sockets: SocketCounts
    failures: tuple[FailureRow, ...]
    expected: tuple[FailureRow, ...]  # refusals that a real client gets, too
    unavailable: dict[str, str]


def summary(run: Run) -> Summary:
    whole = run.totals.whole
    return Summary(
        users=_users(run),
        sessions=whole.sessions,
        kept_out=by_count(whole.kept_out),
        whole=_throughput(whole, run.totals.seconds),
        steady=_throughput(run.totals.steady, run.totals.steady_seconds),
        events=by_count(whole.events),
        deliveries=whole.deliveries,
        delivery_times=_delivery_times(run),
        sockets=whole.sockets,
        failures=failure_rows(whole, "failures"),
        expected=failure_rows(whole, "expected"),
        unavailable=dict(whole.unavailable),
    )


def _users(run: Run) -> UserSummary:
    first_steady = next((second for second in run.seconds if second.phase is RunPhase.STEADY), None)
    end = last_of_load(run.seconds)
    return UserSummary(
        target=max((second.target for second in run.seconds), default=run.facts.users),
        active_after_ramp=first_steady.active if first_steady else None,
        ramp_seconds=first_steady.elapsed if first_steady else None,
        highest=run.totals.highest_active,
        waiting=end.waiting if end else 0,
        gave_up=max((second.gave_up for second in run.seconds), default=0),
        connections=max((second.sockets for second in run.seconds), default=0),
    )


def _delivery_times(run: Run) -> DeliveryTimes:
    part = run.totals.steady if run.totals.steady_seconds else run.totals.whole
    return DeliveryTimes(*percentiles_ms(part.spans.get(DELIVERY) or Histogram()), run.totals.clock_error_ms)


def highest_users(seconds: Iterable[Second]) -> dict[str, int]:
    """How many were active at the same time in each stage."""
    highest: dict[str, int] = {}
    for second in seconds:
        if second.stage:
            highest[second.stage] = max(highest.get(second.stage, 0), second.active)
    return highest


def last_of_load(seconds: Sequence[Second]) -> Second | None:
    """The last second in which the load was on."""
    return next((second for second in reversed(seconds) if second.phase is not RunPhase.STOPPING), None)


def _throughput(delta: Delta, seconds: int) -> Throughput:
    return Throughput(
        seconds=seconds,
        actions=sum(action.done for action in delta.actions.values()),
        requests=sum(route.count for route in delta.routes.values()),
        failures=sum(route.failed_times.count for route in delta.routes.values()),
    )


def failure_rows(delta: Delta, kind: Literal["failures", "expected"]) -> tuple[FailureRow, ...]:
    """Every route's failures (or expected refusals) by reason, log-ins too; the most frequent first."""
    rows = [
        FailureRow(route, reason, failures.count, failures.first, failures.last, failures.example)
        for routes in (delta.routes, delta.logins)
        for route, figures in routes.items()
        for reason, failures in getattr(figures, kind).items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.route, row.reason)))


def by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """The same counts, the greatest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def actions_by_count(delta: Delta) -> list[tuple[str, ActionFigures]]:
    """The actions, the most frequent first."""
    return sorted(delta.actions.items(), key=lambda item: (-item[1].done, item[0]))


def routes_by_count(routes: Mapping[str, RouteFigures]) -> list[tuple[str, RouteFigures]]:
    """The routes, the most frequent first."""
    return sorted(routes.items(), key=lambda item: (-item[1].count, item[0]))
