"""The report on the terminal, read as a person would."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from mmload.metrics.delta import Delta
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.report.document import json_report
from mmload.report.findings import findings
from mmload.report.markdown import markdown_report
from mmload.report.page import html_report
from mmload.report.terminal import MOST_ROWS, terminal_report
from mmload.results.model import Facts, Note, NoteKind, Run, RunPhase, Totals
from tests.results.records import figures, run, second


def heavy() -> Delta:
    """Long names, big numbers, many routes and failures."""
    recorder = Recorder(clock=lambda: 1_800_000_003.0)
    for number in range(60):
        route = f"GET /api/v4/users/{{id}}/teams/{{id}}/channels/members/and/something/very/long/indeed/{number}"
        for _ in range(60 - number):
            recorder.request(route, 12.5)
        recorder.request(route, 30.0, f"503 api.context.a_very_long_error_identifier_that_goes_on_and_on.{number}")
    recorder.action("A" * 60, 1234.5, ActionOutcome.FAILED)
    recorder.request("POST /api/v4/users/login", 0.4, login=True)
    for number in range(50):
        recorder.events[f"some_long_event_name_{number}"] += 1_234_567
    recorder.unavailable("scheduled posts" * 5, "no licence " * 20)
    recorder.sessions.rate_limited += 3
    recorder.deliveries.uncertain += 2
    recorder.sockets.dropped += 1_000_000
    return recorder.take()


def heavy_run() -> Run:
    """All of it at once, with an outage and doubts."""
    refused = [second(at, requests=9, failures=9, unanswered=9, dropped=20) for at in range(5, 30)]
    return run(
        totals=Totals(seconds=60, steady_seconds=50, highest_active=9, whole=heavy(), steady=heavy()),
        seconds=(*(second(at) for at in range(5)), *refused, second(30, resumed=400), second(31, waiting=3)),
        notes=tuple(Note(1, NoteKind.FAULT, f"a simulated user raised {'x' * 200}") for _ in range(3)),
    )


def test_it_says_what_ran_where_and_how_long() -> None:
    """The title answers what a reader asks first."""
    text = terminal_report(run())

    assert text.splitlines()[0] == "Load test demo · http://mm.example · Mattermost 11.6.0, no licence · 10 s · seed 7"
    assert text.splitlines()[1] == "Verdict: passed"
    assert text.endswith("Details: runs/x\n")


def test_it_tells_of_users_throughput_messages_and_sockets() -> None:
    """What a load test is run for."""
    text = terminal_report(run())

    assert "target 10, 10 active after 1 s, highest 10" in text
    assert "10 logins, 0 failed" in text
    assert "steady 5.0 actions/s, 5.0 requests/s: 40 requests in 8 s, 0 failed" in text
    assert "7 posts sent" in text
    assert "73 events received: posted 63, hello 10" in text
    assert "10 opened" in text


def test_actions_and_routes_have_their_percentiles() -> None:
    """In milliseconds, over the steady window."""
    text = terminal_report(run())

    assert re.search(r"SwitchChannel +40 +0 +0 +100 +100 +100", text)
    assert re.search(r"GET /api/v4/posts/\{id\} +40 +0 +29 +47 +49", text)


def test_log_ins_have_their_own_table() -> None:
    """They are no part of the steady load."""
    text = terminal_report(run())

    assert text.index("Login requests (whole run)") < text.index("POST /api/v4/users/login")


def test_without_a_steady_window_the_whole_run_is_shown() -> None:
    """Better than empty tables, and it is said."""
    ramp = run(
        totals=Totals(seconds=10, whole=figures(), highest_active=6),
        seconds=tuple(second(at, phase=RunPhase.RAMP, active=6, waiting=4) for at in range(10)),
    )
    text = terminal_report(ramp)

    assert "Actions (whole run: no steady window)" in text
    assert "Verdict: inconclusive" in text
    assert "4 still waiting to log in at the end" in text


def test_failures_are_told_with_their_first_and_last_time() -> None:
    """A failure of the first second only is another matter than one up to the end."""
    delta = figures()
    delta.routes["GET /api/v4/posts/{id}"].fail(0.1, "500 boom", 1_800_000_001.0)
    delta.routes["GET /api/v4/posts/{id}"].fail(0.1, "500 boom", 1_800_000_009.0)
    text = terminal_report(run(totals=Totals(seconds=10, steady_seconds=8, highest_active=10, whole=delta)))

    assert re.search(r"GET /api/v4/posts/\{id\} +500 boom +2 +\d\d:\d\d:\d1 +\d\d:\d\d:\d9", text)


def test_expected_refusals_are_told_apart_from_failures() -> None:
    delta = figures()
    delta.routes["GET /api/v4/posts/{id}"].refuse_as_expected(0.1, "404 gone", 1_800_000_001.0)
    made = run(totals=Totals(seconds=10, steady_seconds=8, highest_active=10, whole=delta))

    assert re.search(r"Expected refusals.*\n.*\n *GET /api/v4/posts/\{id\} +404 gone +1 ", terminal_report(made))
    assert "404 gone" in markdown_report(findings(made))
    assert '"reason": "404 gone"' in json_report(findings(made)).partition('"expected": [')[2]
    assert "404 gone" in html_report(findings(made))
    assert "Expected refusals" not in terminal_report(run())


def test_outages_are_told_in_a_sentence() -> None:
    """From when to when, and how the sockets came back."""
    text = terminal_report(heavy_run())

    assert re.search(r"the server gave no answer from \S+ to \S+ \(25 s\); 225 requests failed;", text)
    assert "500 sockets dropped, 400 came back within 1 s" in " ".join(text.split())


def test_nothing_is_wider_than_a_hundred_columns() -> None:
    """Also with long names and big numbers."""
    lines = terminal_report(heavy_run()).splitlines()

    assert [line for line in lines if len(line) > 100] == []


def test_long_tables_are_cut_and_say_so() -> None:
    """The rest is in the folder."""
    text = terminal_report(heavy_run())

    assert f"and {60 - MOST_ROWS} more routes in totals.json" in text
    assert "more kinds of failures in totals.json" in text
    assert "more events in totals.json" in text


def test_colour_only_where_it_is_asked_for() -> None:
    """NO_COLOR, logs and pipes get plain text with the same words."""
    plain, coloured = terminal_report(run()), terminal_report(run(), colour=True)

    assert "\033" not in plain
    assert re.sub(r"\033\[\d+m", "", coloured) == plain


def test_what_the_server_lacks_is_named() -> None:
    """Left out, not failed."""
    delta = figures()
    delta.unavailable["channel bookmarks"] = "no licence"
    text = terminal_report(run(totals=Totals(seconds=10, steady_seconds=8, highest_active=10, whole=delta)))

    assert re.search(r"channel bookmarks +no licence", text)


def test_a_cut_off_run_says_what_is_missing() -> None:
    """The report works on what is left."""
    torn = run(missing=("the run was cut off: its end was never recorded",), seconds=(), totals=Totals(), facts=Facts())
    text = terminal_report(torn)

    assert "  - the run was cut off" in text
    assert "Load test · 0 s" in text


@pytest.mark.parametrize("licensed", [True, None])
def test_the_licence_is_told_as_far_as_it_is_known(licensed: bool | None) -> None:
    """Unknown is not "no licence"."""
    facts = run().facts
    server = replace(facts.server, licensed=licensed, sku="enterprise")
    title = terminal_report(run(facts=replace(facts, server=server))).splitlines()[0]

    assert ("licensed enterprise" in title) == (licensed is True)
    assert "no licence" not in title


def test_a_sandbox_is_never_taken_for_mattermost() -> None:
    """Its figures say nothing about the real one."""
    facts = run().facts
    title = terminal_report(run(facts=replace(facts, server=replace(facts.server, sandbox=True)))).splitlines()[0]

    assert "sandbox in place of Mattermost 11.6.0" in title
