"""The search's fold by itself: what it makes of guards, phases and estimates, each of them made up. No whole search."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.answer import Ending, Limits, Mode
from coordinator.search.classic import Classic
from coordinator.search.climb import Ascent, Climb, Stairs
from coordinator.search.decide import Search, Searching
from coordinator.search.estimate import Estimate
from coordinator.search.measure import Measure
from coordinator.search.phases import Move, Sight
from coordinator.search.sample import Observation, Reading
from tests.coordinator.simulated import decide, estimate_so_far

LIMITS = Limits(lowest_users=10, highest_users=500, budget_seconds=600.0)
CHEAP = dataclasses.replace(LIMITS, arrival_seconds=0.5)
PACED = dataclasses.replace(LIMITS, arrival_seconds=60.0)


def seen(seconds: float = 1.0, users: int = 50, target: int = 50, **more: Any) -> Observation:
    return Observation(seconds, target, users, (Reading("p99", 0.5, 1.0),), **more)


class Scripted:
    """A phase or a guard that wants the same each time, and remembers how long each cycle was."""

    def __init__(self, move: Move | None) -> None:
        self.move = move
        self.elapsed: list[float] = []

    def next(self, sight: Sight, *_: object) -> Move | None:
        self.elapsed.append(sight.elapsed)
        return self.move


def searching(move: Move, limits: Limits = LIMITS) -> Any:
    """A search whose phase wants this."""
    made: Any = Searching(limits)
    made._phase = Scripted(move)
    return made


def measured(middle: float, half: float, fine: int | None = 200, limits: Limits = LIMITS) -> Any:
    """A search that has measured this, and has seen so many users fine."""
    made: Any = Searching(limits)
    made._measure = SimpleNamespace(estimate=Estimate(middle, half))
    made._findings = SimpleNamespace(
        fine_users=fine, anybody=True, broke_first="p99 4 of 1", notes=["the server tips over"]
    )
    return made


@pytest.mark.parametrize(("wanted", "given"), [(50, 50), (9, 10), (10, 10), (500, 500), (501, 500)])
def test_users_stay_between_the_least_and_the_most(wanted: int, given: int) -> None:
    step = searching(Move(wanted, "because")).next(seen())

    assert (step.users, step.reason, step.answer) == (given, "because", None)


def test_a_phase_that_ends_the_search_gives_the_answer_of_that_moment() -> None:
    step = searching(Move(50, "enough", ending=Ending.AT_LEAST)).next(seen(90.0))

    assert step.answer is not None
    assert (step.users, step.answer.ended_by, step.answer.reason) == (50, "at least", "enough")
    assert step.answer.minutes == 1.5


def test_a_cycle_lasts_as_long_as_it_did_within_bounds() -> None:
    """The first one a second, none more than five, and a clock that goes back none at all."""
    made = searching(Move(50, "on"))
    for seconds in (100.0, 102.0, 107.0, 127.0, 126.0, 127.5):
        made.next(seen(seconds))

    assert made._phase.elapsed == [1.0, 2.0, 5.0, 5.0, 0.0, 1.5]


def test_the_time_is_over_at_the_end_of_the_budget_whatever_a_guard_wants() -> None:
    made = searching(Move(50, "on"))
    made._darkness = Scripted(Move(40, "dark"))

    assert made.next(seen(599.9)).reason == "dark"
    over = made.next(seen(600.0))
    assert over.reason == "the time allowed (10 minutes) is over"
    assert over.answer is not None and over.answer.ended_by == Ending.TIME_OVER
    assert over.users == 50


def test_guards_come_before_the_phase_the_saturated_generator_first() -> None:
    """Every guard sees every cycle, whichever of them holds."""
    made = searching(Move(50, "on"))
    guards = {name: Scripted(Move(40, name)) for name in ("_saturation", "_darkness", "_shortage", "_attendance")}
    for name, guard in guards.items():
        setattr(made, name, guard)

    reasons = []
    holding: list[Scripted | None] = [*guards.values(), None]
    for second, held in enumerate(holding, start=1):
        reasons.append(made.next(seen(float(second))).reason)
        if held is not None:
            held.move = None

    assert reasons == ["_saturation", "_darkness", "_shortage", "_attendance", "on"]
    assert {len(each.elapsed) for each in guards.values()} == {5}
    assert len(made._phase.elapsed) == 1


def test_accounts_that_run_out_end_no_search_whose_server_was_breached() -> None:
    """Then it is known what the server holds, or soon will be."""
    made = searching(Move(50, "on"))
    made._shortage = Scripted(Move(40, "no accounts"))
    assert made.next(seen(1.0)).reason == "no accounts"

    made._findings.broke_first = "p99 4 of 1"
    assert made.next(seen(2.0)).reason == "on"


def test_a_search_whose_time_is_over_says_how_precise_it_has_become_if_that_was_asked() -> None:
    over, wanted = "the time allowed (10 minutes) is over", dataclasses.replace(LIMITS, precision=0.02)

    asked = measured(math.log(300), 0.05, limits=wanted)
    assert asked._time_over == f"{over}: ±5.0% was reached, ±2.0% was requested"
    assert measured(math.log(300), 0.05)._time_over == over
    assert Searching(wanted)._time_over == over


def test_where_nobody_was_ever_active_no_answer_tells_of_users() -> None:
    made = measured(math.log(300), 0.01)
    made._findings.anybody = False
    answer = made.answer(Ending.TIME_OVER, "because", 120.0)

    assert (answer.users, answer.low, answer.high, answer.confidence) == (None, None, None, 0.0)
    assert (answer.ended_by, answer.broke_first, answer.minutes) == (Ending.USERS_MISSING, "", 2.0)
    assert answer.reason.endswith("(because)")


def test_before_anybody_is_active_there_are_no_connections_to_count() -> None:
    made: Any = Search(LIMITS)
    made.observe(seen(1.0, users=0))
    assert made._connections_each == []

    made.observe(seen(2.0, users=1, connections=2))
    assert made._connections_each == [2.0]


def test_the_level_is_that_of_the_measure_as_long_as_it_measures() -> None:
    made: Any = Searching(LIMITS)
    assert made.level is None

    measure = made._measuring(70, slow=False)
    assert made.level is None
    made._phase = measure
    assert made.level == measure.level > 0


def test_a_search_has_the_level_of_its_rule_the_classic_one_has_none() -> None:
    made: Any = Search(LIMITS)
    made._rule._phase = made._rule._measuring(70, slow=False)

    assert made.level == made._rule.level > 0
    assert Search(dataclasses.replace(LIMITS, mode=Mode.CLASSIC)).level is None


def test_an_answer_is_the_estimate_in_whole_users_with_its_interval_rounded_outwards() -> None:
    answer = measured(math.log(300.4), 0.0101).answer(Ending.FOUND, "done", 120.0)

    assert (answer.users, answer.low, answer.high, answer.confidence) == (300, 297, 304, 0.95)
    assert (answer.ended_by, answer.broke_first, answer.minutes) == ("found", "p99 4 of 1", 2.0)
    assert answer.reason == "done; the server tips over"


@pytest.mark.parametrize(
    ("ending", "users", "low"),
    [
        (Ending.UNKNOWN, None, None),
        (Ending.BREACHED_ALREADY, None, None),
        (Ending.SATURATED, None, 200),
        (Ending.USERS_MISSING, None, 200),
        (Ending.AT_LEAST, 200, 200),
    ],
)
def test_endings_that_say_nothing_of_the_capacity_give_no_interval(
    ending: Ending, users: int | None, low: int | None
) -> None:
    """At most what was shown to be fine."""
    answer = measured(math.log(300), 0.01).answer(ending, "so it is", 60.0)

    assert (answer.users, answer.low, answer.high, answer.confidence) == (users, low, None, 0.0)


@pytest.mark.parametrize("ending", [Ending.WIDE, Ending.TIME_OVER, Ending.INTERRUPTED, Ending.SERVER_LOST])
def test_a_search_that_is_cut_off_gives_what_it_has_measured(ending: Ending) -> None:
    answer = measured(math.log(300), 0.01).answer(ending, "so it is", 60.0)

    assert (answer.users, answer.low, answer.high) == (300, 297, 304)


def test_before_anything_is_measured_the_answer_is_what_was_fine() -> None:
    made: Any = Searching(LIMITS)
    made._findings.fine_users, made._findings.anybody = 70, True
    answer = made.answer(Ending.TIME_OVER, "over", 60.0)

    assert (answer.users, answer.low, answer.high, answer.confidence, answer.reason) == (None, 70, None, 0.0, "over")


@pytest.mark.parametrize(("limits", "first"), [(LIMITS, Climb), (CHEAP, Ascent), (PACED, Ascent)])
def test_the_first_phase_is_a_climb_or_an_ascent_where_log_ins_cost_something(limits: Limits, first: type) -> None:
    assert type(Searching(limits)._phase) is first


@pytest.mark.parametrize(("mode", "rule"), [(Mode.CLASSIC, Classic), (Mode.SEARCH, Searching)])
def test_the_mode_names_the_rule(mode: Mode, rule: type) -> None:
    assert type(Search(dataclasses.replace(LIMITS, mode=mode))._rule) is rule


def test_the_next_phase_goes_on() -> None:
    after = Scripted(Move(60, "after"))
    made = searching(Move(50, "before", then=after))  # type: ignore[arg-type]

    assert [made.next(seen(1.0)).reason, made.next(seen(2.0)).reason] == ["before", "after"]


@pytest.mark.parametrize("up", [Climb, Stairs])
def test_a_phase_that_goes_up_again_takes_back_what_was_measured(up: type) -> None:
    made = searching(Move(50, "a false breach"))
    made._measuring(50, slow=False)
    made._findings.broke_first = "p99 4 of 1"
    made._enter(up(LIMITS, made._measuring, 50) if up is Stairs else up(LIMITS, made._measuring))

    assert (made._measure, made._findings.broke_first) == (None, "")


def test_any_other_phase_leaves_what_was_measured() -> None:
    made = searching(Move(50, "on"))
    measure = made._measuring(50, slow=False)
    made._findings.broke_first = "p99 4 of 1"
    made._enter(Scripted(None))

    assert made._measure is measure
    assert made._findings.broke_first == "p99 4 of 1"


def test_a_climb_that_nothing_was_measured_before_keeps_the_first_breach() -> None:
    made = searching(Move(50, "on"))
    made._findings.broke_first = "p99 4 of 1"
    made._enter(Climb(LIMITS, made._measuring))

    assert made._findings.broke_first == "p99 4 of 1"


@pytest.mark.parametrize(
    ("limits", "strict", "paced"),
    [(LIMITS, False, False), (CHEAP, False, True), (PACED, False, True), (PACED, True, False)],
)
def test_users_are_paced_while_their_log_ins_count_as_load(
    limits: Limits, strict: bool, paced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Any = Searching(limits)
    made._window.strict = strict
    given: dict[str, object] = {}
    monkeypatch.setattr(
        "coordinator.search.decide.Measure",
        lambda of, onset, slow, again, **more: given.update(more, of=of, onset=onset, slow=slow),
    )
    made._measuring(70, True)

    assert given == {"of": limits, "onset": 70, "slow": True, "paced": paced}


def test_a_measure_is_what_the_search_asks_for_its_estimate() -> None:
    made: Any = Searching(LIMITS)

    assert isinstance(made._measuring(70, False), Measure)
    assert made._measure is not None


def test_log_ins_that_cross_the_limit_by_themselves_are_waited_for_from_then_on() -> None:
    """Once: then the window is strict, and stairs go on."""
    made = searching(Move(50, "on"), PACED)
    made._login_breaches = SimpleNamespace(proven=False, see=lambda sight: None)
    before = made.next(seen(1.0))
    made._window.strict = False
    made._login_breaches.proven = True
    step = made.next(seen(2.0))

    assert before.reason == "on"
    assert step.reason.startswith("logins alone cross the limit, 50 users without them do not: p99 0.5 of 1")
    assert made._window.strict is True
    assert isinstance(made._phase, Stairs)
    made._phase = Scripted(Move(50, "on"))
    assert made.next(seen(3.0)).reason == "on"


class Rule:
    """A rule that goes on, and whose answer is known."""

    def __init__(self, high: int | None) -> None:
        self.made = measured(math.log(300), 0.01) if high else measured(0.0, 0.0, 70)
        if not high:
            self.made._measure = None
        self.asked = 0

    def next(self, observation: Observation) -> Any:
        self.asked += 1
        return SimpleNamespace(users=50, reason="on", answer=None)

    def answer(self, *arguments: Any) -> Any:
        return self.made.answer(*arguments)


def watched(move: Move | None, high: int | None = None) -> Any:
    """A search at whose server somebody looks first."""
    search: Any = Search(LIMITS)
    search._rule = Rule(high)
    search._absence = SimpleNamespace(next=lambda observation: move)
    return search


def test_while_the_server_is_away_the_rule_is_not_asked() -> None:
    held, free = watched(Move(40, "no answer")), watched(None)

    assert (held.observe(seen()).users, held._rule.asked) == (40, 0)
    assert (free.observe(seen()).users, free._rule.asked) == (50, 1)


@pytest.mark.parametrize(("high", "broke_first"), [(304, "p99 4 of 1"), (None, "")])
def test_a_server_that_is_lost_broke_nothing_before_something_was_measured(high: int | None, broke_first: str) -> None:
    step = watched(Move(40, "lost", ending=Ending.SERVER_LOST), high).observe(seen(120.0))

    assert (step.users, step.reason) == (40, "lost")
    assert (step.answer.high, step.answer.broke_first, step.answer.minutes) == (high, broke_first, 2.0)


def test_an_answer_is_only_repeated() -> None:
    search = watched(Move(40, "lost", ending=Ending.SERVER_LOST))
    first = search.observe(seen(120.0))
    search._absence = SimpleNamespace(next=lambda observation: None)

    assert search.observe(seen(130.0)) is first
    assert search.so_far("interrupted", "late", 140.0) is first.answer
    assert search._rule.asked == 0


def test_a_search_that_is_cut_off_tells_why_and_after_how_long() -> None:
    nothing = estimate_so_far(LIMITS, [])
    some = estimate_so_far(LIMITS, [seen(30.0), seen(60.0), seen(90.0)], Ending.AGENT_LOST, "no agent")

    assert (nothing.ended_by, nothing.reason, nothing.minutes) == ("interrupted", "interrupted", 0.0)
    assert (some.ended_by, some.reason, some.minutes) == ("agent lost", "no agent", 1.5)


def test_each_cycle_is_shown_to_the_window_then_the_findings_then_the_log_ins_and_last_what_was_decided() -> None:
    made = searching(Move(50, "on"))
    told: list[tuple[object, ...]] = []
    made._window = SimpleNamespace(add=lambda *cycle: told.append(cycle), strict=True)
    made._findings = SimpleNamespace(
        see=lambda sight: told.append(("findings", sight.users)),
        move=lambda sight, move: told.append(("decided", move.reason)),
        broke_first="",
    )
    made._login_breaches = SimpleNamespace(see=lambda sight: told.append(("log-ins", sight.users)))
    made.next(seen(7.0, users=50, target=60))

    assert told == [(7.0, 50, 60), ("findings", 50), ("log-ins", 50), ("decided", "on")]


def test_a_decision_is_that_of_all_its_history() -> None:
    history = [seen(30.0), seen(599.0), seen(601.0)]
    last = decide(LIMITS, history)

    assert last.answer is not None and last.answer.ended_by == Ending.TIME_OVER
    assert decide(LIMITS, history[:2]).answer is None
    assert decide(LIMITS, []).users == 10
    assert estimate_so_far(LIMITS, history) == last.answer
