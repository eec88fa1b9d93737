"""The charts of a report: what each of them shows, and what those over a run's time share. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

from mmload.metrics.delta import ProcessHealth
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.report.findings import RunFindings, ServerMetric, label, process_names
from mmload.report.html import PageTable
from mmload.report.svg import (
    STYLES,
    Axis,
    Band,
    Chart,
    Mark,
    Series,
    linear_axis,
    logarithmic_axis,
    percentile_axis,
    time_axis,
)
from mmload.report.wording import clock, milliseconds
from mmload.results.generator_health import LIMITS
from mmload.results.model import Note, NoteKind, RunPhase, Second
from mmload.results.series import (
    ChartWindow,
    Point,
    averaged,
    curve,
    percentile_points,
    phase_spans,
    points,
    runs_of,
    thinned,
    window_seconds,
)
from mmload.results.summary import actions_by_count

# The phases are shaded, the end is the end of the axis.
_UNMARKED = (NoteKind.PHASE, NoteKind.END)
MOST_MARKS = 30
PHASES = {RunPhase.RAMP: "ramp-up", RunPhase.STEADY: "steady state", RunPhase.STOPPING: "stopping"}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The axis of a run's time; `first_ms` is where it begins."""

    axis: Axis
    first_ms: int
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    width: int  # seconds that make one point of a rate

    def chart(
        self,
        title: str,
        unit: str,
        lines: Sequence[Series],
        y: Axis,
        *,
        height: int = 200,
        limit: tuple[float, str] | None = None,
    ) -> Chart:
        return Chart(title, unit, lines, self.axis, y, height=height, bands=self.bands, marks=self.marks, limit=limit)


def timeframe(found: RunFindings) -> Timeframe:
    seconds = found.run.seconds
    whole = max((second.elapsed + 1 for second in seconds), default=1)
    first_ms = seconds[0].ms if seconds else found.run.facts.started_ms
    axis = time_axis(whole)
    marks = tuple(
        Mark(axis.place((note.ms - first_ms) / 1000), number, note.text) for number, note in numbered(found.run.notes)
    )
    return Timeframe(axis, first_ms, tuple(_bands(found, axis, first_ms)), marks, window_seconds(whole))


def numbered(notes: Sequence[Note]) -> list[tuple[int, Note]]:
    """The notes that are marked on the axis, with their numbers there."""
    marked = [note for note in notes if note.kind not in _UNMARKED]
    return list(enumerate(sorted(marked, key=lambda note: note.ms)[:MOST_MARKS], start=1))


def _bands(found: RunFindings, axis: Axis, first_ms: int) -> Iterator[Band]:
    for each in phase_spans(found.run.seconds):
        name = PHASES[each.phase]
        yield Band(axis.place(each.start), axis.place(each.end), str(each.phase), name, label_inside=True)
    for storm in found.run.storms:
        start, end = ((ms - first_ms) / 1000 for ms in (storm.storm.ms, storm.end_ms))
        what = "recovery" if storm.recovered_seconds is not None else "not recovered"
        yield Band(axis.place(start), axis.place(end), "storm", f"{storm.storm.kind} storm, {what}")
    for outage in found.outages:
        start, end = ((ms - first_ms) / 1000 for ms in (outage.start_ms, outage.end_ms))
        yield Band(axis.place(start), axis.place(end), "outage", outage.what)
    for first, last in runs_of(found.trust.saturated_seconds):
        yield Band(axis.place(first), axis.place(last), "saturated", "generator saturated")


def note_texts(found: RunFindings) -> list[str]:
    """The marked notes in words, in the order of their numbers on the axis."""
    return [f"{clock(note.ms / 1000)} {note.text}" for _, note in numbered(found.run.notes)]


_PERCENTILES = (50, 95, 99)
_TABLED = (10, 50, 75, 90, 95, 99, 99.9)
_SMALL = 110  # pixels: a chart among others of its kind
# Curves that can still be told apart beside that of all answers and that of deliveries.
_MOST_ACTIONS = 4


def users_chart(found: RunFindings, time: Timeframe) -> Chart:
    """Target, active, waiting and given-up users."""
    figures: dict[str, Callable[[Second], float]] = {
        "active": lambda second: second.active,
        "target": lambda second: second.target,
        "waiting to log in": lambda second: second.waiting,
        "gave up": lambda second: second.gave_up,
    }
    lines = [Series(name, thinned(points(found.run.seconds, figure))) for name, figure in figures.items()]
    kept = [line for line in lines[:3] if _values([line])] + [line for line in lines[3:] if any(_values([line]))]
    return time.chart("Users", "", kept, linear_axis(_values(kept)))


def throughput_chart(found: RunFindings, time: Timeframe) -> Chart:
    """Requests, actions and failures per second."""
    figures: dict[str, Callable[[Second], float]] = {
        "requests": lambda second: second.requests,
        "actions": lambda second: second.actions,
        "logins": lambda second: second.logins,
    }
    lines = [_rate(found, time, name, figure) for name, figure in figures.items()]
    return time.chart("Requests, actions and logins", _per_second(time), lines, linear_axis(_values(lines)))


def failures_chart(found: RunFindings, time: Timeframe) -> Chart:
    """Failed requests and logins per second: on an axis of their own, where few are seen as well."""
    failed = _rate(found, time, "failed requests", lambda second: second.failures, area=True)
    logins = _rate(found, time, "failed logins", lambda second: second.login_failures)
    return time.chart(
        "Failures", _per_second(time), [failed, logins], linear_axis(_values([failed, logins]), 1.0), height=_SMALL
    )


def storm_charts(found: RunFindings, time: Timeframe) -> list[Chart]:
    """What has to come back after a storm, with the band of what was usual before it."""
    told = [each for each in found.run.storms if not each.untold]
    if not told:
        return []
    seconds = found.run.seconds
    sockets = [Series("connected", thinned(points(seconds, lambda second: second.sockets)))]
    level = told[-1].sockets_level
    p99 = [Series("p99 per second", thinned(points(seconds, lambda second: second.p99_ms)))]
    limit = told[-1].p99_limit_ms
    band = (limit, f"band: up to {limit:,.0f} ms") if limit is not None else None
    back, slow = linear_axis(_values(sockets), float(level)), logarithmic_axis([*_values(p99), limit or 1.0])
    return [
        time.chart("WebSockets", "", sockets, back, limit=(level, f"all back ({level:,})")),
        time.chart("p99 and its band", "ms, log scale", p99, slow, limit=band),
    ]


def _per_second(time: Timeframe) -> str:
    return "per second" + (f", {time.width} s averages" if time.width > 1 else "")


def _rate(
    found: RunFindings, time: Timeframe, name: str, figure: Callable[[Second], float], *, area: bool = False
) -> Series:
    return Series(name, thinned(averaged(points(found.run.seconds, figure), time.width)), area)


def _values(lines: Iterable[Series]) -> list[float]:
    return [value for line in lines for _, value in line.points if value is not None]


def answers_chart(found: RunFindings, time: Timeframe, parts: Sequence[ChartWindow]) -> Chart:
    """How long good answers took; without the histograms of the seconds, by the percentiles that each second has."""
    return _times_chart("Response times", found, time, parts, attrgetter("answers"), "p{}_ms")


def delivery_chart(found: RunFindings, time: Timeframe, parts: Sequence[ChartWindow]) -> Chart:
    """How long deliveries took."""
    return _times_chart("Delivery times", found, time, parts, attrgetter("deliveries"), "delivery_p{}_ms")


def _times_chart(
    title: str,
    found: RunFindings,
    time: Timeframe,
    parts: Sequence[ChartWindow],
    times: Callable[[ChartWindow], Histogram],
    figure: str,
) -> Chart:
    """By the `times` of the parts; without parts, by that figure of each second."""
    width = parts[0].seconds if parts else 1
    lines = []
    for percent in _PERCENTILES:
        of_second = attrgetter(figure.format(percent))
        line = percentile_points(parts, times, percent) if parts else points(found.run.seconds, of_second)
        lines.append(Series(f"p{percent}", thinned(line)))
    unit = f"ms, log scale, per {'second' if width == 1 else f'{width} s'}"
    return time.chart(title, unit, lines, logarithmic_axis(_values(lines)))


def account_chart(found: RunFindings, time: Timeframe) -> Chart:
    """Deliveries per second: due, come, given up."""
    lines = [
        _rate(found, time, "delivered", lambda second: second.delivered),
        _rate(found, time, "expected", lambda second: second.expected),
        _rate(found, time, "missing", lambda second: max(0, second.missing), area=True),
    ]
    return time.chart("Deliveries", _per_second(time), lines, linear_axis(_values(lines), 1.0))


def curves_chart(found: RunFindings) -> Chart:
    """All durations by percentile: where a tail begins, and how long it is."""
    window = found.window
    histograms = {"all requests": found.times}
    if delivery := window.spans.get(DELIVERY):
        histograms["deliveries"] = delivery
    for name, action in actions_by_count(window)[:_MOST_ACTIONS]:
        histograms[name] = action.times
    lines = [Series(name, curve(times)) for name, times in histograms.items() if times.count]
    highest = max((at for line in lines for at, _ in line.points), default=1.0)
    return Chart(
        "Times by percentile",
        "ms, log scale on both axes",
        lines,
        percentile_axis(highest),
        logarithmic_axis(_values(lines)),
        height=260,
        figures=_percentile_table(histograms),
    )


def _percentile_table(histograms: Mapping[str, Histogram]) -> PageTable:
    rows = [
        [name, *(milliseconds(times.percentile(percent)) for percent in _TABLED), milliseconds(times.maximum)]
        for name, times in histograms.items()
    ]
    return PageTable(["ms", *(f"p{percent:g}" for percent in _TABLED), "max"], rows, "Times by percentile, as figures")


_CPU = "cpu"
# Titles and units by the names of the figures.
_HEALTH = {
    _CPU: ("CPU", "of one core"),
    "lag_ms": ("Event-loop lag (worst)", "ms"),
    "gc_ms": ("Garbage collection", "ms per second"),
    "backlog": ("Socket backlog", "readable at once"),
    "rss_bytes": ("Memory", "MB"),
    "steal": ("CPU steal", "share"),
    "throttled_ms": ("CPU throttling", "ms per second"),
}
_SCALES = {"rss_bytes": 1e-6}
_LEAST = {_CPU: 1.0, "steal": 0.1}
_MOST = {limit.figure: limit.most for limit in LIMITS}
_NEAR_SHARE = 0.2


def health_charts(found: RunFindings, time: Timeframe) -> list[Chart]:
    """The generator's health on the axis of the run; what no process told is left out."""
    charts = []
    for name, (title, unit) in _HEALTH.items():
        lines = _process_lines(found, name)
        values = _values(lines)
        if values and (any(values) or name == _CPU):
            limit = limit_line(_MOST.get(name), math.inf if name == _CPU else max(values))
            axis = linear_axis(values, max(_LEAST.get(name, 1.0), limit[0] if limit else 0.0))
            charts.append(time.chart(title, unit, lines, axis, height=_SMALL, limit=limit))
    return charts


def limit_line(limit: float | None, highest: float) -> tuple[float, str] | None:
    """A limit that is not far above all values: it would press them down to the axis."""
    return (limit, f"limit ({limit:g})") if limit is not None and highest >= limit * _NEAR_SHARE else None


def _process_lines(found: RunFindings, figure: str) -> list[Series]:
    """A line per process; of many, the greatest of all and the mean: more lines cannot be determined apart."""
    seconds = found.run.seconds
    names = process_names(seconds)
    told = [[_figure(s.health.get(name), figure) for s in seconds] for name in names]
    if len(names) > STYLES:
        names = [f"highest of {len(told)} processes", "mean"]
        known = [[value for value in values if value is not None] for values in zip(*told, strict=True)]
        told = [[max(each, default=None) for each in known], [fmean(each) if each else None for each in known]]
    at = [second.elapsed + 0.5 for second in seconds]
    shown = [label(name, names) for name in names]
    return [Series(name, thinned(list(zip(at, line, strict=True)))) for name, line in zip(shown, told, strict=True)]


def _figure(health: ProcessHealth | None, name: str) -> float | None:
    value = None if health is None else getattr(health, name)
    return None if value is None else value * _SCALES.get(name, 1)


def server_charts(metrics: Sequence[ServerMetric], time: Timeframe) -> list[Chart]:
    """The server's own figures on the axis of the run, where there are any."""
    charts = []
    for metric in metrics:
        line: list[Point] = [((ms - time.first_ms) / 1000, value) for ms, value in metric.values]
        inside = [(at, value) for at, value in line if 0 <= time.axis.place(at) <= 1]
        values = [value for _, value in inside if value is not None]
        limit = limit_line(metric.limit, max(values, default=0.0))
        axis = linear_axis(values, limit[0] if limit else 0.0)
        lines = [Series(metric.name, thinned(inside))]
        charts.append(time.chart(metric.name, metric.unit, lines, axis, height=_SMALL, limit=limit))
    return charts
