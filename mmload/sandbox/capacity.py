"""The sandbox's capacity: slots that requests occupy for their service time, and a rate limit.

The rate limit is Mattermost's (the generic cell rate algorithm of its `throttled` library), per client address.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

BURST = 100


@dataclass(frozen=True, slots=True)
class SlotLoad:
    """Slots, those in use, requests that wait for one, and how long all have waited so far."""

    slots: int
    in_use: int
    waiting: int
    waited_seconds: float


class Capacity:
    """Worker slots. Requests beyond their number queue: first come, first served.

    Start and end of a request are computed on arrival, from when its slot becomes free: a late timer delays one answer
    but costs no capacity, so the capacity is `slots / service_seconds` requests per second however busy the machine is.
    A client that hangs up does not free its slot early, as on most servers.
    """

    def __init__(self, slots: int, service_seconds: float, rng: random.Random | None = None) -> None:
        self._service_seconds = service_seconds
        self._rng = rng
        self._free_at = [0.0] * slots
        self._begins: deque[float] = deque()
        self._waited_seconds = 0.0

    async def serve(self, further_seconds: float = 0.0) -> None:
        """Wait for a slot, then for the service time of one request."""
        seconds = self._drawn() + further_seconds
        now = asyncio.get_running_loop().time()
        end = self._booked(now, seconds) if self._free_at else now + seconds
        if end > now:
            await asyncio.sleep(end - now)

    def _drawn(self) -> float:
        """One service time: constant, or exponentially distributed if an `rng` is given."""
        if self._rng is None or not self._service_seconds:
            return self._service_seconds
        return self._rng.expovariate(1.0 / self._service_seconds)

    def _booked(self, now: float, seconds: float) -> float:
        """When a request that arrives now will have been served."""
        begin = max(now, self._free_at[0])
        self._waited_seconds += begin - now
        heapq.heapreplace(self._free_at, begin + seconds)
        self._begins.append(begin)
        self.waiting(now)
        return begin + seconds

    def waiting(self, now: float) -> int:
        """Requests that have no slot yet. First come, first served: they start in the order of arrival."""
        while self._begins and self._begins[0] <= now:
            self._begins.popleft()
        return len(self._begins)

    def load(self, now: float) -> SlotLoad:
        """How busy the slots are."""
        in_use = sum(free_at > now for free_at in self._free_at)
        return SlotLoad(len(self._free_at), in_use, self.waiting(now), self._waited_seconds)


_HASH_ROUNDS = 10_000  # some 3 ms


def use_cpu(seconds: float) -> None:
    """Spend so much CPU time in this thread, as hashing does: beside the event loop where there is another core."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", _HASH_ROUNDS)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client may still send. `retry_after_seconds` 0: this request was accepted."""

    limit: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int = 0

    @property
    def refused(self) -> bool:
        return self.retry_after_seconds > 0

    def headers(self) -> dict[str, str]:
        named = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        if self.refused:
            named["Retry-After"] = str(self.retry_after_seconds)
        return named


class RateLimit:
    """`per_second` requests per second and client, plus bursts of `burst`."""

    def __init__(self, per_second: int, clock: Callable[[], float], burst: int = BURST) -> None:
        self._gap = 1.0 / per_second
        self._clock = clock
        self._limit = burst + 1
        # For each client, when its bucket will be empty again.
        self._empty_at: dict[str, float] = {}

    def ask(self, client: str) -> Allowance:
        now = self._clock()
        empty_at = max(self._empty_at.get(client, now), now)
        tolerance = self._gap * self._limit
        grown = empty_at + self._gap
        if grown - tolerance > now:
            wait = grown - tolerance - now
            return Allowance(self._limit, 0, math.ceil(empty_at - now), max(1, math.ceil(wait)))
        self._empty_at[client] = grown
        remaining = int((tolerance - (grown - now)) / self._gap)
        return Allowance(self._limit, remaining, math.ceil(grown - now))
