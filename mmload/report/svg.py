"""Charts: axes with their ticks, and the geometry that templates/chart.html draws as inline SVG. Pure.

Words keep their size on a page of any width, only the lines stretch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from mmload.report.html import PageTable, number
from mmload.results.series import Point, nines

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
    powers = [step for step in steps if abs(math.log10(step) - round(math.log10(step))) < _EDGE]
    labelled = steps if len(steps) <= 2 * _VALUE_TICKS else powers
    ticks = tuple(Tick((math.log10(step) - low) / (high - low), figure(step)) for step in labelled)
    return Axis(lambda value: max(0.0, (math.log10(max(value, steps[0])) - low) / (high - low)), ticks)


def _round_numbers(lowest: float, highest: float) -> list[float]:
    """1, 2, 5 times powers of ten, from the last that is not above `lowest` to the first above `highest`."""
    powers = range(math.floor(math.log10(lowest)), math.floor(math.log10(highest)) + 2)
    every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(index for index, step in enumerate(every) if step <= lowest * (1 + _EDGE))
    last = min(index for index, step in enumerate(every) if step > highest and index > first)
    return every[first : last + 1]


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


# The units that lines are drawn in across the page; the browser stretches them to its width.
WIDTH = 1000
# So many kinds of lines can be told apart by colour and dashes.
STYLES = 6
# Numbers, and words of so many letters, closer to each other than this share of the width would overlap on a phone.
_ROOM_OF_A_NUMBER = 0.03
_ROOM_OF_A_LETTER = 0.02
_TABLE_ROWS = 12
_ROOMY = 150  # pixels: lower charts stand among higher ones, whose words tell the same


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, broken where there is no value. `area`: filled down to the axis."""

    name: str
    points: Sequence[Point]
    area: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the axis (places from 0 to 1) that is shaded; `kind` is its class in the style sheet."""

    start: float
    end: float
    kind: str
    label: str
    label_inside: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a place of the axis (0 to 1); its number stands in the list of notes, too."""

    at: float
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. `figures` is the same as a table, if not that of a chart over time."""

    title: str
    unit: str
    lines: Sequence[Series]
    x: Axis
    y: Axis
    height: int = 200
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    limit: tuple[float, str] | None = None
    figures: PageTable | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for line in self.lines for _, value in line.points)

    @property
    def is_headed(self) -> bool:
        """Whether there are two rows of words above the plot: the numbers of marks, and below them the phases."""
        return bool(self.marks) and self.height >= _ROOMY

    @property
    def styled(self) -> list[tuple[str, Series]]:
        """The lines with their classes in the style sheet."""
        return [(f"s{index % STYLES + 1}", line) for index, line in enumerate(self.lines)]

    @property
    def description(self) -> str:
        """What the picture shows, for those who do not see it."""
        parts = []
        for line in self.lines:
            values = [value for _, value in line.points if value is not None]
            if values:
                parts.append(f"{line.name} from {figure(_rounded(min(values)))} to {figure(_rounded(max(values)))}")
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit}: {'; '.join(parts)}."

    @property
    def boxes(self) -> list[tuple[str, str, Band, bool]]:
        """Left edge, width and shade of every band; whether its words fit over it, where no line runs through them."""
        found = []
        for band in self.bands:
            start, end = max(0.0, band.start), min(1.0, band.end)
            fits = end - start > _ROOM_OF_A_LETTER * len(band.label) and self.height >= _ROOMY
            found.append((percent_of_width(start), percent_of_width(end - start), band, band.label_inside and fits))
        return found

    @property
    def along(self) -> list[tuple[str, str, Tick]]:
        """Place and alignment of every tick of the axis below."""
        anchors = ("end" if tick.at > 1 - _ROOM_OF_A_NUMBER else "middle" for tick in self.x.ticks)
        return [(percent_of_width(tick.at), anchor, tick) for anchor, tick in zip(anchors, self.x.ticks, strict=True)]

    def y_of(self, place: float) -> float:
        """Pixels from the top of a place on the axis of values."""
        return self.height * (1 - place)

    def paths(self, line: Series) -> tuple[str, str, str]:
        """What is filled, the lines, and the single points, as the data of SVG paths."""
        pieces = self._pieces(line.points)
        filled = "".join(_filled(piece, self.height) for piece in pieces) if line.area else ""
        lines = "".join(_path(piece) for piece in pieces if len(piece) > 1)
        return filled, lines, "".join(_path(piece) for piece in pieces if len(piece) == 1)

    def _pieces(self, points: Sequence[Point]) -> list[list[tuple[float, float]]]:
        """The line's unbroken pieces, in units of the picture."""
        pieces: list[list[tuple[float, float]]] = [[]]
        for at, value in points:
            if value is None:
                pieces.append([])
            else:
                pieces[-1].append((self.x.place(at) * WIDTH, self.y_of(self.y.place(value))))
        return [piece for piece in pieces if piece]

    @property
    def grouped_marks(self) -> list[tuple[str, str, list[tuple[str, Mark]]]]:
        """Place and number of marks; those whose numbers would overlap share one text (`3–5`)."""
        groups: list[list[Mark]] = []
        for mark in self.marks:
            if groups and mark.at - groups[-1][0].at < _ROOM_OF_A_NUMBER:
                groups[-1].append(mark)
            else:
                groups.append([mark])
        return [
            (
                percent_of_width(group[0].at),
                str(group[0].number) if len(group) == 1 else f"{group[0].number}–{group[-1].number}",
                [(percent_of_width(mark.at), mark) for mark in group],
            )
            for group in groups
        ]

    @property
    def table(self) -> PageTable:
        """Each line's value at about a dozen places; of a stretch, the mean."""
        if self.figures is not None:
            return self.figures
        places = sorted({at for line in self.lines for at, value in line.points if value is not None})
        width = -(-len(places) // _TABLE_ROWS)
        stretches = [places[start : start + width] for start in range(0, len(places), width)]
        values = [dict(line.points) for line in self.lines]
        rows = [[moment(each[0]), *(_mean(map(points.get, each)) for points in values)] for each in stretches]
        return PageTable(["time", *(line.name for line in self.lines)], rows, f"{self.title}, as figures")


def shades(bands: Sequence[Band]) -> dict[str, str]:
    """What the shades of some charts mean, told once for all of them: labels by kind."""
    return {band.kind: band.label for band in bands if not band.label_inside}


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def percent_of_width(place: float) -> str:
    """A place from 0 to 1 as SVG has it: `12.5%`."""
    return f"{number(place * 100)}%"


def _path(piece: Sequence[tuple[float, float]]) -> str:
    """A single point is a line without length: its round ends show as a dot."""
    if len(piece) == 1:
        return f"M{_at(piece[0])}h0"
    return "M" + "L".join(_at(point) for point in piece)


def _filled(piece: Sequence[tuple[float, float]], height: int) -> str:
    # A single point gets the width of a line, or it would not be seen.
    first, last = piece[0][0], max(piece[-1][0], piece[0][0] + 1)
    return f"M{number(first)} {height}L{'L'.join(_at(point) for point in piece)}L{number(last)} {height}Z"


def _at(point: tuple[float, float]) -> str:
    return f"{number(point[0])} {number(point[1])}"


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return figure(_rounded(fmean(known))) if known else "-"
