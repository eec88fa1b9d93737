"""How long the seconds of a run remember each other. Pure.

Seconds that follow each other are alike (a busy neighbour, garbage collection, caches that warm up): a run of 60 s
tells less than 60 seconds chosen at random would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmload.results.windows import Window

# Blocks are as long as the window is long, to the power of 1/3 (the rate at which the bias and the variance of such an
# estimate balance: Künsch 1989), or twice the time in which the seconds forget each other, if that is longer. With
# fewer than 5 blocks the estimate would be worth nothing.
_FORGETTING = 2.0
_FEWEST_BLOCKS = 5
# A window as long as three such times is nearly three seconds' worth: a longer memory can't be seen in it.
_FEWEST_MEMORIES = 3
# So much at most is taken to be lost for the mean of the window, which every second helped to make.
_MOST_CENTRED = 0.5
_LEAST_SEEN = 0.3


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """How alike seconds are that lie 1, 2, … apart (`lags`), up to where nothing is left of it."""

    lags: tuple[float, ...] = ()

    def seconds(self, length: int) -> float:
        """The integrated time: of so many seconds together as much is news as of a single one. 1: each is.

        Around the mean of their own window seconds look less alike than they are, at every lag by time / length. What
        was summed is put right by that.
        """
        summed = 1 + 2 * math.fsum(self.lags)
        return min(length / _FEWEST_MEMORIES, summed / max(_LEAST_SEEN, 1 - 2 * len(self.lags) / length))

    def block_seconds(self, length: int) -> int:
        """How long the blocks are that are drawn from a window."""
        longest = max(1, length // _FEWEST_BLOCKS)
        wanted: float = max(length ** (1 / 3), _FORGETTING * self.seconds(length))
        return max(1, min(longest, math.ceil(wanted)))

    def correction(self, length: int) -> float:
        """By how much the variance is greater than that of draws of such blocks.

        Draws of blocks see a likeness across `lag` seconds only inside of a block (1 - lag / block of it), and lose
        what the window's own mean takes away.
        """
        block, memory = self.block_seconds(length), self.seconds(length)
        seen = 1 + 2 * math.fsum(share * max(0.0, 1 - lag / block) for lag, share in enumerate(self.lags, 1))
        return max(1.0, memory / seen) / (1 - min(_MOST_CENTRED, max(memory, block) / length))


def autocorrelation(series: Sequence[Sequence[float]]) -> Autocorrelation:
    """Of several series together, each around its own mean. Ends before the first lag where chance would do."""
    centred = [_centred(each) for each in series]
    number = sum(map(len, centred))
    whole = math.fsum(each * each for values in centred for each in values)
    lags: list[float] = []
    for lag in range(1, min(map(len, centred), default=0) // 2 if whole else 0):
        together = math.fsum(a * b for values in centred for a, b in zip(values, values[lag:], strict=False))
        # Chance alone gives about 1/sqrt(number).
        if together / whole < 1 / math.sqrt(number):
            break
        lags.append(together / whole)
    return Autocorrelation(tuple(lags))


def _centred(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / max(1, len(values))
    return [value - mean for value in values]


def levels(window: Window) -> list[float]:
    """How slow each second was: the mean of its log times (in bins), each route's own mean apart. Without any: 0."""
    sums, counts = [0.0] * window.seconds, [0] * window.seconds
    for times in window.routes.values():
        if times.count:
            mean = math.fsum(place * count for place, count in zip(times.bins, times.cells, strict=True)) / times.count
            for second, place, count in zip(times.seconds, times.bins, times.cells, strict=True):
                sums[second] += (place - mean) * count
                counts[second] += count
    return [total / count if count else 0.0 for total, count in zip(sums, counts, strict=True)]
