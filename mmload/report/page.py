"""The report as one HTML file: style, script and pictures are in it, and nothing is fetched."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from coordinator.journal import Journal
from mmload.metrics.counts import MISSING_REASONS
from mmload.metrics.delta import RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.report import charts
from mmload.report.findings import (
    GENERATOR_HEADINGS,
    RunFindings,
    ServerMetric,
    account_rows,
    delivery_text,
    generator_rows,
    generator_sentences,
    loss_texts,
    mark,
    read_server,
    said,
    sentence,
    subtitle,
    title,
    why,
)
from mmload.report.html import PageTable, breakable, in_code, number, rendered
from mmload.report.search_chart import SearchShown, read_search, search_shown
from mmload.report.svg import Chart, shades
from mmload.report.wording import clock, count, megabytes, milliseconds, percent, population_text, rate, span
from mmload.results.folder import read_figures
from mmload.results.series import ChartWindow, sampled_width, shape, windows
from mmload.results.summary import FailureRow, actions_by_count, routes_by_count

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
        tables=tables(found),
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


_PERCENTILES = (50, 90, 95, 99, 99.9)
_TIMES = ("p50 ms", "p90", "p95", "p99", "p99.9", "max")
_BARS = 24
MOST_ROUTES = 100
MOST_FAILURES = 100
MOST_LOSSES = 50
_FEW = "In italics: too few samples, so this percentile is only the longest of them."
# Where names may go on in the next line: a route before a slash, an action before a capital, a threshold after a
# bracket or a dot.
_ROUTE, _ACTION, _THRESHOLD = r"(?=/)", r"(?<=[a-z])(?=[A-Z])", r"(?<=[(.])(?=\D)"


def tables(found: RunFindings) -> dict[str, PageTable]:
    """All tables by name; those without rows are not shown."""
    figures, whole = found.figures, found.run.totals.whole
    return {
        "thresholds": _thresholds(found),
        "deliveries": PageTable(
            ["deliveries", "number", "meaning"],
            [[name, count(amount), meaning] for name, amount, meaning in account_rows(figures.deliveries)],
            "Delivery of messages",
            words=(2,),
        ),
        "losses": _losses(found),
        "sockets": _sockets(found),
        "events": PageTable(
            ["event", "number"],
            [[name, count(amount)] for name, amount in figures.events.items()],
            "Events received",
        ),
        "actions": _actions(found),
        "routes": _routes(found.window.routes, "Routes"),
        "logins": _routes(whole.logins, "Logins"),
        "failures": _refusals(figures.failures, "Failures"),
        "expected": _refusals(figures.expected, "Expected refusals"),
        "generator": PageTable(GENERATOR_HEADINGS, generator_rows(found), "Load generator processes"),
        "kept_out": PageTable(
            ["reason", "tries"],
            [[reason, count(number)] for reason, number in figures.kept_out.items()],
            "Why users could not become active",
            words=(0,),
        ),
        "unavailable": PageTable(
            ["feature", "reason"],
            sorted(figures.unavailable.items()),
            "Not tested",
            words=(1,),
        ),
    }


def _thresholds(found: RunFindings) -> PageTable:
    kinds = {True: "passed", False: "failed", None: "inconclusive"}
    outcome = Markup('<span class="outcome {}">{}</span>')
    rows = [
        [in_code(breakable(each.text, _THRESHOLD)), outcome.format(kinds[each.passed], mark(each)), why(each)]
        for each in found.said.thresholds
    ]
    return PageTable(["threshold", "outcome", "reason"], rows, "Thresholds", words=(1, 2))


def _actions(found: RunFindings) -> PageTable:
    """Actions with their times, small histograms on one common axis."""
    ordered = actions_by_count(found.window)
    times = [action.times for _, action in ordered]
    heading, bars = _small_histograms(times)
    rows = [
        [
            breakable(name, _ACTION),
            count(action.done),
            count(action.failed_times.count),
            count(action.skipped),
            *_cells(action.times),
            picture,
        ]
        for (name, action), picture in zip(ordered, bars, strict=True)
    ]
    headings = ["action", "count", "failed", "skipped", *_TIMES, heading]
    return PageTable(headings, rows, "Actions", sortable=True, more=_few(times))


def _routes(routes: Mapping[str, RouteFigures], caption: str) -> PageTable:
    ordered = routes_by_count(routes)
    shown = ordered[:MOST_ROUTES]
    times = [route.times for _, route in shown]
    heading, bars = _small_histograms(times)
    rows = [
        [_route(name), count(route.count), count(route.failed_times.count), *_cells(route.times), picture]
        for (name, route), picture in zip(shown, bars, strict=True)
    ]
    more = [*_few(times), *_left(len(ordered) - MOST_ROUTES, "routes")]
    return PageTable(["route", "count", "failed", *_TIMES, heading], rows, caption, sortable=True, more=more)


def _route(name: str) -> Markup:
    return Markup('<span class="route">{}</span>').format(breakable(name, _ROUTE))


def _left(number_left: int, what: str) -> list[str]:
    return [f"and {number_left} more {what} in totals.json"] if number_left > 0 else []


def _cells(times: Histogram) -> list[str]:
    """Percentiles; those shown quietly that take more samples, and are only the longest of these."""
    quiet = Markup('<span class="few">{}</span>')
    shown = [(each, milliseconds(times.percentile(each))) for each in _PERCENTILES]
    cells = [text if _enough(times, percent) else quiet.format(text) for percent, text in shown]
    return [*cells, milliseconds(times.maximum)]


def _enough(times: Histogram, percent: float) -> bool:
    return times.count * (100 - percent) >= 100 or not times.count


def _few(tabled: Iterable[Histogram]) -> list[str]:
    """What the quiet percentiles of a table mean, if it has any."""
    return [] if all(_enough(times, percent) for times in tabled for percent in _PERCENTILES) else [_FEW]


def _small_histograms(tabled: Sequence[Histogram]) -> tuple[Markup, list[Markup]]:
    """Histograms of a table on one axis, and the heading of their column, which the page's script leaves unsorted."""
    known = [times for times in tabled if times.count]
    shortest = min((times.minimum_us for times in known), default=1)
    longest = max((times.maximum_us for times in known), default=2)
    ends = f"{milliseconds(shortest / 1e6)} … {milliseconds(longest / 1e6)} ms, log scale"
    heading = Markup('<span class="quiet" data-fixed>{}</span>').format(ends)
    return heading, [_bars(times, shortest, longest) if times.count else Markup() for times in tabled]


def _bars(times: Histogram, shortest: float, longest: float) -> Markup:
    heights = shape(times, shortest, longest, _BARS)
    unit = 20 / (max(heights, default=0) or 1)
    boxes = "".join(f"M{at} 20v-{number(max(1.0, unit * each))}h.9v20z" for at, each in enumerate(heights) if each)
    return Markup(
        '<svg viewBox="0 0 {} 20" preserveAspectRatio="none" class="small" role="img" aria-label="{}">'
        '<path d="{}"/></svg>'
    ).format(_BARS, f"from {milliseconds(times.minimum)} to {milliseconds(times.maximum)} ms", boxes)


def _refusals(ordered: Sequence[FailureRow], caption: str) -> PageTable:
    """Failures, or refusals that are none, by route and reason."""
    rows = [
        [
            _route(row.route),
            row.reason,
            count(row.count),
            clock(row.first),
            clock(row.last),
            in_code(row.example) if row.example else "-",
        ]
        for row in ordered[:MOST_FAILURES]
    ]
    headings = ["route", "reason", "count", "first", "last", "example (X-Request-Id)"]
    more = _left(len(ordered) - MOST_FAILURES, "kinds")
    return PageTable(headings, rows, caption, words=(1, 5), sortable=True, more=more)


def _losses(found: RunFindings) -> PageTable:
    """The posts that did not reach all, one by one."""
    rows = [
        [
            in_code(loss.post_id),
            in_code(loss.channel_id),
            clock(loss.sent_ms / 1000),
            count(loss.expected),
            "; ".join(
                f"{count(amount)}: {MISSING_REASONS.get(reason, reason)}" for reason, amount in loss.missing.items()
            ),
        ]
        for loss in found.run.totals.whole.losses[:MOST_LOSSES]
    ]
    return PageTable(["post", "channel", "sent", "expected", "missing"], rows, "Missing deliveries", words=(1, 4))


def _sockets(found: RunFindings) -> PageTable:
    """What became of the WebSockets."""
    figures = found.figures.sockets
    names = ("opened", "dropped", "resumed", "renewed", "given_up", "gaps", "gaps_filled", "gaps_lost")
    words = {"gaps": "gaps in sequence numbers", "gaps_filled": "of them filled", "gaps_lost": "of them lost"}
    told = [(words.get(name, name.replace("_", " ")), getattr(figures, name)) for name in names]
    rows = [[name, count(amount)] for name, amount in told if amount or name in ("opened", "dropped")]
    return PageTable(["WebSockets", "number"], rows, "WebSockets")
