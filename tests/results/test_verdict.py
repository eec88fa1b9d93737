"""When a run says something about the server, and when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mmload.errors import ExitCode
from mmload.metrics.recorder import LISTENER_ERRORS, Delta
from mmload.results.model import Note, NoteKind, RunEnding, RunPhase, Totals
from mmload.results.summary import summary
from mmload.results.verdict import Outcome, exit_code, verdict
from tests.results.records import figures, run, second


def test_a_good_run_passes() -> None:
    """Nothing to doubt."""
    assert verdict(run()).outcome is Outcome.PASSED
    assert exit_code(run()) is ExitCode.PASSED


def test_failures_do_not_fail_a_run() -> None:
    """They are what a load test looks for; thresholds are for judging them."""
    bad = tuple(second(elapsed, failures=5) for elapsed in range(10))

    assert verdict(run(seconds=bad)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"totals": Totals(seconds=10, steady_seconds=9, highest_present=10)}, "no request was made"),
        (
            {"totals": Totals(seconds=10, steady_seconds=0, highest_present=10, whole=figures())},
            "there was no steady phase",
        ),
        ({"totals": Totals(seconds=10, steady_seconds=3, highest_present=0, whole=figures())}, "no user logged in"),
        ({"totals": Totals(seconds=10, steady_seconds=3, highest_present=9, whole=figures())}, "only 9 of 10 users"),
        (
            {"seconds": tuple(second(at, gave_up=2, present=8) for at in range(9))},
            "2 users gave up and never logged in",
        ),
        ({"notes": (Note(1, NoteKind.WORKER_LOST, "worker 1 was lost"),)}, "worker 1 was lost"),
        ({"notes": (Note(1, NoteKind.WORKER_LEFT_OUT, "worker 0: no figures"),)}, "worker 0: no figures"),
        ({"notes": (Note(1, NoteKind.FAULT, "a simulated user raised KeyError"),)}, "raised KeyError"),
        ({"missing": ("the run was cut off",)}, "the run was cut off"),
    ],
)
def test_a_run_that_proves_nothing_is_inconclusive(changes: dict[str, Any], reason: str) -> None:
    """Each doubt is said in a sentence."""
    doubtful = run(**changes)

    said = verdict(doubtful)

    assert said.outcome is Outcome.INCONCLUSIVE
    assert any(reason in each for each in said.reasons)
    assert exit_code(doubtful) is ExitCode.INCONCLUSIVE


def test_events_we_could_not_handle_are_a_doubt() -> None:
    """The store of such a user is no longer what the server told it."""
    delta = figures()
    delta.counters[LISTENER_ERRORS] = 3
    said = verdict(run(totals=replace(run().totals, whole=delta)))

    assert "3 WebSocket events could not be handled" in said.reasons[0]


def test_an_interrupted_run_answers_so() -> None:
    """Whatever its figures say: a script must not take it for a whole one."""
    interrupted = replace(run().facts, ending=RunEnding.INTERRUPTED)

    assert exit_code(run(facts=interrupted)) is ExitCode.INTERRUPTED


def test_notes_of_normal_events_raise_no_doubt() -> None:
    """Phases, and a worker that joined."""
    notes = (Note(1, NoteKind.PHASE, "steady"), Note(2, NoteKind.WORKER_CAME, "worker 2 came"))

    assert verdict(run(notes=notes)).outcome is Outcome.PASSED


def test_the_summary_counts_the_steady_window_apart() -> None:
    """Rates over the ramp would understate the load."""
    figure = summary(run())

    assert (figure.steady.requests, figure.steady.seconds, figure.steady.requests_per_second) == (40, 8, 5.0)
    assert (figure.whole.requests, figure.whole.seconds) == (50, 10)


def test_the_summary_says_when_and_with_whom_the_ramp_ended() -> None:
    """And nothing where it never did."""
    assert (summary(run()).users.ramp_seconds, summary(run()).users.present_after_ramp) == (1, 10)
    torn = run(seconds=tuple(second(at, phase=RunPhase.RAMP, waiting=4) for at in range(5)))
    assert (summary(torn).users.ramp_seconds, summary(torn).users.waiting) == (None, 4)


def test_failures_are_listed_by_number() -> None:
    """Log-ins among them."""
    delta = figures()
    for _ in range(3):
        delta.logins["POST /api/v4/users/login"].fail(30.0, "timed out", 5.0)
    delta.routes["GET /api/v4/posts/{id}"].fail(0.1, "500 boom", 6.0)

    rows = summary(run(totals=Totals(whole=delta))).failures

    assert [(row.reason, row.count) for row in rows] == [("timed out", 3), ("500 boom", 1)]


def test_a_run_of_which_nothing_is_left_has_a_summary() -> None:
    """A torn folder is reported all the same."""
    empty = summary(run(seconds=(), totals=Totals(whole=Delta()), notes=()))

    assert (empty.users.asked, empty.steady.requests_per_second) == (10, 0.0)
