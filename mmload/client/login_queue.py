"""Who may log in now: few at a time, as password hashing makes logins the most expensive requests there are.

Seen on Mattermost 11.6 with two cores: ten logins a second made every one of them time out, and the retries kept it
that way. So each process has a queue with few places, and a failed login makes the whole queue pause, longer each
time, with jitter, until one succeeds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent.lock import BoundedSemaphore

from mmload.client.http.rules import retry_seconds
from mmload.errors import NoAnswer, RateLimited, RequestFailed, ServerFault


def shows_overload(error: RequestFailed) -> bool:
    """Whether a failed login says that the server has too much to do (rather than "no"). Pure."""
    return isinstance(error, (NoAnswer, ServerFault, RateLimited))


class Admission:
    """The queue of one process. `turn()` blocks the caller's greenlet until it may log in."""

    def __init__(
        self,
        places: int,
        shortest_pause_seconds: float,
        longest_pause_seconds: float,
        rng: random.Random,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._places = BoundedSemaphore(places)
        self._shortest = shortest_pause_seconds
        self._longest = longest_pause_seconds
        self._rng = rng
        self._clock = clock
        self._sleep = sleep
        self._failures = 0
        self._closed_until = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a place while logging in; an overloaded server's failure closes the queue for a while."""
        with self._places:
            while (rest := self._closed_until - self._clock()) > 0:
                self._sleep(rest)
            try:
                yield
            except RequestFailed as error:
                if shows_overload(error):
                    self._failures += 1
                    pause = retry_seconds(self._failures, self._shortest, self._longest, self._rng)
                    self._closed_until = max(self._closed_until, self._clock() + pause)
                raise
            self._failures = 0
