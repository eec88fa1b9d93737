"""Figures over time: thinned for drawing, and nothing of their extremes lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.metrics.delta import Delta
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY, Recorder
from mmload.results.model import Figures, RunPhase
from mmload.results.series import (
    MOST_POINTS,
    Point,
    averaged,
    curve,
    nines,
    percentile_points,
    phase_spans,
    runs_of,
    sampled_width,
    shape,
    thinned,
    window_seconds,
    windows,
)
from tests.results.records import START, second

VALUES = st.one_of(st.none(), st.floats(0, 1e6))
LINES = st.lists(VALUES, max_size=3000).map(lambda values: [(float(at), value) for at, value in enumerate(values)])


@given(LINES, st.sampled_from([10, 100, MOST_POINTS]))
def test_a_thinned_line_keeps_its_extremes_and_its_order(line: list[Point], most: int) -> None:
    """A single bad second in a day is what somebody looks for."""
    thin = thinned(line, most)

    assert len(thin) <= max(most, 2)
    assert set(thin) <= set(line)
    assert [at for at, _ in thin] == sorted(at for at, _ in thin)
    known = [value for _, value in line if value is not None]
    if known:
        kept = [value for _, value in thin if value is not None]
        assert (min(kept), max(kept)) == (min(known), max(known))


def test_a_gap_stays_a_gap_when_a_line_is_thinned() -> None:
    """No line is drawn over a time without answers."""
    line: list[Point] = [(float(at), None if 400 <= at < 600 else 1.0) for at in range(1000)]

    assert any(value is None for _, value in thinned(line, 100))


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200), st.integers(1, 9))
def test_means_keep_the_sum_of_whole_stretches(values: list[float], width: int) -> None:
    """A rate per second, of which none is lost."""
    whole = values[: len(values) // width * width]
    means = averaged([(float(at), value) for at, value in enumerate(whole)], width)

    assert math.isclose(sum(value or 0.0 for _, value in means) * width, sum(whole), rel_tol=1e-9, abs_tol=1e-6)


def test_phases_follow_each_other_and_may_come_again() -> None:
    """Users were added in the middle."""
    phases = [RunPhase.RAMP] * 3 + [RunPhase.STEADY] * 4 + [RunPhase.RAMP] * 2 + [RunPhase.STOPPING]
    spans = phase_spans([second(at, phase=phase) for at, phase in enumerate(phases)])

    assert [(span.phase, span.start, span.end) for span in spans] == [
        (RunPhase.RAMP, 0, 3),
        (RunPhase.STEADY, 3, 7),
        (RunPhase.RAMP, 7, 9),
        (RunPhase.STOPPING, 9, 10),
    ]


def test_neighbouring_seconds_are_one_span() -> None:
    assert runs_of([5, 3, 4, 9, 3]) == [(3, 6), (9, 10)]
    assert runs_of([]) == []


@pytest.mark.parametrize(("seconds", "width"), [(0, 1), (300, 1), (301, 2), (3600, 15), (86400, 300)])
def test_a_window_is_a_round_number_of_seconds(seconds: int, width: int) -> None:
    """And never are there more than 300 of them."""
    assert window_seconds(seconds) == width


def test_windows_are_wider_where_there_are_few_requests() -> None:
    """A 99th percentile of five answers is the longest of them; but twenty windows are wanted to see a change."""
    assert sampled_width([second(at, requests=500) for at in range(120)]) == 1
    assert sampled_width([second(at, requests=20) for at in range(120)]) == 5
    assert sampled_width([second(at, requests=1) for at in range(120)]) == 5
    assert sampled_width([second(at, requests=0) for at in range(10)]) == 1


def recorded(at: int, *answers: float) -> Figures:
    recorder = Recorder()
    for seconds in answers:
        recorder.request("GET /users/me", seconds)
        recorder.span(DELIVERY, seconds * 2)
    return Figures((START + at) * 1000, RunPhase.STEADY, recorder.take())


def test_windows_merge_the_histograms_of_their_seconds() -> None:
    """Percentiles of a window are of all its answers, not means of the seconds' percentiles."""
    parts = list(windows([recorded(0, 0.001), recorded(1, 0.002, 0.003), recorded(2, 0.004)], 2))

    assert [(part.start, part.answers.count, part.deliveries.count) for part in parts] == [(0.0, 3, 3), (2.0, 1, 1)]
    assert percentile_points(parts, lambda part: part.answers, 50) == [(1.0, 2.0), (3.0, 4.0)]


def test_a_window_without_answers_has_no_percentile() -> None:
    parts = list(windows([recorded(0, 0.001), Figures((START + 1) * 1000, RunPhase.STEADY, Delta())], 1))

    assert percentile_points(parts, lambda part: part.answers, 99)[1] == (1.5, None)


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=400))
def test_the_curve_rises_from_the_shortest_to_the_longest(samples: list[int]) -> None:
    """Over -log10(1 - p), as far as there are durations beyond p."""
    times = Histogram()
    for us in samples:
        times.record(us / 1e6)
    points = curve(times)
    values = [value for _, value in points if value is not None]

    assert values == sorted(values)
    assert values[0] == pytest.approx(min(samples) / 1000, rel=1e-3)
    assert values[-1] == pytest.approx(max(samples) / 1000, rel=1e-3)
    assert points[0][0] == 0.0
    assert points[-1][0] == pytest.approx(math.log10(len(samples)))


def test_a_damaged_histogram_has_a_curve_as_far_as_it_goes() -> None:
    """One digit of its count is another one."""
    assert curve(Histogram(count=900, minimum_us=1, maximum_us=5, buckets={1: 1, 5: 1}))


def test_percentiles_are_told_apart_by_their_nines() -> None:
    assert [round(nines(percent), 9) for percent in (0, 90, 99, 99.9)] == [0, 1, 2, 3]


@given(st.lists(st.integers(1, 10**7), max_size=100))
def test_a_small_histogram_leaves_nobody_out(samples: list[int]) -> None:
    """Also those at the ends of its axis, or beyond."""
    times = Histogram()
    for us in samples:
        times.record(us / 1e6)

    assert sum(shape(times, 100, 10_000, 24)) == len(samples)
