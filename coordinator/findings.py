"""What a search notices on its way: which load was shown to be fine, what broke first, whether the server tips over."""

from __future__ import annotations

import math

from coordinator.phases import Move, Sight

FINE_SECONDS = 10.0
# Metastable: breached for so long, by twice the limit, at a load this much below one that was fine before.
TIPPED_SECONDS, TIPPED_RATIO, TIPPED_BELOW = 10.0, math.log(2.0), 0.12


class Findings:
    """Fed with every cycle."""

    def __init__(self) -> None:
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
        tipped = window.clean and ratio > TIPPED_RATIO and window.highest < self._fine - TIPPED_BELOW
        self._tipped_seconds = self._tipped_seconds + sight.elapsed if tipped else 0.0
        if self._tipped_seconds >= TIPPED_SECONDS and not self._tipped:
            self._tipped = (
                f"{sight.users} users were too many after an overload, {math.exp(self._fine):.0f} were fine before it"
            )

    def _shown(self, users: int) -> None:
        """All loads of the window were at least that high, and what came of them is fine."""
        self.fine_users = max(users, self.fine_users or 0)

    def _stay(self, load: float, elapsed: float) -> None:
        self._level = load if self._level_seconds == 0.0 else min(self._level, load)
        self._level_seconds += elapsed
        if self._level_seconds >= FINE_SECONDS:
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
