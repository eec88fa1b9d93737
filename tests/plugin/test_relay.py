"""Posts told from worker to worker: by whose clock, how wrong that may be, and that nobody is told twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.delivery.account import Announcement
from mmload.plugin.record.post_relay import (
    CLOCK,
    MEASURE_EVERY_SECONDS,
    MEASUREMENTS_KEPT,
    SENT,
    Clocks,
    Offset,
    Relay,
    announcements,
    answer,
    host_id,
    offset,
)

OURS, THEIRS, ANOTHER = "our host", "their host", "another host"
POST = Announcement("author:1", "channel", "post", 1000.0, 1_000_000)


class Network:
    """A master and its workers, whose clocks are ahead by so many seconds; each way takes so long."""

    def __init__(self, ahead: dict[str, float], hosts: dict[str, str]) -> None:
        self.now = 5000.0
        self.ahead, self.hosts = ahead, hosts
        self.there_seconds = self.back_seconds = 0.01
        self.sent: list[tuple[str, list[Any], str]] = []
        self.relay = Relay(self._send, clock=lambda: self.now)
        self.relay.clocks = Clocks(own_host=OURS)

    def _send(self, message: str, data: Any, client_id: str) -> None:
        if message != CLOCK:
            self.sent.append((message, data, client_id))
            return
        self.now += self.there_seconds
        told = answer(data, self.now + self.ahead[client_id], self.hosts[client_id])
        self.now += self.back_seconds
        self.relay.on_answer(client_id, told)

    def measure(self) -> None:
        self.now += MEASURE_EVERY_SECONDS
        self.relay.measure(list(self.ahead))


def two_hosts(ahead: float) -> Network:
    return Network({"near": 0.0, "far": ahead}, {"near": OURS, "far": THEIRS})


@given(st.floats(-1000, 1000), st.floats(0, 5), st.floats(0, 5))
def test_a_clock_is_off_by_what_is_measured_within_the_error(ahead: float, there: float, back: float) -> None:
    """However lopsided the ways there and back are."""
    asked = 5000.0
    measured = offset(asked, asked + there + back, asked + there + ahead)

    assert abs(measured.seconds - ahead) <= measured.error_seconds + 1e-9
    assert measured.error_seconds == pytest.approx((there + back) / 2)


def test_the_shortest_round_trip_counts() -> None:
    network = two_hosts(ahead=2.5)
    network.there_seconds = 1.0
    network.measure()
    network.there_seconds = 0.01
    network.measure()
    network.there_seconds = 3.0
    network.measure()

    best = network.relay.clocks.of("far")
    assert best.seconds == pytest.approx(2.5) and best.error_seconds == pytest.approx(0.01)


def test_what_was_measured_long_ago_counts_no_more() -> None:
    """Clocks drift."""
    network = two_hosts(ahead=2.5)
    network.measure()
    network.there_seconds = 0.5
    for _ in range(MEASUREMENTS_KEPT):
        network.measure()

    assert network.relay.clocks.of("far").error_seconds == pytest.approx(0.255)


def test_clocks_are_asked_for_now_and_then_only() -> None:
    network = two_hosts(ahead=2.5)
    network.measure()
    network.there_seconds = 0.0
    network.now += 1
    network.relay.measure(["far"])

    assert network.relay.clocks.of("far").error_seconds == pytest.approx(0.01)


def test_processes_of_one_host_share_a_clock() -> None:
    network = Network({"near": 0.0, "beside": 0.0}, {"near": OURS, "beside": OURS})
    network.measure()

    assert network.relay.clocks.of("beside") == Offset()
    assert network.relay.clocks.error_ms() is None


def test_the_error_between_hosts_is_that_of_the_two_worst_clocks() -> None:
    """A delivery goes from one worker's host to another's."""
    network = Network({"a": 1.0, "b": 2.0, "near": 0.0}, {"a": THEIRS, "b": ANOTHER, "near": OURS})
    network.measure()

    assert network.relay.clocks.error_ms() == pytest.approx(20.0)


def test_a_post_is_told_to_all_other_workers_by_their_own_clocks() -> None:
    network = Network({"near": 0.0, "far": 2.5, "other": -1.0}, {"near": OURS, "far": THEIRS, "other": ANOTHER})
    network.measure()
    network.relay.pass_on("far", [list(POST)], ["near", "far", "other"])

    told = {client_id: announcements(data)[0].sent for message, data, client_id in network.sent if message == SENT}
    assert told == {"near": pytest.approx(997.5), "other": pytest.approx(996.5)}


def test_nothing_is_told_where_nothing_was_sent() -> None:
    network = two_hosts(ahead=0.0)
    network.relay.pass_on("far", [], ["near", "far"])

    assert network.sent == []


def test_posts_travel_unchanged() -> None:
    assert announcements([list(POST)]) == [POST]


def test_a_host_is_the_same_for_all_its_processes() -> None:
    assert host_id() == host_id() != ""
