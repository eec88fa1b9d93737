"""What the page's requests come to, by the browser's own account (CDP's Network domain)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from playwright.async_api import CDPSession


class PageTraffic:
    """Requests that went to the network since `start_over`, and their bytes (headers too, as compressed as they came).

    What came from a cache of the browser is no request. A WebSocket's handshake is one; its frames are no bytes here.
    """

    def __init__(self, session: CDPSession) -> None:
        self.requests = 0
        self.bytes = 0
        self._open: set[str] = set()
        self._changed = time.monotonic()
        session.on("Network.requestWillBeSent", self._began)
        session.on("Network.requestServedFromCache", self._from_cache)
        session.on("Network.responseReceived", self._answered)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.loadingFailed", self._finished)
        session.on("Network.webSocketCreated", self._socket)

    def start_over(self) -> None:
        """Count from zero; what is under way ends as before."""
        self.requests = self.bytes = 0

    async def quiet(self, seconds: float, longest: float) -> None:
        """Until nothing was under way for so long."""
        deadline = time.monotonic() + longest
        while (now := time.monotonic()) < deadline and (self._open or now - self._changed < seconds):
            await asyncio.sleep(0.05)

    def _began(self, event: dict[str, Any]) -> None:
        if not event["request"]["url"].startswith(("data:", "blob:")):
            self.requests += 1
            self._open.add(event["requestId"])
            self._changed = time.monotonic()

    def _socket(self, event: dict[str, Any]) -> None:
        self.requests += 1

    def _from_cache(self, event: dict[str, Any]) -> None:
        self.requests -= event["requestId"] in self._open

    def _answered(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self.requests -= event["requestId"] in self._open

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._open:
            self._open.discard(event["requestId"])
            self.bytes += int(event.get("encodedDataLength", 0))
            self._changed = time.monotonic()
