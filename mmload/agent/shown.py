"""What the tabs of the web page show (mmload.agent.tabs), as it follows from how the test stands. Pure.

All times are milliseconds; the keys of the JSON are the names of the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mmload.agent.exported import HEALTH_SECONDS
from mmload.agent.view import View
from mmload.metrics.delta import ProcessHealth
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
    MISSING_BECAUSE,
    POSTS_SENT,
    POSTS_UNCERTAIN,
)
from mmload.results.model import Second
from mmload.results.trust import LIMITS, LOCAL, trust_in

# A chart is so long: five minutes of whole seconds.
SERIES_SECONDS = 300
PERCENTILES = (50.0, 95.0, 99.0)

Point = tuple[int, float | None, float | None]


class Times(msgspec.Struct, frozen=True):
    """A histogram in a few numbers; None where nothing was measured."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None


class Delivery(msgspec.Struct, frozen=True):
    """The account of messages, and how long they took. `series`: moment (since 1970), p50 and p95 of each second."""

    posts: int
    uncertain: int
    account: dict[str, int]
    outcomes: dict[str, int]
    missing: dict[str, int]
    times: Times
    series: list[Point]


class Process(msgspec.Struct, frozen=True):
    """One process of the generator: the worst of the last ten seconds, and which limits of trust that crosses."""

    name: str
    state: str
    users: int | None
    health: ProcessHealth | None = None
    crossed: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """How the generator fares. `series`: moment, CPU of the busiest process, lag of the latest one."""

    running: bool
    phase: str
    users: dict[str, int]
    saturated: bool
    sentences: tuple[str, ...]
    processes: list[Process]
    series: list[Point]


class ActionRow(msgspec.Struct, frozen=True):
    """One kind of action, since the test began."""

    name: str
    done: int
    failed: int
    skipped: int
    p50: float | None
    p95: float | None


class Actions(msgspec.Struct, frozen=True):
    """What can be done now, and what was done. `most_users`: more can't be added."""

    state: str
    users: int
    most_users: int
    choices: list[str]
    actions: list[ActionRow]


def delivery(view: View) -> Delivery:
    """The Delivery tab."""
    counters = view.totals.whole.counters

    def counted(**names: str) -> dict[str, int]:
        return {label: counters.get(name, 0) for label, name in names.items()}

    return Delivery(
        posts=counters.get(POSTS_SENT, 0),
        uncertain=counters.get(POSTS_UNCERTAIN, 0),
        account=counted(
            expected=DELIVERIES_EXPECTED,
            delivered=DELIVERIES,
            missing=DELIVERIES_MISSING,
            withdrawn=DELIVERIES_WITHDRAWN,
        ),
        outcomes=counted(
            late=DELIVERIES_LATE,
            resumed=DELIVERIES_RESUMED,
            extra=DELIVERIES_EXTRA,
            duplicated=DELIVERIES_TWICE,
            out_of_order=DELIVERIES_OUT_OF_ORDER,
        ),
        missing={
            name.removeprefix(MISSING_BECAUSE): count
            for name, count in counters.items()
            if name.startswith(MISSING_BECAUSE) and count
        },
        times=times(view.totals.whole.spans.get(DELIVERY, Histogram())),
        series=[(one.ms, one.delivery_p50_ms, one.delivery_p95_ms) for one in view.recent[-SERIES_SECONDS:]],
    )


def times(histogram: Histogram) -> Times:
    """A histogram of seconds, in milliseconds."""
    p50, p95, p99 = (_ms(histogram.percentile(percent)) for percent in PERCENTILES)
    return Times(histogram.count, p50, p95, p99, _ms(histogram.maximum))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def health(view: View, now: Mapping[str, tuple[str, int | None]]) -> Health:
    """The Health tab. `now`: state and users of each process that there is; others are gone."""
    trust, last = trust_in(view.recent), view.last
    gauges = {"waiting": 0, "present": 0, "gave_up": 0}
    if last is not None:
        gauges = {name: getattr(last, name) for name in gauges}
    return Health(
        running=view.running,
        phase=last.phase if last is not None else "",
        users={"asked": view.asked, "spawned": view.spawned, **gauges},
        saturated=trust.saturated,
        sentences=trust.sentences,
        processes=_processes(view.recent[-HEALTH_SECONDS:], now),
        series=[_busiest(second) for second in view.recent[-SERIES_SECONDS:]],
    )


def _processes(seconds: Sequence[Second], now: Mapping[str, tuple[str, int | None]]) -> list[Process]:
    worst = {name: _worst([one.health[name] for one in seconds if name in one.health]) for name in now}
    return [Process(name, *now[name], found, _crossed(found)) for name, found in worst.items()]


def _worst(told: Sequence[ProcessHealth]) -> ProcessHealth | None:
    """The highest of each figure; None where nothing was told."""
    if not told:
        return None
    highest: dict[str, Any] = {}
    for figure in ProcessHealth.__struct_fields__:
        known = [value for each in told if (value := getattr(each, figure)) is not None]
        highest[figure] = max(known, default=None)
    return ProcessHealth(**highest)


def _crossed(found: ProcessHealth | None) -> tuple[str, ...]:
    return () if found is None else tuple(limit.figure for limit in LIMITS if limit.crossed(found))


def _busiest(second: Second) -> Point:
    """Of the processes that make load: where there are workers, the master makes none."""
    makers = [each for name, each in second.health.items() if name != LOCAL] or list(second.health.values())
    cpu = max((each.cpu for each in makers), default=None)
    return second.ms, cpu, max((each.lag_ms for each in makers), default=None)


def actions(view: View, state: str, most_users: int, choices: list[str]) -> Actions:
    """The Actions tab; the most frequent action first."""
    rows = [
        ActionRow(
            name,
            figures.times.count,
            figures.failed_times.count,
            figures.skipped,
            _ms(figures.times.percentile(50)),
            _ms(figures.times.percentile(95)),
        )
        for name, figures in list(view.totals.whole.actions.items())
    ]
    rows.sort(key=lambda row: (-row.done - row.failed, row.name))
    return Actions(state, view.spawned, most_users, choices, rows)
