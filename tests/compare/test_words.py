"""The sentences of a comparison."""

from __future__ import annotations

from typing import Any

import pytest

from mmload.report.comparison import Compared, advice, headline, said, signed, terminal_comparison
from mmload.results.comparison import Comparison, FigureDifference, Judgement, Scale


def difference(low: float, high: float, judgement: Judgement, **changes: Any) -> FigureDifference:
    """Of the typical time."""
    values: dict[str, Any] = {
        "subject": "all requests",
        "measure": "typical",
        "unit": Scale.TIME,
        "base": 20.0,
        "new": 20.0 * (1 + (low + high) / 2),
        "change": (low + high) / 2,
        "low": low,
        "high": high,
        "probability": 0.01,
        "judgement": judgement,
        "primary": True,
        "leading": True,
    }
    return FigureDifference(**(values | changes))


def compared(*differences: FigureDifference, outcome: Judgement, notes: tuple[str, ...] = ()) -> Compared:
    return Compared(Comparison(outcome, differences, 0.97, 0.05, ((60,), (60,)), notes), ("a",), ("b",))


@pytest.mark.parametrize(
    ("low", "high", "judgement", "unit", "words"),
    [
        (-0.02, 0.03, Judgement.SAME, Scale.TIME, "no difference seen"),
        (0.01, 0.03, Judgement.SAME, Scale.TIME, "tolerated: slower by 1–3 %"),
        (0.06, 0.11, Judgement.WORSE, Scale.TIME, "slower by 6–11 %"),
        (-0.11, -0.06, Judgement.BETTER, Scale.TIME, "faster by 6–11 %"),
        (-0.05, 0.13, Judgement.UNKNOWN, Scale.TIME, "can't tell: spread 18 %"),
        (0.002, 0.006, Judgement.WORSE, Scale.SHARE, "more by 0.2–0.6 points"),
        (-0.11, -0.06, Judgement.WORSE, Scale.RATE, "fewer by 6–11 %"),
        (
            0.01,
            0.15,
            Judgement.UNKNOWN,
            Scale.TIME,
            "can't tell: slower by 1–15 %, unless it is chance among so many figures",
        ),
    ],
)
def test_what_a_figure_says(low: float, high: float, judgement: Judgement, unit: Scale, words: str) -> None:
    assert said(difference(low, high, judgement, unit=unit)) == words


def test_the_headline_asks_for_longer_runs_where_they_would_do() -> None:
    wide = difference(-0.05, 0.13, Judgement.UNKNOWN, longer=3.0)

    assert headline(compared(wide, outcome=Judgement.UNKNOWN)) == "Can't tell: spread 18 %, run longer (about 4 min)"


def test_the_headline_asks_for_more_runs_where_no_length_would_do() -> None:
    wide = difference(-0.05, 0.13, Judgement.UNKNOWN, longer=None, repeats=4)

    assert headline(compared(wide, outcome=Judgement.UNKNOWN)).endswith("repeat the runs (about 4 of each)")
    assert "repeat" in advice(wide, compared(wide, outcome=Judgement.UNKNOWN).comparison)


def test_the_headline_names_the_figure_that_is_worse_if_it_is_not_the_leading_one() -> None:
    typical = difference(-0.02, 0.03, Judgement.SAME)
    failed = difference(
        0.002, 0.006, Judgement.WORSE, subject="all requests", measure="failed", unit=Scale.SHARE, leading=False
    )

    assert headline(compared(typical, failed, outcome=Judgement.WORSE)) == (
        "all requests, failed: more by 0.2–0.6 points"
    )


def test_without_a_leading_figure_the_reason_is_the_headline() -> None:
    nothing = compared(outcome=Judgement.UNKNOWN, notes=("a steady window of 5 s is too short",))

    assert headline(nothing) == "Can't tell: a steady window of 5 s is too short"


def test_the_terminal_form_has_at_most_a_hundred_columns() -> None:
    text = terminal_comparison([compared(difference(0.06, 0.11, Judgement.WORSE), outcome=Judgement.WORSE)])

    assert text.startswith("Slower by 6–11 %\n")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("change", "unit", "text"),
    [
        (0.043, Scale.TIME, "+4.3 %"),
        (-0.0281, Scale.TIME, "−2.8 %"),
        (0.00001, Scale.TIME, "0.0 %"),
        (-0.0012, Scale.SHARE, "−0.12 points"),
    ],
)
def test_a_change_has_its_sign_and_nothing_has_none(change: float, unit: Scale, text: str) -> None:
    assert signed(change, unit) == text
