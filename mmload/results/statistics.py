"""How far a run's figures would vary if it were repeated: its steady seconds as series, their autocorrelation, a
jackknife of them; and Student's t.

The seconds are read a line at a time from figures.jsonl. The histograms' buckets become coarser bins, each wider by a
constant ratio.

Seconds that follow each other are alike (a busy neighbour, garbage collection, caches that warm up): a run of 60 s
tells less than 60 seconds chosen at random would. So whole blocks of seconds are left out, not single ones (a
delete-a-block jackknife), and what blocks shorter than that memory miss is added. All figures are computed on the same
blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.metrics.delta import Delta
from mmload.metrics.histogram import Histogram, middle_us
from mmload.metrics.recorder import DELIVERY
from mmload.results.folder import read_figures
from mmload.results.model import Figures, RunPhase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]

# Width of a bin, as a ratio. Percentiles are interpolated inside a bin: what is left of 0.5 % is below 0.2 %.
BIN_RATIO = 1.005
_LOG_RATIO = math.log(BIN_RATIO)


@dataclass(slots=True)
class SecondsOfTimes:
    """Durations by second and bin: `cells[k]` counts those of `seconds[k]` in `bins[k]`."""

    seconds: list[int] = field(default_factory=list)
    bins: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, second: int, times: Histogram) -> None:
        binned: dict[int, int] = {}
        for bucket, count in times.buckets.items():
            place = bin_of(bucket)
            binned[place] = binned.get(place, 0) + count
        self.seconds += [second] * len(binned)
        self.bins += binned
        self.cells += binned.values()
        self.count += times.count


@dataclass(slots=True)
class SteadyWindow:
    """What happened in the steady seconds of one run; the lists have an entry for each of them."""

    users: int = 0
    routes: dict[str, SecondsOfTimes] = field(default_factory=dict)
    actions: dict[str, SecondsOfTimes] = field(default_factory=dict)
    browser: dict[str, SecondsOfTimes] = field(default_factory=dict)
    delivery: SecondsOfTimes = field(default_factory=SecondsOfTimes)
    requests: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> int:
        return len(self.requests)

    def add(self, delta: Delta) -> None:
        second = self.seconds
        for name, action in delta.actions.items():
            self.actions.setdefault(name, SecondsOfTimes()).add(second, action.times)
        for route, figures in delta.routes.items():
            self.routes.setdefault(route, SecondsOfTimes()).add(second, figures.times)
        for name, step in delta.browser.items():
            if not step.busy:
                self.browser.setdefault(name, SecondsOfTimes()).add(second, step.times)
        if DELIVERY in delta.spans:
            self.delivery.add(second, delta.spans[DELIVERY])
        self.requests.append(sum(route.count for route in delta.routes.values()))
        self.failures.append(sum(route.failed_times.count for route in delta.routes.values()))
        self.expected.append(delta.deliveries.expected)
        self.missing.append(delta.deliveries.missing)


@lru_cache(maxsize=30_000)
def bin_of(bucket: int) -> int:
    """The bin of a histogram's bucket."""
    return math.floor(math.log(max(1, middle_us(bucket))) / _LOG_RATIO)


def log_seconds(position: float) -> float:
    """The natural logarithm, of a time in seconds, at a position on the axis of bins (2.5: the middle of bin 2)."""
    return position * _LOG_RATIO - math.log(1e6)


def window_of(figures: Iterable[Figures], users: int) -> SteadyWindow:
    window = SteadyWindow(users)
    for second in figures:
        if second.phase is RunPhase.STEADY:
            window.add(second.figures)
    return window


def read_window(folder: Path, users: int) -> SteadyWindow:
    return window_of(read_figures(folder), users)


_STEPS = 200
_TINY = 1e-300


def two_sided(t: float, freedom: float) -> float:
    """How likely a t at least this far from 0 is, by chance alone."""
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def bound(confidence: float, freedom: float) -> float:
    """The t that is exceeded, on either side, with 1 - `confidence`."""
    low, high = 0.0, 1e4
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, freedom) > 1 - confidence else (low, middle)
    return high


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            h *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return h


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


# Of so many blocks each is left out once. 500 draws of a moving-block bootstrap gave the same bands (docs/compare.md).
BLOCKS = 10
# A window as long as three such times is nearly three seconds' worth: a longer memory can't be seen in it.
_FEWEST_MEMORIES = 3
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

    def correction(self, length: int) -> float:
        """By how much the variance is greater than what blocks show: they see a likeness across `lag` seconds only
        inside of a block (1 - lag / block of it).
        """
        block = length / BLOCKS
        seen = 1 + 2 * math.fsum(share * max(0.0, 1 - lag / block) for lag, share in enumerate(self.lags, 1))
        return max(1.0, self.seconds(length) / seen)


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


def levels(window: SteadyWindow) -> list[float]:
    """How slow each second was: the mean of its log times (in bins), each route's own mean apart. Without any: 0."""
    sums, counts = [0.0] * window.seconds, [0] * window.seconds
    for times in window.routes.values():
        if times.count:
            mean = math.fsum(place * count for place, count in zip(times.bins, times.cells, strict=True)) / times.count
            for second, place, count in zip(times.seconds, times.bins, times.cells, strict=True):
                sums[second] += (place - mean) * count
                counts[second] += count
    return [total / count if count else 0.0 for total, count in zip(sums, counts, strict=True)]


# Of a run's steady window.
SHORTEST_SECONDS = 20


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """A figure of one run, and its variance by the blocks. The logarithm of the figure where it is a time."""

    value: float
    variance: float


class LeftOut:
    """The window without each of its blocks in turn: how often each second counts. The first row is all of it."""

    def __init__(self, window: SteadyWindow, memory: Autocorrelation) -> None:
        import numpy as np

        self.window = window
        seconds = window.seconds
        blocks = np.arange(seconds) * BLOCKS // seconds
        self._weights: Matrix = np.array([[1.0] * seconds, *(1.0 * (blocks != left_out) for left_out in range(BLOCKS))])
        self._correction = memory.correction(seconds)

    def times(self, times: SecondsOfTimes) -> Spectrum:
        """A series of times, a row for each choice of seconds."""
        import numpy as np

        low = min(times.bins, default=0)
        counts = np.zeros((self.window.seconds, max(times.bins, default=0) - low + 1))
        places: Any = (times.seconds, np.array(times.bins, dtype=int) - low)
        np.add.at(counts, places, times.cells)
        return Spectrum(low, self._weights @ counts)

    def sums(self, series: Sequence[int]) -> Matrix:
        """A sum of each choice of seconds."""
        import numpy as np

        drawn: Matrix = self._weights @ np.array(series, dtype=float)
        return drawn

    def estimate(self, drawn: Matrix) -> RunEstimate:
        """From a figure of every choice of seconds: the jackknife's variance, (n - 1) / n times the sum of squares."""
        left = drawn[1:]
        variance = (BLOCKS - 1) / BLOCKS * float(((left - left.mean()) ** 2).sum())
        return RunEstimate(float(drawn[0]), variance * self._correction)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """How many times fell into which bin, a row for each choice of seconds. The first column is the bin `low`."""

    low: int
    counts: Matrix

    def percentile(self, percent: float) -> Matrix:
        """The logarithm of a percentile, of each row; a row without times gives the first one's."""
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
    """All routes together, each with its given share, however often it came in this run."""
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
