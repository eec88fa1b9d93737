"""A made-up decider, agents that do as they are told, and an observer that sees what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coordinator.answer import Answer, Limits, Step
from coordinator.loop import Seen
from coordinator.search.sample import Observation, Reading

LIMIT = 2.0


@dataclass
class Doubling:
    """Doubles until the first breach, and gives the number before it. Holds while anything is unknown."""

    limits: Limits
    seen: list[Observation] = field(default_factory=list)
    good: int = 0

    def observe(self, observation: Observation) -> Step:
        self.seen.append(observation)
        [reading] = observation.readings
        if reading.value is None:
            return Step(observation.target, f"no data: {reading.unknown}")
        if reading.value > reading.limit:
            return Step(self.good, "breached", answer(self.good, observation.seconds))
        self.good = observation.users
        if observation.target >= self.limits.highest_users:
            return Step(observation.target, "at the top", answer(self.good, observation.seconds, "at least"))
        return Step(min(2 * observation.target, self.limits.highest_users), "climbing")

    def so_far(self, ended_by: str, reason: str, seconds: float) -> Answer:
        return answer(self.good or None, seconds, ended_by, reason)


def answer(users: int | None, seconds: float, ended_by: str = "found", reason: str = "as far as it goes") -> Answer:
    low, high = (None, None) if users is None else (users - 2, users + 2)
    return Answer(users, low, high, 0.95, ended_by, "p99 2.5 of 2", seconds / 60, reason)


@dataclass
class Server:
    """p99 over its limit above so many users. `fault` may raise or change what is seen, by the number of the look."""

    users: Callable[[], int]
    breaks_above: int = 100
    now: float = 0.0
    looks: int = 0
    fault: Callable[[int, Seen], Seen] = lambda _, seen: seen

    def look(self, target: int) -> Seen:
        self.looks += 1
        self.now += 1.0
        users = self.users()
        reading = Reading("p99", 2.5 if users > self.breaks_above else 0.5, LIMIT)
        seen = Seen(Observation(self.now, target, users, (reading,)), {"lt0": users}, slowest="CreatePost 2.4 s")
        return self.fault(self.looks, seen)
