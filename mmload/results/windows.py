"""The steady seconds of a run as series that can be resampled: times by route, action and delivery, and counts.

Read a line at a time from figures.jsonl. The histograms' buckets become coarser bins, each wider by a constant ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mmload.metrics.delta import Delta
from mmload.metrics.histogram import Histogram, middle_us
from mmload.metrics.recorder import DELIVERY
from mmload.results.folder import read_figures
from mmload.results.model import Figures, RunPhase

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
        """Take in one second's histogram."""
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
    delivery: SecondsOfTimes = field(default_factory=SecondsOfTimes)
    requests: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> int:
        """How long it is."""
        return len(self.requests)

    def add(self, delta: Delta) -> None:
        """One more second."""
        second = self.seconds
        for name, action in delta.actions.items():
            self.actions.setdefault(name, SecondsOfTimes()).add(second, action.times)
        for route, figures in delta.routes.items():
            self.routes.setdefault(route, SecondsOfTimes()).add(second, figures.times)
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
    """The window of a run's figures."""
    window = SteadyWindow(users)
    for second in figures:
        if second.phase is RunPhase.STEADY:
            window.add(second.figures)
    return window


def read_window(folder: Path, users: int) -> SteadyWindow:
    """The window of a run's folder."""
    return window_of(read_figures(folder), users)
