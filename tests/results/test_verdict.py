"""When a run says something about the server, and when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mmload.errors import ExitCode
from mmload.metrics.delta import Delta
from mmload.results.model import Note, NoteKind, Run, RunEnding, RunPhase, Totals
from mmload.results.summary import summary
from mmload.results.verdict import VerdictKind, exit_code, verdict
from tests.results.records import figures, run, second


def test_a_good_run_passes() -> None:
    """Nothing to doubt."""
    assert verdict(run()).outcome is VerdictKind.PASSED
    assert exit_code(run()) is ExitCode.PASSED


def test_failures_do_not_fail_a_run() -> None:
    """They are what a load test looks for; thresholds are for judging them."""
    bad = tuple(second(elapsed, failures=5) for elapsed in range(10))

    assert verdict(run(seconds=bad)).outcome is VerdictKind.PASSED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"totals": Totals(seconds=10, steady_seconds=9, highest_active=10)}, "no request was made"),
        (
            {"totals": Totals(seconds=10, steady_seconds=0, highest_active=10, whole=figures())},
            "there was no steady phase",
        ),
        (
            {"totals": Totals(seconds=10, steady_seconds=9, highest_active=10, whole=figures())},
            "no request was made in the steady phase",
        ),
        ({"totals": Totals(seconds=10, steady_seconds=3, highest_active=0, whole=figures())}, "no user logged in"),
        ({"totals": Totals(seconds=10, steady_seconds=3, highest_active=9, whole=figures())}, "only 9 of 10 users"),
        (
            {"seconds": tuple(second(at, gave_up=2, active=8) for at in range(9))},
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

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert any(reason in each for each in said.reasons)
    assert exit_code(doubtful) is ExitCode.INCONCLUSIVE


def test_a_run_while_the_database_was_away_is_inconclusive() -> None:
    """By the same rule as for a server that gave no answer."""
    away = tuple(second(at, failures=5, groups={"/posts": (5, 5 if 2 <= at < 6 else 0)}) for at in range(10))

    said = verdict(run(seconds=away))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert (
        "the server answered most requests with errors (5xx) for 4 s: something it depends on (such as its database)"
        in said.reasons[0]
    )


def test_sockets_that_drop_often_are_a_warning_and_the_verdict_stands() -> None:
    said = verdict(run(seconds=tuple(second(at, dropped=3, resumed=3) for at in range(10))))

    assert said.outcome is VerdictKind.PASSED
    assert "WebSockets dropped 30 times" in said.warnings[0]


def test_events_we_could_not_handle_are_a_doubt() -> None:
    """The store of such a user is no longer what the server told it."""
    delta = figures()
    delta.sockets.listener_errors = 3
    said = verdict(run(totals=replace(run().totals, whole=delta)))

    assert "3 WebSocket events could not be handled" in said.reasons[0]


def test_an_interrupted_run_answers_so() -> None:
    """Whatever its figures say: a script must not take it for a whole one."""
    interrupted = replace(run().facts, ending=RunEnding.INTERRUPTED)

    assert exit_code(run(facts=interrupted)) is ExitCode.INTERRUPTED


def test_notes_of_normal_events_raise_no_doubt() -> None:
    """Phases, and a worker that joined."""
    notes = (Note(1, NoteKind.PHASE, "steady"), Note(2, NoteKind.WORKER_CAME, "worker 2 connected"))

    assert verdict(run(notes=notes)).outcome is VerdictKind.PASSED


def test_the_summary_counts_the_steady_window_apart() -> None:
    """Rates over the ramp would understate the load."""
    figure = summary(run())

    assert (figure.steady.requests, figure.steady.seconds, figure.steady.requests_per_second) == (40, 8, 5.0)
    assert (figure.whole.requests, figure.whole.seconds) == (50, 10)


def test_the_summary_says_when_and_with_whom_the_ramp_ended() -> None:
    """And nothing where it never did."""
    assert (summary(run()).users.ramp_seconds, summary(run()).users.active_after_ramp) == (1, 10)
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

    assert (empty.users.target, empty.steady.requests_per_second) == (10, 0.0)


def crowd(present: dict[int, int], *, asked: int = 20, gave_up: int = 0, length: int = 60) -> Run:
    """A run of steady seconds; in those named, so many users were active, in all others, all that did not give up."""
    seconds = tuple(
        second(at, target=asked, active=present.get(at, asked - gave_up), gave_up=gave_up) for at in range(length)
    )
    totals = replace(run().totals, seconds=length, steady_seconds=length, highest_active=asked - gave_up)
    return run(seconds=seconds, totals=totals)


def test_users_who_gave_up_are_not_said_to_have_dropped_out_too() -> None:
    """They never were active: one doubt, not two, however many they are."""
    assert verdict(crowd({}, gave_up=5)).reasons == ("5 users gave up and never logged in",)


def test_users_who_drop_out_besides_those_who_gave_up_are_told() -> None:
    dropped = verdict(crowd(dict.fromkeys(range(10, 20), 12), gave_up=5)).reasons

    assert dropped == (
        "5 users gave up and never logged in",
        "users dropped out: at worst, only 12 of 20 were active (more than 10% were missing in 10 of 60 s)",
    )


@pytest.mark.parametrize(
    ("active", "seconds", "length", "doubted"),
    [
        (17, 4, 60, True),
        (18, 60, 60, False),
        (17, 3, 60, False),
        (17, 3, 59, True),
        (17, 2, 10, False),
        (17, 3, 10, True),
        (0, 3, 3, True),
    ],
)
def test_a_tenth_of_the_users_may_be_away_and_more_for_a_twentieth_of_the_time(
    active: int, seconds: int, length: int, doubted: bool
) -> None:
    """More than a tenth in more than one second of twenty, and in three of them at least."""
    short = crowd(dict.fromkeys(range(seconds), active), length=length)

    assert any("users dropped out" in reason for reason in verdict(short).reasons) is doubted


def test_who_leaves_after_the_steady_phase_has_not_dropped_out() -> None:
    stopping = tuple(
        second(at, phase=RunPhase.STEADY if at < 5 else RunPhase.STOPPING, active=10 if at < 5 else 0)
        for at in range(20)
    )

    assert verdict(run(seconds=stopping)).outcome is VerdictKind.PASSED


def test_seconds_without_a_target_are_no_drop_out() -> None:
    """Between two tests nobody is wanted."""
    idle = tuple(second(at, target=0 if at > 5 else 10, active=0 if at > 5 else 10) for at in range(20))

    assert verdict(run(seconds=idle)).outcome is VerdictKind.PASSED


def test_the_worst_second_is_the_one_with_the_smallest_share_of_its_target() -> None:
    """Not the one with the fewest users: the target may have grown."""
    grown = tuple(second(at, target=10, active=5) if at < 5 else second(at, target=100, active=30) for at in range(20))
    grown_run = run(seconds=grown, totals=replace(run().totals, highest_active=100))

    assert verdict(grown_run).reasons == (
        "users dropped out: at worst, only 30 of 100 were active (more than 10% were missing in 20 of 20 s)",
    )


def test_the_most_users_ever_wanted_are_those_that_must_have_logged_in() -> None:
    first_few = tuple(second(at, target=2 if at else 10, active=2) for at in range(10))

    assert (
        "only 2 of 10 users logged in"
        in verdict(run(seconds=first_few, totals=replace(run().totals, highest_active=2))).reasons
    )


def test_a_run_for_nobody_has_no_doubt_about_its_users() -> None:
    nobody = run(seconds=(), totals=replace(run().totals, highest_active=0))

    assert not any("user" in reason for reason in verdict(nobody).reasons)


@pytest.mark.parametrize(("users", "doubted"), [(0, False), (1, True), (2, False)])
def test_two_users_are_the_fewest_that_thresholds_say_something_of(users: int, doubted: bool) -> None:
    facts = replace(run().facts, thresholds=("errors < 1%",))
    few = tuple(second(at, target=users, active=users) for at in range(10))
    small = run(facts=facts, seconds=few, totals=replace(run().totals, highest_active=users))

    assert any("a single user" in reason for reason in verdict(small).reasons) is doubted


@pytest.mark.parametrize(("posts", "few"), [(0, True), (99, True), (100, False), (None, False)])
@pytest.mark.parametrize("thresholds", [(), ("errors < 1%",)])
def test_a_hundred_posts_are_the_fewest_of_a_grown_server(
    posts: int | None, few: bool, thresholds: tuple[str, ...]
) -> None:
    """Fewer are a doubt where there are thresholds, a warning where there are none, never both."""
    population = {} if posts is None else {"posts": posts}
    said = verdict(run(facts=replace(run().facts, thresholds=thresholds, population=population)))
    named = f"the server had only {posts} posts"

    assert any(each.startswith(named) for each in said.reasons) is (few and bool(thresholds))
    assert any(each.startswith(named) for each in said.warnings) is (few and not thresholds)


def test_a_run_without_requests_says_nothing_of_its_steady_phase() -> None:
    """That no request was made is the reason; the other follows."""
    nothing = run(totals=Totals(seconds=10, steady_seconds=0, highest_active=10))

    assert verdict(nothing).reasons == ("no request was made",)


def test_one_request_is_a_request() -> None:
    one = run(totals=replace(run().totals, whole=figures(1)))

    assert verdict(one).outcome is VerdictKind.PASSED


@pytest.mark.parametrize(
    ("logins", "said"),
    [
        (9, "only 6 of 10 users logged in: POST /users/login: 429 (4 of 7 failed attempts)"),
        (10, "only 6 of 10 users became active: POST /users/login: 429 (4 of 7 failed attempts)"),
    ],
)
def test_what_kept_most_users_out_is_said_and_whether_they_had_logged_in(logins: int, said: str) -> None:
    whole = figures()
    whole.kept_out = {"WebSocket: timed out": 3, "POST /users/login: 429": 4}
    whole.sessions.logins = logins
    kept_out = run(totals=replace(run().totals, highest_active=6, whole=whole))

    assert verdict(kept_out).reasons[0] == said


def test_events_that_could_not_be_read_are_a_doubt() -> None:
    whole = figures()
    whole.sockets.unreadable = 3

    said = verdict(run(totals=replace(run().totals, whole=whole)))
    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert said.reasons[0].startswith("3 WebSocket events could not be read")
