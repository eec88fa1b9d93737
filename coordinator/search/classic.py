"""The classic rule: a fixed step up while nothing is breached, a fixed step down while something is, until it is level.

Kept for those who compare with earlier figures. Its answer is about a tenth too low and has no interval
(docs/capacity-method.md says why). One thing is fixed: unknown readings hold the load.
"""

from __future__ import annotations

import math
from collections import deque

from coordinator.answer import Answer, Ending, Limits, Step
from coordinator.search.phases import Darkness, Sight
from coordinator.search.sample import Observation, Sample, Window, weigh


class Trend:
    """Users over time since the first alert, no longer than needed: their slope and mean, summed as they come."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._points: deque[tuple[float, float]] = deque()
        self._sums = [0.0] * 4
        self._zero = 0.0
        self.covered = False

    def add(self, seconds: float, users: int) -> None:
        """One cycle."""
        if not self._points:
            self._zero = seconds
        self._count(seconds - self._zero, float(users), 1.0)
        self._points.append((seconds - self._zero, float(users)))
        while len(self._points) > 1 and self._points[1][0] <= seconds - self._zero - self._seconds:
            self._count(*self._points.popleft(), -1.0)
            self.covered = True

    def _count(self, x: float, y: float, sign: float) -> None:
        self._sums = [each + sign * more for each, more in zip(self._sums, (x, y, x * y, x * x), strict=True)]

    @property
    def mean(self) -> float:
        """The mean number of users."""
        return self._sums[1] / len(self._points)

    @property
    def slope(self) -> float:
        """Least squares, in users per second."""
        count = len(self._points)
        x, y, xy, xx = self._sums
        spread = count * xx - x * x
        return (count * xy - x * y) / spread if spread > 0.0 else math.inf


class Classic:
    """The classic rule as a fold over observations."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._darkness = Darkness(limits)
        self._window = Window(limits.window_seconds)
        self._trend = Trend(limits.stop_seconds)
        self._last_action = self._last_alert = -math.inf
        self._broke_first = ""
        self._last: float | None = None

    def next(self, observation: Observation) -> Step:
        """Decide on one cycle."""
        sample = weigh(observation)
        if sample.breached:
            self._last_alert = sample.seconds
            self._broke_first = self._broke_first or sample.said
        if self._broke_first:
            self._trend.add(sample.seconds, sample.users)
        ending = self._ending(sample)
        if ending is not None:
            reason = self._reason(ending)
            return Step(sample.users, reason, self.answer(ending, reason, sample.seconds))
        return self._dark(sample, observation.target) or self._act(sample, observation.target)

    def _ending(self, sample: Sample) -> Ending | None:
        if self._trend.covered and abs(self._trend.slope) < self._limits.stop_slope:
            return Ending.FOUND
        return Ending.TIME_OVER if sample.seconds >= self._limits.budget_seconds else None

    def _reason(self, ending: Ending) -> str:
        if ending is Ending.TIME_OVER:
            return f"the time allowed ({self._limits.allowed}) is over"
        return f"level for {self._limits.stop_seconds / 60:.0f} minutes (classic rule)"

    def _dark(self, sample: Sample, target: int) -> Step | None:
        elapsed = 1.0 if self._last is None else sample.seconds - self._last
        self._last = sample.seconds
        move = self._darkness.next(Sight(sample, self._window, elapsed), target)
        if move is None:
            return None
        if move.ending is None:
            return Step(move.users, move.reason)
        return Step(move.users, move.reason, self.answer(move.ending, move.reason, sample.seconds))

    def _act(self, sample: Sample, target: int) -> Step:
        limits, now = self._limits, sample.seconds
        if sample.ratio is None or now - self._last_action < limits.rest_seconds:
            return Step(max(target, limits.lowest_users), f"resting: {sample.said}")
        if sample.breached:
            self._last_action = now
            return Step(max(limits.lowest_users, sample.users - limits.users_decrease), f"down: {sample.said}")
        if now - self._last_alert <= limits.calm_seconds or sample.users >= limits.highest_users:
            return Step(min(max(target, limits.lowest_users), limits.highest_users), f"waiting: {sample.said}")
        self._last_action = now
        return Step(min(limits.highest_users, sample.users + limits.users_increase), f"up: {sample.said}")

    def answer(self, ending: str, reason: str, seconds: float) -> Answer:
        """The mean of the last half hour, if the rule has come to its end; it has no interval."""
        users = round(self._trend.mean) if ending == Ending.FOUND else None
        return Answer(users, None, None, 0.0, str(ending), self._broke_first, seconds / 60.0, reason)
