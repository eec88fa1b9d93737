"""What the phases of a search share: what a phase sees in one cycle, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coordinator.answer import Ending
from coordinator.thresholds import Sample
from coordinator.window import Window


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
