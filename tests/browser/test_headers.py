"""The configured headers, such as a proxy's secret: to the server's origin, its WebSocket too, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mmload.browser.headers import _StoppedRequests, headers_of
from mmload.browser.messages import Opening
from mmload.browser.opening import opened
from mmload.browser.start_order import find_browser
from tests.browser.support import needs_a_browser

ICON_PATIENCE_SECONDS, PATIENCE_SECONDS = 5, 60
SECRET = {"X-Proxy-Secret": "let-me-in"}
# What a page can ask for; in the end it says whether it could open a socket elsewhere, or make a worker.
PAGE = """async ([own, other]) => {
  const ends = (each) => new Promise((end) => { each.onopen = each.onerror = each.onload = end; });
  for (const url of [own + '/asked', own + '/asked', own + '/away', other + '/asked']) await fetch(url).catch(() => 0);
  const frame = document.createElement('iframe'), frameEnds = ends(frame);
  frame.src = other + '/frame';
  document.body.append(frame);
  await frameEnds;
  navigator.sendBeacon(other + '/beacon', '');
  const socket = (url) => url.replace('http', 'ws') + '/socket';
  await ends(new WebSocket(socket(own)));
  try { await ends(new WebSocket(socket(other))); return 'a socket'; } catch { return typeof Worker; }
}"""


@dataclass
class Origin:
    """A server that answers everything, and notes what came: the path, and whether the secret was there."""

    url: str
    seen: list[tuple[str, bool]] = field(default_factory=list)

    def with_secret(self) -> list[str]:
        return [path for path, secret in self.seen if secret]

    def without_secret(self) -> list[str]:
        return [path for path, secret in self.seen if not secret and path != "/favicon.ico"]


def _served(elsewhere: str) -> tuple[ThreadingHTTPServer, Origin]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            origin.seen.append((self.path, self.headers.get("X-Proxy-Secret") == SECRET["X-Proxy-Secret"]))
            to_other = self.path == "/away"
            self.send_response(302 if to_other else 403 if "Upgrade" in self.headers else 200)
            if to_other:
                self.send_header("Location", elsewhere + "/from-afar")
            for name in ("Origin", "Headers"):
                self.send_header(f"Access-Control-Allow-{name}", "*")
            self.send_header("Cache-Control", "max-age=600")
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_OPTIONS = answer  # noqa: N815 — http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin = Origin(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, origin


@pytest.fixture
def origins() -> Iterator[tuple[Origin, Origin]]:
    """The server, and another one."""
    other_server, other = _served("")
    own_server, own = _served(other.url)
    with closing(other_server.socket), closing(own_server.socket):
        yield own, other
        own_server.shutdown()
        other_server.shutdown()


@needs_a_browser
def test_a_page_sends_them_to_the_server_with_its_socket_and_to_nobody_else(
    origins: tuple[Origin, Origin], tmp_path: Path
) -> None:
    own, other = origins

    async def drive() -> Any:
        opening = Opening(url=own.url, executable=find_browser(""), headers=SECRET)
        async with opened(opening, tmp_path / "profile") as (_, page, _session):
            page.set_default_timeout(PATIENCE_SECONDS * 1000)
            await page.goto(own.url)
            said = await page.evaluate(PAGE, [own.url, other.url])
            await page.goto(own.url + "/away")
            # The browser asks for a page's icon on its own, some time after the page is there.
            with suppress(TimeoutError):
                async with asyncio.timeout(ICON_PATIENCE_SECONDS):
                    while "/favicon.ico" not in [path for path, _ in other.seen]:
                        await asyncio.sleep(0.05)
            return said

    assert asyncio.run(drive()) == "undefined"
    # The second time the cache answers, as without headers.
    assert own.without_secret() == [] and own.with_secret().count("/asked") == 1
    assert "/socket" in own.with_secret()
    assert other.with_secret() == []
    assert {"/asked", "/frame", "/beacon", "/from-afar"} <= set(other.without_secret())


@needs_a_browser
def test_what_waits_when_the_browser_is_closed_is_not_sent_with_them(
    origins: tuple[Origin, Origin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, it goes on with them as soon as nobody stops requests any more."""
    own, other = origins
    waiting: set[str] = set()

    async def undecided(self: Any, request_id: str, request: dict[str, Any]) -> None:
        if not request["url"].startswith(other.url):
            await on_its_way(self, request_id, request)
            return
        waiting.add(request["url"])
        await asyncio.Event().wait()

    on_its_way = _StoppedRequests._go_on
    monkeypatch.setattr(_StoppedRequests, "_go_on", undecided)

    async def drive() -> None:
        opening = Opening(url=own.url, executable=find_browser(""), headers=SECRET)
        async with opened(opening, tmp_path / "profile") as (_, page, _session):
            page.set_default_timeout(PATIENCE_SECONDS * 1000)
            await page.goto(own.url)
            await page.evaluate(
                "other => { navigator.sendBeacon(other + '/beacon', ''); fetch(other).catch(() => 0); }", other.url
            )
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(waiting) < 2:
                    await asyncio.sleep(0.02)

    asyncio.run(drive())

    assert other.with_secret() == []


def test_another_port_scheme_or_name_is_another_origin() -> None:
    def sent(url: str) -> dict[str, str]:
        return headers_of(url, {"accept": "*/*", "x-proxy-secret": "let-me-in"}, "https://chat.example.com", SECRET)

    assert sent("https://chat.example.com:443/a") == {"accept": "*/*", **SECRET}
    for url in ("http://chat.example.com/", "https://chat.example.com:8443/", "https://chat.example.com.evil.example/"):
        assert sent(url) == {"accept": "*/*"}
