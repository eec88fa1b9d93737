"""What a page sends to the server, by the browser's own account (CDP's Network domain)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from playwright.async_api import CDPSession

from mmload.browser.traffic import OpenRequests, listen
from mmload.fidelity.live.messages import SeenFrame, SeenRequest, SeenSocket, SeenTraffic

_MS = 1000.0


class NetworkWatch:
    """Requests that left the browser, and frames. What a cache of the browser answered is no request."""

    def __init__(self, session: CDPSession, server_url: str) -> None:
        self._origin = server_url.rstrip("/") + "/"
        self._requests: list[tuple[str, SeenRequest]] = []
        self._sockets: list[SeenSocket] = []
        self._frames: list[SeenFrame] = []
        self._open = OpenRequests()
        listen(session, self._began, self._from_cache, self._finished, self._socket)
        session.on("Network.webSocketFrameSent", self._said)

    async def quiet(self, seconds: float, longest: float) -> None:
        """Until nothing was under way for so long from now on, at longest for the second: a request may never end."""
        self._open.stir()
        await self._open.quiet(seconds, longest)

    def take(self) -> SeenTraffic:
        """What was sent since the last time."""
        taken = SeenTraffic(tuple(request for _, request in self._requests), tuple(self._sockets), tuple(self._frames))
        for each in (self._requests, self._sockets, self._frames):
            each.clear()
        return taken

    def _began(self, event: dict[str, Any]) -> None:
        request = event["request"]
        if not request["url"].startswith(self._origin):
            return
        body = request.get("postData", None if request.get("hasPostData") else "")
        seen = SeenRequest(request["method"], request["url"], event["timestamp"] * _MS, body)
        self._requests.append((event["requestId"], seen))
        if event.get("type") != "Ping":
            self._open.began(event)
        self._open.stir()

    def _from_cache(self, event: dict[str, Any]) -> None:
        # The newest with this id: a redirected request has the same.
        for place in reversed(range(len(self._requests))):
            if self._requests[place][0] == event["requestId"]:
                del self._requests[place]
                return

    def _finished(self, event: dict[str, Any]) -> None:
        self._open.ended(event["requestId"])
        for place in reversed(range(len(self._requests))):
            number, seen = self._requests[place]
            if number == event["requestId"]:
                self._requests[place] = number, replace(seen, until=event["timestamp"] * _MS)
                return

    def _socket(self, event: dict[str, Any]) -> None:
        # The event has no time; the browser's clock is not ours, and its first request of the step comes near.
        at = self._requests[-1][1].at if self._requests else 0.0
        self._sockets.append(SeenSocket(event["url"], at))

    def _said(self, event: dict[str, Any]) -> None:
        if event["response"]["opcode"] == 1:
            self._frames.append(SeenFrame(event["response"]["payloadData"], event["timestamp"] * _MS))
