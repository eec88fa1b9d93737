"""The configured headers, such as a proxy's secret: with what the page sends to the server's own origin only.

The page's requests are stopped one by one (CDP's Fetch domain, which leaves the cache as it is): those to the server go
on with the headers, all others without, also where a redirect leads elsewhere. A WebSocket's handshake is not stopped
there; it has the headers that are set for the whole page. So WebSockets to anywhere else are refused in the page, and
there are no workers, which could open some.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from playwright.async_api import CDPSession, Error, Page

from mmload.config.credentials import origin

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


async def send_headers(page: Page, session: CDPSession, server_url: str, headers: Mapping[str, str]) -> None:
    """From now on, with all that this page sends to the server: before it goes anywhere. `session` is the page's."""
    if not headers:
        return
    under_way: set[asyncio.Task[None]] = set()

    def stopped(event: dict[str, Any]) -> None:
        task = asyncio.create_task(_go_on(session, server_url, headers, event))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    session.on("Fetch.requestPaused", stopped)
    await page.add_init_script(f"{_OWN_SOCKETS_ONLY}({json.dumps(server_url)})")
    await session.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})
    await session.send("Network.enable")
    await session.send("Network.setExtraHTTPHeaders", {"headers": dict(headers)})


async def _go_on(session: CDPSession, server_url: str, headers: Mapping[str, str], event: dict[str, Any]) -> None:
    request = event["request"]
    sent = headers_of(request["url"], request["headers"], server_url, headers)
    listed = [{"name": name, "value": value} for name, value in sent.items()]
    # The page, or what it asked for, may be gone meanwhile.
    with suppress(Error):
        await session.send("Fetch.continueRequest", {"requestId": event["requestId"], "headers": listed})


def headers_of(url: str, sent: Mapping[str, str], server_url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What goes with a request: our headers to the server, and none of them to anybody else. Pure."""
    ours = {name.lower() for name in headers}
    others = {name: value for name, value in sent.items() if name.lower() not in ours}
    return {**others, **headers} if origin(url) == origin(server_url) else others
