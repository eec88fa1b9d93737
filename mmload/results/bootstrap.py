"""Figures of one window, and how far they would vary if the run were made again: a moving-block bootstrap.

Seconds that follow each other are alike, so whole blocks of them are drawn, not single seconds. All figures are
computed on the same draws.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmload.results.autocorrelation import Autocorrelation
from mmload.results.windows import Times, Window, log_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]

# 500 draws give a standard error to 1/sqrt(2·500) = 3 %.
ROUNDS = 500
# Of a run's steady window.
SHORTEST_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of one run, and the variance that the draws gave it. The logarithm of the figure where it is a time."""

    value: float
    variance: float


class Draws:
    """The draws of one window: how often each second is in each of them. The first row is the window as it was."""

    def __init__(self, window: Window, memory: Autocorrelation, seed: int = 0, rounds: int = ROUNDS) -> None:
        import numpy as np

        self.window = window
        drawn = _drawn(window.seconds, memory.block_seconds(window.seconds), rounds, random.Random(seed))
        self._weights: Matrix = np.array([[1.0] * window.seconds, *drawn])
        self._correction = memory.correction(window.seconds)

    def times(self, times: Times) -> Spectrum:
        """The draws of a series of times."""
        import numpy as np

        low = min(times.bins, default=0)
        counts = np.zeros((self.window.seconds, max(times.bins, default=0) - low + 1))
        places: Any = (times.seconds, np.array(times.bins, dtype=int) - low)
        np.add.at(counts, places, times.cells)
        return Spectrum(low, self._weights @ counts)

    def sums(self, series: Sequence[int]) -> Matrix:
        """The draws of a sum."""
        import numpy as np

        drawn: Matrix = self._weights @ np.array(series, dtype=float)
        return drawn

    def estimate(self, drawn: Matrix) -> Estimate:
        """From a figure of every draw."""
        return Estimate(float(drawn[0]), float(drawn[1:].var(ddof=1)) * self._correction)


def _drawn(seconds: int, block: int, rounds: int, rng: random.Random) -> list[list[float]]:
    """How often each second was drawn. Blocks may begin anywhere and go on from the end to the beginning."""
    draws = []
    for _ in range(rounds):
        weights = [0.0] * seconds
        left = seconds
        while left:
            start = rng.randrange(seconds)
            for second in range(start, start + min(block, left)):
                weights[second % seconds] += 1
            left -= min(block, left)
        draws.append(weights)
    return draws


@dataclass(frozen=True, slots=True)
class Spectrum:
    """How many times fell into which bin, a row for each draw. The first column is the bin `low`."""

    low: int
    counts: Matrix

    def percentile(self, percent: float) -> Matrix:
        """The logarithm of a percentile, of each draw; a draw without times gives the first one's."""
        import numpy as np

        reached = self.counts.cumsum(axis=1)
        whole = reached[:, -1]
        wanted = whole * (percent / 100)
        column = (reached < wanted[:, None]).sum(axis=1).clip(max=self.counts.shape[1] - 1)
        rows = np.arange(len(column))
        inside = self.counts[rows, column]
        before = reached[rows, column] - inside
        share = np.divide(wanted - before, inside, out=np.zeros(len(column)), where=inside > 0)
        found: Any = log_seconds(self.low + column + share)
        found[whole == 0] = found[0]
        drawn: Matrix = found
        return drawn


def mixed(spectra: Mapping[str, Spectrum], shares: Mapping[str, float]) -> Spectrum:
    """All routes together, each with its given share, however often it came in this run or draw."""
    import numpy as np

    low = min(spectra[name].low for name in shares)
    high = max(spectra[name].low + spectra[name].counts.shape[1] for name in shares)
    whole = np.zeros((len(next(iter(spectra.values())).counts), high - low))
    for name, share in shares.items():
        counts = spectra[name].counts
        sums = counts.sum(axis=1, keepdims=True)
        start = spectra[name].low - low
        whole[:, start : start + counts.shape[1]] += share * np.divide(
            counts, sums, out=np.zeros(counts.shape), where=sums > 0
        )
    return Spectrum(low, whole)


def typical(spectra: Mapping[str, Spectrum], shares: Mapping[str, float]) -> Matrix:
    """The logarithm of the typical time: the mean of the routes' medians on the log scale, with the given shares."""
    medians = [share * spectra[name].percentile(50) for name, share in shares.items()]
    drawn: Matrix = sum(medians[1:], medians[0])
    return drawn
