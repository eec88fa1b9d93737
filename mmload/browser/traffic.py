"""What the page's requests come to, by the browser's own account (CDP's Network domain)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import CDPSession

_LOOK_SECONDS = 0.05

Event = dict[str, Any]
Hear = Callable[[Event], None]


class OpenRequests:
    """Requests that are under way, by the browser's numbers for them."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._changed = time.monotonic()

    def __contains__(self, number: str) -> bool:
        return number in self._open

    def __len__(self) -> int:
        return len(self._open)

    def stir(self) -> None:
        """Something goes on now."""
        self._changed = time.monotonic()

    def began(self, event: dict[str, Any]) -> None:
        if event.get("type") == "Document":
            # Of what the page before it had asked for nobody tells the end.
            self._open.clear()
        self._open.add(event["requestId"])
        self.stir()

    def ended(self, number: str) -> bool:
        """Whether it was one of them."""
        was_open = number in self._open
        if was_open:
            self._open.discard(number)
            self.stir()
        return was_open

    async def quiet(self, seconds: float, longest: float) -> None:
        """Until nothing was under way for so long, at longest for the second: a request may never end."""
        deadline = time.monotonic() + longest
        while (now := time.monotonic()) < deadline and (self._open or now - self._changed < seconds):
            await asyncio.sleep(_LOOK_SECONDS)


def listen(session: CDPSession, began: Hear, from_cache: Hear, finished: Hear, opened: Hear) -> None:
    """Tell of requests: their beginning, that a cache of the browser answered them, their end; and of WebSockets."""

    def answered(event: Event) -> None:
        if event["response"].get("fromDiskCache"):
            from_cache(event)

    session.on("Network.requestWillBeSent", began)
    session.on("Network.requestServedFromCache", from_cache)
    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", finished)
    session.on("Network.loadingFailed", finished)
    session.on("Network.webSocketCreated", opened)


class PageTraffic:
    """Requests that went to the network since `start_over`, and their bytes (headers too, as compressed as they came).

    What came from a cache of the browser is no request. A WebSocket's handshake is one; its frames are no bytes here.
    """

    def __init__(self, session: CDPSession) -> None:
        self.start_over()
        self._open = OpenRequests()
        listen(session, self._began, self._from_cache, self._finished, self._opened)

    def start_over(self) -> None:
        """Count from zero; what is under way ends as before."""
        self.requests = self.bytes = 0

    @property
    def waiting(self) -> int:
        """How many are under way."""
        return len(self._open)

    async def quiet(self, seconds: float, longest: float) -> None:
        """Until nothing was under way for so long."""
        await self._open.quiet(seconds, longest)

    def _began(self, event: dict[str, Any]) -> None:
        if not event["request"]["url"].startswith(("data:", "blob:")):
            self.requests += 1
            self._open.began(event)

    def _opened(self, event: dict[str, Any]) -> None:
        self.requests += 1

    def _from_cache(self, event: dict[str, Any]) -> None:
        self.requests -= event["requestId"] in self._open

    def _finished(self, event: dict[str, Any]) -> None:
        if self._open.ended(event["requestId"]):
            self.bytes += int(event.get("encodedDataLength", 0))
