"""One way to start a browser: a headless Chromium with an empty profile, and its page."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
from playwright.async_api import BrowserContext, CDPSession, Error, Page, ProxySettings, ViewportSize, async_playwright

from mmload.browser.headers import headers_sent
from mmload.browser.messages import Opening
from mmload.signals import sessions_give_way

VIEWPORT = ViewportSize(width=1366, height=768)
# No traffic and no work of the browser's own; the graphics of a machine without a screen.
ARGUMENTS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
_CLOSE_SECONDS = 5.0


@asynccontextmanager
async def opened(
    opening: Opening, profile: Path, *, bypass_csp: bool = False
) -> AsyncIterator[tuple[BrowserContext, Page, CDPSession]]:
    """A browser with its profile in this folder, its empty page, and what tells of the page's network; then closed."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=opening.executable,
            headless=True,
            # As root Chromium has no sandbox, and does not start without being told so.
            chromium_sandbox=os.geteuid() != 0,
            args=list(ARGUMENTS),
            proxy=_proxy(opening.proxy),
            viewport=VIEWPORT,
            locale="en-US",
            ignore_https_errors=not opening.verify_tls,
            bypass_csp=bypass_csp,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        driver = psutil.Process()
        sessions_give_way({driver.pid, *(each.pid for each in driver.children(recursive=True))})
        try:
            page = context.pages[0] if context.pages else await context.new_page()
            session = await context.new_cdp_session(page)
            await session.send("Network.enable")
            async with headers_sent(page, session, opening.url, opening.headers):
                yield context, page, session
        finally:
            with suppress(Error, asyncio.TimeoutError):
                await asyncio.wait_for(context.close(), _CLOSE_SECONDS)


def _proxy(url: str) -> ProxySettings | None:
    """A proxy as the browser wants it: its credentials apart. Pure."""
    if not url:
        return None
    parts = urlsplit(url)
    return ProxySettings(
        server=f"{parts.scheme}://{parts.hostname}:{parts.port or 80}",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
