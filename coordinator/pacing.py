"""How fast users may come. Where log-ins are dear, their load is kept to a share of that of the users who are in.

A Mattermost log-in with its page load costs as much as minutes of a user's usual work: users who come as fast as they
can overload a server that would hold them all once they are in.
"""

from __future__ import annotations

import math

from coordinator.answer import Limits
from coordinator.phases import Sight

# Users who were asked for and are not in yet: so many at least, else those of so many seconds, but no more than this
# share of those who are in: where log-ins are slower than that, asking for more of them brings nobody in.
FEWEST_ON_THEIR_WAY, ON_THEIR_WAY_SECONDS, MOST_ON_THEIR_WAY = 2, 10.0, 0.3
# Of a server that has too much already.
OVERLOADED_ON_THEIR_WAY = 0.03


class Pace:
    """The number of users to ask for, on the way up to a target."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._asked = 0
        self._due = 0.0

    def towards(self, target: int, sight: Sight, share: float) -> int:
        """The next number. The log-ins make no more than `share` of the present users' load, in the long run."""
        users = sight.users
        if target <= users:
            self._asked, self._due = target, 0.0
            return target
        rate = min(share * users / self._limits.arrival_seconds, self._limits.spawn_rate)
        self._asked = max(self._asked, users)
        most = math.ceil(min(rate * ON_THEIR_WAY_SECONDS, MOST_ON_THEIR_WAY * users))
        room = min(target, users + max(FEWEST_ON_THEIR_WAY, most)) - self._asked
        self._due = min(self._due + rate * sight.elapsed, max(1.0, float(room)))
        coming = max(0, min(int(self._due), room))
        self._due -= coming
        self._asked = min(target, self._asked + coming)
        return self._asked

    def held(self, sight: Sight) -> int:
        """Nobody more. Those who are on their way may come in; while a limit is crossed, only a few of them."""
        users = sight.users
        self._asked = max(self._asked, users)
        if sight.sample.breached:
            few = max(FEWEST_ON_THEIR_WAY, math.ceil(OVERLOADED_ON_THEIR_WAY * users))
            self._asked = min(self._asked, users + few)
        self._due = 0.0
        return self._asked
