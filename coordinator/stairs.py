"""The way up where log-ins are dear: a flight of users, then a look once their log-ins have left the window.

A Mattermost log-in with its page load costs as much as minutes of a user's usual work. A steady climb would meet the
limit of log-ins, far below the capacity; here a breach counts only when nobody has come for a window's time.
"""

from __future__ import annotations

from coordinator.answer import Limits
from coordinator.climbing import (
    BREACHES,
    FIRST_USERS,
    AfterBreach,
    Ceiling,
    Retreat,
    breached,
    climbed_again,
    is_coarse,
)
from coordinator.phases import Move, Sight

# How much higher the next stair is, by how near the limit the measure was on this one (ln of measure over limit).
FLIGHTS = ((-1.5, 1.5), (-1.0, 1.3), (-0.5, 1.15), (0.0, 1.07))
# On a stair, the measure is looked at for so long.
LOOK_SECONDS = 5.0
# With more of these missing than this share, a stair is not reached yet.
MISSING = 0.03
# Log-ins that crawl into a breached server for so long will not bring its users in: that is a breach, too.
CRAWL_SECONDS = 120.0
# Between a stair that was fine and one that was not, the capacity is taken to be here.
BETWEEN = 0.5
MOST_RETREAT = 0.75


class Stairs:
    """Goes up by flights until a settled stair is breached."""

    def __init__(self, limits: Limits, after: AfterBreach, first: int = FIRST_USERS) -> None:
        self._limits = limits
        self._after = after
        self._want = min(max(first, limits.lowest_users), limits.highest_users)
        self._fine = 0
        self._ceiling = Ceiling(limits)
        self._seconds = 0.0
        self._worst = -1.0
        self._breaches = 0
        self._crawl_seconds = 0.0

    def next(self, sight: Sight) -> Move:
        """Wait for users and for their log-ins to pass, look, then go up or back."""
        sample = sight.sample
        self._crawl_seconds = self._crawl_seconds + sight.elapsed if sample.breached else 0.0
        settled = sample.ratio is not None and sight.window.settled
        self._breaches = self._breaches + 1 if settled and sample.breached else 0
        if self._breaches >= BREACHES or self._crawl_seconds >= CRAWL_SECONDS:
            return self._retreat(sight)
        if sample.ratio is None or not settled or sight.users < (1.0 - MISSING) * self._want:
            return Move(self._want, f"stairs: {sight.users} of {self._want} users, log-ins pass, {sample.said}")
        self._worst = sample.ratio if self._seconds == 0.0 else max(self._worst, sample.ratio)
        self._seconds += sight.elapsed
        if self._seconds < LOOK_SECONDS or sample.breached:
            return Move(self._want, f"stairs: looking at {sight.users} users, {sample.said}")
        return self._up(sight)

    def _up(self, sight: Sight) -> Move:
        self._fine = sight.users
        if sight.users >= self._limits.highest_users:
            return self._ceiling.stay(sight, self._want)
        height = next((height for below, height in FLIGHTS if self._worst <= below), FLIGHTS[-1][1])
        self._want = min(max(sight.users + 1, round(height * sight.users)), self._limits.highest_users)
        self._seconds = self._crawl_seconds = 0.0
        return Move(self._want, f"stairs: {self._fine} users are fine, up to {self._want}: {sight.sample.said}")

    def _retreat(self, sight: Sight) -> Move:
        if is_coarse(self._limits, sight) and not self._fine:
            return climbed_again(self._limits, self._after, sight)
        least = max(float(self._fine), MOST_RETREAT * sight.users)
        onset = max(1, round(least ** (1.0 - BETWEEN) * sight.users**BETWEEN))
        return breached(sight, Retreat(self._limits, min(least, 0.96 * onset), lambda slow: self._after(onset, slow)))
