"""The report on the terminal: at most 100 columns, readable without colour. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from mmload.metrics.delta import Delta, RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY, RECONNECT, SCHEDULE_LAG
from mmload.printable import harmless_line
from mmload.report.findings import (
    GENERATOR_HEADINGS,
    RunFindings,
    account_rows,
    findings,
    generator_rows,
    loss_texts,
    subtitle,
    threshold_sentences,
    title,
)
from mmload.report.wording import PAGE_WIDTH, clock, count, cut, milliseconds, plural, rate, span, table, wrapped
from mmload.results.folder import TOTALS
from mmload.results.model import NoteKind, Run
from mmload.results.outages import Outage
from mmload.results.summary import (
    FailureRow,
    Summary,
    Throughput,
    actions_by_count,
    by_count,
    routes_by_count,
)
from mmload.results.verdict import Verdict, VerdictKind

MOST_ROUTES = 25
MOST_FAILURES = 25
MOST_EVENTS = 20
_PERCENTILES = (50, 95, 99)
_TIME_HEADINGS = ("p50 ms", "p95 ms", "p99 ms")

_BOLD, _PLAIN = "\033[1m", "\033[0m"
_COLOURS = {VerdictKind.PASSED: "\033[32m", VerdictKind.FAILED: "\033[31m", VerdictKind.INCONCLUSIVE: "\033[33m"}


def terminal_report(run: Run, *, colour: bool = False) -> str:
    """The whole report, with a line break at its end."""
    found = findings(run)
    heads = wrapped([title(run), *subtitle(run)], indent="", separator=" · ")
    lines = [_bold(harmless_line(line), colour) for line in heads]
    lines += _verdict(found.said, colour)
    for heading, section in _sections(found):
        if section:
            lines += ["", _bold(heading, colour), *map(harmless_line, section)]
    lines += ["", harmless_line(f"Details: {run.folder}")]
    return "\n".join(lines) + "\n"


def _bold(text: str, colour: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if colour else text


def _sections(found: RunFindings) -> Iterator[tuple[str, list[str]]]:
    """Headings with their lines, in reading order; those without lines are left out."""
    run, figures, window, delta = found.run, found.figures, found.window_name, found.window
    yield "Users", _users(figures)
    yield "Throughput", _throughput(figures)
    yield "Thresholds", _paragraphs(threshold_sentences(found.said.thresholds))
    yield f"Actions ({window})", _actions(delta)
    yield f"Requests ({window})", _routes(delta.routes)
    yield "Login requests (whole run)", _routes(run.totals.whole.logins)
    yield "Failures (whole run)", _refusals(figures.failures, "kinds of failures")
    yield "Expected refusals, no failures (whole run)", _refusals(figures.expected, "kinds of expected refusals")
    yield "Messages (whole run)", _messages(figures)
    yield "Deliveries (whole run)", _deliveries(figures)
    yield "WebSockets (whole run)", _sockets(figures)
    yield f"Other times ({window})", _spans(delta.spans)
    yield "Generator", _generator(found)
    yield "Outages", [line for outage in found.outages for line in _outage(outage)]
    yield "Not tested: not available on this server", _unavailable(figures.unavailable)
    yield "Events", _notes(run)


def _verdict(said: Verdict, colour: bool) -> list[str]:
    text = f"Verdict: {said.outcome}"
    if colour:
        text = f"{_COLOURS[said.outcome]}{text}{_PLAIN}"
    paragraphs = _paragraphs([*said.reasons, *(f"Warning: {warning}" for warning in said.warnings)])
    return [text, *map(harmless_line, paragraphs)]


def _paragraphs(texts: Sequence[str]) -> list[str]:
    """Sentences, each beginning on a line of its own."""
    wraps = (textwrap.wrap(text, PAGE_WIDTH, initial_indent="  - ", subsequent_indent="    ") for text in texts)
    return [line for lines in wraps for line in lines]


def _users(figures: Summary) -> list[str]:
    users, sessions = figures.users, figures.sessions
    came = f"highest {count(users.highest)}"
    if users.active_after_ramp is not None:
        came = f"{count(users.active_after_ramp)} active after {span(users.ramp_seconds or 0)}, {came}"
    first = [f"target {count(users.target)}", came]
    if users.waiting:
        first.append(f"{count(users.waiting)} still waiting to log in at the end")
    if users.gave_up:
        first.append(f"{count(users.gave_up)} gave up")
    second = [
        f"{plural(sessions.logins, 'login')}, {count(sessions.logins_failed)} failed",
        plural(sessions.sign_ups, "sign-up"),
    ]
    if sessions.relogins:
        second.append(f"{count(sessions.relogins)} logged in again after a lost session")
    second.append(f"{count(sessions.logged_out)} logged out")
    return [*wrapped(first), *wrapped(second), *_kept_out(figures.kept_out)]


def _kept_out(reasons: Mapping[str, int]) -> list[str]:
    """Why users could not get in, the most frequent reasons first."""
    lines = [
        f"  could not become active, {count(number)} times: {cut(reason, 80)}" for reason, number in reasons.items()
    ]
    return lines[:MOST_FAILURES] + _more(len(lines) - MOST_FAILURES, "reasons")


def _throughput(figures: Summary) -> list[str]:
    lines = [_throughput_line("steady", figures.steady)] if figures.steady.seconds else []
    lines.append(_throughput_line("whole", figures.whole))
    if figures.sessions.rate_limited:
        lines.append(f"  rate-limited by the server (429) {count(figures.sessions.rate_limited)} times")
    return lines


def _throughput_line(name: str, part: Throughput) -> str:
    share = f" ({part.failures / part.requests:.2%})" if part.failures else ""
    return (
        f"  {name:7}{rate(part.actions_per_second)} actions/s, {rate(part.requests_per_second)} requests/s: "
        f"{plural(part.requests, 'request')} in {span(part.seconds)}, {count(part.failures)} failed{share}"
    )


def _actions(delta: Delta) -> list[str]:
    rows = [
        [
            name,
            count(action.done + action.skipped),
            count(action.times.count),
            count(action.failed_times.count),
            count(action.skipped),
            *_times(action.times),
        ]
        for name, action in actions_by_count(delta)
    ]
    return table(["action", "count", "ok", "failed", "skipped", *_TIME_HEADINGS], rows)


def _routes(routes: Mapping[str, RouteFigures]) -> list[str]:
    ordered = routes_by_count(routes)
    rows = [
        [cut(route, 58), count(figures.count), count(figures.failed_times.count), *_times(figures.times)]
        for route, figures in ordered[:MOST_ROUTES]
    ]
    lines = table(["route", "count", "failed", *_TIME_HEADINGS], rows)
    return lines + _more(len(ordered) - MOST_ROUTES, "routes")


def _times(times: Histogram) -> list[str]:
    return [milliseconds(times.percentile(percent)) for percent in _PERCENTILES]


def _more(left: int, what: str) -> list[str]:
    return [f"  and {left} more {what} in {TOTALS}"] if left > 0 else []


def _refusals(of: Sequence[FailureRow], kinds: str) -> list[str]:
    rows = [
        [cut(f"{row.route}: {row.reason}", 70), count(row.count), clock(row.first), clock(row.last)]
        for row in of[:MOST_FAILURES]
    ]
    lines = table(["route: reason", "count", "first", "last"], rows)
    return lines + _more(len(of) - MOST_FAILURES, kinds)


def _messages(figures: Summary) -> list[str]:
    deliveries = figures.deliveries
    if not deliveries.sent and not figures.events and not deliveries.uncertain:
        return []
    sent = [plural(deliveries.sent, "post") + " sent"]
    if deliveries.uncertain:
        sent.append(f"{count(deliveries.uncertain)} without an answer (stored or not)")
    sent.append(f"{plural(figures.sockets.posted_of_others, '`posted` event')} received about posts of others")
    return [*wrapped(sent), *_events(figures.events)]


def _events(events: Mapping[str, int]) -> list[str]:
    if not events:
        return []
    items = [f"{name} {count(number)}" for name, number in by_count(events).items()]
    lines = wrapped([f"{plural(sum(events.values()), 'event')} received: {items[0]}", *items[1:MOST_EVENTS]])
    return lines + _more(len(items) - MOST_EVENTS, "events")


def _deliveries(figures: Summary) -> list[str]:
    """The account of messages: what was due at whose socket, and what came of it."""
    rows = [[f"{name} ({meaning})", count(number)] for name, number, meaning in account_rows(figures.deliveries)]
    return [*table(["deliveries", "number"], rows), *_paragraphs(loss_texts(figures.deliveries))]


def _generator(found: RunFindings) -> list[str]:
    """How the processes that made the load fared; a run of an older form tells nothing of it."""
    rows = generator_rows(found)
    return [*table(GENERATOR_HEADINGS, rows), *_paragraphs(found.trust.sentences)] if rows else []


def _sockets(figures: Summary) -> list[str]:
    sockets = figures.sockets
    if not sockets.opened and not sockets.dropped:
        return []
    told = [f"{count(sockets.opened)} opened", f"{count(sockets.dropped)} dropped"]
    told.append(f"{count(sockets.resumed)} resumed (nothing lost)")
    told.append(f"{count(sockets.renewed)} renewed (events may be lost)")
    if sockets.given_up:
        told.append(f"{count(sockets.given_up)} given up (no new session)")
    return wrapped([*told, f"{plural(sockets.gaps, 'gap')} in sequence numbers"])


_SPANS = {
    DELIVERY: "message delivery",
    RECONNECT: "WebSocket reconnect",
    SCHEDULE_LAG: "schedule lag of actions",
}


def _spans(spans: Mapping[str, Histogram]) -> list[str]:
    rows = [[_SPANS[name], count(spans[name].count), *_times(spans[name])] for name in _SPANS if name in spans]
    return table(["what", "count", *_TIME_HEADINGS], rows) if rows else []


def _outage(outage: Outage) -> list[str]:
    told = [
        f"{outage.what} from {clock(outage.start_ms / 1000)} to {clock(outage.end_ms / 1000)} ({span(outage.seconds)})",
        f"{plural(outage.unanswered + outage.server_errors, 'request')} failed",
    ]
    if outage.sockets_dropped:
        back = f"{count(outage.sockets_back)} came back"
        if outage.sockets_back:
            back += f" within {span(outage.back_after_seconds)}"
        told.append(f"{plural(outage.sockets_dropped, 'socket')} dropped, {back}")
    return textwrap.wrap("; ".join(told), 98, initial_indent="  ", subsequent_indent="  ")


def _unavailable(features: Mapping[str, str]) -> list[str]:
    return [f"  {cut(f'{feature}: {reason}', 96)}" for feature, reason in sorted(features.items())]


def _notes(run: Run) -> list[str]:
    """What is worth a line: phases are told above, the reasons of the verdict too."""
    told = (NoteKind.WORKER_CAME, NoteKind.LATE, NoteKind.USERS, NoteKind.INJECTED, NoteKind.SERVER)
    return [f"  {clock(note.ms / 1000)} {cut(note.text, 88)}" for note in run.notes if note.kind in told][:MOST_EVENTS]
