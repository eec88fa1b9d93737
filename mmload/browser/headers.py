"""The configured headers, such as a proxy's secret: with what the page sends to the server's own origin only.

The page's requests are stopped one by one (CDP's Fetch domain, which leaves the cache as it is): those to the server go
on with the headers, all others without, also where a redirect leads elsewhere. A WebSocket's handshake is not stopped
there; it has the headers that are set for the whole page. So WebSockets to anywhere else are refused in the page, and
there are no workers, which could open some.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import CDPSession, Error, Page

from mmload.config.credentials import origin

# A browser that does not answer is ended without.
_END_SECONDS = 5.0

_OWN_SOCKETS_ONLY = """(server => {
  const own = new URL(server), scheme = own.protocol === "https:" ? "wss:" : "ws:";
  const Native = window.WebSocket;
  window.WebSocket = class WebSocket extends Native {
    constructor(url, ...more) {
      const at = new URL(url, document.baseURI);
      if (at.protocol.replace(/^http/, "ws") !== scheme || at.host !== own.host) {
        throw new DOMException("mmload sends its headers to the server only: no WebSocket elsewhere", "SecurityError");
      }
      super(url, ...more);
    }
  };
  delete window.Worker;
  delete window.SharedWorker;
})"""


@asynccontextmanager
async def headers_sent(
    page: Page, session: CDPSession, server_url: str, headers: Mapping[str, str]
) -> AsyncIterator[None]:
    """Meanwhile, with all that this page sends to the server: before it goes anywhere. `session` is the page's.

    A stopped request goes on as it is, with the headers, when the session ends. So none is left when this ends.
    """
    if not headers:
        yield
        return
    stopped = _StoppedRequests(session, server_url, headers)
    session.on("Fetch.requestPaused", stopped.take)
    await page.add_init_script(f"{_OWN_SOCKETS_ONLY}({json.dumps(server_url)})")
    await session.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})
    await session.send("Network.enable")
    await session.send("Network.setExtraHTTPHeaders", {"headers": dict(headers)})
    try:
        yield
    finally:
        with suppress(Error, asyncio.TimeoutError):
            await asyncio.wait_for(stopped.end(), _END_SECONDS)


class _StoppedRequests:
    """The page's requests that wait for a decision."""

    def __init__(self, session: CDPSession, server_url: str, headers: Mapping[str, str]) -> None:
        self._session, self._server_url, self._headers = session, server_url, headers
        self._decisions: dict[asyncio.Task[None], str] = {}
        self._ending = False

    def take(self, event: dict[str, Any]) -> None:
        """One more; called by the browser's events."""
        request_id = event["requestId"]
        decide = self._abort(request_id) if self._ending else self._go_on(request_id, event["request"])
        decision = asyncio.create_task(decide)
        self._decisions[decision] = request_id
        decision.add_done_callback(self._decisions.pop)

    async def end(self) -> None:
        """No request has the headers from now on; those that have them and wait are aborted."""
        self._ending = True
        await self._session.send("Network.setExtraHTTPHeaders", {"headers": {}})
        decisions = dict(self._decisions)
        for decision in decisions:
            decision.cancel()
        await asyncio.gather(*decisions, return_exceptions=True)
        for request_id in decisions.values():
            await self._abort(request_id)

    async def _go_on(self, request_id: str, request: dict[str, Any]) -> None:
        sent = headers_of(request["url"], request["headers"], self._server_url, self._headers)
        listed = [{"name": name, "value": value} for name, value in sent.items()]
        await self._decide("Fetch.continueRequest", request_id, headers=listed)

    async def _abort(self, request_id: str) -> None:
        await self._decide("Fetch.failRequest", request_id, errorReason="Aborted")

    async def _decide(self, method: str, request_id: str, **more: Any) -> None:
        # The page, or what it asked for, may be gone meanwhile.
        with suppress(Error):
            await self._session.send(method, {"requestId": request_id, **more})


def headers_of(url: str, sent: Mapping[str, str], server_url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What goes with a request: our headers to the server, and none of them to anybody else. Pure."""
    ours = {name.lower() for name in headers}
    others = {name: value for name, value in sent.items() if name.lower() not in ours}
    return {**others, **headers} if origin(url) == origin(server_url) else others
