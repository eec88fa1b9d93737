"""A comparison of runs as one HTML file that fetches nothing: its tables, and each figure's interval drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mmload.report.comparison import FOOTNOTE, HEADINGS, Compared, band, cells, facts, headline
from mmload.report.html import PageTable, number, rendered
from mmload.results.comparison import FigureDifference, Judgement, Scale

_KINDS = {
    Judgement.SAME: ("passed", "✓"),
    Judgement.BETTER: ("passed", "✓"),
    Judgement.WORSE: ("failed", "✗"),
    Judgement.UNKNOWN: ("inconclusive", "?"),
}
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
    """The page."""
    return rendered("comparison.html", comparisons=[_one(each) for each in all_compared], footnote=FOOTNOTE)


def _one(compared: Compared) -> dict[str, object]:
    kind, sign = _KINDS[compared.comparison.outcome]
    axis = axis_of(compared.comparison.differences)
    return {
        "kind": kind,
        "sign": sign,
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
    name = f"{each.subject}, {each.measure}: {band(each)}"
    return _INTERVAL.format(name, number(low), number(max(1.0, high - low)), number(middle - 1.5))
