"""What holds or ends a search whatever its phase: no server, no data, a saturated generator, users that do not come."""

from __future__ import annotations

from coordinator.answer import Ending, Limits
from coordinator.search.phases import Move, Sight
from coordinator.search.sample import Observation
from coordinator.search.tuning import Tuning


class Absence:
    """The server answers no request: hold, then end. Back again, its failures must leave the window first."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._since: float | None = None
        self._users = 0
        self._held: int | None = None
        self._passed_at = 0.0

    def next(self, seen: Observation) -> Move | None:
        """What to do instead of going on; None: go on. A search that is out of time is left to its rule."""
        if seen.seconds >= self._limits.budget_seconds:
            return None
        if not seen.unanswered:
            self._since = None
            return self._passing(seen)
        if self._since is None:
            self._since, self._users = seen.seconds, seen.users
        away = seen.seconds - self._since
        if away < self._tuning.away_hold_seconds:
            return self._passing(seen)
        if self._held is None:
            self._held = min(seen.target, max(seen.users, self._limits.lowest_users))
        self._passed_at = seen.seconds + self._limits.window_seconds
        if away < self._limits.window_seconds + self._tuning.away_extra_seconds:
            return Move(self._held, f"the server gives no answer, holding: {seen.unanswered}")
        reason = f"the server has not answered for {away:.0f} s, with {self._users} users in: {seen.unanswered}"
        return Move(self._held, reason, ending=Ending.SERVER_LOST)

    def _passing(self, seen: Observation) -> Move | None:
        if self._held is None or seen.seconds >= self._passed_at:
            self._held = None
            return None
        return Move(self._held, "the server gave no answer, its readings must pass")


class Darkness:
    """No known sample: hold, then step back, then end. Nothing known is never good news."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._seconds = 0.0
        self._held = 0
        self._seen = False

    def next(self, sight: Sight, target: int) -> Move | None:
        """What to do instead of going on; None: go on."""
        if sight.sample.ratio is not None:
            self._seconds, self._seen = 0.0, True
            return None
        if self._seconds == 0.0:
            self._held = min(target, max(sight.users, self._limits.lowest_users)) if self._seen else target
        before, self._seconds = self._seconds, self._seconds + sight.elapsed
        return self._act(before, sight)

    def _act(self, before: float, sight: Sight) -> Move | None:
        why = sight.sample.unknown
        if self._seconds < self._tuning.unknown_hold_seconds:
            return None
        if self._seconds >= self._tuning.unknown_end_seconds:
            return Move(self._held, f"nothing known for {self._seconds:.0f} s: {why}", ending=Ending.UNKNOWN)
        if before // self._tuning.unknown_back_seconds < self._seconds // self._tuning.unknown_back_seconds:
            self._held = max(self._limits.lowest_users, round(self._tuning.step_back * self._held))
            return Move(self._held, f"no data for {self._seconds:.0f} s, stepping back: {why}")
        return Move(self._held, f"no data, holding: {why}")


class Saturation:
    """The generator is not to be trusted: hold. Readings are believed again a window after it has recovered."""

    def __init__(self, limits: Limits) -> None:
        self._window_seconds, self._tuning = limits.window_seconds, limits.tuning
        self._seconds = 0.0
        self._calm_seconds = limits.window_seconds

    def next(self, sight: Sight, why: str, target: int) -> Move | None:
        """What to do instead of going on; None: go on."""
        held = min(target, sight.users)
        if why:
            self._seconds += sight.elapsed
            self._calm_seconds = 0.0
            if self._seconds >= self._tuning.saturated_end_seconds:
                reason = f"the load generator is saturated ({why}): add agents or workers and search again"
                return Move(held, reason, ending=Ending.SATURATED)
            return Move(held, f"the load generator is saturated, holding: {why}")
        self._calm_seconds += sight.elapsed
        if self._calm_seconds < self._window_seconds:
            return Move(held, "the load generator was saturated, its readings must pass")
        self._seconds = 0.0
        return None


class Attendance:
    """Whether the users that are asked for come, and leave."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._seconds = 0.0
        self._target = 0
        self._smallest_gap = 0

    def next(self, sight: Sight, target: int) -> Move | None:
        """The end of a search whose users don't follow; None: go on. Each one that does begins the wait anew."""
        gap = abs(target - sight.users)
        if target != self._target or gap < self._smallest_gap or gap <= self._tuning.absent_share * target + 1.0:
            self._target, self._smallest_gap, self._seconds = target, gap, 0.0
            return None
        self._seconds += sight.elapsed
        if self._seconds < self._tuning.absent_seconds:
            return None
        reason = f"{sight.users} users are in although {target} are asked for, and that has not changed for "
        return Move(sight.users, reason + f"{self._seconds:.0f} s: see the agents' logs", ending=Ending.USERS_MISSING)
