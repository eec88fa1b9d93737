"""The report as one HTML file: style, script and pictures are in it, and nothing is fetched."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from coordinator.journal import Journal
from mmload.report import charts, page_tables
from mmload.report.account import (
    delivery_text,
    generator_rows,
    generator_sentences,
    loss_texts,
)
from mmload.report.findings import RunFindings, ServerMetric, read_server, said, sentence, subtitle, title
from mmload.report.html import rendered
from mmload.report.staircase import SearchShown, read_search, search_shown
from mmload.report.svg import Chart, shades
from mmload.report.wording import count, megabytes, milliseconds, percent, population_text, rate, span
from mmload.results.folder import read_figures
from mmload.results.series import ChartWindow, sampled_width, windows

_SIGNS = {"passed": "✓", "failed": "✗", "inconclusive": "?"}


def html_of_folder(found: RunFindings) -> str:
    """The page of a run with what only its folder has: every second's histograms, the server's metrics, a search."""
    folder = Path(found.run.folder)
    parts = list(windows(read_figures(folder), sampled_width(found.run.seconds)))
    return html_report(found, parts, read_server(folder), read_search(folder))


def html_report(
    found: RunFindings,
    parts: Sequence[ChartWindow] = (),
    server: Sequence[ServerMetric] = (),
    search: Journal | str | None = None,
) -> str:
    """The page."""
    time = charts.timeframe(found)
    settings = found.run.facts.settings
    return rendered(
        "report.html",
        title=title(found.run),
        subtitle=" · ".join(subtitle(found.run)),
        outcome=said(found),
        sign=_SIGNS[str(found.said.outcome)],
        sentence=sentence(found),
        said=found.said,
        warnings=[f"Warning: {warning}" for warning in found.said.warnings],
        window=found.window_name,
        tiles=_tiles(found),
        bands=shades(time.bands),
        charts=_charts(found, time, parts, server),
        tables=page_tables.tables(found),
        search=_search(search, time),
        delivery=delivery_text(found.figures),
        losses=loss_texts(found.figures.deliveries),
        lost_posts=f"Posts with missing deliveries ({count(len(found.run.totals.whole.losses))} recorded)",
        generator=generator_sentences(found) if generator_rows(found) else [],
        outages=charts.outage_texts(found),
        notes=charts.note_texts(found),
        facts=_facts(found),
        settings=json.dumps(settings, indent=2, ensure_ascii=False) if settings else "",
    )


def _search(search: Journal | str | None, time: charts.Timeframe) -> SearchShown | str:
    return search_shown(search, time) if isinstance(search, Journal) else search or ""


def _charts(
    found: RunFindings, time: charts.Timeframe, parts: Sequence[ChartWindow], server: Sequence[ServerMetric]
) -> dict[str, list[Chart]]:
    deliveries = [charts.account_chart(found, time)] if found.figures.deliveries.expected else []
    return {
        "load": [
            charts.users_chart(found, time),
            charts.throughput_chart(found, time),
            charts.failures_chart(found, time),
        ],
        "times": [charts.answers_chart(found, time, parts), charts.curves_chart(found)],
        "delivery": [charts.delivery_chart(found, time, parts), *deliveries],
        "health": charts.health_charts(found, time),
        "server": charts.server_charts(server, time),
    }


def _tiles(found: RunFindings) -> list[tuple[str, str, str]]:
    users, deliveries, whole = found.figures.users, found.figures.deliveries, found.figures.whole
    share = percent(whole.failures / whole.requests) if whole.requests else "-"
    slow = milliseconds(found.times.percentile(99))
    p99_ms = found.figures.delivery_times.p99_ms
    late = milliseconds(None if p99_ms is None else p99_ms / 1000)
    return [
        ("active users at the end", count(found.active), f"target {count(users.target)}"),
        ("requests per second", rate(found.throughput.requests_per_second), found.window_name),
        ("failed requests", count(whole.failures), f"{share} of {count(whole.requests)}, whole run"),
        ("p99 response time", f"{slow} ms", f"p50 {milliseconds(found.times.percentile(50))} ms"),
        ("p99 delivery time", f"{late} ms", f"{count(deliveries.delivered)} delivered"),
        ("missing deliveries", count(deliveries.missing), f"of {count(deliveries.expected)} expected"),
    ]


def _unbroken_words(line: str) -> Markup:
    """A command line that goes on in the next line between its words only: browsers would break `--users`, too."""
    return Markup(" ").join(Markup('<span class="whole">{}</span>').format(word) for word in line.split(" "))


def _facts(found: RunFindings) -> Sequence[tuple[str, str]]:
    run = found.run.facts
    machine, server = run.machine, run.server
    memory = f", {megabytes(machine.memory_bytes)} MB" if machine.memory_bytes else ""
    cores = f"{machine.cores} cores{memory}, {machine.kernel}" if machine.cores else ""
    load = f"{count(run.users)} users, spawn rate {run.spawn_rate:g}/s" if run.users else ""
    return (
        ("command", _unbroken_words(shlex.join(run.command)) if run.command else ""),
        ("started", run.started),
        ("ended", f"{run.ended} ({run.ending})" if run.ending else run.ended),
        ("target load", load + (f", for {span(run.run_time_seconds)}" if run.run_time_seconds else "")),
        ("server", " ".join(part for part in (server.url, server.version, server.build, server.sku) if part)),
        ("server features", ", ".join(server.features)),
        ("population", population_text(run.population)),
        ("mmload", run.mmload),
        ("Locust, Python", f"{run.locust}, {run.python}" if run.locust else ""),
        ("libraries", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("worker processes", count(run.workers) if run.workers else "none (single process)"),
        ("load generator", cores),
        ("random seed", str(run.seed) if run.seed else ""),
        ("run folder", found.run.folder),
    )
