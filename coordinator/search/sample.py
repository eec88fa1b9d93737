"""What the coordinator saw: one observation for each cycle, one reading for each limit; and what it is evidence of.

An observation's readings become one sample: how near the worst limit is, or why that is not known. A reading over a
window belongs to all loads within that window, not to the present one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.search.tuning import DEFAULT, Tuning
from mmload.printable import significant


@dataclass(frozen=True, slots=True)
class Reading:
    """One limit's value at one moment. Above `limit` it is breached; `value` None is unknown: `unknown` says why."""

    name: str
    value: float | None
    limit: float
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One cycle: `seconds` since the search began, the target, users really in, and every limit's reading.

    `saturated` says why the load generator itself is not to be trusted now; empty when it is. `unanswered` tells of the
    requests that got no answer since the last one that got one; empty as long as the server answers. `connections` are
    WebSockets, `without_account` users that gave up because no account was left for them.
    """

    seconds: float
    target: int
    users: int
    readings: tuple[Reading, ...]
    saturated: str = ""
    unanswered: str = ""
    connections: int = 0
    without_account: int = 0


# A ratio beyond e^5 to either side says no more than "far": it keeps a limit of 0 and a value of 0 finite.
FAR = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One cycle, weighed. `ratio` is ln(value / limit) of the worst reading: above 0 is a breach, None is unknown."""

    seconds: float
    users: int
    ratio: float | None
    worst: str
    value: float
    limit: float
    unknown: str

    @property
    def breached(self) -> bool:
        """Whether a limit is known to be crossed."""
        return self.ratio is not None and self.ratio > 0.0

    @property
    def said(self) -> str:
        """The worst reading in words."""
        if self.ratio is None:
            return f"unknown: {self.unknown}"
        return f"{self.worst} {significant(self.value, 4)} of {significant(self.limit, 4)}"


def ratio(reading: Reading) -> float | None:
    """ln(value / limit), bounded; None if the value is unknown."""
    value = reading.value
    if value is None or not math.isfinite(value):
        return None
    if value <= reading.limit and (value <= 0.0 or reading.limit <= 0.0):
        return -FAR
    if reading.limit <= 0.0:
        return FAR
    return max(-FAR, min(FAR, math.log(value / reading.limit)))


def weigh(observation: Observation) -> Sample:
    """The worst known reading counts. One unknown reading makes the moment unknown, unless another is breached."""
    known = [(r, reading) for reading in observation.readings if (r := ratio(reading)) is not None]
    unknown = _why_unknown(observation.readings)
    if not known or (unknown and max(r for r, _ in known) <= 0.0):
        return Sample(observation.seconds, observation.users, None, "", math.nan, math.nan, unknown)
    worst, reading = max(known, key=lambda pair: pair[0])
    value = reading.value if reading.value is not None else math.nan
    return Sample(observation.seconds, observation.users, worst, reading.name, value, reading.limit, "")


def _why_unknown(readings: Sequence[Reading]) -> str:
    if not readings:
        return "no limit was checked"
    reasons = [f"{each.name}: {each.unknown or 'no value'}" for each in readings if ratio(each) is None]
    return "; ".join(reasons)


def believed(arrival_seconds: float, tuning: Tuning) -> float:
    """The log-ins' share of the load up to which what is read is put down to the users. Pure."""
    expensive = math.sqrt(arrival_seconds / tuning.expensive_seconds)
    return min(tuning.largest_arrivals_share, tuning.arrivals_share * max(1.0, expensive))


class Window:
    """The loads of the last `seconds`, as logarithms of users, and the log-ins within them."""

    def __init__(self, seconds: float, arrival_seconds: float = 0.0, tuning: Tuning = DEFAULT) -> None:
        self._length, self._tuning = seconds, tuning
        self._arrival_seconds = arrival_seconds
        self._believed = believed(arrival_seconds, tuning)
        self._loads: deque[tuple[float, float, int]] = deque()
        self._begun: float | None = None
        self._users = self._target = 0
        self._arrived = self._on_their_way = 0
        self._awaited_until = 0.0
        self._empty_at = -math.inf
        # Users who were waited for in vain: they gave up, and are no log-ins.
        self.away = 0
        self.highest = self.lowest = self.mean = self.now = 0.0
        self.full = False
        # Where a single log-in is slow enough to cross the limit, only a window without any tells of the users.
        self.strict = False

    def add(self, seconds: float, users: int, target: int = 0) -> None:
        """The load at this moment, and the target."""
        if self._begun is None:
            self._begun = seconds
        came = max(0, users - self._users)
        came += self._await(seconds, target, users, came)
        self._users, self._target = users, target
        self._arrived += came
        if not users:
            self._empty_at = seconds
        self.now = math.log(max(users, 1))
        self._loads.append((seconds, self.now, came))
        while self._loads[0][0] <= seconds - self._length:
            self._arrived -= self._loads.popleft()[2]
        loads = [load for _, load, _ in self._loads]
        self.highest, self.lowest = max(loads), min(loads)
        self.mean = math.fsum(loads) / len(loads)
        self.full = seconds - self._begun >= self._length

    def _await(self, seconds: float, target: int, users: int, came: int) -> int:
        """A log-in loads the server before its user counts as one; how many were given up on their way."""
        missing = max(0, target - users)
        self.away = min(self.away, missing)
        given_up = max(0, self._on_their_way - (missing - self.away) - came) if target < self._target else 0
        if came or target > self._target:
            self._awaited_until = seconds + self._tuning.log_in_seconds
        in_vain = seconds >= self._awaited_until
        if in_vain:
            self.away = min(missing, int(self._tuning.absent_share * target) + 1)
        self._on_their_way = 0 if in_vain else missing - self.away
        return given_up

    @property
    def log_ins(self) -> int:
        """How many of them are in the window, those on their way included."""
        return self._arrived + self._on_their_way

    @property
    def arrivals(self) -> float:
        """What the log-ins of the window add to the load, as a share of it."""
        return self._arrival_seconds * self.log_ins / self._length / max(1, self._users)

    @property
    def peopled(self) -> bool:
        """Somebody was active at each of its moments: as a load, nobody looks like one user."""
        return self._empty_at < self._loads[0][0]

    @property
    def settled(self) -> bool:
        """No log-ins to speak of."""
        return self.arrivals <= (0.0 if self.strict else self._believed)

    @property
    def clean(self) -> bool:
        """No higher load is left in the window, and no log-ins."""
        return self.full and self.settled and self.highest - self.now <= self._tuning.clean

    @property
    def telling(self) -> bool:
        """What is read now can be put down to one load: only such samples are evidence."""
        return self.full and self.settled and self.highest - self.lowest <= self._tuning.homogeneous

    def credited(self, ratio: float) -> float:
        """The load a sample belongs to: the mean, and the more it breaches, the highest.

        A cliff's breach comes from the moments beyond its edge alone; crediting it to the mean puts the edge too low.
        """
        share = min(1.0, max(0.0, ratio / self._tuning.fully_breached))
        return self.mean + share * (self.highest - self.mean)
