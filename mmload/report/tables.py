"""The tables of a report, made once for all its forms: the terminal, Markdown and HTML show the same rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmload.metrics.counts import MISSING_REASONS, DeliveryCounts
from mmload.metrics.delta import Delta, RouteFigures, all_times
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY, RECONNECT, SCHEDULE_LAG
from mmload.report.findings import ProcessFigures, RunFindings, label, process_figures
from mmload.report.wording import NONE, clock, count, megabytes, milliseconds, of_ms, percent, rate
from mmload.results.model import StormRecovery
from mmload.results.summary import FailureRow, actions_by_count, highest_users, routes_by_count
from mmload.results.thresholds import ThresholdResult

PERCENTILES = (50, 90, 95, 99, 99.9)


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Names and words stand on the left, numbers on the right; `page_only`: where there is room for it."""

    heading: str
    kind: Literal["number", "words", "name", "route", "code", "outcome"] = "number"
    page_only: bool = False


class TooFew(str):
    """A percentile of too few samples: only the longest of them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table whose first column names its rows. A `Histogram` as a cell is drawn where that is possible."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Histogram]]
    what: str = "rows"
    sortable: bool = False


_TIMES = (
    Column("p50 ms"),
    Column("p90", page_only=True),
    Column("p95"),
    Column("p99"),
    Column("p99.9", page_only=True),
    Column("max", page_only=True),
    Column("distribution", page_only=True),
)


def tables(found: RunFindings) -> dict[str, ReportTable]:
    """All tables by name; those without rows are not shown."""
    figures, window, whole = found.figures, found.window, found.run.totals.whole
    return {
        "thresholds": ReportTable(
            "Thresholds",
            (Column("threshold", "code"), Column("outcome", "outcome"), Column("reason", "words")),
            [(each.text, mark(each), why(each)) for each in found.said.thresholds],
        ),
        "storms": _storms(found),
        "stages": _stages(found),
        "deliveries": _numbers("Message delivery", "deliveries", account_rows(figures.deliveries)),
        "losses": _losses(found),
        "sockets": _numbers("WebSockets", "WebSockets", _socket_rows(found)),
        "events": _numbers("Events received", "event", [(name, number, "") for name, number in figures.events.items()]),
        "actions": _actions(window),
        "routes": _routes("Routes", window.routes),
        "logins": _routes("Logins", whole.logins),
        "other times": _other_times(window),
        "failures": _refusals("Failures", figures.failures),
        "expected": _refusals("Expected refusals", figures.expected),
        "generator": ReportTable(
            "Load generator processes",
            [Column("process", "words"), *map(Column, _GENERATOR_HEADINGS)],
            generator_rows(found),
        ),
        "kept_out": ReportTable(
            "Why users could not become active",
            (Column("reason", "words"), Column("attempts")),
            [(reason, count(number)) for reason, number in figures.kept_out.items()],
            "reasons",
        ),
        "unavailable": ReportTable(
            "Not tested", (Column("feature", "words"), Column("reason", "words")), sorted(figures.unavailable.items())
        ),
    }


# -- what the thresholds say ---------------------------------------------------------------------------------------


def mark(result: ThresholdResult) -> str:
    """A threshold's outcome in one word."""
    return {True: "passed", False: "failed", None: "cannot be determined"}[result.passed]


def why(result: ThresholdResult) -> str:
    """What became of a threshold, without its own words and its outcome: they stand beside it."""
    return result.said.removeprefix(f"{result.text}: ").removeprefix(f"{mark(result)}: ")


# -- numbers -------------------------------------------------------------------------------------------------------

_MEANINGS = {
    "expected": "pairs of a post and another connected socket of its channel",
    "delivered": "of them: received",
    "missing": "of them: never received",
    "withdrawn": "of them: the receiver logged out before it was due",
    "late": "of the delivered: after the limit",
    "resumed": "of the delivered and unexpected: after a lost socket was resumed",
    "out_of_order": "received after a later post of its channel",
    "duplicated": "received a second time",
    "extra": "received by a user who was not expected to receive it",
}
_SOCKETS = {
    "opened": "",
    "dropped": "",
    "resumed": "nothing lost",
    "renewed": "events may be lost",
    "given_up": "no new session",
    "gaps": "",
    "gaps_filled": "",
    "gaps_lost": "",
}
# Always told, also when they are 0; the others only where they happened.
_ALWAYS = ("expected", "delivered", "missing", "withdrawn", "opened", "dropped")
_NAMES = {
    "out_of_order": "out of order",
    "duplicated": "duplicate",
    "extra": "unexpected",
    "given_up": "given up",
    "gaps": "gaps in sequence numbers",
    "gaps_filled": "of them filled",
    "gaps_lost": "of them lost",
}


def account_rows(deliveries: DeliveryCounts) -> list[tuple[str, int, str]]:
    """Name, number and meaning of each line of the account; none where there was nothing to deliver."""
    if not deliveries.expected and not deliveries.extra:
        return []
    return _told((name, int(getattr(deliveries, name)), meaning) for name, meaning in _MEANINGS.items())


def _socket_rows(found: RunFindings) -> list[tuple[str, int, str]]:
    """What became of the WebSockets."""
    sockets = found.figures.sockets
    if not sockets.opened and not sockets.dropped:
        return []
    return _told((name, int(getattr(sockets, name)), meaning) for name, meaning in _SOCKETS.items())


def _told(rows: Iterable[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    return [(_NAMES.get(name, name), number, meaning) for name, number, meaning in rows if number or name in _ALWAYS]


def _numbers(caption: str, heading: str, rows: Sequence[tuple[str, int, str]]) -> ReportTable:
    columns = [Column(heading, "words"), Column("number")]
    if any(meaning for *_, meaning in rows):
        columns.append(Column("meaning", "words"))
    return ReportTable(
        caption, columns, [(name, count(number), meaning)[: len(columns)] for name, number, meaning in rows], "events"
    )


# -- times ---------------------------------------------------------------------------------------------------------

_SPANS = {
    DELIVERY: "message delivery",
    RECONNECT: "WebSocket reconnect",
    SCHEDULE_LAG: "schedule lag of actions",
}


def _stages(found: RunFindings) -> ReportTable:
    """What the server did in each stage of the load."""
    highest = highest_users(found.run.seconds)
    counts = ("seconds", "highest users", "requests/s", "failed")
    rows: list[tuple[str | Histogram, ...]] = []
    for name, part in found.run.stages.items():
        routes, times = part.figures.routes.values(), all_times(part.figures.routes)
        failed = count(sum(route.failed_times.count for route in routes))
        per_second = rate(sum(route.count for route in routes) / part.seconds)
        cells = (count(part.seconds), count(highest.get(name, 0)), per_second, failed)
        rows.append((name, *cells, *time_cells(times), times))
    return ReportTable("Stages", (Column("stage", "name"), *map(Column, counts), *_TIMES), rows, "stages")


_STORM_COLUMNS = (
    Column("storm", "words"),
    *map(Column, ("recovered", "sockets", "p99", "failures", "failed", "peak req/s", "peak failed/s", "lost")),
    Column("lowest sockets", page_only=True),
    Column("highest p99", page_only=True),
)


def _storms(found: RunFindings) -> ReportTable:
    """How the run came through its storms, in figures."""
    rows = [(str(each.storm.kind), *_storm_cells(each)) for each in found.run.storms if not each.untold]
    return ReportTable("Recovery", _STORM_COLUMNS, rows, "storms")


def _storm_cells(each: StormRecovery) -> list[str]:
    spans = (each.recovered_seconds, each.sockets_seconds, each.p99_seconds, each.failures_seconds)
    return [
        *(NONE if seconds is None else f"{seconds:,.0f} s" for seconds in spans),
        percent(each.failures / max(1, each.requests)),
        count(each.peak_requests),
        count(each.peak_failures),
        count(each.missing),
        count(each.sockets_lowest),
        f"{of_ms(each.p99_highest_ms)} ms",
    ]


def _timed(
    caption: str, name: Column, counts: Iterable[str], rows: Iterable[tuple[str, tuple[int, ...], Histogram]]
) -> ReportTable:
    """What was done how often, and how long it took."""
    columns = (name, *map(Column, counts), *_TIMES)
    body: list[tuple[str | Histogram, ...]] = [
        (each, *map(count, numbers), *time_cells(times), times) for each, numbers, times in rows
    ]
    return ReportTable(caption, columns, body, caption.lower(), sortable=True)


def _actions(window: Delta) -> ReportTable:
    rows = [
        (name, (each.done, each.failed_times.count, each.skipped), each.times)
        for name, each in actions_by_count(window)
    ]
    return _timed("Actions", Column("action", "name"), ("count", "failed", "skipped"), rows)


def _other_times(window: Delta) -> ReportTable:
    spans = [(said, window.spans[name]) for name, said in _SPANS.items() if name in window.spans]
    return _timed(
        "Other times", Column("what", "words"), ("count",), [(said, (times.count,), times) for said, times in spans]
    )


def _routes(caption: str, routes: Mapping[str, RouteFigures]) -> ReportTable:
    rows = [(name, (each.count, each.failed_times.count), each.times) for name, each in routes_by_count(routes)]
    return _timed(caption, Column("route", "route"), ("count", "failed"), rows)


def time_cells(times: Histogram) -> list[str]:
    """The percentiles and the longest, in milliseconds."""
    shown = [(each, milliseconds(times.percentile(each))) for each in PERCENTILES]
    return [
        *(text if times.count * (100 - each) >= 100 or not times.count else TooFew(text) for each, text in shown),
        milliseconds(times.maximum),
    ]


# -- what went wrong -----------------------------------------------------------------------------------------------


def _refusals(caption: str, refusals: Sequence[FailureRow]) -> ReportTable:
    """Failures, or refusals that are none, by route and reason."""
    columns = (
        *(Column("route", "route"), Column("reason", "words"), Column("count"), Column("first"), Column("last")),
        Column("example (X-Request-Id)", "code", page_only=True),
    )
    rows = [
        (each.route, each.reason, count(each.count), clock(each.first), clock(each.last), each.example or NONE)
        for each in refusals
    ]
    return ReportTable(caption, columns, rows, f"kinds of {caption.lower()}", sortable=True)


def _losses(found: RunFindings) -> ReportTable:
    """The posts that did not reach all, one by one."""
    columns = (
        *(Column("post", "code"), Column("channel", "code"), Column("sent"), Column("expected")),
        Column("missing", "words"),
    )
    rows = [
        (
            loss.post_id,
            loss.channel_id,
            clock(loss.sent_ms / 1000),
            count(loss.expected),
            "; ".join(f"{count(number)}: {MISSING_REASONS.get(each, each)}" for each, number in loss.missing.items()),
        )
        for loss in found.run.totals.whole.losses
    ]
    return ReportTable("Missing deliveries", columns, rows, "posts")


# -- the generator -------------------------------------------------------------------------------------------------

_GENERATOR_HEADINGS = ("CPU mean", "CPU max", "lag ms", "backlog", "GC ms", "memory MB", "steal", "throttled ms")


def generator_rows(found: RunFindings) -> list[list[str]]:
    figures = process_figures(found.run.seconds)
    return [[label(name, figures), *_generator_cells(process)] for name, process in figures.items()]


def _generator_cells(process: ProcessFigures) -> list[str]:
    return [
        percent(process.cpu_mean),
        percent(process.cpu_max),
        of_ms(process.lag_max_ms),
        count(process.backlog_max),
        of_ms(process.gc_max_ms),
        megabytes(process.rss_max_bytes),
        NONE if process.steal_max is None else percent(process.steal_max),
        of_ms(process.throttled_max_ms),
    ]
