"""Two searches that take turns: who has the turn, when they end, and what is told of the difference."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass, field

import pytest

from benchmarks.capacity.pairs import PairRun, PairTask, compared, pair_tasks
from benchmarks.capacity.servers import Kind
from benchmarks.capacity.truths import proof_servers, stored
from coordinator.answer import Answer, Ending, Limits, Step
from coordinator.capacity_difference import judged
from coordinator.search.decide import Search
from coordinator.search.paired import BASE, DEFAULT_TURNS, NEW, PairedSearch, jackknife_error
from coordinator.search.sample import Observation, Reading
from mmload.results.comparison import Judgement
from tests.coordinator.simulated import Moment, hard_limit, steep

TOLERANCE = DEFAULT_TURNS.tolerance
LIMITS = Limits(highest_users=1000)


@dataclass
class Half:
    """One of the two made-up servers, and what became of it."""

    moment: Moment
    users: int = 0
    target: int = 1
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    seen: list[Observation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def answer(self) -> Answer | None:
        return self.steps[-1].answer if self.steps else None

    def second(self, now: int) -> Observation:
        """Users come and go as they are told, and a p99 over the last 30 s says what they do to it."""
        self.users = (
            min(self.target, self.users + 8) if self.target >= self.users else max(self.target, self.users - 20)
        )
        self.recent.append(self.moment(self.users, now))
        self.seen.append(Observation(float(now), self.target, self.users, (Reading("p99", max(self.recent), 1.0),)))
        return self.seen[-1]

    def take(self, step: Step) -> None:
        self.steps.append(step)
        self.target = step.users if step.ordered is None else step.ordered


@dataclass
class Pair:
    search: PairedSearch
    halves: tuple[Half, Half]

    @property
    def turns(self) -> list[int]:
        """Who had the turn while both measured: without repeats."""
        active = [
            BASE if base.ordered is None else NEW
            for base, new in zip(*(half.steps for half in self.halves), strict=False)
            if base.answer is None and new.answer is None
        ]
        return [which for which, _ in itertools.groupby(active)]

    @property
    def judgement(self) -> Judgement:
        return judged(self.search.ratio, TOLERANCE)


def paired(base: Moment, new: Moment, limits: Limits = LIMITS, seconds: int = 7200) -> Pair:
    """Until both have an answer."""
    search = PairedSearch(limits, limits)
    pair = Pair(search, (Half(base), Half(new)))
    for now in range(1, seconds + 1):
        for half, side in zip(pair.halves, search.sides, strict=True):
            if half.answer is None:
                half.take(side.observe(half.second(now)))
        if all(half.answer is not None for half in pair.halves):
            return pair
    raise AssertionError("no answer")


@pytest.fixture(scope="module")
def more() -> Pair:
    """A server that holds a quarter more than the base."""
    return paired(steep(200), steep(250))


def test_one_has_the_turn_and_the_other_rests_a_little_below_its_limit(more: Pair) -> None:
    assert more.turns[:4] == [BASE, NEW, BASE, NEW]
    resting = [step.ordered for step in more.halves[BASE].steps if step.ordered is not None]
    assert resting and all(0.7 * 200 <= users <= 0.85 * 210 for users in resting)
    waiting = [step.ordered for step in more.halves[NEW].steps if step.ordered is not None]
    assert waiting[0] == LIMITS.lowest_users


def test_turns_are_a_b_b_a(more: Pair) -> None:
    """After the first half turn each has two in a row: what drifts evenly hits both alike."""
    lengths = [
        len(list(same)) for _, same in itertools.groupby(step.ordered is None for step in more.halves[BASE].steps)
    ]
    between = lengths[1:-1]
    assert len(between) >= 2 and max(between) < 2.5 * min(between)


def test_what_the_other_holds_more_is_told_within_its_interval(more: Pair) -> None:
    ratio = more.search.ratio
    assert ratio is not None
    assert ratio.low <= math.log(1.25) <= ratio.high
    assert more.judgement is Judgement.BETTER
    assert [half.answer.ended_by for half in more.halves if half.answer] == [Ending.FOUND] * 2


def test_fewer_is_worse() -> None:
    assert paired(steep(250), steep(200)).judgement is Judgement.WORSE


def test_the_same_server_is_no_difference_and_is_narrow_enough_to_say_so() -> None:
    pair = paired(steep(180), steep(180))

    assert pair.judgement is Judgement.SAME
    ratio = pair.search.ratio
    assert ratio is not None and ratio.high - ratio.low <= 2 * math.log1p(TOLERANCE)


def test_a_precision_that_is_asked_for_is_reached() -> None:
    pair = paired(steep(180), steep(260), Limits(highest_users=1000, precision=0.03))

    ratio = pair.search.ratio
    assert ratio is not None and (ratio.high - ratio.low) / 2 <= 0.03


def test_where_one_has_no_limit_it_holds_at_least_so_many_more() -> None:
    better, worse = paired(steep(150), steep(4000)), paired(steep(4000), steep(150))

    for pair, judgement in ((better, Judgement.BETTER), (worse, Judgement.WORSE)):
        ratio = pair.search.ratio
        assert ratio is not None and pair.judgement is judgement
        assert math.isinf(ratio.high) is (judgement is Judgement.BETTER)
    assert better.search.ratio and better.search.ratio.low == pytest.approx(math.log(1000 / 150), abs=0.1)


def test_where_neither_has_a_limit_nothing_is_told() -> None:
    pair = paired(hard_limit(5000), hard_limit(5000), Limits(highest_users=60))

    assert pair.search.ratio is None and pair.judgement is Judgement.UNKNOWN
    assert [half.answer.ended_by for half in pair.halves if half.answer] == [Ending.AT_LEAST] * 2


def test_what_ends_one_ends_the_other() -> None:
    """A server that is breached by nobody is no answer, and no reason to go on with the other."""
    pair = paired(lambda users, second: 5.0, steep(200))

    endings = [half.answer.ended_by for half in pair.halves if half.answer]
    assert endings == [Ending.BREACHED_ALREADY, Ending.OTHER_ENDED]
    assert pair.judgement is Judgement.UNKNOWN


def test_one_that_is_cut_off_ends_the_other() -> None:
    search = PairedSearch(LIMITS, LIMITS)
    base, new = search.sides
    assert base.so_far(Ending.AGENT_LOST, "agent lt0 has not answered", 40.0).ended_by == Ending.AGENT_LOST

    step = new.observe(Observation(41.0, 1, 1, (Reading("p99", 0.2, 1.0),)))
    assert step.answer is not None and step.answer.ended_by == Ending.OTHER_ENDED
    assert "lt0" in step.answer.reason


def test_time_is_over_for_both_at_once() -> None:
    pair = paired(steep(150), steep(160), Limits(highest_users=1000, budget_seconds=100.0))

    assert {half.answer.ended_by for half in pair.halves if half.answer} == {Ending.TIME_OVER}
    assert pair.halves[BASE].seen[-1].seconds == pytest.approx(200.0, abs=2)


def test_a_side_can_be_replayed_by_itself(more: Pair) -> None:
    """Its decisions follow from what it saw: whose turn it is shows in the targets alone."""
    for half, limits in zip(more.halves, more.search.limits, strict=True):
        again = Search(limits)
        steps = [again.observe(seen) for seen in half.seen]
        assert [(step.users, step.reason) for step in steps] == [(step.users, step.reason) for step in half.steps]


def test_the_jackknife_of_means_is_their_standard_error() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    without = [(sum(values) - each) / 3 for each in values]
    deviation = math.sqrt(sum((each - 4.0) ** 2 for each in values) / 3)

    assert jackknife_error(without) == pytest.approx(deviation / 2)


def of(kind: Kind, *, neighbour: bool = False, servers: slice = slice(3, 18, 9)) -> list[PairRun]:
    tasks = pair_tasks(proof_servers(kind)[servers], stored(), (11,), neighbour=neighbour, log_ins=0.0)
    return [compared(task) for task in tasks]


@pytest.mark.parametrize("kind", [Kind.QUEUE, Kind.NOISY])
def test_no_wrong_direction_is_told_of_simulated_servers(kind: Kind) -> None:
    """A small part of `python -m benchmarks capacity --pairs`."""
    found = of(kind)

    assert not any(run.wrong for run in found)
    assert sum(run.covered for run in found) >= len(found) - 1


def test_a_pair_is_a_server_with_itself_and_with_the_next_one() -> None:
    servers = proof_servers(Kind.QUEUE)[:2]
    tasks = list(pair_tasks(servers, stored(), (0,), neighbour=False, log_ins=0.0))

    def names(task: PairTask) -> tuple[str, str]:
        return task.base.name, task.new.name

    first, second = (server.name for server in servers)
    assert [names(task) for task in tasks] == [(first, first), (second, first), (second, second)]
    assert tasks[1].truth == pytest.approx(math.log(stored()[first] / stored()[second]))
