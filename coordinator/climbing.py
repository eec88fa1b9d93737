"""The way up to the first breach, and the way back down until the server has recovered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from coordinator.answer import Ending, Limits
from coordinator.phases import Move, Phase, Sight

FIRST_USERS = 30
# Shares of users added per second, far from the limit and from half of it (ln 0.5) on. A breach is recognised
# within 2 to 4 s.
GROWTH, GROWTH_NEAR = 0.08, 0.02
NEAR = -0.7
BREACHES = 2
# Growth goes on while no more than this share of the users asked for is still missing.
BEHIND = 0.03
TOP_EXTRA_SECONDS = 60.0
# The load that broke it is that of the moment before the measure last left the half of its limit: the users who came
# since are overshoot (simulated servers: off by +2 %, sd 4 %, against +11 %, sd 5 % without this).
ONSET_BACK_SECONDS, ONSET_LONGEST_SECONDS = 2.0, 12.0
RETREAT, RETREAT_AGAIN = 0.92, 0.58
# Still breached, but by less than half the limit: the server has not tipped over, the breach came late.
MILD, RETREAT_MILDLY = math.log(1.5), 0.9
RECOVER_SECONDS = 3.0
PATIENCE_EXTRA_SECONDS = 15.0
# A climb that breaches this low went up too coarsely for so small a server: it is climbed again, one by one.
COARSE_USERS = 36
SECONDS_PER_USER = 2.0

AfterBreach = Callable[[int, bool], Phase]


class Ceiling:
    """All the users that are allowed are in: how long they have been fine, and the end when that was long enough."""

    def __init__(self, limits: Limits) -> None:
        self._wanted_seconds = limits.window_seconds + TOP_EXTRA_SECONDS
        self._seconds = 0.0

    def stay(self, sight: Sight, users: int) -> Move:
        """Keep so many, or end."""
        self._seconds += sight.elapsed
        if self._seconds < self._wanted_seconds:
            return Move(users, f"at the ceiling: {sight.sample.said}")
        reason = (
            f"no limit was crossed by {sight.users} users, the most that were allowed, for {self._wanted_seconds:.0f} s"
        )
        return Move(sight.users, reason, ending=Ending.AT_LEAST)


class Climb:
    """Adds users until two known samples in a row are above a limit. Unknown ones neither count nor let it grow.

    `careful` climbs by one user at a time. What follows the retreat is made by `after(users at the onset, slow)`.
    """

    def __init__(self, limits: Limits, after: AfterBreach, first: int = FIRST_USERS, *, careful: bool = False) -> None:
        self._limits = limits
        self._after = after
        self._want = float(min(max(first, limits.lowest_users), limits.highest_users))
        self._careful = careful
        self._breaches = 0
        self._ceiling = Ceiling(limits)
        self._loads: deque[tuple[float, int]] = deque()
        self._onset: float | None = None

    def next(self, sight: Sight) -> Move:
        """Grow, wait for users to come in, or retreat."""
        sample = sight.sample
        self._remember(sight)
        if sample.ratio is None:
            return self._wait(f"climb: {sample.said}")
        self._breaches = self._breaches + 1 if sample.breached else 0
        if self._breaches >= BREACHES:
            return self._retreat(sight)
        if sample.breached or sight.users < (1.0 - BEHIND) * self._want - 1.0:
            return self._wait(f"climb: {sight.users} of {round(self._want)} users are in, {sample.said}")
        if sight.users >= self._limits.highest_users:
            return self._ceiling.stay(sight, round(self._want))
        return self._grow(sight)

    def _wait(self, reason: str) -> Move:
        return Move(round(self._want), reason)

    def _remember(self, sight: Sight) -> None:
        now, ratio = sight.sample.seconds, sight.sample.ratio
        self._loads.append((now, sight.users))
        while self._loads[0][0] < now - ONSET_LONGEST_SECONDS - ONSET_BACK_SECONDS:
            self._loads.popleft()
        if ratio is not None and ratio <= NEAR:
            self._onset = None
        elif ratio is not None and self._onset is None:
            self._onset = now

    def _onset_users(self, now: float) -> int:
        onset = max(now if self._onset is None else self._onset, now - ONSET_LONGEST_SECONDS) - ONSET_BACK_SECONDS
        before = [users for seconds, users in self._loads if seconds <= onset]
        return max(1, before[-1] if before else self._loads[0][1])

    def _grow(self, sight: Sight) -> Move:
        near = sight.sample.ratio is not None and sight.sample.ratio > NEAR
        share = (GROWTH_NEAR if near else GROWTH) * sight.elapsed * sight.users
        more = sight.elapsed / SECONDS_PER_USER if self._careful else max(1.0, share)
        ahead = self._want if self._careful else float(sight.users)
        self._want = min(max(self._want, ahead + more), float(self._limits.highest_users))
        return self._wait(f"climb: {sight.sample.said}")

    def _retreat(self, sight: Sight) -> Move:
        if is_coarse(self._limits, sight) and not self._careful:
            return climbed_again(self._limits, self._after, sight)
        onset = self._onset_users(sight.sample.seconds)
        return breached(sight, Retreat(self._limits, RETREAT * onset, lambda slow: self._after(onset, slow)))


class Retreat:
    """Steps back until a sample is fine again; each time that takes too long, further back."""

    def __init__(self, limits: Limits, target: float, after: Callable[[bool], Phase]) -> None:
        self._limits = limits
        self._after = after
        self._target = target
        self._slow = False
        self._seconds = 0.0

    @property
    def users(self) -> int:
        """Where to step back to."""
        return max(round(self._target), self._limits.lowest_users)

    def next(self, sight: Sight) -> Move:
        """Wait for the server, or step back further."""
        if sight.users > self.users:
            return Move(self.users, f"retreat: {sight.users} users are still in")
        self._seconds += sight.elapsed
        sample = sight.sample
        if sample.ratio is not None and not sample.breached and self._seconds >= RECOVER_SECONDS:
            after = self._after(self._slow)
            return Move(self.users, f"recovered with {sight.users} users: {sample.said}", then=after)
        if self._seconds < self._limits.window_seconds + PATIENCE_EXTRA_SECONDS or sample.ratio is None:
            return Move(self.users, f"retreat: {sample.said}")
        return self._further(sight)

    def _further(self, sight: Sight) -> Move:
        if self.users <= self._limits.lowest_users:
            reason = f"breached already by {sight.users} users: {sight.sample.said}"
            return Move(self.users, reason, ending=Ending.BREACHED_ALREADY)
        mild = sight.sample.ratio is not None and sight.sample.ratio <= MILD
        self._target *= RETREAT_MILDLY if mild else RETREAT_AGAIN
        self._slow, self._seconds = self._slow or not mild, 0.0
        return Move(self.users, f"still breached by {sight.users} users, further back: {sight.sample.said}")


def is_coarse(limits: Limits, sight: Sight) -> bool:
    """Whether the server was breached by so few that the steps up to it were too great. Pure."""
    return limits.lowest_users < sight.users <= COARSE_USERS


def climbed_again(limits: Limits, after: AfterBreach, sight: Sight) -> Move:
    """Back to the fewest, then up one by one."""
    again = Climb(limits, after, limits.lowest_users, careful=True)
    return breached(sight, Retreat(limits, limits.lowest_users, lambda slow: again))


def breached(sight: Sight, retreat: Retreat) -> Move:
    """Back, for what these users do to the server."""
    return Move(retreat.users, f"breached by {sight.users} users: {sight.sample.said}", then=retreat)
