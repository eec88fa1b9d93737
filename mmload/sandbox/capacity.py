"""How much the sandbox can do at a time: slots that requests keep for their service time, and a rate limit.

The rate limit is Mattermost's (the generic cell rate algorithm of its `throttled` library), per client address.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

BURST = 100


class Capacity:
    """Worker slots. With a number of them, requests beyond it wait their turn: first come, first served."""

    def __init__(self, slots: int, service_seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots) if slots else None
        self._service_seconds = service_seconds
        self.waiting = 0

    @asynccontextmanager
    async def slot(self, further_seconds: float = 0.0) -> AsyncIterator[None]:
        """Holds a slot as long as serving one request takes."""
        seconds = self._service_seconds + further_seconds
        if self._slots is None:
            if seconds:
                await asyncio.sleep(seconds)
            yield
            return
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        try:
            if seconds:
                await asyncio.sleep(seconds)
            yield
        finally:
            self._slots.release()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client may still do. `retry_after_seconds` 0: this request was let in."""

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
    """`per_second` requests a second and client, `burst` more at once."""

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
