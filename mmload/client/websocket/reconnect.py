"""When and from where a lost WebSocket is taken up again. Pure: numbers in, decisions out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import urlencode

# The web application's rule: up to so many failures in a row it waits the same, then with their square.
PATIENT_FAILURES = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a connection is. The defaults are the web application's where it has such a number.

    `ping_interval_seconds`: how often a ping is sent; a connection on which one is not answered before the next is due
    is dropped.
    `good_after_seconds`: a connection that lived so long was a good one and clears the count of failures; one that is
    accepted and dropped at once (a proxy without its server) must not.
    `refused_from_seconds` to `refused_until_seconds`: a token that is not good is accepted at the handshake, and the
    socket dropped without a word when the time to authenticate, five seconds, is over (seen on 11.6).
    """

    handshake_timeout_seconds: float = 10.0
    ping_interval_seconds: float = 30.0
    first_retry_seconds: float = 3.0
    longest_retry_seconds: float = 300.0
    jitter_seconds: float = 2.0
    good_after_seconds: float = 30.0
    refused_from_seconds: float = 4.0
    refused_until_seconds: float = 10.0

    @property
    def unnoticed_seconds(self) -> float:
        """How long a connection that ends by falling silent may have been dead: since the last answered ping."""
        return 2 * self.ping_interval_seconds


def retry_delay(failures: int, rng: random.Random, timing: Timing) -> float:
    """Seconds to wait before the next try, after so many failed ones in a row.

    first                      up to 7 failures
    min(first · n², longest)   after n > 7 failures;     plus a jitter from [0, 2) s: users lost together, by a restart
    of the server, come back one by one. Added, as the web application does: a shorter wait would reach the eighth
    failure, and with it minutes of waiting, in an outage of 20 seconds.
    """
    seconds = timing.first_retry_seconds
    if failures > PATIENT_FAILURES:
        seconds = min(seconds * failures**2, timing.longest_retry_seconds)
    return seconds + rng.uniform(0.0, timing.jitter_seconds)


def looks_refused(lived_seconds: float, heard_anything: bool, timing: Timing) -> bool:
    """Whether a connection ended as one does whose token the server does not know."""
    return not heard_anything and timing.refused_from_seconds <= lived_seconds <= timing.refused_until_seconds


def handshake_url(base_url: str, connection_id: str, next_sequence: int, close_code: int = 0) -> str:
    """Where to connect, as the web application does: fresh without a connection id, else to take that connection up
    from the next number on. `close_code`: why the last one ended; 0: there was none."""
    query = {"connection_id": connection_id, "sequence_number": next_sequence, "posted_ack": "true"}
    if close_code:
        query["disconnect_err_code"] = close_code
    return f"{base_url.rstrip('/')}/api/v4/websocket?{urlencode(query)}"
