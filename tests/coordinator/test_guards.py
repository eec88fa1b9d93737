"""What holds or ends a search: no data, a saturated generator, several limits at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from coordinator.answer import Ending, Limits, exit_code
from coordinator.search.decide import Search
from coordinator.search.sample import Observation, Reading
from mmload.errors import ExitCode
from tests.coordinator.simulated import WINDOW_SECONDS, Searched, hard_limit, search, steep, unknown

LIMITS = Limits(lowest_users=1, highest_users=5000)
CAPACITY = 300
REFUSED = "57 requests in a row, connection refused"


def phase_begins(word: str) -> float:
    """The second at which an undisturbed search says that for the first time."""
    undisturbed = search(LIMITS, steep(CAPACITY))
    pairs = zip(undisturbed.seen, undisturbed.steps, strict=True)
    return next(seen.seconds for seen, step in pairs if step.reason.startswith(word)) + 3


def dark_from(begins: float, seconds: float) -> Callable[[Observation], Observation]:
    """No data for so long."""
    return lambda seen: unknown(seen) if begins <= seen.seconds < begins + seconds else seen


def users_while_dark(searched: Searched, begins: float, seconds: float) -> list[int]:
    pairs = zip(searched.seen, searched.steps, strict=True)
    return [step.users for seen, step in pairs if begins <= seen.seconds < begins + seconds]


@pytest.mark.parametrize("phase", ["climb", "retreat", "measure"])
def test_a_minute_without_data_never_raises_the_load_and_is_survived(phase: str) -> None:
    begins = phase_begins(phase)

    searched = search(LIMITS, steep(CAPACITY), dark_from(begins, 65))
    ordered = users_while_dark(searched, begins, 65)

    assert ordered == sorted(ordered, reverse=True), "more users although nothing was known"
    assert ordered[-1] < ordered[0] or ordered[0] == LIMITS.lowest_users, "after a minute it steps back"
    assert searched.answer.users is not None and abs(searched.answer.users / CAPACITY - 1) <= 0.05


def test_three_minutes_without_data_end_the_search_without_a_number() -> None:
    searched = search(LIMITS, steep(CAPACITY), dark_from(100, 10_000))

    assert (searched.answer.ended_by, searched.answer.users, searched.answer.low) == (Ending.UNKNOWN, None, None)
    assert searched.answer.reason.startswith("nothing known for 180 s: p99: connection refused")


def test_queries_that_never_give_data_end_the_search_at_its_first_load() -> None:
    searched = search(dataclasses.replace(LIMITS, lowest_users=30), steep(CAPACITY), unknown)

    assert searched.answer.ended_by == Ending.UNKNOWN
    assert {step.users for step in searched.steps} == {30}


def test_the_classic_rule_holds_without_data_too() -> None:
    """The tool it comes from takes silence for good health."""
    classic = dataclasses.replace(LIMITS, mode="classic")

    searched = search(classic, steep(CAPACITY), dark_from(20, 10_000))

    assert searched.answer.ended_by == Ending.UNKNOWN
    assert max(users_while_dark(searched, 20, 10_000)) <= searched.steps[18].users


# -- the server -------------------------------------------------------------------------------------------------


def away_from(begins: float, seconds: float) -> Callable[[Observation], Observation]:
    """No answer for so long; the failures stay in the window for as long as everything does."""

    def failing(seen: Observation) -> Observation:
        since = seen.seconds - begins
        if not 0 <= since < seconds + WINDOW_SECONDS:
            return seen
        readings = (*seen.readings, Reading("failed requests (%)", 50.0, 1.0))
        return dataclasses.replace(seen, readings=readings, unanswered=REFUSED if since < seconds else "")

    return failing


def test_a_server_that_is_gone_on_the_way_up_is_no_limit_that_was_crossed() -> None:
    """What was fine before is told, and that it answers nothing: not that one user is too many for it."""
    searched = search(LIMITS, steep(CAPACITY), away_from(phase_begins("climb") + 40, 10_000))
    answer = searched.answer

    assert (answer.ended_by, answer.users, answer.high, answer.broke_first) == (Ending.SERVER_LOST, None, None, "")
    assert answer.reason.startswith("the server has not answered for 45 s, with ")
    assert answer.reason.endswith(f" active users: {REFUSED}")
    assert answer.low is not None and answer.low > 1
    held = [step.users for step in searched.steps if "does not respond, holding" in step.reason]
    assert len(held) == 35 and set(held) == {searched.steps[-1].users}


def test_a_server_that_is_gone_while_it_is_measured_has_the_number_that_was_found_by_then() -> None:
    answer = search(LIMITS, steep(CAPACITY), away_from(phase_begins("measure") + 120, 10_000)).answer

    assert answer.ended_by == Ending.SERVER_LOST
    assert answer.users is not None and abs(answer.users / CAPACITY - 1) <= 0.05
    assert answer.broke_first.startswith("p99 ")


@pytest.mark.parametrize("phase", ["climb", "retreat", "measure"])
def test_a_server_that_is_started_again_is_searched_on(phase: str) -> None:
    """Once its failures have left the window."""
    begins = phase_begins(phase) + 20

    searched = search(LIMITS, steep(CAPACITY), away_from(begins, 25))
    pairs = zip(searched.seen, searched.steps, strict=True)
    held = {step.users for seen, step in pairs if begins + 10 <= seen.seconds < begins + 24 + WINDOW_SECONDS}

    assert len(held) == 1
    assert searched.answer.users is not None and abs(searched.answer.users / CAPACITY - 1) <= 0.05


def test_the_classic_rule_ends_without_a_server_too() -> None:
    classic = dataclasses.replace(LIMITS, mode="classic")

    assert search(classic, steep(CAPACITY), away_from(20, 10_000)).answer.ended_by == Ending.SERVER_LOST


# -- the users --------------------------------------------------------------------------------------------------


def nobody(seen: Observation) -> Observation:
    return dataclasses.replace(seen, users=0)


@pytest.mark.parametrize("arrival_seconds", [0.0, 60.0])
@pytest.mark.parametrize(("lowest", "highest"), [(1, 1), (1, 2), (1, 5000), (2, 5000), (30, 40)])
def test_a_search_in_which_nobody_was_ever_active_has_no_number(
    lowest: int, highest: int, arrival_seconds: float
) -> None:
    """An idle server is healthy: it must not be read as one that holds a user."""
    limits = Limits(lowest_users=lowest, highest_users=highest, arrival_seconds=arrival_seconds)

    searched = search(limits, steep(CAPACITY), nobody)
    answer = searched.answer

    assert (answer.ended_by, answer.users, answer.low, answer.high) == (Ending.USERS_MISSING, None, None, None)
    assert answer.reason.startswith("no user became active: see the run's report and the agents' logs")
    assert exit_code(answer) == ExitCode.INCONCLUSIVE
    assert len(searched.steps) < 200, "it waited for longer than users need"


def test_a_search_that_is_cut_off_before_anybody_came_has_no_number() -> None:
    decider = Search(LIMITS)
    for second in range(1, 50):
        decider.observe(Observation(float(second), 1, 0, (Reading("p99", 0.0, 1.0),)))

    answer = decider.so_far(Ending.INTERRUPTED, "a signal", 50.0)

    assert (answer.users, answer.low) == (None, None)


# -- the generator ----------------------------------------------------------------------------------------------


def saturated_above(users: int) -> Callable[[Observation], Observation]:
    return lambda seen: dataclasses.replace(seen, saturated="one core is full" if seen.users > users else "")


def test_a_saturated_generator_stops_the_climb_and_is_no_answer_about_the_server() -> None:
    searched = search(LIMITS, steep(CAPACITY), saturated_above(150))
    answer = searched.answer

    assert (answer.ended_by, answer.users, answer.high) == (Ending.SATURATED, None, None)
    assert answer.low is not None and answer.low <= 170
    assert "add agents or workers" in answer.reason
    assert max(step.users for step in searched.steps) <= 170


def test_a_generator_that_was_busy_for_a_moment_ends_nothing() -> None:
    """Its readings must pass out of the window first."""

    def busy(seen: Observation) -> Observation:
        return dataclasses.replace(seen, saturated="a pause" if 30 <= seen.seconds < 40 else "")

    searched = search(LIMITS, steep(CAPACITY), busy)
    held = {step.users for seen, step in zip(searched.seen, searched.steps, strict=True) if 30 <= seen.seconds < 69}

    assert len(held) == 1
    assert searched.answer.users is not None and abs(searched.answer.users / CAPACITY - 1) <= 0.05


# -- several limits ---------------------------------------------------------------------------------------------


def with_another(
    value: Callable[[int], float | None], name: str = "cpu", limit: float = 85.0
) -> Callable[..., Observation]:
    """A second reading beside the p99."""

    def added(seen: Observation) -> Observation:
        more = value(seen.users)
        reading = Reading(name, more, limit, "" if more is not None else "empty result")
        return dataclasses.replace(seen, readings=(*seen.readings, reading))

    return added


def test_of_several_limits_the_first_that_is_crossed_is_the_capacity() -> None:
    """CPU crosses its limit at 200 users, the p99 only at 300."""
    answer = search(LIMITS, hard_limit(300), with_another(lambda users: 85.0 * users / 200)).answer

    assert answer.users is not None and abs(answer.users / 200 - 1) <= 0.05
    assert answer.broke_first.startswith("cpu 8")


def test_while_one_limit_is_unknown_nothing_grows() -> None:
    searched = search(LIMITS, steep(CAPACITY), with_another(lambda users: None if users > 100 else 10.0))

    assert (searched.answer.users, searched.answer.high) == (None, None)
    assert max(step.users for step in searched.steps) <= 110
    assert any("cpu: empty result" in step.reason for step in searched.steps)


def test_a_breach_counts_although_another_limit_is_unknown() -> None:
    decider = Search(dataclasses.replace(LIMITS, lowest_users=1))
    readings = (Reading("p99", 3.0, 1.0), Reading("cpu", None, 85.0, "no data"))

    steps = [decider.observe(Observation(float(second), 100, 100, readings)) for second in (1, 2, 3)]

    assert steps[-1].users < 100
    assert steps[1].reason.startswith("breached by 100 users: p99 3 of 1")
