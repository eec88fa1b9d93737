"""The report as Markdown, short enough for a comment of a CI system. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from mmload.printable import harmless
from mmload.report.browsers import browser_tables, host_sentences
from mmload.report.findings import (
    RunFindings,
    delivery_text,
    generator_sentences,
    loss_texts,
    outage_texts,
    said,
    sentence,
    storm_texts,
    subtitle,
    title,
)
from mmload.report.tables import ReportTable, tables
from mmload.report.wording import SIGNS, count, milliseconds, percent, rate

MOST_ROWS = 10
_SPECIAL = re.compile(r"([\\`*_\[\]|#])")


def markdown_report(found: RunFindings) -> str:
    """The whole report, with a line break at its end."""
    parts = [f"## {SIGNS[found.said.outcome][1]} {plain(title(found.run))}: {said(found).lower()}", _top(found)]
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


def _top(found: RunFindings) -> str:
    lines = [plain(sentence(found)), "", plain(" · ".join(subtitle(found.run)))]
    reasons = [f"- {plain(reason)}" for reason in found.said.reasons]
    warnings = [f"- Warning: {plain(warning)}" for warning in found.said.warnings]
    return "\n".join([*lines, *([""] if reasons or warnings else []), *reasons, *warnings])


def _sections(found: RunFindings) -> Iterator[tuple[str, str]]:
    made, figures, whole = tables(found) | browser_tables(found), found.figures, found.figures.whole
    yield "Storm", _joined(_items(storm_texts(found)), _table(made["storms"])) if found.run.storms else ""
    yield "Thresholds", _table(made["thresholds"])
    yield "Key figures", _figures(found)
    yield "Stages", _table(made["stages"])
    account = (plain(delivery_text(figures)), _table(made["deliveries"]), _items(loss_texts(figures.deliveries)))
    yield "Delivery (whole run)", _joined(*account) if made["deliveries"].rows else ""
    yield f"Actions ({found.window_name})", _table(made["actions"])
    browsers = (
        _table(made["browser"]),
        _table(made["browser pages"]),
        _items(host_sentences(found)),
        _table(made["browser failures"]),
    )
    yield f"Browser users ({found.window_name})", _joined(*browsers) if any(browsers) else ""
    yield f"Routes ({found.window_name})", _table(made["routes"])
    share = f"{percent(whole.failures / max(1, whole.requests))} of all requests, excluding logins."
    yield "Failures (whole run)", _joined(share, _table(made["failures"])) if made["failures"].rows else ""
    yield "Why users could not become active (whole run)", _table(made["kept_out"])
    yield "Expected refusals, not failures (whole run)", _table(made["expected"])
    yield "Outages", _items(outage_texts(found))
    generator = _table(made["generator"])
    yield "Generator", _joined(_items(generator_sentences(found)), generator) if generator else ""


def _joined(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


def _items(texts: Iterable[str]) -> str:
    return "\n".join(f"- {plain(text)}" for text in texts)


def _table(made: ReportTable) -> str:
    columns = [index for index, column in enumerate(made.columns) if not column.page_only]
    body = [[_cell(str(row[index]), made.columns[index].kind) for index in columns] for row in made.rows[:MOST_ROWS]]
    more = f"\n\nand {len(made.rows) - MOST_ROWS} more" if len(made.rows) > MOST_ROWS else ""
    return rows([made.columns[index].heading for index in columns], body) + more


def _cell(text: str, kind: str) -> str:
    return code(text) if kind in ("name", "route", "code") else plain(text)


def _figures(found: RunFindings) -> str:
    users, part, whole = found.figures.users, found.throughput, found.figures.whole
    times = (milliseconds(found.times.percentile(each)) for each in (50, 95, 99))
    body = [
        ["users: target / active at the end", f"{count(users.target)} / {count(found.active)}"],
        ["requests (whole run) / failed", f"{count(whole.requests)} / {count(whole.failures)}"],
        ["requests per second", rate(part.requests_per_second)],
        ["actions per second", rate(part.actions_per_second)],
        ["response time: p50 / p95 / p99 ms", " / ".join(times)],
    ]
    return rows((found.window_name, "figure"), body)
