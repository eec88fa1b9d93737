"""Figures in sentences are written in full."""

from __future__ import annotations

import math

import pytest

from mmload.config.threshold_syntax import Unit
from mmload.printable import significant
from mmload.results.thresholds import written


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 2, "0"),
        (100.0, 2, "100"),
        (99.6, 2, "100"),
        (0.999, 2, "1"),
        (0.1234, 3, "0.123"),
        (0.00001234, 2, "0.000012"),
        (12.0, 3, "12"),
        (1230.4, 3, "1,230"),
        (6_442_450_944.0, 4, "6,442,000,000"),
        (-1234.5, 2, "-1,200"),
        (math.inf, 3, "inf"),
    ],
)
def test_a_figure_has_so_many_digits_and_no_exponent(value: float, digits: int, text: str) -> None:
    assert significant(value, digits) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.34, Unit.SECONDS, "340 ms"),
        (0.9996, Unit.SECONDS, "1,000 ms"),
        (1.0, Unit.SECONDS, "1.00 s"),
        (0.0012, Unit.SHARE, "0.12 %"),
        (0.9999, Unit.SHARE, "100 %"),
    ],
)
def test_a_threshold_is_told_with_a_figure_that_people_read(value: float, unit: Unit, text: str) -> None:
    assert written(value, unit) == text
