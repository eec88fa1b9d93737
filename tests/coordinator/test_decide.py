"""The decision as a whole, on servers whose capacity is known: the awkward cases, each by its name."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable

import pytest

from coordinator.answer import Ending, Limits, Step
from coordinator.search.decide import Search
from coordinator.search.sample import Observation, Reading, Window
from tests.coordinator.simulated import (
    WINDOW_SECONDS,
    Moment,
    decide,
    estimate_so_far,
    hard_limit,
    search,
    steep,
    unknown,
)

LIMITS = Limits(lowest_users=1, highest_users=5000)
STAIRS = dataclasses.replace(LIMITS, lowest_users=30, arrival_seconds=60.0)
BOTH = pytest.mark.parametrize("limits", [LIMITS, STAIRS], ids=["cheap log-ins", "expensive log-ins"])


@BOTH
def test_a_limit_one_user_wide_is_found(limits: Limits) -> None:
    answer = search(limits, hard_limit(412)).answer

    assert answer.users is not None and answer.low is not None and answer.high is not None
    assert abs(answer.users / 412 - 1) <= 0.05
    assert answer.low <= 412 <= answer.high
    assert (answer.ended_by, answer.confidence) == (Ending.FOUND, 0.95)
    assert answer.broke_first == "p99 4 of 1"


@BOTH
def test_a_limit_that_is_crossed_slowly_is_found(limits: Limits) -> None:
    answer = search(limits, steep(300)).answer

    assert answer.users is not None and abs(answer.users / 300 - 1) <= 0.05
    assert answer.low is not None and answer.high is not None and answer.low <= 300 <= answer.high


@BOTH
def test_a_breach_from_the_very_first_sample_gives_no_number(limits: Limits) -> None:
    """Breached with next to nobody: the limit is wrong, or the server is broken."""
    answer = search(limits, lambda users, second: 5.0).answer

    assert answer.ended_by == Ending.BREACHED_ALREADY
    assert (answer.users, answer.low, answer.high, answer.confidence) == (None, None, None, 0.0)
    assert answer.reason.startswith("breached already by")


@BOTH
def test_a_spike_on_the_way_up_is_not_taken_for_the_capacity(limits: Limits) -> None:
    """Five bad seconds at a fifth of the capacity: a backup, a garbage collection."""
    began = next(seen.seconds for seen in search(limits, hard_limit(400)).seen if seen.users >= 80)

    def spiky(users: int, second: int) -> float:
        return 3.0 if began <= second < began + 5 else hard_limit(400)(users, second)

    searched = search(limits, spiky)

    assert searched.answer.users is not None and abs(searched.answer.users / 400 - 1) <= 0.05


def test_a_breach_that_was_false_leaves_no_number_behind() -> None:
    """Cut off on its second way up, a search knows what was fine, and nothing of a limit."""
    slow_to_learn = dataclasses.replace(LIMITS, precision=0.001)

    def spiky(users: int, second: int) -> float:
        return 3.0 if 20 <= second < 25 else 0.2

    searched = search(slow_to_learn, spiky, seconds=600)
    again = next(n for n, step in enumerate(searched.steps, start=1) if "had another cause" in step.reason)
    before, after = (estimate_so_far(slow_to_learn, searched.seen[:n]) for n in (again - 1, again))

    assert before.users is not None and "p99 3 of 1" in before.broke_first
    assert (after.users, after.high, after.broke_first) == (None, None, "")
    assert after.low is not None and after.low > before.users * 0.9


@BOTH
@pytest.mark.parametrize("first_bad_second", [10, 90])
def test_a_server_that_is_breached_again_and_again_by_the_same_users_gets_its_number(
    first_bad_second: int, limits: Limits
) -> None:
    """Bad for 40 s of each 160 s, as a queue that builds up and drains: no reason to think that it was a spike."""

    def moody(users: int, second: int) -> float:
        bad = (second - first_bad_second) % 160 < 40
        return 2.0 if users >= (100 if bad else 130) else 0.3

    searched = search(limits, moody)

    said = [step.reason for step in searched.steps if "had another cause" in step.reason]
    assert len(said) <= 1, "the first breach may look like a spike, those that follow may not"
    assert searched.answer.users is not None and 95 <= searched.answer.users <= 135


@BOTH
def test_without_a_breach_up_to_the_most_users_the_answer_is_at_least(limits: Limits) -> None:
    capped = dataclasses.replace(limits, highest_users=200)

    searched = search(capped, hard_limit(1000))

    assert (searched.answer.ended_by, searched.answer.users, searched.answer.low) == (Ending.AT_LEAST, 200, 200)
    assert searched.answer.high is None and searched.answer.broke_first == ""
    assert max(step.users for step in searched.steps) == 200


@BOTH
@pytest.mark.parametrize("moment", [hard_limit, steep])
@pytest.mark.parametrize("capacity", [8, 11, 16, 23])
def test_a_server_for_fewer_than_thirty_users_is_measured_too(
    capacity: int, moment: Callable[[int], Moment], limits: Limits
) -> None:
    """One person more is a tenth of the load: no reason to take the first breach for a false one, again and again."""
    answer = search(dataclasses.replace(limits, lowest_users=1), moment(capacity)).answer

    assert answer.ended_by in (Ending.FOUND, Ending.WIDE) and answer.minutes < 20
    assert answer.low is not None and answer.high is not None
    assert answer.low <= capacity <= answer.high
    assert answer.users is not None and abs(answer.users - capacity) <= 1


def test_never_fewer_users_than_the_least_nor_more_than_the_most() -> None:
    bounded = dataclasses.replace(LIMITS, lowest_users=100, highest_users=330)

    searched = search(bounded, steep(310))

    assert {100 <= step.users <= 330 for step in searched.steps} == {True}


@BOTH
def test_users_that_never_come_end_the_search(limits: Limits) -> None:
    """Wrong passwords, a full licence: targets are no load."""
    answer = search(limits, hard_limit(400), lambda seen: dataclasses.replace(seen, users=min(seen.users, 20))).answer

    assert (answer.ended_by, answer.users) == (Ending.USERS_MISSING, None)
    assert "20 users are active, the target is" in answer.reason


class Doorway:
    """Users count as in only four seconds after they began to log in, and a log-in breaks the limit for everybody."""

    def __init__(self) -> None:
        self.users = deque([0] * 4, maxlen=4)
        self.last = -WINDOW_SECONDS

    def __call__(self, seen: Observation) -> Observation:
        users = min(seen.users, self.users[0])
        self.users.append(seen.users)
        self.last = int(seen.seconds) if seen.target > users else self.last
        slow = seen.seconds - self.last < WINDOW_SECONDS
        readings = (dataclasses.replace(seen.readings[0], value=4.0),) if slow else seen.readings
        return dataclasses.replace(seen, users=users, readings=readings)


def test_the_log_ins_of_users_to_come_are_no_breach_by_those_who_are_in() -> None:
    """Else the first flight of log-ins that is slow before anybody is in ends the climb, far below the capacity."""
    searched = search(STAIRS, hard_limit(400), Doorway())

    breaches = [
        seen.users for seen, step in zip(searched.seen, searched.steps, strict=True) if "breached by" in step.reason
    ]
    assert breaches and breaches[0] > 400
    assert searched.answer.users is not None and abs(searched.answer.users / 400 - 1) <= 0.05


def test_log_ins_that_were_called_off_stay_in_the_window_too() -> None:
    window = Window(30.0, arrival_seconds=60.0)
    for second in range(40):
        window.add(float(second), 100, 100)
    assert window.settled

    window.add(40.0, 100, 140)
    on_their_way = window.settled
    window.add(41.0, 100, 100)
    called_off = window.settled
    for second in range(42, 73):
        window.add(float(second), 100, 100)

    assert (on_their_way, called_off, window.settled) == (False, False, True)


def few_away(seen: Observation) -> Observation:
    """One in forty users never gets in."""
    return dataclasses.replace(seen, users=max(0, seen.users - seen.target // 40))


@BOTH
@pytest.mark.parametrize("moment", [hard_limit, steep])
def test_others_come_in_place_of_users_who_stay_away(limits: Limits, moment: Callable[[int], Moment]) -> None:
    """Else the load never reaches the levels that it is to be measured at."""
    answer = search(limits, moment(400), few_away).answer

    assert answer.ended_by in (Ending.FOUND, Ending.WIDE) and answer.minutes < 20
    assert answer.users is not None and abs(answer.users / 390 - 1) <= 0.03
    assert answer.low is not None and answer.high is not None and answer.low <= 390 <= answer.high


@BOTH
def test_users_who_stay_away_do_not_hide_that_the_most_users_are_fine(limits: Limits) -> None:
    answer = search(dataclasses.replace(limits, highest_users=200), hard_limit(1000), few_away).answer

    assert (answer.ended_by, answer.low, answer.high) == (Ending.AT_LEAST, 195, None)


def test_users_who_stay_away_for_good_hold_up_nothing() -> None:
    window = Window(30.0, arrival_seconds=60.0)
    for second in range(60):
        window.add(float(second), 98, 100)

    assert window.settled


@BOTH
def test_users_that_come_slowly_are_waited_for(limits: Limits) -> None:
    """One a second: never quick, never stuck."""
    answer = search(limits, hard_limit(80), log_ins=1).answer

    assert answer.users is not None and abs(answer.users - 80) <= 4


@BOTH
def test_a_tipped_server_that_never_recovers_is_told(limits: Limits) -> None:
    """Once over its limit it stays bad, whatever the load."""
    tipped = False

    def tipping(users: int, second: int) -> float:
        nonlocal tipped
        tipped = tipped or users > 200
        return 6.0 if tipped else 0.2

    searched = search(limits, tipping)

    assert searched.answer.ended_by == Ending.BREACHED_ALREADY
    assert searched.steps[-1].users == limits.lowest_users
    assert searched.answer.users is None


@BOTH
def test_a_budget_that_is_over_gives_the_best_answer_so_far(limits: Limits) -> None:
    whole = search(limits, steep(300))
    half = dataclasses.replace(limits, budget_seconds=whole.seen[-1].seconds - 20.0)

    answer = search(half, steep(300)).answer

    assert answer.ended_by == Ending.TIME_OVER
    assert answer.users is not None and abs(answer.users / 300 - 1) <= 0.08
    assert answer.low is not None and answer.high is not None and answer.low < answer.users < answer.high


def test_a_budget_that_is_over_before_any_breach_tells_what_was_fine() -> None:
    answer = search(dataclasses.replace(LIMITS, budget_seconds=60.0), hard_limit(4000)).answer

    assert (answer.ended_by, answer.users, answer.high) == (Ending.TIME_OVER, None, None)
    assert answer.low is not None and 30 <= answer.low < 4000


def test_a_search_that_is_cut_off_gives_what_it_knows() -> None:
    searched = search(LIMITS, steep(300))

    answer = estimate_so_far(LIMITS, searched.seen[:-10])

    assert answer.ended_by == Ending.INTERRUPTED
    assert answer.users is not None and abs(answer.users / 300 - 1) <= 0.08


# -- the same history, the same steps ---------------------------------------------------------------------------


@BOTH
def test_the_same_history_gives_the_same_step(limits: Limits) -> None:
    searched = search(limits, steep(200))

    for cut in range(1, len(searched.seen), 37):
        assert decide(limits, searched.seen[:cut]) == searched.steps[cut - 1]


@BOTH
def test_a_history_cut_anywhere_and_continued_gives_the_same_steps(limits: Limits) -> None:
    """A coordinator that reads its journal again decides as the one that wrote it would have."""
    searched = search(limits, hard_limit(150))

    for cut in range(0, len(searched.seen), 61):
        again = Search(limits)
        for seen in searched.seen[:cut]:
            again.observe(seen)
        assert [again.observe(seen) for seen in searched.seen[cut:]] == searched.steps[cut:]


def test_after_the_answer_it_is_only_repeated() -> None:
    searched = search(LIMITS, hard_limit(100))
    decider = Search(LIMITS)
    for seen in searched.seen:
        decider.observe(seen)

    later = Observation(9999.0, 1, 1, (Reading("p99", 50.0, 1.0),))

    assert decider.observe(later) == searched.steps[-1]
    assert decider.so_far("interrupted", "late", 9999.0) == searched.answer


def test_nothing_seen_is_the_least_load() -> None:
    assert decide(LIMITS, []) == Step(1, "nothing was seen yet")


def test_a_precision_that_the_time_allowed_was_too_short_for_is_told_with_the_one_that_was_reached() -> None:
    limits = dataclasses.replace(LIMITS, precision=0.001, budget_seconds=600.0)

    answer = search(limits, steep(300)).answer

    assert (answer.ended_by, answer.confidence) == (Ending.TIME_OVER, 0.95)
    assert re.fullmatch(
        r"the time allowed \(10 minutes\) is over: ±\d+\.\d% was reached, ±0\.1% was requested", answer.reason
    )


def test_unknown_moments_do_not_move_the_estimate() -> None:
    """The number is the same to the last digit with a gap in the data as without any."""
    limits = dataclasses.replace(LIMITS, precision=0.001)
    seen = search(limits, steep(200), seconds=400).seen
    gap = [unknown(dataclasses.replace(seen[-1], seconds=seen[-1].seconds + second)) for second in range(1, 9)]
    after = [dataclasses.replace(seen[-1], seconds=seen[-1].seconds + 9)]

    without, with_gap = estimate_so_far(limits, seen), estimate_so_far(limits, [*seen, *gap])

    assert without.users is not None
    assert (with_gap.users, with_gap.low, with_gap.high) == (without.users, without.low, without.high)
    assert decide(limits, [*seen, *gap, *after]).answer is None
