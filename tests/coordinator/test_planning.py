"""The table for planning: other limits from the evidence of one search, and nothing beyond it."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any

import pytest

from coordinator.answer import Answer, Limits, PlannedCapacity, SearchOutcome, Today, document, text
from coordinator.planning import P99, planned, users_at
from coordinator.search.sample import Observation, Reading
from coordinator.settings import today_of
from mmload.errors import UsageError
from tests.coordinator.made_up import answer

LIMITS = Limits(window_seconds=30.0, highest_users=1000)


def p99_of(users: int) -> float:
    """0.5 s at 200 users, 1 s at 220, 2 s at 242: it doubles with each tenth more."""
    return 0.5 * math.pow(2.0, math.log(users / 200) / math.log(1.1))


def seen(levels: list[int], seconds: int = 90, failed: float = 0.0) -> list[Observation]:
    """Each level for so long, looked at once a second, with a little noise that has no trend."""
    return [
        Observation(
            float(number),
            users,
            users,
            (
                Reading(P99, p99_of(users) * (1.05 if number % 2 else 0.95), 1.0),
                Reading("failed requests (%)", failed if users > 210 else 0.0, 1.0),
            ),
        )
        for number, users in enumerate(each for each in levels for _ in range(seconds))
    ]


@pytest.mark.parametrize(("p99", "truth"), [(0.5, 200), (1.0, 220), (2.0, 242)])
def test_users_at_another_limit_are_found_where_the_search_was_on_both_sides(p99: float, truth: int) -> None:
    found = users_at(seen([190, 196, 204, 214, 224, 236, 250]), LIMITS, p99)

    assert found.users is not None and found.low is not None and found.high is not None
    assert abs(found.users / truth - 1) < 0.03
    assert found.low <= truth <= found.high


def test_what_was_not_reached_is_not_extrapolated() -> None:
    around = seen([216, 222, 217, 223])

    assert users_at(around, LIMITS, 2.0) == PlannedCapacity(2.0, None, 223, None)
    assert users_at(around, LIMITS, 0.5) == PlannedCapacity(0.5, None, None, 216)


def test_a_load_that_only_passed_by_is_no_evidence() -> None:
    """A climb of ten users a second was never level."""
    climb = seen(list(range(100, 260, 2)), seconds=1)

    assert users_at(climb, LIMITS, 1.0) == PlannedCapacity(1.0, None, None, None)


def test_other_limits_stay_as_they_are() -> None:
    """Above 210 users requests fail: a looser p99 is of no use."""
    found = users_at(seen([190, 200, 206, 214, 220], failed=5.0), LIMITS, 2.0)

    assert found.users is not None and 204 <= found.users <= 216


def test_the_limit_of_the_search_itself_has_its_answer() -> None:
    own = Answer(220, 215, 226, 0.95, "found", "p99", 9.0, "measured")
    rows = planned(seen([216, 222, 217, 223]), own, LIMITS)

    assert [row.p99_seconds for row in rows] == [0.5, 1.0, 2.0]
    assert rows[1] == PlannedCapacity(1.0, 220, 215, 226)
    assert planned([], own, LIMITS) == ()
    at_least = Answer(400, 400, None, 0.0, "at least", "", 9.0, "no limit was crossed")
    assert planned(seen([216]), at_least, LIMITS)[1] == PlannedCapacity(1.0, None, 400, None)


def test_a_looser_limit_never_holds_fewer_users() -> None:
    levels = [190, 196, 204, 214, 224, 236, 250]
    wrong = Answer(260, 250, 270, 0.95, "found", "p99", 9.0, "measured")

    assert planned(seen(levels), wrong, LIMITS)[2] == PlannedCapacity(2.0, None, None, None)


PLAN = (
    PlannedCapacity(0.5, None, None, 216),
    PlannedCapacity(1.0, 220, 215, 226),
    PlannedCapacity(2.0, None, 223, None),
)


def lines(today: Today) -> list[str]:
    told = text(SearchOutcome(answer(220, 60.0), plan=PLAN, today=today)).splitlines()
    return told[told.index(next(line for line in told if line.startswith("planning"))) :]


def test_the_table_says_what_was_reached() -> None:
    assert lines(Today()) == [
        "planning:",
        "  p99 0.5 s: not reached: 216 users were too many, and fewer were not tried for long enough",
        "  p99 1 s: 220 users (215–226)",
        "  p99 2 s: not reached: 223 users were fine",
    ]


def test_the_headroom_is_of_the_lower_end_at_the_peak() -> None:
    grow, shrink = lines(Today(80, 2.0)), lines(Today(120, 2.0))

    assert grow[0] == "planning, with a peak 2 times as busy:"
    assert grow[2].endswith("110 people of average activity; room for 34 % more than the 80 people of today")
    assert shrink[2].endswith("10 % below what the 120 people of today need")
    assert (
        grow[3]
        == "  p99 2 s: not reached: 223 users were fine; room for at least 39 % more than the 80 people of today"
    )


def test_a_table_that_says_nothing_is_left_out() -> None:
    fine = (PlannedCapacity(1.0, None, 400, None), PlannedCapacity(2.0, None, 400, None))

    assert "planning" not in text(SearchOutcome(answer(400, 60.0), plan=fine))
    assert "planning" not in text(SearchOutcome(answer(400, 60.0), today=Today(100)))
    assert "room for at least" in text(SearchOutcome(answer(400, 60.0), plan=fine, today=Today(100)))


def test_the_answers_document_has_the_plan() -> None:
    told = document(SearchOutcome(answer(220, 60.0), plan=PLAN, today=Today(80, 2.0)), LIMITS, {})

    assert told["plan"][1] == {
        "p99_seconds": 1.0,
        "users": 220,
        "low": 215,
        "high": 226,
        "peak_factor": 2.0,
        "usual_users": 110,
        "people": 80,
        "headroom": 0.3438,
    }
    assert told["plan"][2]["users"] is None


@pytest.mark.parametrize("given", [{"people": 0}, {"peak_factor": 0.5}, {"peak_factor": float("nan")}])
def test_an_impossible_today_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--people|--peak-factor"):
        today_of(Namespace(**{"people": None, "peak_factor": None, **given}))
