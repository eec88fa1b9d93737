"""The way up where log-ins are dear: users come at a pace, and their log-ins count as the load they are.

While log-ins pass, the server carries more than its users: whatever is fine then is fine for as many users without any
log-in. So far from the limit nobody waits for them to pass. Near it they are made a small share of the load.
"""

from __future__ import annotations

import math

from coordinator.answer import Limits
from coordinator.climbing import (
    BREACHES,
    FIRST_USERS,
    RETREAT,
    AfterBreach,
    Ceiling,
    Retreat,
    breached,
    climbed_again,
    is_coarse,
)
from coordinator.pacing import Pace
from coordinator.phases import Move, Sight
from coordinator.stairs import CRAWL_SECONDS

# The log-ins' share of the users' load, by how near the limit the measure is (ln of measure over limit).
SHARES = ((-1.5, 32.0), (-0.8, 2.0), (-0.25, 1.0))
NEAR = SHARES[-1][0]
# Near the limit: so small that a breach says what the users, with this little more, do to the server.
CREEP, QUIET = 0.1, 0.15
# A load with log-ins that came near the limit is not reached again by log-ins, only this share of it.
OF_BOUND = 0.95
# So far above it and still far from the limit: what came near it was a pause of the server.
FALSE_BOUND = 1.05


class Ascent:
    """Adds users until two known samples in a row, with few log-ins behind them, are above a limit."""

    def __init__(self, limits: Limits, after: AfterBreach, first: int = FIRST_USERS) -> None:
        self._limits = limits
        self._after = after
        self._pace = Pace(limits)
        self._first = min(max(first, limits.lowest_users), limits.highest_users)
        self._most = SHARES[0][1]
        self._bound = math.inf
        self._grown = self._holding = False
        self._breaches = 0
        self._crawl_seconds = 0.0
        self._ceiling = Ceiling(limits)

    def next(self, sight: Sight) -> Move:
        """Let more users come, hold while the server has too many log-ins, or see whether a breach is the users'."""
        sample, window = sight.sample, sight.window
        self._crawl_seconds = self._crawl_seconds + sight.elapsed if sample.breached else 0.0
        self._breaches = self._breaches + 1 if sample.breached and self._few_log_ins(sight) else 0
        if self._breaches >= BREACHES or self._crawl_seconds >= CRAWL_SECONDS:
            return self._breached(sight)
        if sample.ratio is None:
            return self._hold(sight)
        if sample.ratio > NEAR and window.arrivals > QUIET and sight.users >= self._first:
            self._overloaded(sight)
        if sample.breached or (self._holding and sample.ratio > NEAR and not window.settled):
            return self._hold(sight)
        self._holding = False
        if sight.users >= self._limits.highest_users:
            return self._ceiling.stay(sight, sight.users)
        return self._grow(sight, sample.ratio)

    def _few_log_ins(self, sight: Sight) -> bool:
        """After too many of them, what is read is theirs for as long as the window is."""
        return sight.window.settled if self._holding else sight.window.arrivals <= QUIET

    def _overloaded(self, sight: Sight) -> None:
        """Remember the load of its first moment: what is read later is still that one's."""
        if not self._holding:
            self._holding = True
            self._most = max(CREEP, sight.window.arrivals / 2.0)
            self._bound = min(self._bound, sight.users * (1.0 + sight.window.arrivals))

    def _hold(self, sight: Sight) -> Move:
        users = max(self._first, self._pace.held(sight))
        return Move(users, f"ascent: {sight.users} of {users} users, log-ins pass, {sight.sample.said}")

    def _grow(self, sight: Sight, ratio: float) -> Move:
        if sight.users < self._first:
            return Move(self._first, f"ascent: {sight.users} of {self._first} users, {sight.sample.said}")
        self._grown = True
        users = self._pace.towards(self._limits.highest_users, sight, self._share(sight, ratio))
        return Move(users, f"ascent: {sight.users} users, +{sight.window.arrivals:.0%} log-ins, {sight.sample.said}")

    def _share(self, sight: Sight, ratio: float) -> float:
        """How many log-ins the server may have, as a share of its users' load."""
        if ratio <= NEAR and sight.users > FALSE_BOUND * self._bound:
            self._bound = math.inf
        near = next((share for below, share in SHARES if ratio <= below), CREEP)
        return max(CREEP, min(near, self._most, OF_BOUND * self._bound / sight.users - 1.0))

    def _breached(self, sight: Sight) -> Move:
        if is_coarse(self._limits, sight) and not self._grown:
            return climbed_again(self._limits, self._after, sight)
        passing = Passing(self._limits, self._after, sight.users * (1.0 + min(QUIET, sight.window.arrivals)))
        return passing.next(sight)


class Passing:
    """After a breach: waits until log-ins have passed. Fine then? The users with their log-ins were the limit."""

    def __init__(self, limits: Limits, after: AfterBreach, hint: float) -> None:
        self._limits = limits
        self._after = after
        self._hint = hint
        self._seconds = 0.0

    def next(self, sight: Sight) -> Move:
        """Hold, measure around the hint, or retreat from what the users alone do."""
        sample, users = sight.sample, sight.users
        self._seconds += sight.elapsed
        if sample.ratio is not None and not sample.breached and sight.window.settled:
            onset = max(1, round(self._hint))
            after = self._after(onset, False)
            return Move(users, f"about {onset} users are the limit, {users} are fine: {sample.said}", then=after)
        passed = sight.window.settled and self._seconds >= self._limits.window_seconds
        if sample.breached and (passed or self._seconds >= CRAWL_SECONDS):
            retreat = Retreat(self._limits, RETREAT * users, lambda slow: self._after(max(1, users), slow))
            return breached(sight, retreat)
        return Move(users, f"too much with the log-ins of {users} users, which pass: {sample.said}", then=self)
