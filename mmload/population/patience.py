"""Trying again: how long to wait after which failure, and when to give up. `Stopped` ends all waiting at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from mmload.errors import NoAnswer, RateLimited, ServerFault, ServerNotReady

T = TypeVar("T")

# With these waits (times 0.5 to 1 by chance) a server may be away for a minute: a restart takes 5 to 30 seconds.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 12.0
MOST_FAILURES = 12
# A server that says "later" is alive, but one that says nothing else is no use either.
MOST_RATE_LIMITS = 60
LONGEST_ASKED_WAIT_SECONDS = 60.0

CONTINUES = "`mmload init` again continues where this one stopped"


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting."""


def wait_seconds(failures: int, chance: float) -> float:
    """The wait after so many failures in a row (1: the first), doubling each time; `chance` in [0, 1). Pure."""
    longest: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (failures - 1))
    return longest * (0.5 + chance / 2)


class Patience:
    """Runs attempts until one succeeds. Shared by all threads of a command; `stop` ends them."""

    def __init__(
        self,
        stop: Event | None = None,
        rng: random.Random | None = None,
        pause: Callable[[float], object] | None = None,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop = stop or Event()
        self._rng = rng or random.Random()
        self._pause = pause or self.stop.wait
        self._tell = tell
        self._clock = clock

    def check(self) -> None:
        """Raise `Stopped` if it is time to stop."""
        if self.stop.is_set():
            raise Stopped

    def run(self, step: str, attempt: Callable[[], T], *, only_rate_limits: bool = False) -> T:
        """The result of the first good attempt; `ServerNotReady`, naming `step`, when patience is at its end.

        With `only_rate_limits` other failures go through at once: the server may have done what it was told.
        """
        failures = rate_limits = 0
        start = self._clock()
        while True:
            self.check()
            try:
                return attempt()
            except RateLimited as error:
                rate_limits += 1
                if rate_limits > MOST_RATE_LIMITS:
                    raise self._given_up(step, error.reason, start) from error
                asked = min(error.retry_after_seconds, LONGEST_ASKED_WAIT_SECONDS)
                self._pause(asked + wait_seconds(1, self._rng.random()))
            except (NoAnswer, ServerFault) as error:
                if only_rate_limits:
                    raise
                failures += 1
                if failures > MOST_FAILURES:
                    raise self._given_up(step, error.reason, start) from error
                if failures % 4 == 2:
                    self._tell(f"{step}: {error.reason}; trying again")
                self._pause(wait_seconds(failures, self._rng.random()))

    def _given_up(self, step: str, reason: str, start: float) -> ServerNotReady:
        seconds = self._clock() - start
        return ServerNotReady(f"{step}: {reason}; gave up after {seconds:.0f} seconds. {CONTINUES}.")
