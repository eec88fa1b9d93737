"""The report as Markdown, short enough for a comment of a CI system. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mmload.metrics.histogram import Histogram
from mmload.printable import harmless
from mmload.report.findings import (
    GENERATOR_HEADINGS,
    RunFindings,
    account_rows,
    delivery_text,
    generator_rows,
    generator_sentences,
    loss_texts,
    mark,
    said,
    sentence,
    subtitle,
    title,
    why,
)
from mmload.report.wording import clock, count, milliseconds, percent, rate, span
from mmload.results.summary import FailureRow, actions_by_count, routes_by_count

MOST_ROWS = 10
_SIGNS = {"passed": "✅", "failed": "❌", "inconclusive": "❔"}
_SPECIAL = re.compile(r"([\\`*_\[\]|#])")
_PERCENTILES = (50, 95, 99)
_TIMES = ("p50 ms", "p95 ms", "p99 ms")


def markdown_report(found: RunFindings) -> str:
    """The whole report, with a line break at its end."""
    parts = [f"## {_sign(found)} {plain(title(found.run))}: {said(found).lower()}", _top(found)]
    parts += [f"### {heading}\n\n{body}" for heading, body in _sections(found) if body]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is, in a table too, on one line."""
    text = harmless(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A zero-width space: an `@name` in an error text must not call anybody.
    return _SPECIAL.sub(r"\\\1", text).replace("@", "@\u200b")


def code(text: str) -> str:
    """Text as code, in a table too."""
    return "`" + harmless(" ".join(text.split())).replace("`", "'").replace("|", "\\|") + "`"


def rows(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table: the first column on the left, the others on the right; empty without rows."""
    if not body:
        return ""
    rule = ["---", *("---:" for _ in headings[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *body))


def _sign(found: RunFindings) -> str:
    return _SIGNS[str(found.said.outcome)]


def _top(found: RunFindings) -> str:
    lines = [plain(sentence(found)), "", plain(" · ".join(subtitle(found.run)))]
    reasons = [f"- {plain(reason)}" for reason in found.said.reasons]
    warnings = [f"- Warning: {plain(warning)}" for warning in found.said.warnings]
    return "\n".join([*lines, *([""] if reasons or warnings else []), *reasons, *warnings])


def _sections(found: RunFindings) -> Iterator[tuple[str, str]]:
    thresholds = [[code(each.text), mark(each), plain(why(each))] for each in found.said.thresholds]
    yield "Thresholds", rows(("threshold", "outcome", "why"), thresholds)
    yield "Key figures", _figures(found)
    yield "Delivery (whole run)", _delivery(found)
    yield f"Actions ({found.window_name})", _actions(found)
    yield f"Routes ({found.window_name})", _routes(found)
    yield "Failures (whole run)", _failures(found)
    kept_out = [[plain(reason), count(number)] for reason, number in found.figures.kept_out.items()]
    yield "Why users could not become active (whole run)", rows(("reason", "tries"), kept_out[:MOST_ROWS])
    yield "Expected refusals, no failures (whole run)", _refusals(found.figures.expected)
    yield (
        "Outages",
        "\n".join(
            f"- {outage.what}, {clock(outage.start_ms / 1000)} to {clock(outage.end_ms / 1000)} "
            f"({span(outage.seconds)})"
            for outage in found.outages
        ),
    )
    yield "Generator", _generator(found)


def _figures(found: RunFindings) -> str:
    users, part, whole = found.figures.users, found.throughput, found.figures.whole
    body = [
        ["users: target / active at the end", f"{count(users.target)} / {count(found.active)}"],
        ["requests (whole run) / failed", f"{count(whole.requests)} / {count(whole.failures)}"],
        ["requests per second", rate(part.requests_per_second)],
        ["actions per second", rate(part.actions_per_second)],
        ["response time: p50 / p95 / p99 ms", " / ".join(_times(found.times))],
    ]
    return rows((found.window_name, "figure"), body)


def _delivery(found: RunFindings) -> str:
    deliveries = found.figures.deliveries
    table = rows(
        ("deliveries", "number", "meaning"),
        [[name, count(number), meaning] for name, number, meaning in account_rows(deliveries)],
    )
    reasons = "\n".join(f"- {plain(reason)}" for reason in loss_texts(deliveries))
    return "\n\n".join(part for part in (plain(delivery_text(found.figures)), table, reasons) if part) if table else ""


def _actions(found: RunFindings) -> str:
    ordered = actions_by_count(found.window)
    body = [
        [code(name), count(action.done), count(action.failed_times.count), *_times(action.times)]
        for name, action in ordered[:MOST_ROWS]
    ]
    return rows(("action", "count", "failed", *_TIMES), body) + _more(len(ordered))


def _routes(found: RunFindings) -> str:
    ordered = routes_by_count(found.window.routes)
    body = [
        [code(name), count(route.count), count(route.failed_times.count), *_times(route.times)]
        for name, route in ordered[:MOST_ROWS]
    ]
    return rows(("route", "count", "failed", *_TIMES), body) + _more(len(ordered))


def _times(times: Histogram) -> list[str]:
    return [milliseconds(times.percentile(percentile)) for percentile in _PERCENTILES]


def _failures(found: RunFindings) -> str:
    table = _refusals(found.figures.failures)
    share = found.figures.whole.failures / max(1, found.figures.whole.requests)
    return f"{percent(share)} of all requests, without logins.\n\n{table}" if table else ""


def _refusals(of: Sequence[FailureRow]) -> str:
    body = [
        [code(f"{row.route}: {row.reason}"), count(row.count), clock(row.first), clock(row.last), _example(row.example)]
        for row in of[:MOST_ROWS]
    ]
    return rows(("route: reason", "count", "first", "last", "`X-Request-Id`"), body) + _more(len(of))


def _example(request_id: str) -> str:
    return code(request_id) if request_id else ""


def _more(number: int) -> str:
    return f"\n\nand {number - MOST_ROWS} more" if number > MOST_ROWS else ""


def _generator(found: RunFindings) -> str:
    body = [[plain(cell) for cell in cells] for cells in generator_rows(found)]
    sentences = "\n".join(f"- {plain(text)}" for text in generator_sentences(found))
    return "\n\n".join(part for part in (sentences, rows(GENERATOR_HEADINGS, body)) if part) if body else ""
