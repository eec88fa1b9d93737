"""The figures of a run that are told at its end: computed from the record, in the units of their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from mmload.metrics.delta import ActionFigures, Delta, RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import (
    DELIVERIES,
    DELIVERIES_EXPECTED,
    DELIVERIES_EXTRA,
    DELIVERIES_LATE,
    DELIVERIES_MISSING,
    DELIVERIES_OUT_OF_ORDER,
    DELIVERIES_RESUMED,
    DELIVERIES_TWICE,
    DELIVERIES_WITHDRAWN,
    DELIVERY,
    FAREWELLS,
    GAPS_FILLED,
    GAPS_LOST,
    LOGINS,
    LOGINS_FAILED,
    MISSING_BECAUSE,
    POSTED_OF_OTHERS,
    POSTS_SENT,
    POSTS_UNCERTAIN,
    RATE_LIMITED,
    RELOGINS,
    SEQUENCE_GAPS,
    SIGN_UPS,
    SOCKETS_DROPPED,
    SOCKETS_GIVEN_UP,
    SOCKETS_OPENED,
    SOCKETS_RENEWED,
    SOCKETS_RESUMED,
)
from mmload.results.model import Run, RunPhase, Second


class UserSummary(msgspec.Struct, frozen=True):
    """Who ran."""

    asked: int
    present_after_ramp: int | None  # None: the ramp never ended
    ramp_seconds: int | None
    highest: int
    waiting: int  # for their turn to log in, when the farewell began
    gave_up: int
    logins: int
    logins_failed: int
    sign_ups: int
    relogins: int
    farewells: int


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


class Messages(msgspec.Struct, frozen=True):
    """Posts sent, events received."""

    posts_sent: int
    posts_uncertain: int
    posted_of_others: int
    events: dict[str, int]


class Sockets(msgspec.Struct, frozen=True):
    """What became of the WebSockets."""

    opened: int
    dropped: int
    resumed: int
    renewed: int
    given_up: int
    gaps: int
    gaps_filled: int
    gaps_lost: int


class DeliverySummary(msgspec.Struct, frozen=True):
    """The account of the run's messages, and how long they took (milliseconds, over the steady window if there is one).

    `expected` counts pairs of a post and another socket of this test that was connected in its channel when it was
    sent; each of them ends as delivered, missing or withdrawn (its user left in order before it was due).
    `clock_error_ms`: by how much a time between two hosts may be wrong; None if no delivery crossed hosts.
    """

    sent: int  # posts that the server accepted
    uncertain: int  # posts without an answer, seen by nobody: stored or not
    expected: int
    delivered: int
    missing: int
    withdrawn: int
    extra: int
    late: int
    resumed: int
    duplicated: int
    out_of_order: int
    reasons: dict[str, int]  # why they are missing
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
    """What a run comes to."""

    users: UserSummary
    whole: Throughput
    steady: Throughput
    messages: Messages
    delivery: DeliverySummary
    sockets: Sockets
    failures: tuple[FailureRow, ...]
    expected: tuple[FailureRow, ...]  # refusals that a real client gets, too
    rate_limited: int
    unavailable: dict[str, str]


def summary(run: Run) -> Summary:
    """The summary of a run; of a torn one, as far as its record goes."""
    whole = run.totals.whole
    counters = whole.counters
    return Summary(
        users=_users(run),
        whole=_throughput(whole, run.totals.seconds),
        steady=_throughput(run.totals.steady, run.totals.steady_seconds),
        messages=Messages(
            posts_sent=counters.get(POSTS_SENT, 0),
            posts_uncertain=counters.get(POSTS_UNCERTAIN, 0),
            posted_of_others=counters.get(POSTED_OF_OTHERS, 0),
            events=by_count(whole.events),
        ),
        delivery=_delivery(run),
        sockets=Sockets(
            opened=counters.get(SOCKETS_OPENED, 0),
            dropped=counters.get(SOCKETS_DROPPED, 0),
            resumed=counters.get(SOCKETS_RESUMED, 0),
            renewed=counters.get(SOCKETS_RENEWED, 0),
            given_up=counters.get(SOCKETS_GIVEN_UP, 0),
            gaps=counters.get(SEQUENCE_GAPS, 0),
            gaps_filled=counters.get(GAPS_FILLED, 0),
            gaps_lost=counters.get(GAPS_LOST, 0),
        ),
        failures=failure_rows(whole, "failures"),
        expected=failure_rows(whole, "expected"),
        rate_limited=counters.get(RATE_LIMITED, 0),
        unavailable=dict(whole.unavailable),
    )


def _users(run: Run) -> UserSummary:
    counters = run.totals.whole.counters
    first_steady = next((second for second in run.seconds if second.phase is RunPhase.STEADY), None)
    end = _before_farewell(run.seconds)
    return UserSummary(
        asked=max((second.asked for second in run.seconds), default=run.facts.users),
        present_after_ramp=first_steady.present if first_steady else None,
        ramp_seconds=first_steady.elapsed if first_steady else None,
        highest=run.totals.highest_present,
        waiting=end.waiting if end else 0,
        gave_up=max((second.gave_up for second in run.seconds), default=0),
        logins=counters.get(LOGINS, 0),
        logins_failed=counters.get(LOGINS_FAILED, 0),
        sign_ups=counters.get(SIGN_UPS, 0),
        relogins=counters.get(RELOGINS, 0),
        farewells=counters.get(FAREWELLS, 0),
    )


def _delivery(run: Run) -> DeliverySummary:
    counters = run.totals.whole.counters
    part = run.totals.steady if run.totals.steady_seconds else run.totals.whole
    times = part.spans.get(DELIVERY) or Histogram()
    p50, p95, p99 = (_ms(times.percentile(percent)) for percent in (50, 95, 99))
    return DeliverySummary(
        sent=counters.get(POSTS_SENT, 0),
        uncertain=counters.get(POSTS_UNCERTAIN, 0),
        expected=counters.get(DELIVERIES_EXPECTED, 0),
        delivered=counters.get(DELIVERIES, 0),
        missing=counters.get(DELIVERIES_MISSING, 0),
        withdrawn=counters.get(DELIVERIES_WITHDRAWN, 0),
        extra=counters.get(DELIVERIES_EXTRA, 0),
        late=counters.get(DELIVERIES_LATE, 0),
        resumed=counters.get(DELIVERIES_RESUMED, 0),
        duplicated=counters.get(DELIVERIES_TWICE, 0),
        out_of_order=counters.get(DELIVERIES_OUT_OF_ORDER, 0),
        reasons={
            name.removeprefix(MISSING_BECAUSE): number
            for name, number in sorted(counters.items())
            if name.startswith(MISSING_BECAUSE) and number
        },
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        clock_error_ms=run.totals.clock_error_ms,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _before_farewell(seconds: tuple[Second, ...]) -> Second | None:
    """The last second in which the load was on."""
    return next((second for second in reversed(seconds) if second.phase is not RunPhase.FAREWELL), None)


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
