"""The report as one HTML file: style, script and pictures are in it, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from coordinator.journal import Journal
from mmload.report import page_tables as tables
from mmload.report.account import loss_texts, sent_text, time_text
from mmload.report.charts import (
    Timeframe,
    account_chart,
    answers_chart,
    curves_chart,
    delivery_chart,
    failures_chart,
    health_charts,
    note_texts,
    outage_texts,
    server_charts,
    throughput_chart,
    timeframe,
    users_chart,
)
from mmload.report.findings import Findings, Metric, read_server, said, sentence, subtitle, title
from mmload.report.html import Markup, element, listed, section, together
from mmload.report.staircase import read_search, staircase
from mmload.report.svg import drawn, key
from mmload.report.wording import count, milliseconds, percent, rate
from mmload.results.folder import read_figures
from mmload.results.series import Window, sampled_width, windows

_SIGNS = {"passed": "✓", "failed": "✗", "inconclusive": "?"}
# The page may not reach out, whatever is written in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_HATCHES = Markup(
    '<svg width="0" height="0" class="unseen" aria-hidden="true"><defs>'
    '<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path d="M1 0v6" stroke="var(--hatch)" stroke-width="1.5"/></pattern>'
    '<pattern id="doubted" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<path d="M1 0v6" stroke="var(--doubt)" stroke-width="1.5"/></pattern></defs></svg>'
)


def html_of_folder(found: Findings) -> str:
    """The page of a run with what only its folder has: every second's histograms, the server's figures, a search."""
    folder = Path(found.run.folder)
    parts = list(windows(read_figures(folder), sampled_width(found.run.seconds)))
    return html_report(found, parts, read_server(folder), read_search(folder))


def html_report(
    found: Findings,
    parts: Sequence[Window] = (),
    server: Sequence[Metric] = (),
    search: Journal | str | None = None,
) -> str:
    """The page."""
    name = title(found.run)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"{said(found)}: {name}"),
        element("style", Markup(_own("page.css"))),
    )
    main = element("main", _top(found), *(body for _, body in _sections(found, parts, server, search)))
    body = element("body", _HATCHES, main, element("script", Markup(_own("page.js"))))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _own(name: str) -> str:
    return (files("mmload.report") / name).read_text(encoding="utf-8")


def _top(found: Findings) -> Markup:
    outcome = str(found.said.outcome)
    verdict = element(
        "div",
        element("p", element("strong", f"{_SIGNS[outcome]} "), sentence(found)),
        listed(found.said.reasons),
        listed([f"Warning: {warning}" for warning in found.said.warnings]),
        class_=f"verdict {outcome}",
    )
    quiet = element("p", " · ".join(subtitle(found.run)), class_="quiet")
    return together([element("h1", title(found.run)), quiet, verdict, _tiles(found), tables.thresholds(found)])


def _tiles(found: Findings) -> Markup:
    users, delivery, part = found.figures.users, found.figures.delivery, found.throughput
    whole = found.figures.whole
    share = percent(whole.failures / whole.requests) if whole.requests else "-"
    slow = milliseconds(found.times.percentile(99))
    late = milliseconds(None if delivery.p99_ms is None else delivery.p99_ms / 1000)
    figures = [
        ("users at the end", count(found.alive), f"{count(users.asked)} asked for"),
        ("requests per second", rate(part.requests_per_second), found.window_name),
        ("failed requests", count(whole.failures), f"{share} of {count(whole.requests)}, whole run"),
        ("p99 of good answers", f"{slow} ms", f"p50 {milliseconds(found.times.percentile(50))} ms"),
        ("p99 of deliveries", f"{late} ms", f"{count(delivery.delivered)} delivered"),
        ("deliveries missing", count(delivery.missing), f"of {count(delivery.expected)} expected"),
    ]
    tiles = [
        element("div", element("dt", name), element("dd", value, element("small", more)))
        for name, value, more in figures
    ]
    return element("dl", *tiles, class_="tiles")


def _sections(
    found: Findings, parts: Sequence[Window], server: Sequence[Metric], search: Journal | str | None
) -> list[tuple[str, Markup]]:
    """Identities and sections in reading order; those without content are empty."""
    time = timeframe(found)
    window = found.window_name
    made = [
        ("capacity", "The search for the capacity", staircase(search, time)),
        ("load", "Users and load", _load(found, time)),
        ("times", "Answer times", together([drawn(answers_chart(found, time, parts)), drawn(curves_chart(found))])),
        ("delivery", "Delivery of messages", _delivery(found, time, parts)),
        ("actions", f"Actions ({window})", tables.actions(found)),
        ("routes", f"Routes ({window})", tables.routes(found)),
        ("logins", "Log-ins (whole run)", tables.logins(found)),
        ("errors", "Failures (whole run)", tables.refusals(found.figures.failures, "Failures")),
        (
            "expected",
            "Expected refusals, no failures (whole run)",
            tables.refusals(found.figures.expected, "Expected refusals"),
        ),
        ("generator", "The generator's health", _generator(found, time)),
        ("server", "The server's own figures", _several([drawn(chart) for chart in server_charts(server, time)])),
        ("events", "What happened", _happened(found)),
        ("run", "What ran", tables.facts(found)),
    ]
    return [(identity, section(identity, heading, body)) for identity, heading, body in made]


def _several(charts: Sequence[Markup]) -> Markup:
    return element("div", *charts, class_="several") if charts else Markup()


def _load(found: Findings, time: Timeframe) -> Markup:
    charts = [users_chart(found, time), throughput_chart(found, time), failures_chart(found, time)]
    return together([key(time.bands), *(drawn(chart) for chart in charts)])


def _delivery(found: Findings, time: Timeframe, parts: Sequence[Window]) -> Markup:
    delivery = found.figures.delivery
    texts = [text for text in (sent_text(delivery), time_text(delivery)) if text]
    return together(
        [
            element("p", "; ".join(texts) + "."),
            tables.account(found),
            listed(loss_texts(delivery)),
            drawn(delivery_chart(found, time, parts)),
            drawn(account_chart(found, time)) if delivery.expected else None,
            tables.losses(found),
            tables.sockets(found),
        ]
    )


def _generator(found: Findings, time: Timeframe) -> Markup:
    return together(
        [
            listed(tables.generator_sentences(found)),
            tables.processes(found),
            _several([drawn(chart) for chart in health_charts(found, time)]),
        ]
    )


def _happened(found: Findings) -> Markup:
    notes = note_texts(found)
    told = element("p", "These numbers stand at the heads of the charts over time.", class_="quiet") if notes else None
    return together([listed(outage_texts(found)), told, listed(notes, numbered=True)])
