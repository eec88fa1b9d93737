"""The capacity search in a report: users, measures, limits and decisions over time, and what came of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coordinator.answer import Answer, Today, capacity_text, minutes, plan_lines
from coordinator.journal import NAME, Cycle, Journal, read
from coordinator.observe.causes import database_cpu, pool_in_use, server_cpu
from coordinator.observe.causes import text as cause_text
from coordinator.observe.state import ObservedState
from coordinator.search.sample import Reading
from mmload.errors import UsageError
from mmload.report.charts import MOST_MARKS, Timeframe, limit_line
from mmload.report.svg import Chart, Mark, Series, linear_axis, moment
from mmload.results.series import Point, thinned

# Users that change all the time, as in a climb, are one decision; after a rest of this length a change is another.
REST_SECONDS = 8.0
_LOW = 110  # pixels


def read_search(folder: Path) -> Journal | str | None:
    """The journal in a run's folder; why it cannot be read; None without a search."""
    if not (folder / NAME).is_file():
        return None
    try:
        return read(folder)
    except UsageError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class SearchShown:
    """A search as a report shows it: what came of it, its charts, and the decisions that are marked on them."""

    answer: str
    conclusions: Sequence[str]
    charts: Sequence[Chart]
    decisions: Sequence[str]


def search_shown(search: Journal, time: Timeframe) -> SearchShown:
    """The journal of a search on the axis of the run. Pure."""
    decided = decisions(search.cycles)
    marks = tuple(Mark(time.axis.place(_at(cycle, time)), n, cycle.reason) for n, cycle in enumerate(decided, start=1))
    charts = [_users_chart(search, time), *_reading_charts(search, time), *_server_charts(search, time)]
    return SearchShown(
        _answer_text(search),
        _conclusions(search),
        [dataclasses.replace(chart, bands=(), marks=marks) for chart in charts],
        [f"{moment(cycle.seen.seconds)} {cycle.users} users: {cycle.reason}" for cycle in decided],
    )


def decisions(cycles: Sequence[Cycle]) -> list[Cycle]:
    """The cycles that changed something: the part of the search, or the users after a rest. Pure."""
    found: list[Cycle] = []
    users, part, changed = -1, "", 0.0
    for cycle in cycles:
        seconds, word = cycle.seen.seconds, _part(cycle)
        if word != part or (cycle.users != users and seconds - changed >= REST_SECONDS):
            found.append(cycle)
        if cycle.users != users:
            changed = seconds
        users, part = cycle.users, word
    return found[: MOST_MARKS - 1] + found[-1:] if len(found) > MOST_MARKS else found


def _part(cycle: Cycle) -> str:
    return cycle.reason.partition(":")[0] if cycle.reason.startswith(("stairs:", "climb:", "measure:")) else "between"


def _answer_text(search: Journal) -> str:
    if search.end is None:
        return "No result: the search was interrupted."
    answer = search.end.answer
    broke = f"first breach: {answer.broke_first}" if answer.broke_first else ""
    told = "; ".join(filter(None, [capacity_text(answer), broke, minutes(answer.minutes)]))
    return f"{told}. Ended by: {answer.ended_by}: {answer.reason}."


def _conclusions(search: Journal) -> list[str]:
    """Why the limit was crossed, where the server was observed, and the table for planning."""
    if search.end is None:
        return []
    cause = cause_text(search.end.cause).splitlines() if search.end.cause is not None else []
    return [*cause, *(line.strip() for line in plan_lines(search.end.plan, Today()))]


def _at(cycle: Cycle, time: Timeframe) -> float:
    return (cycle.ms - time.first_ms) / 1000


def _inside(points: Iterable[Point], time: Timeframe) -> list[Point]:
    return [(at, value) for at, value in points if 0 <= time.axis.place(at) <= 1]


def _users_chart(search: Journal, time: Timeframe) -> Chart:
    target = _inside(((_at(cycle, time), float(cycle.seen.target)) for cycle in search.cycles), time)
    present = _inside(((_at(cycle, time), float(cycle.seen.users)) for cycle in search.cycles), time)
    lines = [Series("active", thinned(present)), Series("target", thinned(target))]
    ends = list(_interval(search.end.answer, target)) if search.end is not None else []
    values = [value for line in (*lines, *ends) for _, value in line.points if value is not None]
    users = search.end.answer.users if search.end is not None else None
    limit = (float(users), f"the result ({users:,})") if users is not None else None
    axis = linear_axis(values, limit[0] if limit else 0.0)
    return time.chart("Users", "", [*lines, *ends], axis, height=240, limit=limit)


def _interval(answer: Answer, points: Sequence[Point]) -> Iterator[Series]:
    """The interval's ends across the chart."""
    if not points or answer.users is None:
        return
    first, last = points[0][0], points[-1][0]
    for name, users in (("interval, from", answer.low), ("interval, to", answer.high)):
        if users is not None:
            yield Series(f"{name} {users:,}", [(first, float(users)), (last, float(users))])


def _reading_charts(search: Journal, time: Timeframe) -> list[Chart]:
    """What was measured, each with its limit; last the queries without Alert, which have none."""
    alerting = {reading.name: reading.limit for cycle in search.cycles for reading in cycle.seen.readings}
    watched = {reading.name: None for cycle in search.cycles for reading in cycle.watched}
    return [_reading_chart(search, time, name, limit) for name, limit in {**watched, **alerting}.items()]


def _reading_chart(search: Journal, time: Timeframe, name: str, limit: float | None) -> Chart:
    line = _inside(((_at(cycle, time), _value(cycle, name)) for cycle in search.cycles), time)
    values = [value for _, value in line if value is not None]
    told = limit_line(limit, math.inf)
    height = _LOW if limit is None or max(values, default=0.0) <= limit else 200
    return time.chart(
        name, "", [Series(name, thinned(line))], linear_axis(values, limit or 0.0), height=height, limit=told
    )


# What of the server is drawn, each as a share of what there is.
_SHARES: Mapping[str, Callable[[ObservedState], float | None]] = {
    "CPU of the server": server_cpu,
    "CPU of the database": database_cpu,
    "CPU of the machine": lambda state: state.machine_cpu,
    "connections to the database": pool_in_use,
}


def _server_charts(search: Journal, time: Timeframe) -> list[Chart]:
    """What the server had to do, in percent of what it may; none where it was not observed."""
    lines = []
    for name, share in _SHARES.items():
        points = [
            (_at(cycle, time), None if (value := share(cycle.server)) is None else 100 * value)
            for cycle in search.cycles
            if cycle.server is not None
        ]
        if any(value is not None for _, value in points):
            lines.append(Series(name, thinned(_inside(points, time))))
    if not lines:
        return []
    return [time.chart("Server load, % of what it may use", "%", lines, linear_axis([100.0], 0.0), height=200)]


def _value(cycle: Cycle, name: str) -> float | None:
    readings: tuple[Reading, ...] = (*cycle.seen.readings, *cycle.watched)
    return next((reading.value for reading in readings if reading.name == name), None)
