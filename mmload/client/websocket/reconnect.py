"""When and from where a lost WebSocket is taken up again. Pure: numbers in, decisions out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import urlencode

# The web application's rule: up to so many failures in a row it waits the same, then with their square.
PATIENT_FAILURES = 7
# In a row, after which a connection that is lost once more waits like any other.
MOST_QUICK_RETURNS = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a connection is. The defaults are the web application's where it has such a number.

    `dead_after_seconds`: a ping is sent after `ping_interval_seconds` of silence; a connection that stays silent for as
    long again, as a half-open one does, is dead.
    `good_after_seconds`: a connection that lived so long was a good one and clears the count of failures; one that is
    accepted and dropped at once (a proxy without its server) must not.
    `after_gap_seconds`: the server has to notice first that the old socket is gone; to one who resumes a connection
    that it takes for open it gives a new one (seen on 11.6).
    `refused_from_seconds` to `refused_until_seconds`: a token that is not good is accepted at the handshake, and the
    socket dropped without a word when the time to authenticate, five seconds, is over (seen on 11.6).
    """

    handshake_timeout_seconds: float = 10.0
    ping_interval_seconds: float = 30.0
    dead_after_seconds: float = 60.0
    first_retry_seconds: float = 3.0
    longest_retry_seconds: float = 300.0
    jitter_seconds: float = 2.0
    good_after_seconds: float = 30.0
    after_gap_seconds: float = 0.1
    refused_from_seconds: float = 4.0
    refused_until_seconds: float = 10.0


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


def wait_after_loss(failures: int, soon: bool, rng: random.Random, timing: Timing) -> float:
    """Seconds to wait after a loss. One of our own making is made good `soon`, but not again and again: a server that
    loses us each time must not be hammered."""
    return timing.after_gap_seconds if soon and failures <= MOST_QUICK_RETURNS else retry_delay(failures, rng, timing)


def looks_refused(lived_seconds: float, heard_anything: bool, timing: Timing) -> bool:
    """Whether a connection ended as one does whose token the server does not know."""
    return not heard_anything and timing.refused_from_seconds <= lived_seconds <= timing.refused_until_seconds


def handshake_url(base_url: str, connection_id: str, next_sequence: int) -> str:
    """Where to connect: fresh without a connection id, else to take that connection up from the next number on."""
    url = f"{base_url.rstrip('/')}/api/v4/websocket"
    if not connection_id:
        return url
    return f"{url}?{urlencode({'connection_id': connection_id, 'sequence_number': next_sequence})}"
