"""The report on the terminal: at most 100 columns, readable without colour. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from mmload.printable import harmless_line
from mmload.report.browsers import browser_tables, host_sentences
from mmload.report.findings import (
    RunFindings,
    findings,
    loss_texts,
    storm_texts,
    subtitle,
    title,
)
from mmload.report.tables import ReportTable, mark, tables
from mmload.report.wording import PAGE_WIDTH, clock, count, cut, plural, rate, span, table, wrapped
from mmload.results.folder import TOTALS
from mmload.results.model import NoteKind, Run
from mmload.results.outages import Outage
from mmload.results.summary import (
    Summary,
    Throughput,
    by_count,
)
from mmload.results.verdict import Verdict, VerdictKind

MOST_ROWS = 25
MOST_EVENTS = 20

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
    run, figures, window, made = found.run, found.figures, found.window_name, tables(found) | browser_tables(found)
    losses = _paragraphs(loss_texts(figures.deliveries))
    yield "Storm", [*_paragraphs(storm_texts(found)), *_table(made["storms"])] if run.storms else []
    yield "Users", _users(figures)
    yield "Why users could not become active (whole run)", _table(made["kept_out"])
    yield "Throughput", _throughput(figures)
    thresholds = found.said.thresholds
    yield "Thresholds", _paragraphs([each.said or f"{each.text}: {mark(each)}" for each in thresholds])
    yield "Stages", _table(made["stages"])
    yield f"Actions ({window})", _table(made["actions"])
    hosts = _paragraphs(host_sentences(found))
    yield f"Browser users: time until the user could continue ({window})", [*_table(made["browser"]), *hosts]
    yield f"Browser users: measured by their pages, per step ({window})", _table(made["browser pages"])
    yield "Failed steps of browser users (whole run)", _table(made["browser failures"])
    yield f"Requests ({window})", _table(made["routes"])
    yield "Login requests (whole run)", _table(made["logins"])
    yield "Failures (whole run)", _table(made["failures"])
    yield "Expected refusals, not failures (whole run)", _table(made["expected"])
    yield "Messages (whole run)", _messages(figures)
    yield "Deliveries (whole run)", [*_table(made["deliveries"]), *losses]
    yield "WebSockets (whole run)", wrapped([_socket(*map(str, row)) for row in made["sockets"].rows])
    yield f"Other times ({window})", _table(made["other times"])
    generator = _table(made["generator"])
    yield "Generator", [*generator, *_paragraphs(found.trust.sentences)] if generator else []
    yield "Outages", [line for outage in found.outages for line in _outage(outage)]
    yield "Not tested: not available on this server", _table(made["unavailable"])
    yield "Events", _notes(run)


def _socket(name: str, number: str, meaning: str = "") -> str:
    return f"{number} {name}" + (f" ({meaning})" if meaning else "")


def _table(made: ReportTable) -> list[str]:
    columns = [index for index, column in enumerate(made.columns) if not column.page_only]
    words = [place for place, index in enumerate(columns) if made.columns[index].kind != "number"]
    rows = [[str(row[index]) for index in columns] for row in made.rows[:MOST_ROWS]]
    lines = table([made.columns[index].heading for index in columns], rows, words)
    return lines + _more(len(made.rows) - MOST_ROWS, made.what)


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
    if users.connections > users.highest:
        first.append(f"{count(users.connections)} connections")
    if users.waiting:
        first.append(f"{count(users.waiting)} still waiting to log in at the end")
    if users.gave_up:
        first.append(f"{count(users.gave_up)} gave up")
    second = [
        f"{plural(sessions.logins, 'login')}, {count(sessions.logins_failed)} failed",
        plural(sessions.sign_ups, "sign-up"),
    ]
    if sessions.kept_sessions:
        second.append(f"{count(sessions.kept_sessions)} started with a kept session")
    if sessions.relogins:
        second.append(f"{count(sessions.relogins)} logged in again after a lost session")
    second.append(f"{count(sessions.logged_out)} logged out")
    return [*wrapped(first), *wrapped(second)]


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


def _more(left: int, what: str) -> list[str]:
    return [f"  and {left} more {what} in {TOTALS}"] if left > 0 else []


def _messages(figures: Summary) -> list[str]:
    deliveries = figures.deliveries
    if not deliveries.sent and not figures.events and not deliveries.uncertain:
        return []
    sent = [plural(deliveries.sent, "post") + " sent"]
    if deliveries.uncertain:
        sent.append(f"{count(deliveries.uncertain)} without an answer (stored or not)")
    sent.append(f"{plural(figures.sockets.posted_of_others, '`posted` event')} received for posts of other users")
    return [*wrapped(sent), *_events(figures.events)]


def _events(events: Mapping[str, int]) -> list[str]:
    if not events:
        return []
    items = [f"{name} {count(number)}" for name, number in by_count(events).items()]
    lines = wrapped([f"{plural(sum(events.values()), 'event')} received: {items[0]}", *items[1:MOST_EVENTS]])
    return lines + _more(len(items) - MOST_EVENTS, "events")


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


def _notes(run: Run) -> list[str]:
    """What is worth a line: phases are told above, the reasons of the verdict too."""
    told = (NoteKind.WORKER_CAME, NoteKind.LATE, NoteKind.USERS, NoteKind.INJECTED, NoteKind.STORM, NoteKind.SERVER)
    return [f"  {clock(note.ms / 1000)} {cut(note.text, 88)}" for note in run.notes if note.kind in told][:MOST_EVENTS]
