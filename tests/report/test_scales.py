"""Axes: where values stand, and what is written there."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmload.report.svg import (
    Axis,
    figure,
    linear_axis,
    logarithmic_axis,
    moment,
    percentile_axis,
    time_axis,
)

VALUES = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=50)


def labels(axis: Axis) -> list[str]:
    return [tick.label for tick in axis.ticks]


@example([0.0010000000000000002])
@given(VALUES)
def test_all_values_are_on_a_linear_axis_that_begins_at_zero(values: list[float]) -> None:
    """With two to six round numbers beside it."""
    axis = linear_axis(values)

    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert (axis.ticks[0].label, axis.ticks[0].at, axis.place(0)) == ("0", 0.0, 0.0)
    assert axis.ticks[-1].at == 1.0
    assert 2 <= len(axis.ticks) <= 6


@given(VALUES)
def test_all_values_are_on_a_logarithmic_axis(values: list[float]) -> None:
    """And its ticks rise, with room between them."""
    axis = logarithmic_axis(values)

    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    places = [tick.at for tick in axis.ticks]
    assert places == sorted(set(places))
    assert 1 <= len(places) <= 13


@given(st.floats(0, 1e6))
def test_the_ticks_of_time_are_few_and_on_the_axis(seconds: float) -> None:
    axis = time_axis(seconds)

    assert 2 <= len(axis.ticks) <= 13
    assert all(0 <= tick.at <= 1 for tick in axis.ticks)
    assert len(set(labels(axis))) == len(axis.ticks)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([60.0], ["0", "20", "40", "60"]),
        ([1.0], ["0", "0.5", "1"]),
        ([], ["0", "0.5", "1"]),
        ([7.3], ["0", "2", "4", "6", "8"]),
        ([123_456.0], ["0", "50k", "100k", "150k"]),
    ],
)
def test_values_are_marked_at_round_numbers(values: list[float], shown: list[str]) -> None:
    assert labels(linear_axis(values)) == shown


def test_milliseconds_over_powers_are_marked_at_one_two_five() -> None:
    assert labels(logarithmic_axis([3.0, 40.0])) == ["2", "5", "10", "20", "50"]
    assert labels(logarithmic_axis([0.4, 4000.0])) == ["1", "10", "100", "1,000"]


def test_zero_stands_at_the_bottom_of_a_logarithmic_axis() -> None:
    assert logarithmic_axis([0.0, 5.0]).place(0.0) == 0.0
    assert labels(logarithmic_axis([]))


def test_each_further_nine_takes_the_same_room() -> None:
    axis = percentile_axis(3.0)

    assert labels(axis) == ["0 %", "50 %", "90 %", "99 %", "99.9 %"]
    assert [axis.place(value) for value in (0, 1, 2, 3)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5, "0:05"), (750, "12:30"), (3720, "1:02:00"), (86_400, "24:00:00")]
)
def test_moments_are_written_as_a_clock_shows_them(seconds: float, text: str) -> None:
    assert moment(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.05"), (2.0, "2"), (2000.0, "2,000"), (15_000.0, "15k"), (3e6, "3M"), (0.0, "0")]
)
def test_figures_are_short(value: float, text: str) -> None:
    assert figure(value) == text
