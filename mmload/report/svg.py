"""Axes of charts: from values to places between 0 and 1, and the ticks that people read. Pure.

Charts as inline SVG: their words keep their size on a page of any width, only the lines stretch. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mmload.report.html import Markup, details, element, number, table, together
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


# The units that lines are drawn in across the page; the browser stretches them to its width.
_WIDTH = 1000
# So many kinds of lines can be told apart by colour and dashes.
STYLES = 6
# Numbers, and words of so many letters, closer to each other than this share of the width would overlap on a phone.
_ROOM_OF_A_NUMBER = 0.03
_ROOM_OF_A_LETTER = 0.02
_TABLE_ROWS = 12
_ROOMY = 150  # pixels: lower charts stand among higher ones, whose words tell the same
_ABOVE = 5  # pixels from the foot of words above the plot to it
_ROW = 13  # pixels from one row of words above the plot to the next
_BELOW_AXIS = 16  # pixels from the axis to the foot of its words


@dataclass(frozen=True, slots=True)
class Line:
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
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. `figures` is the same as a table, if not that of a chart over time."""

    title: str
    unit: str
    lines: Sequence[Line]
    x: Axis
    y: Axis
    height: int = 200
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    limit: tuple[float, str] | None = None
    figures: Markup | None = None


def drawn(chart: Chart) -> Markup:
    """The chart with its title, its legend and, folded, its figures as a table; a sentence if it has none."""
    unit = element("small", f" {chart.unit}") if chart.unit else None
    heading = element("h3", chart.title, unit)
    if not any(value is not None for line in chart.lines for _, value in line.points):
        return element("figure", element("figcaption", heading), element("p", "No figures.", class_="quiet"))
    return element(
        "figure",
        element("figcaption", heading, _legend(chart)),
        element("div", _picture(chart), class_="plot headed" if _is_headed(chart) else "plot"),
        details("Figures as a table", _over_time(chart) if chart.figures is None else chart.figures),
    )


def _legend(chart: Chart) -> Markup:
    items = [element("li", _swatch(style, line.area), line.name) for style, line in _styled(chart)]
    if chart.limit:
        items.append(element("li", _swatch("limit", area=False), chart.limit[1]))
    return element("ul", *items, class_="legend")


def key(bands: Sequence[Band]) -> Markup:
    """What the shades of some charts mean, told once for all of them."""
    kinds = {band.kind: band.label for band in bands if not band.label_inside}
    items = [element("li", element("span", class_=f"swatch {kind}"), label) for kind, label in kinds.items()]
    return element("ul", *items, class_="legend key") if items else Markup()


def _styled(chart: Chart) -> list[tuple[str, Line]]:
    return [(f"s{index % STYLES + 1}", line) for index, line in enumerate(chart.lines)]


def _swatch(style: str, area: bool) -> Markup:
    path = element("path", d="M1 6h26", class_=f"line {style}")
    fill = element("rect", x=1, y=6, width=26, height=6, class_=f"area {style}") if area else None
    return element("svg", fill, path, width="28", height="12", class_="swatch", aria_hidden="true")


def _picture(chart: Chart) -> Markup:
    stretched = element(
        "svg",
        *(_line(chart, style, line) for style, line in _styled(chart)),
        width="100%",
        height=chart.height,
        viewBox=f"0 0 {_WIDTH} {chart.height}",
        preserveAspectRatio="none",
    )
    return element(
        "svg",
        *_bands(chart),
        *_across(chart),
        *_along(chart),
        stretched,
        *_limit(chart),
        *_marks(chart),
        width="100%",
        height=chart.height,
        role="img",
        aria_label=told(chart),
    )


def told(chart: Chart) -> str:
    """What the picture shows, for those who do not see it."""
    parts = []
    for line in chart.lines:
        values = [value for _, value in line.points if value is not None]
        if values:
            parts.append(f"{line.name} from {figure(_rounded(min(values)))} to {figure(_rounded(max(values)))}")
    unit = f" ({chart.unit})" if chart.unit else ""
    return f"{chart.title}{unit}: {'; '.join(parts)}."


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _percent(place: float) -> str:
    return f"{number(place * 100)}%"


def _bands(chart: Chart) -> list[Markup]:
    """The shades, and above the plot, where no line runs through them, the words that fit over their shades."""
    boxes, words = [], []
    for band in chart.bands:
        start, end = max(0.0, band.start), min(1.0, band.end)
        box = {"x": _percent(start), "width": _percent(end - start)}
        hint = element("title", band.label)
        boxes.append(element("rect", hint, y=0, height=chart.height, class_=f"band {band.kind}", **box))
        if band.label_inside and end - start > _ROOM_OF_A_LETTER * len(band.label) and chart.height >= _ROOMY:
            words.append(element("text", band.label, x=_percent(start), dx=1, y=-_ABOVE, class_="phase"))
    return boxes + words


def _across(chart: Chart) -> list[Markup]:
    """The lines across and the values beside them."""
    found = []
    for tick in chart.y.ticks:
        y = chart.height * (1 - tick.at)
        found.append(element("line", x1=0, x2="100%", y1=y, y2=y, class_="rule"))
        found.append(element("text", tick.label, x=-6, y=y + 4, text_anchor="end"))
    return found


def _along(chart: Chart) -> list[Markup]:
    """The places along the axis below."""
    found = []
    for tick in chart.x.ticks:
        x = _percent(tick.at)
        anchor = "end" if tick.at > 1 - _ROOM_OF_A_NUMBER else "middle"
        kind = "minor" if tick.minor else None
        y = chart.height
        found.append(element("line", x1=x, x2=x, y1=y, y2=y + 4, class_="tick"))
        found.append(element("text", tick.label, x=x, y=y + _BELOW_AXIS, text_anchor=anchor, class_=kind))
    return found


def _line(chart: Chart, style: str, line: Line) -> Markup:
    pieces = _pieces(chart, line.points)
    lines = element("path", d="".join(_path(piece) for piece in pieces if len(piece) > 1), class_=f"line {style}")
    dots = "".join(_path(piece) for piece in pieces if len(piece) == 1)
    path = together([lines, element("path", d=dots, class_=f"line dot {style}") if dots else None])
    if not line.area:
        return path
    filled = "".join(_filled(piece, chart.height) for piece in pieces)
    return together([element("path", d=filled, class_=f"area {style}"), path])


def _pieces(chart: Chart, points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """The line's unbroken pieces, in units of the picture."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((chart.x.place(at) * _WIDTH, chart.height * (1 - chart.y.place(value))))
    return [piece for piece in pieces if piece]


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


def _limit(chart: Chart) -> list[Markup]:
    if chart.limit is None:
        return []
    y = chart.height * (1 - chart.y.place(chart.limit[0]))
    return [element("line", x1=0, x2="100%", y1=y, y2=y, class_="line limit")]


def _marks(chart: Chart) -> list[Markup]:
    found: list[Markup] = []
    for group in _grouped(chart.marks):
        for mark in group:
            x = _percent(mark.at)
            hint = element("title", mark.told)
            found.append(element("g", hint, element("line", x1=x, x2=x, y1=0, y2=chart.height), class_="mark"))
        first, last = group[0], group[-1]
        said = str(first.number) if first is last else f"{first.number}–{last.number}"
        y = -_ABOVE - (_ROW if _is_headed(chart) else 0)
        found.append(element("text", said, x=_percent(first.at), y=y, text_anchor="middle", class_="mark"))
    return found


def _is_headed(chart: Chart) -> bool:
    """Whether there are two rows of words above the plot: the numbers of marks, and below them the phases."""
    return bool(chart.marks) and chart.height >= _ROOMY


def _grouped(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Marks so close to each other that their numbers would overlap share one text."""
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and mark.at - groups[-1][0].at < _ROOM_OF_A_NUMBER:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _over_time(chart: Chart) -> Markup:
    """Each line's value at about a dozen places; of a stretch, the mean."""
    places = sorted({at for line in chart.lines for at, value in line.points if value is not None})
    width = -(-len(places) // _TABLE_ROWS)
    stretches = [places[start : start + width] for start in range(0, len(places), width)]
    values = [dict(line.points) for line in chart.lines]
    rows = [
        [moment(stretch[0]), *(_mean([points.get(at) for at in stretch]) for points in values)] for stretch in stretches
    ]
    return table(["time", *(line.name for line in chart.lines)], rows, f"{chart.title}, as figures")


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return figure(_rounded(sum(known) / len(known))) if known else "-"


def small_histogram(bars: Sequence[int], said: str) -> Markup:
    """A row of bars for a cell of a table; `said` tells what they show."""
    highest = max(bars, default=0) or 1
    boxes = "".join(
        f"M{index} 20v-{number(max(1.0, 20 * height / highest))}h.9v20z" for index, height in enumerate(bars) if height
    )
    return element(
        "svg",
        element("path", d=boxes),
        viewBox=f"0 0 {len(bars)} 20",
        preserveAspectRatio="none",
        class_="small",
        role="img",
        aria_label=said,
    )
