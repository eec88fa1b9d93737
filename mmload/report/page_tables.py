"""The tables of the HTML page. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from mmload.metrics.delta import RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.report.account import (
    GENERATOR_HEADINGS,
    account_rows,
    generator_rows,
    generator_sentences,
    mark,
    why,
)
from mmload.report.findings import Findings
from mmload.report.html import Markup, details, element, table, together
from mmload.report.svg import small_histogram
from mmload.report.wording import clock, count, megabytes, milliseconds, population_text, span
from mmload.results.series import shape
from mmload.results.summary import FailureRow, actions_by_count, routes_by_count

__all__ = ["generator_sentences"]

_PERCENTILES = (50, 90, 95, 99, 99.9)
_TIMES = ("p50 ms", "p90", "p95", "p99", "p99.9", "max")
_BARS = 24
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
MOST_ROUTES = 100
MOST_FAILURES = 100
MOST_LOSSES = 50


def thresholds(found: Findings) -> Markup:
    """Each threshold with its outcome and why."""
    rows = [
        [_in_code(each.text), element("span", mark(each), class_=f"outcome {_kind(each.passed)}"), why(each)]
        for each in found.said.thresholds
    ]
    return table(["threshold", "outcome", "why"], rows, "Thresholds", words=(1, 2))


def _kind(passed: bool | None) -> str:
    return {True: "passed", False: "failed", None: "inconclusive"}[passed]


def actions(found: Findings) -> Markup:
    """People's actions with their times, small histograms on one common axis."""
    ordered = actions_by_count(found.window)
    common = _Common([action.times for _, action in ordered])
    rows = [
        [
            _humps(name),
            count(action.done),
            count(action.failed_times.count),
            count(action.skipped),
            *_times(action.times),
            common.drawn(action.times),
        ]
        for name, action in ordered
    ]
    headings = ["action", "count", "failed", "skipped", *_TIMES, common.heading]
    return together([table(headings, rows, "Actions", sortable=True), _few([action.times for _, action in ordered])])


def routes(found: Findings) -> Markup:
    """The REST API's routes with their times."""
    ordered = routes_by_count(found.window.routes)
    left = len(ordered) - MOST_ROUTES
    more = element("p", f"and {left} more in totals.json", class_="quiet") if left > 0 else None
    return together([_routes(dict(ordered[:MOST_ROUTES]), "Routes"), more])


def logins(found: Findings) -> Markup:
    """Log-in requests, which are no part of the steady load."""
    return _routes(dict(routes_by_count(found.run.totals.whole.logins)), "Log-ins")


def _routes(figures: Mapping[str, RouteFigures], caption: str) -> Markup:
    common = _Common([route.times for route in figures.values()])
    rows = [
        [
            _broken(name),
            count(route.count),
            count(route.failed_times.count),
            *_times(route.times),
            common.drawn(route.times),
        ]
        for name, route in figures.items()
    ]
    made = table(["route", "count", "failed", *_TIMES, common.heading], rows, caption, sortable=True)
    return together([made, _few([route.times for route in figures.values()])])


def _broken(route: str) -> Markup:
    """A route that may go on in the next line before each slash."""
    pieces = route.split("/")
    breaks = [child for piece in pieces[1:] for child in (Markup("<wbr>"), f"/{piece}")]
    return element("span", pieces[0], *breaks, class_="route")


def _in_code(threshold: str) -> Markup:
    """A threshold that may go on in the next line after a bracket or a dot."""
    pieces = re.split(r"(?<=[(.])(?=\D)", threshold)
    return element("code", pieces[0], *(child for piece in pieces[1:] for child in (Markup("<wbr>"), piece)))


def _humps(action: str) -> Markup:
    """An action's name that may go on in the next line before each capital."""
    pieces = _HUMP.split(action)
    return together([pieces[0], *(child for piece in pieces[1:] for child in (Markup("<wbr>"), piece))])


def _times(times: Histogram) -> list[str]:
    return [*(_time(times, each) for each in _PERCENTILES), milliseconds(times.maximum)]


def _time(times: Histogram, percent: float) -> str:
    """A percentile; shown quietly where it takes more samples, and is only the longest of these."""
    shown = milliseconds(times.percentile(percent))
    return shown if _enough(times, percent) else element("span", shown, class_="few")


def _enough(times: Histogram, percent: float) -> bool:
    return times.count * (100 - percent) >= 100 or not times.count


def _few(tabled: Iterable[Histogram]) -> Markup | None:
    """What the quiet percentiles of a table mean, if it has any."""
    if all(_enough(times, percent) for times in tabled for percent in _PERCENTILES):
        return None
    return element("p", "In italics: so few times that this percentile is only the longest of them.", class_="quiet")


class _Common:
    """One axis for the small histograms of a table, so that they can be compared at a glance."""

    def __init__(self, histograms: Iterable[Histogram]) -> None:
        known = [times for times in histograms if times.count]
        self._shortest = min((times.minimum_us for times in known), default=1)
        self._longest = max((times.maximum_us for times in known), default=2)

    @property
    def heading(self) -> Markup:
        """From where to where they go. The browser's script leaves this column unsorted."""
        ends = f"{milliseconds(self._shortest / 1e6)} … {milliseconds(self._longest / 1e6)} ms, logarithmic"
        return element("span", ends, class_="quiet", data_fixed=True)

    def drawn(self, times: Histogram) -> Markup:
        """One small histogram."""
        if not times.count:
            return Markup()
        bars = shape(times, self._shortest, self._longest, _BARS)
        return small_histogram(bars, f"from {milliseconds(times.minimum)} to {milliseconds(times.maximum)} ms")


def refusals(ordered: Sequence[FailureRow], caption: str) -> Markup:
    """Failures, or refusals that are none, by route and reason."""
    rows = [
        [
            _broken(row.route),
            row.reason,
            count(row.count),
            clock(row.first),
            clock(row.last),
            element("code", row.example) if row.example else "-",
        ]
        for row in ordered[:MOST_FAILURES]
    ]
    left = len(ordered) - MOST_FAILURES
    more = element("p", f"and {left} more kinds in totals.json", class_="quiet") if left > 0 else None
    headings = ["route", "reason", "count", "first", "last", "example (X-Request-Id)"]
    return together([table(headings, rows, caption, words=(1, 5), sortable=True), more])


def account(found: Findings) -> Markup:
    """The account of messages."""
    rows = [[name, count(number), meaning] for name, number, meaning in account_rows(found.figures.delivery)]
    return table(["deliveries", "number", "meaning"], rows, "The account of messages", words=(2,))


def losses(found: Findings) -> Markup:
    """The posts that did not reach all, one by one."""
    told = found.run.totals.whole.losses
    rows = [
        [
            element("code", loss.post_id),
            element("code", loss.channel_id),
            clock(loss.sent_ms / 1000),
            count(loss.expected),
            "; ".join(f"{count(number)}: {reason}" for reason, number in loss.missing.items()),
        ]
        for loss in told[:MOST_LOSSES]
    ]
    if not rows:
        return Markup()
    headings = ["post", "channel", "sent", "expected", "missing"]
    inner = table(headings, rows, "Posts that did not reach all", words=(1, 4))
    return details(f"Posts that did not reach all ({count(len(told))} named)", inner)


def sockets(found: Findings) -> Markup:
    """What became of the WebSockets, and what they received."""
    figures = found.figures.sockets
    names = ("opened", "dropped", "resumed", "renewed", "given_up", "gaps", "gaps_filled", "gaps_lost")
    words = {"gaps": "gaps in sequence numbers", "gaps_filled": "of them filled", "gaps_lost": "of them lost"}
    told = [(words.get(name, name.replace("_", " ")), getattr(figures, name)) for name in names]
    rows = [[name, count(number)] for name, number in told if number or name in ("opened", "dropped")]
    events = [[name, count(number)] for name, number in found.figures.messages.events.items()]
    return together(
        [
            details("WebSockets", table(["WebSockets", "number"], rows, "WebSockets")),
            details("Events received", table(["event", "number"], events, "Events received")) if events else None,
        ]
    )


def processes(found: Findings) -> Markup:
    """How each process of the generator fared."""
    return table(GENERATOR_HEADINGS, generator_rows(found), "Processes of the generator")


def facts(found: Findings) -> Markup:
    """What ran, on what, against what."""
    known = [(name, value) for name, value in _facts(found) if value]
    pairs = [child for name, value in known for child in (element("dt", name), element("dd", value))]
    settings = json.dumps(found.run.facts.settings, indent=2, ensure_ascii=False)
    lacking = [[name, why] for name, why in sorted(found.figures.unavailable.items())]
    return together(
        [
            element("dl", *pairs, class_="facts"),
            details("What this server lacks", table(["feature", "why"], lacking, "Left out", words=(1,)))
            if lacking
            else None,
            details("Settings", element("pre", settings)) if found.run.facts.settings else None,
        ]
    )


def _words(line: str) -> Markup:
    """A command line that goes on in the next line between its words only: browsers would break `--users`, too."""
    return together([child for word in line.split(" ") for child in (element("span", word, class_="whole"), " ")])


def _facts(found: Findings) -> Sequence[tuple[str, str | Markup]]:
    run = found.run.facts
    machine, server = run.machine, run.server
    memory = f", {megabytes(machine.memory_bytes)} MB" if machine.memory_bytes else ""
    cores = f"{machine.cores} cores{memory}, {machine.kernel}" if machine.cores else ""
    asked = f"{count(run.users)} users, {run.spawn_rate:g} per second" if run.users else ""
    return (
        ("command", _words(shlex.join(run.command)) if run.command else ""),
        ("began", run.started),
        ("ended", f"{run.ended} ({run.ending})" if run.ending else run.ended),
        ("asked for", asked + (f", for {span(run.run_time_seconds)}" if run.run_time_seconds else "")),
        ("server", " ".join(part for part in (server.url, server.version, server.build, server.sku) if part)),
        ("server's features", ", ".join(server.features)),
        ("population", population_text(run.population)),
        ("mmload", run.mmload),
        ("Locust, Python", f"{run.locust}, {run.python}" if run.locust else ""),
        ("libraries", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("worker processes", count(run.workers) if run.workers else "none: all in one process"),
        ("machine", cores),
        ("seed", str(run.seed) if run.seed else ""),
        ("folder", found.run.folder),
    )
