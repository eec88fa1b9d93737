"""A comparison of runs as one HTML file that fetches nothing: its tables, and each figure's band drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from mmload.report.comparison import FOOTNOTE, HEADINGS, Compared, band, cells, facts, headline
from mmload.report.html import Markup, element, listed, section, table, together
from mmload.results.comparison import Difference, Judgement, Scale

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_CLASSES = {
    Judgement.SAME: "passed",
    Judgement.BETTER: "passed",
    Judgement.WORSE: "failed",
    Judgement.UNKNOWN: "inconclusive",
}
_SIGNS = {Judgement.SAME: "✓", Judgement.BETTER: "✓", Judgement.WORSE: "✗", Judgement.UNKNOWN: "?"}
_STYLE = """
svg.band { width: 11rem; height: 1.2rem; display: block; }
svg.band line { stroke: var(--rule); } svg.band line.zero { stroke: var(--quiet); }
svg.band .reach { fill: var(--s1); opacity: .45; } svg.band .middle { fill: var(--s1); }
"""
_WIDTH, _HEIGHT = 180.0, 18.0
# The axis of the bands: wider ones are cut off, so that one wide band doesn't make all others invisible.
_LONGEST_AXIS = 0.3
_SHORTEST_AXIS = 0.05


def html_comparison(all_compared: Sequence[Compared]) -> str:
    """The page."""
    name = "; ".join(headline(each) for each in all_compared)
    style = (files("mmload.report") / "page.css").read_text(encoding="utf-8") + _STYLE
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"Comparison: {name}"),
        element("style", Markup(style)),
    )
    main = element(
        "main", element("h1", "Comparison of load tests"), *map(_one, all_compared, range(len(all_compared)))
    )
    return f"<!doctype html>\n{element('html', head, element('body', main), lang='en')}\n"


def _one(compared: Compared, number: int) -> Markup:
    outcome = compared.comparison.outcome
    verdict = element(
        "div",
        element("p", element("strong", f"{_SIGNS[outcome]} "), headline(compared)),
        listed(facts(compared)),
        listed(compared.all_notes),
        class_=f"verdict {_CLASSES[outcome]}",
    )
    axis = axis_of(compared.comparison.differences)
    return together(
        [
            verdict,
            section(f"primary{number}", "What the outcome follows from", _table(compared.part(primary=True), axis)),
            section(f"more{number}", "More figures", _table(compared.part(primary=False), axis)),
            element("p", FOOTNOTE, class_="quiet") if compared.comparison.differences else None,
        ]
    )


def axis_of(differences: Sequence[Difference]) -> float:
    """How far the axis of relative differences reaches on either side of 0."""
    edges = [abs(edge) for each in differences if each.unit is not Scale.SHARE for edge in (each.low, each.high)]
    return min(_LONGEST_AXIS, max([_SHORTEST_AXIS, *edges]))


def _table(part: Sequence[Difference], axis: float) -> Markup:
    headings = [*HEADINGS[:5], f"−{axis:.0%} to +{axis:.0%}", HEADINGS[5]]
    rows = [[*cells(each)[:5], _drawn(each, axis), cells(each)[5]] for each in part]
    return table(headings, rows, "Differences with their bands", words=(6,))


def _drawn(each: Difference, axis: float) -> str:
    """The band as a bar around its middle; a share has no place on a relative axis."""
    if each.unit is Scale.SHARE:
        return ""
    low, middle, high = (_place(edge, axis) for edge in (each.low, each.change, each.high))
    return element(
        "svg",
        element("line", x1=0, x2=_WIDTH, y1=_HEIGHT / 2, y2=_HEIGHT / 2),
        element("line", x1=_WIDTH / 2, x2=_WIDTH / 2, y1=0, y2=_HEIGHT, class_="zero"),
        element("rect", x=low, width=max(1.0, high - low), y=5, height=8, class_="reach"),
        element("rect", x=middle - 1.5, width=3, y=2, height=14, class_="middle"),
        class_="band",
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label=f"{each.subject}, {each.measure}: {band(each)}",
    )


def _place(edge: float, axis: float) -> float:
    return _WIDTH / 2 * (1 + min(1.0, max(-1.0, edge / axis)))
