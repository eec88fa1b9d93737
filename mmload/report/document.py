"""The report as JSON, for scripts: its form is versioned, and docs/report.md describes every key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict

from mmload.metrics.browser import VITALS, BrowserStep
from mmload.metrics.counts import MISSING_REASONS
from mmload.metrics.delta import Delta, RouteFigures, all_times
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import RECONNECT, SCHEDULE_LAG
from mmload.report.findings import RunFindings, process_figures
from mmload.results.generator_health import untrusted
from mmload.results.model import StormRecovery
from mmload.results.storms import storm_sentence
from mmload.results.summary import FailureRow, Summary, actions_by_count, highest_users, routes_by_count
from mmload.results.timeline import rounded_ms

# Raised when a reader of the old form would misunderstand the new one; new keys alone do not raise it.
SCHEMA = 2


def json_report(found: RunFindings) -> str:
    """The document as text, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(document(found)), indent=2).decode() + "\n"


def document(found: RunFindings) -> dict[str, Any]:
    figures, window, whole = found.figures, found.window, found.run.totals.whole
    return {
        "schema": SCHEMA,
        "run": _run(found),
        "verdict": found.said,
        "window": _window(found),
        "users": _users(found),
        "requests": _requests(found),
        "delivery": _delivery(figures),
        "sockets": _without(figures.sockets, "posted_of_others"),
        "events": figures.events,
        "generator": _generator(found),
        "storms": [_storm(each) for each in found.run.storms],
        "stages": _stages(found),
        "actions": _actions(window),
        "browser": _browser(found),
        "routes": _routes(window.routes),
        "logins": _routes(whole.logins),
        "reconnects": times_document(whole.spans.get(RECONNECT) or Histogram()),
        "schedule_lag": times_document(window.spans.get(SCHEDULE_LAG) or Histogram()),
        "errors": _errors(figures.failures),
        "expected": _errors(figures.expected),
        "outages": found.outages,
        "unavailable": figures.unavailable,
        "notes": found.run.notes,
    }


def _users(found: RunFindings) -> dict[str, Any]:
    figures = found.figures
    return {
        **asdict(figures.users),
        "active": found.active,
        **_without(figures.sessions, "rate_limited"),
        "kept_out": figures.kept_out,
    }


def _requests(found: RunFindings) -> dict[str, int]:
    return {
        "count": found.figures.whole.requests,
        "failures": found.figures.whole.failures,
        "unanswered": sum(second.unanswered for second in found.run.seconds),
        "rate_limited": found.figures.sessions.rate_limited,
    }


def _generator(found: RunFindings) -> dict[str, Any]:
    return {
        "saturated": found.trust.saturated,
        "reasons": found.trust.sentences,
        "saturated_seconds": len(found.trust.saturated_seconds),
        "processes": process_figures(found.run.seconds),
    }


def _storm(recovery: StormRecovery) -> dict[str, Any]:
    storm = recovery.storm
    return {
        "kind": storm.kind,
        "began_ms": storm.ms,
        "over_ms": storm.over_ms or None,
        "users": storm.users,
        "said": storm_sentence(recovery),
        **_without(recovery, "storm"),
    }


def _stages(found: RunFindings) -> list[dict[str, Any]]:
    highest = highest_users(found.run.seconds)
    return [
        {
            "name": name,
            "seconds": part.seconds,
            "highest_active": highest.get(name, 0),
            "requests": sum(route.count for route in part.figures.routes.values()),
            "failures": sum(route.failed_times.count for route in part.figures.routes.values()),
            "times": times_document(all_times(part.figures.routes)),
        }
        for name, part in found.run.stages.items()
    ]


def _actions(window: Delta) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "count": action.done,
            "failures": action.failed_times.count,
            "skipped": action.skipped,
            "times": times_document(action.times),
        }
        for name, action in actions_by_count(window)
    ]


def _browser(found: RunFindings) -> dict[str, Any]:
    return {
        "trusted": not untrusted(found.run.totals.whole),
        "steps": [_browser_step(name, step) for name, step in found.window.browser.items()],
        "hosts": [
            {"host": name, "steps": each.steps, "busy": each.busy, "cpu_mean": each.cpu_mean, "cpu_max": each.cpu_max}
            for name, each in found.run.totals.whole.browser_hosts.items()
        ],
        "failures": found.run.browser_failures,
    }


def _browser_step(name: str, step: BrowserStep) -> dict[str, Any]:
    vitals = {key: step.vitals[key].percentile(75) if key in step.vitals else None for key in VITALS}
    cls = vitals.pop("cls")
    return {
        "name": name,
        "count": step.done,
        "failures": step.failed,
        "skipped": step.skipped,
        "busy": step.busy,
        "times": times_document(step.times),
        **{f"{key}_p75_ms": rounded_ms(value) for key, value in vitals.items()},
        "cls_p75": cls,
        "requests": step.requests,
        "bytes": step.bytes,
        "long_tasks": step.long_tasks,
        "long_task_ms": step.long_task_ms,
        "heap_bytes": step.heap_bytes,
        "reasons": step.failures,
    }


def _run(found: RunFindings) -> dict[str, Any]:
    return {
        "folder": found.run.folder,
        "seconds": found.run.totals.seconds,
        **_without(found.run.facts, "schema", "settings", "users", "thresholds"),
        "missing": found.run.missing,
    }


def _window(found: RunFindings) -> dict[str, Any]:
    part = found.throughput
    return {
        "phase": "steady" if found.steady else "whole",
        **asdict(part),
        "actions_per_second": round(part.actions_per_second, 3),
        "requests_per_second": round(part.requests_per_second, 3),
        "times": times_document(found.times),
    }


def _delivery(figures: Summary) -> dict[str, Any]:
    counts = figures.deliveries
    reasons = {MISSING_REASONS[reason]: number for reason, number in counts.reasons.items()}
    told = {**_without(counts, *MISSING_REASONS), "missing": counts.missing, "reasons": reasons}
    return {**told, **asdict(figures.delivery_times)}


def _without(values: msgspec.Struct, *names: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(values).items() if name not in names}


def _routes(routes: Mapping[str, RouteFigures]) -> list[dict[str, Any]]:
    return [
        {
            "route": name,
            "count": route.count,
            "failures": route.failed_times.count,
            "times": times_document(route.times),
        }
        for name, route in routes_by_count(routes)
    ]


def _errors(rows: Iterable[FailureRow]) -> list[dict[str, Any]]:
    return [
        {
            **_without(row, "first", "last"),
            "first_ms": round(row.first * 1000),
            "last_ms": round(row.last * 1000),
        }
        for row in rows
    ]


def times_document(times: Histogram) -> dict[str, Any]:
    """The percentiles of a histogram, in milliseconds to the microsecond; null where there were no durations."""
    mean = times.total / times.count if times.count else None
    percentiles = {"p50_ms": 50, "p90_ms": 90, "p95_ms": 95, "p99_ms": 99, "p99_9_ms": 99.9}
    return {
        "count": times.count,
        "mean_ms": rounded_ms(mean),
        **{name: rounded_ms(times.percentile(percent)) for name, percent in percentiles.items()},
        "max_ms": rounded_ms(times.maximum),
    }
