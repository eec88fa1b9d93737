"""The capacity of the sandbox, by theory and from measured levels."""

from __future__ import annotations

import math

import pytest

from benchmarks.capacity.theory import Station, capacity, in_queue, slower_share, throughput
from benchmarks.sweep import Level, crossing, think_seconds, windows
from mmload.metrics.histogram import Histogram


def level(users: int, share: float) -> Level:
    return Level(users, share, p99=0.5, mean=0.5, rate=users / 3.5, trusted=True)


def test_a_user_alone_waits_for_nobody() -> None:
    """Only the service time counts, which is exponential."""
    station = Station(slots=2, service_seconds=0.1, think_seconds=1.0)

    assert slower_share(station, 1, 0.2) == pytest.approx(math.exp(-2))


def test_the_probabilities_are_those_of_one_server_and_two_users() -> None:
    """The machine-repair model by hand: with pause and service alike, 1 : 2 : 2."""
    assert list(in_queue(Station(1, 1.0, 1.0), 2)) == pytest.approx([0.2, 0.4, 0.4])


def test_at_the_capacity_one_request_in_a_hundred_is_slower_than_the_limit() -> None:
    station = Station(slots=4, service_seconds=0.02, think_seconds=1.0)
    users = capacity(station, 0.5)

    assert slower_share(station, math.floor(users), 0.5) <= 0.01 <= slower_share(station, math.ceil(users), 0.5)
    assert throughput(station, math.floor(users)) < station.slots / station.service_seconds


def test_the_measured_capacity_is_where_the_limit_is_crossed_half_of_the_time() -> None:
    levels = [level(users, 1 / (1 + math.exp(-(users - 134) / 10))) for users in (110, 130, 150)]

    assert crossing(levels) == pytest.approx(134, abs=1)
    assert think_seconds(levels) == pytest.approx(3.0)


def test_levels_that_are_all_below_the_limit_tell_nothing() -> None:
    """What lies outside of them would be a guess."""
    assert crossing([level(10, 0.1), level(20, 0.2)]) is None


def test_a_slow_second_is_in_the_p99_of_every_window_that_holds_it() -> None:
    """29 seconds after it, it is still there; with 40 seconds there are eleven windows."""
    seconds = [Histogram() for _ in range(40)]
    for number, second in enumerate(seconds):
        for _ in range(10):
            second.record(3.0 if number == 2 else 0.1)

    assert windows(seconds) == pytest.approx([3.0] * 3 + [0.1] * 8, rel=0.01)
