"""What all phases of a search share: what a phase sees in one cycle, what it wants done, what is noticed on the way.

And what holds or ends a search whatever its phase: no server, no data, a saturated generator, users that do not come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from coordinator.answer import Ending, Limits
from coordinator.search.sample import Observation, Sample, Window
from coordinator.search.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Sight:
    """One cycle as a phase sees it. `elapsed` is the time since the cycle before, in seconds."""

    sample: Sample
    window: Window
    elapsed: float

    @property
    def users(self) -> int:
        """Users really in: targets lie, above all where log-ins are slow."""
        return self.sample.users

    @property
    def reached(self) -> int:
        """The target that these users and those who stay away for good amount to."""
        return self.sample.users + self.window.away


@dataclass(frozen=True, slots=True)
class Move:
    """What a phase wants: users, the reason, the phase that goes on (None: itself), or the end of the search."""

    users: int
    reason: str
    then: Phase | None = None
    ending: Ending | None = None


class Phase(Protocol):
    """One part of a search."""

    def next(self, sight: Sight) -> Move:
        """Decide on one cycle."""
        ...


class Findings:
    """Which load was shown to be fine, what broke first, whether the server tips over. Fed with every cycle."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self.broke_first = ""
        self.fine_users: int | None = None
        self.anybody = False
        self._level_seconds = self._tipped_seconds = 0.0
        self._level = -math.inf
        self._fine = -math.inf
        self._tipped = ""

    def see(self, sight: Sight) -> None:
        """One cycle's sample, in its window."""
        ratio, window = sight.sample.ratio, sight.window
        self.anybody = self.anybody or sight.users > 0
        if ratio is None or not window.full:
            return
        if ratio <= 0.0 and window.peopled:
            self._shown(round(math.exp(window.lowest)))
        if window.telling and ratio <= 0.0:
            self._stay(window.lowest, sight.elapsed)
        lower = window.highest < self._fine - self._tuning.tipped_below
        tipped = window.clean and ratio > self._tuning.tipped_ratio and lower
        self._tipped_seconds = self._tipped_seconds + sight.elapsed if tipped else 0.0
        if self._tipped_seconds >= self._tuning.tipped_seconds and not self._tipped:
            self._tipped = (
                f"{sight.users} users were too many after an overload, {math.exp(self._fine):.0f} were fine before it"
            )

    def _shown(self, users: int) -> None:
        """All loads of the window were at least that high, and what came of them is fine."""
        self.fine_users = max(users, self.fine_users or 0)

    def _stay(self, load: float, elapsed: float) -> None:
        self._level = load if self._level_seconds == 0.0 else min(self._level, load)
        self._level_seconds += elapsed
        if self._level_seconds >= self._tuning.fine_seconds:
            self._fine = max(self._fine, self._level)
            self._level_seconds = 0.0

    def move(self, sight: Sight, move: Move) -> None:
        """What a phase decided: the first change of phase is the first breach."""
        if move.then is not None and not self.broke_first and sight.sample.breached:
            self.broke_first = sight.sample.said

    @property
    def notes(self) -> list[str]:
        """What is worth telling besides the number."""
        return [f"the server tips over: {self._tipped}"] if self._tipped else []


class LoginBreaches:
    """Whether log-ins cross the limit by themselves, be they ever so few. Fed with every cycle.

    With a limit below what a page load takes, every log-in is a breach, and none of them says what the users do.
    """

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._breach: tuple[int, float] | None = None
        self._drops = 0
        self._users_breach = False

    def see(self, sight: Sight) -> None:
        """One cycle's sample, in its window."""
        ratio, window = sight.sample.ratio, sight.window
        if ratio is None or not window.full:
            return
        if ratio > 0.0:
            self._users_breach |= window.log_ins == 0
            self._breach = (sight.users, ratio)
        elif self._breach is not None and window.log_ins == 0:
            users, before = self._breach
            self._drops += sight.users >= users and before - ratio >= self._tuning.drop
            self._breach = None

    @property
    def proven(self) -> bool:
        """Whether all breaches so far were those of log-ins alone."""
        return self._drops >= self._tuning.drops and not self._users_breach


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
            return Move(self._held, f"the server does not respond, holding: {seen.unanswered}")
        reason = f"the server has not answered for {away:.0f} s, with {self._users} active users: {seen.unanswered}"
        return Move(self._held, reason, ending=Ending.SERVER_LOST)

    def _passing(self, seen: Observation) -> Move | None:
        if self._held is None or seen.seconds >= self._passed_at:
            self._held = None
            return None
        return Move(self._held, "the server did not respond, waiting for new readings")


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
            return Move(held, "the load generator was saturated, waiting for new readings")
        self._seconds = 0.0
        return None


ACCOUNTS_OVER = (
    "no limit was crossed by {users} users, and there are no accounts for more: give people further devices "
    "(UsersConfiguration.DevicesPerUser), or add accounts"
)


class Shortage:
    """No account is left for more users: the search ends as at the most users that are allowed."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._most = 0
        self._seconds = 0.0

    def next(self, sight: Sight, target: int, without_account: int) -> Move | None:
        """The end of a search that can get no more users; None: go on."""
        if not without_account or sight.users > self._most or target <= sight.users:
            self._most, self._seconds = max(self._most, sight.users), 0.0
            return None
        self._seconds += sight.elapsed
        if self._seconds < self._tuning.absent_seconds:
            return None
        return Move(sight.users, ACCOUNTS_OVER.format(users=sight.users), ending=Ending.AT_LEAST)


class Attendance:
    """Whether the number of users follows the target."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._seconds = 0.0
        self._target = 0
        self._smallest_gap = 0

    def next(self, sight: Sight, target: int) -> Move | None:
        """The end of a search whose users don't follow; None: go on. Each one that does begins the wait anew."""
        gap = abs(target - sight.users)
        near = sight.users > 0 and gap <= self._tuning.absent_share * target + 1.0
        # With nobody in, another target is no news.
        other = target != self._target and (sight.users > 0 or not self._target)
        if other or gap < self._smallest_gap or near:
            self._target, self._smallest_gap, self._seconds = target, gap, 0.0
            return None
        self._seconds += sight.elapsed
        if self._seconds < self._tuning.absent_seconds:
            return None
        reason = f"{sight.users} users are active, the target is {target}, and that has not changed for "
        return Move(sight.users, reason + f"{self._seconds:.0f} s: see the agents' logs", ending=Ending.USERS_MISSING)
