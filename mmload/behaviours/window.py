"""A person's window: in front (it has the focus) or behind others. Its state and clock; `now` is the caller's."""

from __future__ import annotations

import math


class BrowserWindow:
    """`due`: when the present spell in front or behind others ends; infinite for who has no such spells."""

    __slots__ = ("away_seconds", "away_since", "due", "in_front", "long_returns", "spells")

    def __init__(self) -> None:
        self.in_front = True
        self.due = math.inf
        self.spells = 0
        # Returns after a long time that no action of the load model has been counted for yet.
        self.long_returns = 0
        self.away_since = 0.0
        self.away_seconds = 0.0

    @property
    def has_spells(self) -> bool:
        return self.due < math.inf

    @property
    def can_act(self) -> bool:
        """Whether the person does anything with their hands now."""
        return self.in_front or not self.has_spells

    def turn(self, now: float, *, in_front: bool) -> None:
        """It comes to the front, or another one does."""
        self.spells += 1
        if in_front and not self.in_front:
            self.away_seconds += now - self.away_since
        elif self.in_front and not in_front:
            self.away_since = now
        self.in_front = in_front

    def acting_clock(self, now: float) -> float:
        """A clock that stands still while the person cannot act."""
        return (now if self.can_act else self.away_since) - self.away_seconds
