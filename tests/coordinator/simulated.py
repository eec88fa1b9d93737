"""Searches on little made-up servers, without any process, clock or chance: a second is a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coordinator.answer import Answer, Ending, Limits, Step
from coordinator.search.decide import Search
from coordinator.search.sample import Observation, Reading

LIMIT_SECONDS = 1.0
WINDOW_SECONDS = 30
LOG_INS_PER_SECOND, LOG_OUTS_PER_SECOND = 8, 20
LONGEST_SECONDS = 7200

# What one moment's requests take with so many users at that second: the window's p99 is the worst of 30 of them.
Moment = Callable[[int, int], float]
# What becomes of an observation on its way to the coordinator.
Fault = Callable[[Observation], Observation]


def hard_limit(users: int) -> Moment:
    """Fast up to that many users, far too slow with one more."""
    return lambda now, _: 0.2 if now <= users else 4.0


def steep(users: int, steepness: float = 16.0) -> Moment:
    """Crosses the limit at that many users, by a power of the load."""
    return lambda now, _: max(0.02, min(20.0, LIMIT_SECONDS * (max(now, 1) / users) ** steepness))


def as_it_is(seen: Observation) -> Observation:
    return seen


@dataclass
class Searched:
    """One search: what was seen and decided in each second, and the answer."""

    limits: Limits
    seen: list[Observation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        answer = self.steps[-1].answer
        assert answer is not None, f"no answer after {self.seen[-1].seconds:.0f} s: {self.steps[-1].reason}"
        return answer

    @property
    def phases(self) -> list[str]:
        """The first word of each reason, without repeats."""
        words = [step.reason.split(":")[0].split()[0] for step in self.steps]
        return [word for before, word in zip(["", *words], words, strict=False) if word != before]


def search(
    limits: Limits,
    moment: Moment,
    fault: Fault = as_it_is,
    *,
    log_ins: int = LOG_INS_PER_SECOND,
    seconds: int = LONGEST_SECONDS,
) -> Searched:
    """Search until there is an answer, or for so many seconds."""
    searched, decider = Searched(limits), Search(limits)
    recent: deque[float] = deque(maxlen=WINDOW_SECONDS)
    users, target = 0, limits.lowest_users
    for second in range(1, seconds + 1):
        users = min(target, users + log_ins) if target >= users else max(target, users - LOG_OUTS_PER_SECOND)
        recent.append(moment(users, second))
        reading = Reading("p99", max(recent), LIMIT_SECONDS)
        searched.seen.append(fault(Observation(float(second), target, users, (reading,))))
        searched.steps.append(decider.observe(searched.seen[-1]))
        target = searched.steps[-1].users
        if searched.steps[-1].answer is not None:
            break
    return searched


def unknown(seen: Observation, why: str = "connection refused") -> Observation:
    """The same moment without any value."""
    readings = tuple(Reading(each.name, None, each.limit, why) for each in seen.readings)
    return Observation(seen.seconds, seen.target, seen.users, readings, seen.saturated)


def decide(limits: Limits, history: Sequence[Observation]) -> Step:
    """What to do after that history."""
    search = Search(limits)
    step = Step(limits.lowest_users, "nothing was seen yet")
    for observation in history:
        step = search.observe(observation)
    return step


def estimate_so_far(
    limits: Limits, history: Sequence[Observation], ended_by: str = Ending.INTERRUPTED, reason: str = "interrupted"
) -> Answer:
    """What a search that is cut off after that history knows."""
    search = Search(limits)
    for observation in history:
        search.observe(observation)
    return search.so_far(ended_by, reason, history[-1].seconds if history else 0.0)
