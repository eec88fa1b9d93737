"""When and from where a lost WebSocket is taken up again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.client.websocket.client import Timing, looks_refused, retry_delay
from mmload.client.websocket.handshake import handshake_url

TIMING = Timing()


class Fixed(random.Random):
    """Always the same share of the range."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self.share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.share


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 3), (1, 3), (7, 3), (8, 192), (9, 243), (10, 300), (11, 300), (10_000, 300)]
)
def test_the_wait_is_the_web_applications(failures: int, seconds: float) -> None:
    """3 seconds up to seven failures in a row, then 3 s × n², five minutes at most."""
    assert retry_delay(failures, Fixed(0.0), TIMING) == seconds


@given(st.integers(0, 100), st.floats(0, 1))
def test_the_jitter_adds_up_to_two_seconds(failures: int, share: float) -> None:
    """Users lost together come back one by one."""
    shortest = retry_delay(failures, Fixed(0.0), TIMING)

    assert shortest <= retry_delay(failures, Fixed(share), TIMING) <= shortest + 2.0


def test_an_outage_of_twenty_seconds_is_over_before_the_waits_grow_to_minutes() -> None:
    """Even with the least jitter, the seven quick tries reach beyond it."""
    assert sum(retry_delay(failures, Fixed(0.0), TIMING) for failures in range(1, 8)) > 20


def test_the_address_is_the_web_applications() -> None:
    """As recorded: empty at first; a return names the connection, the next number and how the last one ended."""
    assert (
        handshake_url("ws://h:8065/", "", 0)
        == "ws://h:8065/api/v4/websocket?connection_id=&sequence_number=0&posted_ack=true"
    )
    assert (
        handshake_url("wss://h/sub", "abc", 36, 1006) == "wss://h/sub/api/v4/websocket"
        "?connection_id=abc&sequence_number=36&posted_ack=true&disconnect_err_code=1006"
    )


@pytest.mark.parametrize(
    ("lived", "heard", "refused"),
    [(5.0, False, True), (5.0, True, False), (0.1, False, False), (60.0, False, False)],
)
def test_a_refused_token_ends_in_silence_after_five_seconds(lived: float, heard: bool, refused: bool) -> None:
    """Seen on 11.6. A server that stops ends its connections sooner or later, or after a word."""
    assert looks_refused(lived, heard, TIMING) is refused
