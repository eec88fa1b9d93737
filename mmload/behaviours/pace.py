"""How long people wait between actions: pure functions of the configuration, the person's rate and chance."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Sequence

from mmload.config import Rate


def idle_seconds(min_ms: int, average_ms: int, rate: float, rng: random.Random) -> float:
    """One wait between two actions: uniform in [min, 2·average - min), times the person's rate. Pure."""
    return rng.uniform(min_ms, 2 * average_ms - min_ms) / 1000 * rate


def rate_of(number: int, seed: int, distribution: Sequence[Rate]) -> float:
    """An account's rate: a function of its number and the seed, so that runs repeat. 1.0 without a distribution."""
    if not distribution:
        return 1.0
    shares = list(itertools.accumulate(rate.percentage for rate in distribution))
    drawn = random.Random(f"{seed}:rate:{number}").random() * shares[-1]
    return distribution[min(bisect.bisect_right(shares, drawn), len(distribution) - 1)].rate
