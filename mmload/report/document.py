"""The report as JSON, for scripts: its form is versioned, and docs/report.md describes every key. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import asdict

from mmload.metrics.counts import MISSING_REASONS, Counts
from mmload.metrics.delta import ActionFigures, Delta, RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import RECONNECT, SCHEDULE_LAG
from mmload.report.findings import ProcessFigures, RunFindings, process_figures
from mmload.results.model import Machine, Note, Server
from mmload.results.outages import Outage
from mmload.results.summary import FailureRow, Summary, actions_by_count, routes_by_count

# Raised when a reader of the old form would misunderstand the new one; new keys alone do not raise it.
SCHEMA = 2


class RunDocument(msgspec.Struct, frozen=True):
    """What ran."""

    folder: str
    name: str
    started_ms: int
    started: str
    ended_ms: int
    ended: str
    ending: str | None
    seconds: int
    seed: int
    command: tuple[str, ...]
    mmload: str
    locust: str
    python: str
    versions: dict[str, str]
    spawn_rate: float
    run_time_seconds: float
    workers: int
    population: dict[str, int]
    server: Server
    machine: Machine
    missing: tuple[str, ...]


class ThresholdDocument(msgspec.Struct, frozen=True):
    """One threshold and what became of it."""

    text: str
    value: float | None
    passed: bool | None
    said: str


class VerdictDocument(msgspec.Struct, frozen=True):
    """What the run says."""

    outcome: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    thresholds: tuple[ThresholdDocument, ...]


class TimesDocument(msgspec.Struct, frozen=True):
    """Percentiles of durations in milliseconds; null where there were none."""

    count: int
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None


class WindowDocument(msgspec.Struct, frozen=True):
    """The part of the run that actions, routes and times are from."""

    phase: str
    seconds: int
    actions: int
    requests: int
    failures: int
    actions_per_second: float
    requests_per_second: float
    times: TimesDocument


class RequestsDocument(msgspec.Struct, frozen=True):
    """REST calls of the whole run, without log-ins."""

    count: int
    failures: int
    unanswered: int
    rate_limited: int


class GeneratorDocument(msgspec.Struct, frozen=True):
    """Whether the generator could keep up."""

    saturated: bool
    reasons: tuple[str, ...]
    saturated_seconds: int
    processes: dict[str, ProcessFigures]


class ActionDocument(msgspec.Struct, frozen=True):
    """One action of people."""

    name: str
    count: int
    failures: int
    skipped: int
    times: TimesDocument


class RouteDocument(msgspec.Struct, frozen=True):
    """One route of the REST API."""

    route: str
    count: int
    failures: int
    times: TimesDocument


class ErrorDocument(msgspec.Struct, frozen=True):
    """The failures, or expected refusals, of one route for one reason."""

    route: str
    reason: str
    count: int
    first_ms: int
    last_ms: int
    example: str


class OutageDocument(msgspec.Struct, frozen=True):
    """A span without answers, or with errors (5xx) for most; `route_groups`: what failed if not all did."""

    start_ms: int
    end_ms: int
    unanswered: int
    sockets_dropped: int
    sockets_back: int
    back_after_seconds: int
    server_errors: int
    route_groups: tuple[str, ...]


class ReportDocument(msgspec.Struct, frozen=True):
    """The whole report."""

    schema: int
    run: RunDocument
    verdict: VerdictDocument
    window: WindowDocument
    users: dict[str, Any]
    requests: RequestsDocument
    delivery: dict[str, Any]
    sockets: dict[str, int]
    events: dict[str, int]
    generator: GeneratorDocument
    actions: tuple[ActionDocument, ...]
    routes: tuple[RouteDocument, ...]
    logins: tuple[RouteDocument, ...]
    reconnects: TimesDocument
    schedule_lag: TimesDocument
    errors: tuple[ErrorDocument, ...]
    expected: tuple[ErrorDocument, ...]
    outages: tuple[OutageDocument, ...]
    unavailable: dict[str, str]
    notes: tuple[Note, ...]


def json_report(found: RunFindings) -> str:
    """The document as text, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(document(found)), indent=2).decode() + "\n"


def document(found: RunFindings) -> ReportDocument:
    """The report of a run as a document."""
    figures, window = found.figures, found.window
    return ReportDocument(
        schema=SCHEMA,
        run=_run(found),
        verdict=_verdict(found),
        window=_window(found),
        users={
            **asdict(figures.users),
            "active": found.active,
            **_without(figures.sessions, "rate_limited"),
            "kept_out": figures.kept_out,
        },
        requests=_requests(found),
        delivery=_delivery(figures),
        sockets=_without(figures.sockets, "posted_of_others"),
        events=figures.events,
        generator=_generator(found),
        actions=tuple(_action(name, action) for name, action in actions_by_count(window)),
        routes=tuple(_route(name, route) for name, route in routes_by_count(window.routes)),
        logins=tuple(_route(name, route) for name, route in routes_by_count(found.run.totals.whole.logins)),
        reconnects=_span(found.run.totals.whole, RECONNECT),
        schedule_lag=_span(window, SCHEDULE_LAG),
        errors=_errors(found.figures.failures),
        expected=_errors(found.figures.expected),
        outages=tuple(_outage(outage) for outage in found.outages),
        unavailable=figures.unavailable,
        notes=found.run.notes,
    )


def _run(found: RunFindings) -> RunDocument:
    facts = found.run.facts
    same = {name: getattr(facts, name) for name in RunDocument.__struct_fields__ if hasattr(facts, name)}
    return RunDocument(**same, folder=found.run.folder, seconds=found.run.totals.seconds, missing=found.run.missing)


def _verdict(found: RunFindings) -> VerdictDocument:
    said = found.said
    thresholds = tuple(ThresholdDocument(each.text, each.value, each.passed, each.said) for each in said.thresholds)
    return VerdictDocument(str(said.outcome), said.reasons, said.warnings, thresholds)


def _window(found: RunFindings) -> WindowDocument:
    part = found.throughput
    return WindowDocument(
        phase="steady" if found.steady else "whole",
        seconds=part.seconds,
        actions=part.actions,
        requests=part.requests,
        failures=part.failures,
        actions_per_second=round(part.actions_per_second, 3),
        requests_per_second=round(part.requests_per_second, 3),
        times=times_document(found.times),
    )


def _requests(found: RunFindings) -> RequestsDocument:
    whole = found.figures.whole
    unanswered = sum(second.unanswered for second in found.run.seconds)
    return RequestsDocument(whole.requests, whole.failures, unanswered, found.figures.sessions.rate_limited)


def _delivery(figures: Summary) -> dict[str, Any]:
    counts = figures.deliveries
    reasons = {MISSING_REASONS[reason]: number for reason, number in counts.reasons.items()}
    told = {**_without(counts, *MISSING_REASONS), "missing": counts.missing, "reasons": reasons}
    return {**told, **asdict(figures.delivery_times)}


def _without(counts: Counts, *names: str) -> dict[str, int]:
    return {name: number for name, number in asdict(counts).items() if name not in names}


def _generator(found: RunFindings) -> GeneratorDocument:
    trust = found.trust
    processes = process_figures(found.run.seconds)
    return GeneratorDocument(trust.saturated, trust.sentences, len(trust.saturated_seconds), processes)


def _action(name: str, action: ActionFigures) -> ActionDocument:
    return ActionDocument(name, action.done, action.failed_times.count, action.skipped, times_document(action.times))


def _route(name: str, route: RouteFigures) -> RouteDocument:
    return RouteDocument(name, route.count, route.failed_times.count, times_document(route.times))


def _span(delta: Delta, name: str) -> TimesDocument:
    return times_document(delta.spans.get(name) or Histogram())


def _errors(rows: tuple[FailureRow, ...]) -> tuple[ErrorDocument, ...]:
    return tuple(
        ErrorDocument(row.route, row.reason, row.count, round(row.first * 1000), round(row.last * 1000), row.example)
        for row in rows
    )


def _outage(outage: Outage) -> OutageDocument:
    return OutageDocument(*(getattr(outage, name) for name in OutageDocument.__struct_fields__))


def times_document(times: Histogram) -> TimesDocument:
    """The percentiles of a histogram, in milliseconds to the microsecond."""
    mean = times.total / times.count if times.count else None
    p50, p90, p95, p99, p99_9 = (_ms(times.percentile(percent)) for percent in (50, 90, 95, 99, 99.9))
    return TimesDocument(times.count, _ms(mean), p50, p90, p95, p99, p99_9, _ms(times.maximum))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
