"""One search on one simulated server, and how far its answer is from the truth."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.capacity.servers import LIMIT_SECONDS, Kind, Moment, Server, Simulation, with_dear_log_ins
from coordinator.answer import Answer, Ending, Limits, Mode
from coordinator.search.decide import Search
from coordinator.search.sample import Observation, Reading
from coordinator.search.tuning import DEFAULT, Tuning

# No search may take longer; the classic rule does on some leaking servers.
LONGEST_SECONDS = 7200
MOST_USERS = 6000


@dataclass(frozen=True, slots=True)
class Run:
    """How one search ended. Ratios are to the truth at that moment; None where there is no such number."""

    kind: Kind
    server: str
    seconds: float
    ended_by: str
    ratio: float | None
    low: float | None
    high: float | None
    breached_seconds: int
    twice_breached_seconds: int

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.low is not None and self.high is not None and self.low <= 1.0 <= self.high

    @property
    def error(self) -> float:
        """How far off, as a share; no number is as far off as can be."""
        return abs(self.ratio - 1.0) if self.ratio is not None else 1.0

    @property
    def half_width(self) -> float | None:
        """Half the interval, as a share of the truth."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2.0


def limits(mode: Mode, precision: float | None = None, log_in_seconds: float = 0.0, tuning: Tuning = DEFAULT) -> Limits:
    """What every simulated search is told: as little as possible."""
    return Limits(
        mode=mode,
        lowest_users=1,
        highest_users=MOST_USERS,
        precision=precision,
        budget_seconds=float(LONGEST_SECONDS),
        arrival_seconds=log_in_seconds,
        tuning=tuning,
    )


def observation(moment: Moment, target: int) -> Observation:
    """What the coordinator would see."""
    unknown = "" if moment.p99_seconds is not None else "lost"
    return Observation(
        moment.seconds, target, moment.users, (Reading("p99", moment.p99_seconds, LIMIT_SECONDS, unknown),)
    )


def searched(server: Server, truth: float, seed: int, told: Limits) -> Run:
    """One whole search."""
    if told.arrival_seconds:
        server = with_dear_log_ins(server, told.arrival_seconds)
    simulation, search = Simulation(server, seed), Search(told)
    target = told.lowest_users
    breached = twice = 0
    while True:
        moment = simulation.second(target)
        p99 = moment.p99_seconds or 0.0
        breached += p99 > LIMIT_SECONDS
        twice += p99 > 2.0 * LIMIT_SECONDS
        step = search.observe(observation(moment, target))
        target = step.users
        if step.answer is not None:
            return judged(server, truth, step.answer, moment.seconds, breached, twice)


def judged(server: Server, truth: float, answer: Answer, seconds: float, breached: int, twice: int) -> Run:
    """The answer against the truth; of a leaking server, that of this moment. Pure."""
    now = truth * server.leaked(seconds)
    numbers = (answer.users, answer.low, answer.high) if answer.ended_by != Ending.AT_LEAST else (None, None, None)
    users, low, high = (None if number is None else number / now for number in numbers)
    return Run(server.kind, server.name, seconds, answer.ended_by, users, low, high, breached, twice)
