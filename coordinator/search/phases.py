"""What the phases of a search share: what a phase sees in one cycle, and what it wants done.

What a search notices on its way: which load was shown to be fine, what broke first, whether the server tips over.

Whether log-ins cross a limit by themselves: the page loads of those who come, be they ever so few.

With a limit below what a page load takes, every log-in is a breach, and none of them says what the users do. Then the
search goes back to looking only at windows without any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from coordinator.answer import Ending
from coordinator.search.sample import Sample
from coordinator.search.tuning import Tuning
from coordinator.search.window import Window


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
    """Fed with every cycle."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self.broke_first = ""
        self.fine_users: int | None = None
        self._level_seconds = self._tipped_seconds = 0.0
        self._level = -math.inf
        self._fine = -math.inf
        self._tipped = ""

    def see(self, sight: Sight) -> None:
        """One cycle's sample, in its window."""
        ratio, window = sight.sample.ratio, sight.window
        if ratio is None or not window.full:
            return
        if ratio <= 0.0:
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


class Blame:
    """Fed with every cycle."""

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
    def log_ins(self) -> bool:
        """Whether all breaches so far were those of log-ins alone."""
        return self._drops >= self._tuning.drops and not self._users_breach
