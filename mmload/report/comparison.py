"""A comparison of runs: in words, as a document, on the terminal, as Markdown, and as one HTML file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from markupsafe import Markup

from mmload.printable import significant
from mmload.report.html import PageTable, number, rendered
from mmload.report.markdown import code, plain, rows
from mmload.report.wording import SIGNS, plural, rate, span, table, wrapped
from mmload.results.comparison import Comparison, FigureDifference, Judgement, Scale

SCHEMA = 1
HEADINGS = ("figure", "base", "new", "difference", "95 % interval", "outcome")
FOOTNOTE = (
    "Only the figures in the first table decide the outcome. The times of an action also depend on how many requests "
    "it made, and throughput depends on what the users happened to do."
)
# Further runs than this to ask for would be no advice.
_MOST_LONGER = 20.0
_MINUS = "−"
KINDS = {
    Judgement.SAME: "passed",
    Judgement.BETTER: "passed",
    Judgement.WORSE: "failed",
    Judgement.UNKNOWN: "inconclusive",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with the folders it was made from, and what has to be known about them."""

    comparison: Comparison
    base: tuple[str, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Of the runs and of the comparison."""
        return (*self.comparison.notes, *self.notes)

    def part(self, *, primary: bool) -> list[FigureDifference]:
        """The figures that the outcome follows from, or the others."""
        return [each for each in self.comparison.differences if each.primary is primary]


# -- words -----------------------------------------------------------------------------------------------------


def headline(compared: Compared) -> str:
    """The outcome in a sentence."""
    differences = compared.comparison.differences
    leading = next((each for each in differences if each.leading), None)
    if leading is None:
        return "Can't tell" + "".join(f": {note}" for note in compared.comparison.notes[:1])
    if compared.comparison.outcome is Judgement.WORSE:
        worse = [each for each in differences if each.primary and each.judgement is Judgement.WORSE]
        return "; ".join(_headed(each) for each in worse)
    if compared.comparison.outcome is Judgement.UNKNOWN:
        return f"Can't tell: spread {_percent(leading.spread)}, {advice(leading, compared.comparison)}"
    return _headed(leading)


def _headed(each: FigureDifference) -> str:
    words = said(each)
    return f"{words[0].upper()}{words[1:]}" if each.leading else f"{each.subject}, {each.measure}: {words}"


def advice(each: FigureDifference, comparison: Comparison) -> str:
    """What would help where the interval is too wide."""
    if each.longer is not None and each.longer <= _MOST_LONGER:
        seconds = sum(map(sum, comparison.seconds)) / sum(map(len, comparison.seconds))
        # A tenth more, so that the advice is not at the very edge.
        minutes = max(1, round(seconds * max(1.0, each.longer) * 1.1 / 60 + 0.5))
        return f"run longer (about {span(minutes * 60)})"
    return f"repeat the runs (about {each.repeats} of each)"


def said(each: FigureDifference) -> str:
    if each.judgement is Judgement.SAME:
        return f"tolerated: {direction(each)} by {amount(each)}" if each.leaves_out_zero else "no difference seen"
    if each.judgement is not Judgement.UNKNOWN:
        return f"{direction(each)} by {amount(each)}"
    if each.leaves_out_zero:
        return f"can't tell: {direction(each)} by {amount(each)}, unless it is chance among so many figures"
    return f"can't tell: spread {_width(each)}"


def direction(each: FigureDifference) -> str:
    """`slower`, `faster`, `more` or `fewer`."""
    if each.unit is Scale.TIME:
        return "slower" if each.change > 0 else "faster"
    return "more" if each.change > 0 else "fewer"


def amount(each: FigureDifference) -> str:
    """The interval without its sign: `6–11 %`."""
    low, high = sorted((abs(each.low), abs(each.high)))
    unit = " points" if each.unit is Scale.SHARE else " %"
    digits = _digits(low, high)
    first, last = f"{low * 100:.{digits}f}", f"{high * 100:.{digits}f}"
    return (first if first == last else f"{first}–{last}") + unit


def _digits(low: float, high: float) -> int:
    """As many as it takes to tell the edges apart and from nothing."""
    if low >= 0.01 and high - low >= 0.01:
        return 0
    return 1 if low >= 0.001 and high - low >= 0.001 else 2


def _width(each: FigureDifference) -> str:
    return f"{each.spread * 100:.2f} points" if each.unit is Scale.SHARE else _percent(each.spread)


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= 0.02 else f"{share * 100:.1f} %"


def signed(change: float, unit: Scale) -> str:
    """`+4.3 %`, `−0.12 points`."""
    digits, name = (2, "points") if unit is Scale.SHARE else (1, "%")
    number = f"{abs(change) * 100:,.{digits}f}"
    sign = "" if float(number.replace(",", "")) == 0 else "+" if change > 0 else _MINUS
    return f"{sign}{number} {name}"


def value(number: float, unit: Scale) -> str:
    if unit is Scale.SHARE:
        return f"{significant(number * 100, 2)} %"
    if unit is Scale.TIME:
        return f"{number:,.1f} ms" if number < 100 else f"{number:,.0f} ms"
    return f"{rate(number)} {'/s' if unit is Scale.RATE else '/min'}"


def interval_text(each: FigureDifference) -> str:
    """`−2.8 to +4.3 %`."""
    low, high = signed(each.low, each.unit), signed(each.high, each.unit)
    return f"{low.split()[0]} to {high}"


def cells(each: FigureDifference) -> list[str]:
    """One row, as `HEADINGS` names them."""
    return [
        f"{each.subject}, {each.measure}",
        value(each.base, each.unit),
        value(each.new, each.unit),
        signed(each.change, each.unit),
        interval_text(each),
        said(each),
    ]


def facts(compared: Compared) -> list[str]:
    comparison = compared.comparison
    sentences = [
        f"{name}: {', '.join(folders)} ({plural(len(folders), 'run')}, {span(sum(seconds))} steady)"
        for name, folders, seconds in zip(
            ("base", "new"), (compared.base, compared.new), comparison.seconds, strict=True
        )
    ]
    if comparison.differences:
        sentences.append(
            f"differences up to {_percent(comparison.tolerance)} are tolerated; the common mix of routes covers "
            f"{comparison.covered * 100:.0f} % of the requests"
        )
    return sentences


# -- forms -----------------------------------------------------------------------------------------------------


def document(all_compared: Sequence[Compared], outcome: Judgement) -> dict[str, Any]:
    """For scripts; docs/compare.md tells the fields."""
    return {
        "schema": SCHEMA,
        "outcome": str(outcome),
        "comparisons": [
            {
                "outcome": str(each.comparison.outcome),
                "said": headline(each),
                "base": list(each.base),
                "new": list(each.new),
                "tolerance": each.comparison.tolerance,
                "covered": each.comparison.covered,
                "steady_seconds": {"base": each.comparison.seconds[0], "new": each.comparison.seconds[1]},
                "notes": list(each.all_notes),
                "figures": [
                    {**msgspec.to_builtins(difference), "said": said(difference)}
                    for difference in each.comparison.differences
                ],
            }
            for each in all_compared
        ],
    }


def terminal_comparison(all_compared: Sequence[Compared]) -> str:
    """On at most 100 columns, with a line break at the end."""
    return "\n".join(line for each in all_compared for line in [*_terminal(each), ""])


def _terminal(compared: Compared) -> list[str]:
    lines = [*wrapped([headline(compared)], indent=""), ""]
    lines += [f"  {sentence}" for sentence in facts(compared)]
    lines += [f"  note: {note}" for note in compared.all_notes]
    for heading, primary in (("Figures that decide the outcome", True), ("Other figures", False)):
        if part := compared.part(primary=primary):
            lines += ["", heading, *table(HEADINGS[:5], [cells(each)[:5] for each in part])]
            # What stands in no column for want of room.
            remarks = ((f"{each.subject}, {each.measure}", said(each)) for each in part)
            lines += [f"  {name}: {words}" for name, words in remarks if words != str(Judgement.SAME)]
    return lines


def markdown_comparison(all_compared: Sequence[Compared]) -> str:
    """For a CI comment."""
    return "\n".join(_markdown(each) for each in all_compared)


def _markdown(compared: Compared) -> str:
    parts = [
        f"## {SIGNS[KINDS[compared.comparison.outcome]][1]} {plain(headline(compared))}",
        "\n".join(f"- {plain(sentence)}" for sentence in (*facts(compared), *compared.all_notes)),
        _markdown_table(compared.part(primary=True)),
    ]
    if others := _markdown_table(compared.part(primary=False)):
        parts.append(f"<details><summary>Other figures</summary>\n\n{others}\n\n{FOOTNOTE}\n\n</details>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(part: Sequence[FigureDifference]) -> str:
    return rows(HEADINGS, [[code(cells(each)[0]), *map(plain, cells(each)[1:])] for each in part])


_WIDTH = 180.0
# The axis of the intervals: wider ones are cut off, so that one wide interval does not make all others invisible.
_LONGEST_AXIS = 0.3
_SHORTEST_AXIS = 0.05
_INTERVAL = Markup(
    '<svg class="interval" viewBox="0 0 180 18" role="img" aria-label="{}"><line x1="0" x2="180" y1="9" y2="9"/>'
    '<line x1="90" x2="90" y1="0" y2="18" class="zero"/><rect x="{}" width="{}" y="5" height="8" class="reach"/>'
    '<rect x="{}" width="3" y="2" height="14" class="middle"/></svg>'
)


def html_comparison(all_compared: Sequence[Compared]) -> str:
    return rendered("comparison.html", comparisons=[_one(each) for each in all_compared], footnote=FOOTNOTE)


def _one(compared: Compared) -> dict[str, object]:
    kind = KINDS[compared.comparison.outcome]
    axis = axis_of(compared.comparison.differences)
    return {
        "kind": kind,
        "sign": SIGNS[kind][0],
        "headline": headline(compared),
        "facts": facts(compared),
        "notes": compared.all_notes,
        "primary": _table(compared.part(primary=True), axis),
        "others": _table(compared.part(primary=False), axis),
    }


def axis_of(differences: Sequence[FigureDifference]) -> float:
    """How far the axis of relative differences reaches on either side of 0."""
    edges = [abs(edge) for each in differences if each.unit is not Scale.SHARE for edge in (each.low, each.high)]
    return min(_LONGEST_AXIS, max([_SHORTEST_AXIS, *edges]))


def _table(part: Sequence[FigureDifference], axis: float) -> PageTable:
    headings = [*HEADINGS[:5], f"−{axis:.0%} to +{axis:.0%}", HEADINGS[5]]
    rows = [[*cells(each)[:5], _drawn(each, axis), cells(each)[5]] for each in part]
    return PageTable(headings, rows, "Differences with their confidence intervals", words=(6,))


def _drawn(each: FigureDifference, axis: float) -> str:
    """The interval as a bar around its middle; a share has no place on a relative axis."""
    if each.unit is Scale.SHARE:
        return ""
    low, middle, high = (_WIDTH / 2 * (1 + min(1.0, max(-1.0, at / axis))) for at in (each.low, each.change, each.high))
    name = f"{each.subject}, {each.measure}: {interval_text(each)}"
    return _INTERVAL.format(name, number(low), number(max(1.0, high - low)), number(middle - 1.5))
