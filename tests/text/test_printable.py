"""Figures in sentences are written in full."""

from __future__ import annotations

import math

import pytest

from mmload.printable import significant


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
