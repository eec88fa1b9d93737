"""Axes of charts: from values to places between 0 and 1, and the ticks that people read. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmload.results.series import nines

# About so many ticks fit beside each other on a page; every other one is left out on a narrow one.
_TIME_TICKS = 8
_VALUE_TICKS = 4
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
_SHOWN_PERCENTILES = (0, 50, 90, 99, 99.9, 99.99, 99.999)
_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis (0 to 1) and what is written there; the `minor` ones are left out where it is narrow."""

    at: float
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand on it (0 to 1), and its ticks."""

    place: Callable[[float], float]
    ticks: tuple[Tick, ...]


def time_axis(seconds: float) -> Axis:
    """From the start of a run to its end."""
    whole = max(seconds, 1.0)
    step = next((step for step in _STEPS_SECONDS if whole / step <= _TIME_TICKS), _STEPS_SECONDS[-1])
    moments = range(0, int(whole) + 1, step)
    ticks = tuple(Tick(at / whole, moment(at), bool(index % 2)) for index, at in enumerate(moments))
    return Axis(lambda value: value / whole, ticks)


def moment(seconds: float) -> str:
    """A moment of a run: `0:05`, `12:30`, `1:02:00`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def linear_axis(values: Iterable[float], least: float = 0.0) -> Axis:
    """From 0 to a round number above all values (and above `least`)."""
    highest = max([least, *values]) or 1.0
    step = _round_step(highest / _VALUE_TICKS)
    top = max(1, math.ceil(highest / step - _EDGE)) * step
    ticks = tuple(Tick(index * step / top, figure(index * step)) for index in range(round(top / step) + 1))
    # The top is rounded: the greatest value may be above it by its last digit.
    return Axis(lambda value: min(1.0, value / top), ticks)


def _round_step(least: float) -> float:
    """The next greater of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - _EDGE))


def logarithmic_axis(values: Iterable[float]) -> Axis:
    """From a round number below all values to one above; values of 0 stand at the bottom."""
    known = [value for value in values if value > 0] or [1.0]
    steps = _round_numbers(min(known), max(known))
    low, high = math.log10(steps[0]), math.log10(steps[-1])
    labelled = steps if len(steps) <= 2 * _VALUE_TICKS else [step for step in steps if _is_power(step)]
    ticks = tuple(Tick((math.log10(step) - low) / (high - low), figure(step)) for step in labelled)
    return Axis(lambda value: max(0.0, (math.log10(max(value, steps[0])) - low) / (high - low)), ticks)


def _round_numbers(lowest: float, highest: float) -> list[float]:
    """1, 2, 5 times powers of ten, from the last that is not above `lowest` to the first above `highest`."""
    powers = range(math.floor(math.log10(lowest)), math.floor(math.log10(highest)) + 2)
    every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(index for index, step in enumerate(every) if step <= lowest * (1 + _EDGE))
    last = min(index for index, step in enumerate(every) if step > highest and index > first)
    return every[first : last + 1]


def _is_power(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < _EDGE


def percentile_axis(highest_nines: float) -> Axis:
    """Percentiles by -log10(1 - p): each further nine takes the same room."""
    whole = max(highest_nines, nines(90))
    shown = [percent for percent in _SHOWN_PERCENTILES if nines(percent) <= whole + _EDGE]
    # Where it is narrow, 0 % would overlap with 50 %.
    ticks = tuple(Tick(nines(percent) / whole, f"{percent:g} %", minor=not percent) for percent in shown)
    return Axis(lambda value: value / whole, ticks)


def figure(value: float) -> str:
    """A value at a tick: `0.05`, `2`, `500`, `2,000`, `15k`, `3M`."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:,.6g}"
