"""The report as one HTML file: style, script and pictures are in it, and nothing is fetched."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from coordinator.journal import Journal
from mmload.metrics.histogram import Histogram
from mmload.report import charts
from mmload.report.browsers import FailedStep, browser_tables, failed_steps, host_sentences
from mmload.report.findings import (
    RunFindings,
    ServerMetric,
    delivery_text,
    generator_sentences,
    loss_texts,
    outage_texts,
    read_server,
    said,
    sentence,
    storm_texts,
    subtitle,
    title,
)
from mmload.report.html import PageTable, breakable, in_code, number, rendered
from mmload.report.search_chart import SearchShown, read_search, search_shown
from mmload.report.svg import Chart, shades
from mmload.report.tables import Column, ReportTable, TooFew, tables
from mmload.report.wording import (
    NONE,
    SIGNS,
    count,
    megabytes,
    milliseconds,
    of_ms,
    percent,
    population_text,
    rate,
    span,
)
from mmload.results.folder import read_figures
from mmload.results.series import ChartWindow, sampled_width, shape, windows


def html_of_folder(found: RunFindings) -> str:
    """The page of a run with what only its folder has: every second's histograms, the server's metrics, a search."""
    folder = Path(found.run.folder)
    parts = list(windows(read_figures(folder), sampled_width(found.run.seconds)))
    failed = failed_steps(found.run.browser_failures, folder)
    return html_report(found, parts, read_server(folder), read_search(folder), failed)


def html_report(
    found: RunFindings,
    parts: Sequence[ChartWindow] = (),
    server: Sequence[ServerMetric] = (),
    search: Journal | str | None = None,
    failed: Sequence[FailedStep] = (),
) -> str:
    time = charts.timeframe(found)
    settings = found.run.facts.settings
    made = tables(found) | browser_tables(found)
    return rendered(
        "report.html",
        title=title(found.run),
        subtitle=" · ".join(subtitle(found.run)),
        outcome=said(found),
        sign=SIGNS[found.said.outcome][0],
        sentence=sentence(found),
        said=found.said,
        warnings=[f"Warning: {warning}" for warning in found.said.warnings],
        window=found.window_name,
        tiles=_tiles(found),
        bands=shades(time.bands),
        charts=_charts(found, time, parts, server),
        tables={name: page_table(table) for name, table in made.items()},
        browser_hosts=host_sentences(found),
        browser_failures=failed or failed_steps(found.run.browser_failures),
        storms=storm_texts(found),
        search=_search(search, time),
        delivery=delivery_text(found.figures),
        losses=loss_texts(found.figures.deliveries),
        lost_posts=f"Posts with missing deliveries ({count(len(found.run.totals.whole.losses))} recorded)",
        generator=generator_sentences(found) if made["generator"].rows else [],
        outages=outage_texts(found),
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
        "storm": charts.storm_charts(found, time),
        "times": [charts.answers_chart(found, time, parts), charts.curves_chart(found)],
        "delivery": [charts.delivery_chart(found, time, parts), *deliveries],
        "health": charts.health_charts(found, time),
        "server": charts.server_charts(server, time),
    }


def _tiles(found: RunFindings) -> list[tuple[str, str, str]]:
    users, deliveries, whole = found.figures.users, found.figures.deliveries, found.figures.whole
    share = percent(whole.failures / whole.requests) if whole.requests else "-"
    slow = milliseconds(found.times.percentile(99))
    late = of_ms(found.figures.delivery_times.p99_ms)
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
    load = f"stages: {run.stages}" if run.stages else load
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


_BARS = 24
MOST_ROWS = 100
_FEW = "In italics: too few samples for this percentile, so it is only the longest of them."
# Where names may go on in the next line: before a slash, before a capital, after a bracket or a dot.
_BREAKS = r"(?=/)|(?<=[a-z])(?=[A-Z])|(?<=[(.])(?=\D)"
_OUTCOMES = {"passed": "passed", "failed": "failed"}


def page_table(made: ReportTable) -> PageTable:
    """A table with its cells as markup, and small histograms on one common axis."""
    shown = made.rows[:MOST_ROWS]
    axis = _Axis([cell for row in shown for cell in row if isinstance(cell, Histogram)])
    rows = [[_cell(cell, column, axis) for cell, column in zip(row, made.columns, strict=True)] for row in shown]
    headings = [axis.heading if column.heading == "distribution" else column.heading for column in made.columns]
    words = [index for index, column in enumerate(made.columns) if column.kind != "number"]
    more = [_FEW] if any(isinstance(cell, TooFew) for row in shown for cell in row) else []
    if left := len(made.rows) - len(shown):
        more.append(f"and {left} more {made.what} in totals.json")
    return PageTable(headings, rows, made.caption, words, made.sortable, more)


def _cell(cell: str | Histogram, column: Column, axis: _Axis) -> str:
    if isinstance(cell, Histogram):
        return axis.bars(cell)
    if isinstance(cell, TooFew):
        return Markup('<span class="few">{}</span>').format(str(cell))
    match column.kind:
        case "route":
            return Markup('<span class="route">{}</span>').format(breakable(cell, _BREAKS))
        case "name":
            return breakable(cell, _BREAKS)
        case "code":
            return in_code(breakable(cell, _BREAKS)) if cell != NONE else cell
        case "outcome":
            outcome = Markup('<span class="outcome {}">{}</span>')
            return outcome.format(_OUTCOMES.get(cell, "inconclusive"), cell)
    return cell


class _Axis:
    """What the small histograms of a table have in common."""

    def __init__(self, tabled: Sequence[Histogram]) -> None:
        known = [times for times in tabled if times.count]
        self.shortest = min((times.minimum_us for times in known), default=1)
        self.longest = max((times.maximum_us for times in known), default=2)

    @property
    def heading(self) -> Markup:
        """Its ends; the page's script leaves this column unsorted."""
        ends = f"{milliseconds(self.shortest / 1e6)} … {milliseconds(self.longest / 1e6)} ms, log scale"
        return Markup('<span class="quiet" data-fixed>{}</span>').format(ends)

    def bars(self, times: Histogram) -> Markup:
        if not times.count:
            return Markup()
        heights = shape(times, self.shortest, self.longest, _BARS)
        unit = 20 / (max(heights, default=0) or 1)
        boxes = "".join(f"M{at} 20v-{number(max(1.0, unit * each))}h.9v20z" for at, each in enumerate(heights) if each)
        return Markup(
            '<svg viewBox="0 0 {} 20" preserveAspectRatio="none" class="small" role="img" aria-label="{}">'
            '<path d="{}"/></svg>'
        ).format(_BARS, f"from {milliseconds(times.minimum)} to {milliseconds(times.maximum)} ms", boxes)
