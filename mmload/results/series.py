"""Figures over time and over percentiles, thinned for drawing without losing their extremes. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from mmload.metrics.delta import all_times
from mmload.metrics.histogram import Histogram, middle_us
from mmload.metrics.recorder import DELIVERY
from mmload.results.model import Figures, RunPhase, Second

# One moment (seconds since the run began) and its value; None where there is none, which breaks a line.
Point = tuple[float, float | None]

# A line of a chart is at most about a thousand pixels wide: more points are not seen.
MOST_POINTS = 600
# Percentiles over time need some requests each: a window is a whole number of seconds, and there are at most so many.
MOST_WINDOWS = 300
# A 99th percentile of fewer durations than these is only the longest of them …
_WANTED_IN_A_WINDOW = 100
# … but with fewer windows than these nothing is seen to change.
_FEWEST_WINDOWS = 20
_WIDTHS_SECONDS = (1, 2, 5, 10, 15, 30, 60)


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """A phase without a break, in seconds since the run began."""

    phase: RunPhase
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ChartWindow:
    """The times of some seconds together: of all good answers (without log-ins), and of deliveries."""

    start: float  # seconds since the run began
    seconds: int
    answers: Histogram
    deliveries: Histogram


def points(seconds: Sequence[Second], figure: Callable[[Second], float | None]) -> list[Point]:
    """One figure of every second, at its middle."""
    return [(second.elapsed + 0.5, figure(second)) for second in seconds]


def thinned(line: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: of each stretch the lowest and the highest, in their order; a gap stays a gap."""
    if len(line) <= most:
        return list(line)
    width = math.ceil(len(line) / (most // 2))
    return [point for start in range(0, len(line), width) for point in _extremes(line[start : start + width])]


def _extremes(stretch: Sequence[Point]) -> list[Point]:
    known = [(value, at) for at, value in stretch if value is not None]
    if not known:
        return [stretch[0]]
    both = {min(known), max(known)}
    return [(at, value) for value, at in sorted(both, key=lambda pair: pair[1])]


def averaged(line: Sequence[Point], width: int) -> list[Point]:
    """Means of `width` points each, for what is a rate: noise goes, sums stay."""
    if width <= 1:
        return list(line)
    found: list[Point] = []
    for start in range(0, len(line), width):
        stretch = line[start : start + width]
        known = [value for _, value in stretch if value is not None]
        middle = (stretch[0][0] + stretch[-1][0]) / 2
        found.append((middle, fmean(known) if known else None))
    return found


def phase_spans(seconds: Sequence[Second]) -> list[PhaseSpan]:
    """The phases in the order in which they came."""
    found: list[PhaseSpan] = []
    for second in seconds:
        start = float(second.elapsed)
        if found and found[-1].phase is second.phase:
            found[-1] = PhaseSpan(second.phase, found[-1].start, start + 1)
        else:
            found.append(PhaseSpan(second.phase, start, start + 1))
    return found


def runs_of(elapsed: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring seconds as spans (first, after the last)."""
    spans: list[tuple[int, int]] = []
    for second in sorted(set(elapsed)):
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return spans


def window_seconds(seconds: int, most: int = MOST_WINDOWS) -> int:
    """How many seconds a window has in a run of so many: a round number that gives at most `most` windows."""
    wanted = max(1, math.ceil(seconds / most))
    return next((width for width in _WIDTHS_SECONDS if width >= wanted), math.ceil(wanted / 60) * 60)


def sampled_width(seconds: Sequence[Second]) -> int:
    """How many seconds a window needs for its percentiles to mean something, in a run with so few requests."""
    requests = sum(second.requests for second in seconds)
    wanted = _WANTED_IN_A_WINDOW * len(seconds) / requests if requests else 1.0
    bearable = max((width for width in _WIDTHS_SECONDS if width * _FEWEST_WINDOWS <= len(seconds)), default=1)
    needed = next((width for width in _WIDTHS_SECONDS if width >= wanted), _WIDTHS_SECONDS[-1])
    return max(window_seconds(len(seconds)), min(needed, bearable))


def windows(figures: Iterable[Figures], width: int) -> Iterator[ChartWindow]:
    """The histograms of every `width` seconds, merged. A long run's are read one line at a time."""
    first_ms: int | None = None
    current: ChartWindow | None = None
    for line in figures:
        first_ms = line.ms if first_ms is None else first_ms
        start = (line.ms - first_ms) // 1000 // width * width
        if current is None or start != current.start:
            if current is not None:
                yield current
            current = ChartWindow(float(start), width, Histogram(), Histogram())
        current.answers.merge(all_times(line.figures.routes))
        current.deliveries.merge(line.figures.spans.get(DELIVERY) or Histogram())
    if current is not None:
        yield current


def percentile_points(
    parts: Sequence[ChartWindow], times: Callable[[ChartWindow], Histogram], percent: float
) -> list[Point]:
    """One percentile of every window in milliseconds, at its middle."""
    found = []
    for part in parts:
        value = times(part).percentile(percent)
        found.append((part.start + part.seconds / 2, None if value is None else value * 1000))
    return found


def nines(percent: float) -> float:
    """Where a percentile stands on an axis of -log10(1 - p): 90 at 1, 99 at 2, 99.9 at 3."""
    return -math.log10(1 - percent / 100)


def curve(times: Histogram, most: int = 120) -> list[Point]:
    """Milliseconds over -log10(1 - p), as far as there are durations beyond p."""
    if not times.count:
        return []
    last = math.log10(times.count) if times.count > 1 else 0.0
    ranks = {max(1, math.ceil(times.count * (1 - 10 ** -(last * step / most)))) for step in range(most + 1)}
    ranks.add(times.count)  # the longest, which rounding may leave out
    # A rank's place on the axis: the share of durations that are shorter.
    return [
        (math.log10(times.count / (times.count - rank + 1)), us / 1000) for rank, us in at_ranks(times, sorted(ranks))
    ]


def at_ranks(times: Histogram, ranks: Sequence[int]) -> Iterator[tuple[int, float]]:
    """The duration (microseconds) at each of the rising ranks."""
    buckets = iter(sorted(times.buckets.items()))
    bucket, seen = 0, 0
    for rank in ranks:
        while seen < rank:
            following = next(buckets, None)
            if following is None:
                return  # a damaged record: fewer durations than it says
            bucket = following[0]
            seen += following[1]
        yield rank, float(min(max(middle_us(bucket), times.minimum_us), times.maximum_us))


def shape(times: Histogram, shortest_us: float, longest_us: float, bars: int) -> list[int]:
    """How many durations fall into each of `bars` steps of equal ratio between two durations."""
    found = [0] * bars
    low, high = math.log(max(1.0, shortest_us)), math.log(max(2.0, longest_us))
    for bucket, count in times.buckets.items():
        place = (math.log(max(1, middle_us(bucket))) - low) / max(high - low, 1e-9)
        found[min(bars - 1, max(0, int(place * bars)))] += count
    return found
