"""Which action comes next: one draw over cumulative weights. Pure."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Mix(Generic[T]):
    """Things to choose from with their frequencies (any unit; only their proportions matter)."""

    __slots__ = ("_cumulative", "_things")

    def __init__(self, weighted: Sequence[tuple[T, float]]) -> None:
        kept = [(thing, weight) for thing, weight in weighted if weight > 0]
        if not kept:
            raise ValueError("a mix needs at least one thing with a frequency above 0")
        self._things = [thing for thing, _ in kept]
        self._cumulative = list(itertools.accumulate(weight for _, weight in kept))

    def draw(self, rng: random.Random) -> T:
        return self._things[bisect.bisect_right(self._cumulative, rng.random() * self._cumulative[-1])]
