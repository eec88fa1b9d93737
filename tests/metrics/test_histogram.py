"""The histogram against the truth: the sorted samples themselves."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.metrics.delta import Delta
from mmload.metrics.histogram import LONGEST_US, Histogram, bucket_of, edges_us

MICROSECONDS = st.integers(0, 2**36 - 1)
SAMPLES = st.lists(MICROSECONDS, min_size=1, max_size=300)
PERCENTS = st.one_of(st.integers(0, 100), st.sampled_from([99.9, 99.99, 0.1]))
# Three significant digits: half the width of the widest bucket.
PRECISION = 1 / 2048


def filled(samples: list[int]) -> Histogram:
    """A histogram of durations in microseconds."""
    histogram = Histogram()
    for us in samples:
        histogram.record(us / 1e6)
    return histogram


@given(SAMPLES, PERCENTS)
def test_a_percentile_is_the_sample_of_that_rank_to_three_digits(samples: list[int], percent: float) -> None:
    """Nearest rank: what the sorted list says, within 0.1 %."""
    rank = max(1, math.ceil(len(samples) * percent / 100))
    true = sorted(samples)[rank - 1]

    found = filled(samples).percentile(percent)

    assert found is not None
    assert abs(found * 1e6 - true) <= true * PRECISION + 0.5


@given(st.lists(st.integers(0, 2047), min_size=1, max_size=200), PERCENTS)
def test_below_two_milliseconds_a_percentile_is_exact(samples: list[int], percent: float) -> None:
    """Each microsecond has its own bucket there."""
    rank = max(1, math.ceil(len(samples) * percent / 100))

    found = filled(samples).percentile(percent)

    assert found is not None
    assert round(found * 1e6) == sorted(samples)[rank - 1]


@given(SAMPLES)
def test_count_extremes_and_total_are_exact(samples: list[int]) -> None:
    """Only percentiles are rounded."""
    histogram = filled(samples)

    assert histogram.count == len(samples)
    assert (histogram.minimum_us, histogram.maximum_us) == (min(samples), max(samples))
    assert histogram.total_us == sum(samples)


@given(MICROSECONDS)
def test_a_duration_lies_between_the_edges_of_its_bucket(us: int) -> None:
    """And both edges belong to it."""
    low, high = edges_us(bucket_of(us))

    assert low <= us <= high
    assert bucket_of(low) == bucket_of(high) == bucket_of(us)
    assert high - low <= low / 1024


@given(st.integers(0, 2**36 - 2))
def test_buckets_are_in_order_and_leave_no_gap(us: int) -> None:
    """The next microsecond is in the same bucket or the next one."""
    assert bucket_of(us + 1) - bucket_of(us) in (0, 1)


@given(SAMPLES, SAMPLES)
def test_merging_is_the_same_as_recording_all_in_one(first: list[int], second: list[int]) -> None:
    """Workers' histograms merge without loss, in any order."""
    one, other = filled(first), filled(second)
    reverse = filled(second)
    one.merge(other)
    reverse.merge(filled(first))

    assert one == reverse == filled(first + second)
    assert other == filled(second)


@given(st.lists(MICROSECONDS, max_size=100))
def test_the_wire_keeps_everything(samples: list[int]) -> None:
    """Through msgpack as Locust sends it, and through JSON as the run's folder keeps it."""
    delta = Delta(spans={"delivery": filled(samples)})

    assert Delta.from_wire(msgspec.msgpack.decode(msgspec.msgpack.encode(delta.to_wire()))) == delta
    assert Delta.from_wire(msgspec.json.decode(msgspec.json.encode(delta.to_wire()))) == delta


def test_an_empty_histogram_has_no_percentile() -> None:
    """No data is not zero."""
    empty = Histogram()

    assert (empty.percentile(95), empty.minimum, empty.maximum) == (None, None, None)
    assert empty.total == 0.0


def test_merging_an_empty_one_changes_nothing() -> None:
    """Its minimum of zero is no duration."""
    histogram = filled([5000])
    histogram.merge(Histogram())
    other = Histogram()
    other.merge(histogram)

    assert histogram == other == filled([5000])


def test_absurd_durations_are_bounded() -> None:
    """A clock that jumps must not cost memory or raise in a user's greenlet."""
    histogram = Histogram()
    histogram.record(-1.0)
    histogram.record(1e12)

    assert (histogram.minimum_us, histogram.maximum_us) == (0, LONGEST_US)


def test_memory_is_bounded() -> None:
    """All durations there are fit into 27 thousand buckets."""
    assert bucket_of(LONGEST_US) < 27 * 1024


def test_nonsense_on_the_wire_is_refused() -> None:
    """A worker of another version must not be taken in half."""
    with pytest.raises(msgspec.ValidationError):
        Delta.from_wire({"spans": {"delivery": {"count": "many"}}})


def test_figures_are_in_seconds() -> None:
    histogram = filled([2_000_000, 5_000_000])

    assert (histogram.minimum, histogram.maximum, histogram.total) == (2.0, 5.0, 7.0)
    assert filled([1000]).percentile(100) == 0.001


def test_a_packed_histogram_takes_in_another() -> None:
    packed, other = filled(list(range(1, 41))), filled(list(range(21, 61)))
    packed.pack()
    packed.merge(other)

    assert packed == filled([*range(1, 41), *range(21, 61)])
