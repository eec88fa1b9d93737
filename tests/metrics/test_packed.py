"""Buckets in little memory are the same buckets."""

from __future__ import annotations

import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.metrics.delta import Delta
from mmload.metrics.histogram import Histogram, Packed, plain
from mmload.metrics.recorder import ActionOutcome, Recorder

COUNTS = st.one_of(st.integers(1, 300), st.sampled_from([2**16 - 1, 2**16, 2**32 - 1, 2**32]), st.integers(1, 2**40))
BUCKETS = st.dictionaries(st.integers(0, 27 * 1024 - 1), COUNTS, max_size=60)


@given(BUCKETS, BUCKETS)
def test_packed_buckets_add_up_like_those_of_a_dict(first: dict[int, int], second: dict[int, int]) -> None:
    """Also where counts no longer fit into one, two or four bytes."""
    packed, sums = Packed(first), dict(first)
    packed.add(second)
    for bucket, count in second.items():
        sums[bucket] = sums.get(bucket, 0) + count

    assert packed == sums == packed.plain()
    assert list(packed) == sorted(sums) and len(packed) == len(sums)
    assert sorted(packed.items()) == sorted(sums.items())


@given(BUCKETS, st.integers(0, 27 * 1024 - 1), COUNTS)
def test_packed_buckets_are_written_and_deleted_like_those_of_a_dict(
    buckets: dict[int, int], bucket: int, count: int
) -> None:
    packed, model = Packed(buckets), dict(buckets)
    packed[bucket] = model[bucket] = count
    assert packed == model and packed[bucket] == count

    del packed[bucket], model[bucket]
    assert packed == model and packed.get(bucket, 0) == 0
    with pytest.raises(KeyError):
        packed[bucket]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.lists(st.floats(0, 100), max_size=300))
def test_a_packed_histogram_counts_on_as_before(first: list[float], later: list[float]) -> None:
    """By recording and by merging; its percentiles and what it is on the wire are the same."""
    packed, usual, more = Histogram(), Histogram(), Histogram()
    for seconds in first:
        packed.record(seconds)
        usual.record(seconds)
    packed.pack()
    for seconds in later:
        packed.record(seconds)
        usual.record(seconds)
        more.record(seconds)
    packed.merge(more)
    usual.merge(more)

    assert packed == usual
    assert [packed.percentile(percent) for percent in (0, 50, 99, 100)] == [
        usual.percentile(percent) for percent in (0, 50, 99, 100)
    ]


def test_all_histograms_of_a_delta_are_packed() -> None:
    recorder = Recorder()
    for microseconds in range(100, 200):
        seconds = microseconds / 1e6
        recorder.action("CreatePost", seconds, ActionOutcome.FAILED)
        recorder.request("GET /posts", seconds)
        recorder.request("POST /users/login", seconds, login=True)
        recorder.span("delivery", seconds)
    delta = recorder.take()
    before = delta.to_wire()
    delta.pack()

    packed = (
        delta.actions["CreatePost"].failed_times,
        delta.routes["GET /posts"].times,
        delta.logins["POST /users/login"].times,
        delta.spans["delivery"],
    )
    assert all(isinstance(times.buckets, Packed) for times in packed)
    assert delta.to_wire() == before
    assert Delta.from_wire(before) == delta


def test_packed_buckets_take_a_fifteenth_of_the_memory() -> None:
    """Half an hour with 500 users has more than 200,000 of them (measured)."""
    buckets = dict.fromkeys(range(3000, 5000), 1)
    packed = Packed(buckets)

    there = sum(map(sys.getsizeof, (packed._buckets, packed._counts)))
    assert there < (sys.getsizeof(buckets) + sum(map(sys.getsizeof, buckets))) / 15


def test_other_values_have_no_form_on_the_wire() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({1, object()}, enc_hook=plain)
