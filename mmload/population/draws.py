"""Chance that is repeatable and stays as it was when there is more to choose from. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def stable_choice(rng: random.Random, count: int) -> int:
    """One of 0 … count - 1, each as likely, such that the same rng mostly chooses the same when `count` has grown.

    The draw is the position of the last record among `count` random numbers: one more number is a new record with
    probability 1/(count + 1), and otherwise changes nothing. Records are jumped to instead of looked for: after a
    record at i the next is beyond m with probability i/m, so it is at floor(i/u) + 1 for a uniform u in (0, 1].
    `rng` is used up by the draw: give each draw one of its own (see `spawn`).
    """
    record = 1
    while True:
        following = int(record / (1.0 - rng.random())) + 1
        if following > count:
            return record - 1
        record = following


def spawn(rng: random.Random) -> random.Random:
    """A new source of chance from one draw of another: what is drawn from it doesn't shift what follows here."""
    return random.Random(rng.getrandbits(64))


def portions(total: int, shares: Sequence[float]) -> tuple[int, ...]:
    """`total` split in proportion to `shares`, whole and adding up to it: the largest remainders get what truncation
    left over (ties: the earlier one). All shares zero: nothing is given out."""
    whole = math.fsum(shares)
    if whole <= 0:
        return (0,) * len(shares)
    exact = [total * share / whole for share in shares]
    # Shares such as 0.29 are not exact: 29.000000000000004 and 28.999999999999996 are both meant to be 29.
    parts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return tuple(parts)
