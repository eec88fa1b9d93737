"""The process of one watched page: carries out the orders on its stdin, tells on its stdout what came of them.

`page.py` starts it (`python -m mmload.fidelity.live`), nobody by hand.

It ends, and leaves neither browser nor profile behind, when its stdin is closed: whatever became of the process that
started it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Error, Locator, Page

from mmload.browser.opening import opened
from mmload.browser.stdio_server import problem_of, serve, tell
from mmload.fidelity.live.messages import OpenPage, PageAct, PageAnswer, PageOrder, TakeTraffic
from mmload.fidelity.live.watching import NetworkWatch

# No act waits that long for what it touches; a busy machine may be slow.
PATIENCE_MS = 120_000.0
_WHEEL_SECONDS = 0.5


async def _work(orders: asyncio.Queue[PageOrder], profile: Path) -> None:
    opening = await orders.get()
    assert isinstance(opening, OpenPage), "the first order"
    try:
        async with opened(opening, profile) as (context, page, session):
            page.set_default_timeout(PATIENCE_MS)
            watch = NetworkWatch(session, opening.url)
            await _carry_out(WatchedPage(opening.url, context, page, watch), orders)
    except Error as error:
        tell(PageAnswer(f"the browser exited: {problem_of(error)}"))


async def _carry_out(page: WatchedPage, orders: asyncio.Queue[PageOrder]) -> None:
    tell(PageAnswer())
    while True:
        order = await orders.get()
        if isinstance(order, TakeTraffic):
            await page.watch.quiet(order.quiet_seconds, order.longest_seconds)
            tell(PageAnswer(traffic=page.watch.take()))
            continue
        assert isinstance(order, PageAct), "it is open already"
        try:
            tell(PageAnswer(shown=bool(await page.do(order))))
        except Error as error:
            tell(PageAnswer(f"{order.deed} {order.css}: {problem_of(error)}"))


class WatchedPage:
    """A page with a person's hands on it. A deed waits until what it touches is there; it fails with an `Error`."""

    def __init__(self, url: str, context: BrowserContext, page: Page, watch: NetworkWatch) -> None:
        self.watch = watch
        self._url = url
        self._context = context
        self._page = page

    async def do(self, act: PageAct) -> Any:
        deeds: dict[str, Callable[[PageAct], Awaitable[Any]]] = {
            "go": lambda act: self._page.goto(self._address(act.text), wait_until="commit"),
            "reload": lambda act: self._page.reload(wait_until="commit"),
            "click": lambda act: self._at(act).click(),
            "alt_click": lambda act: self._at(act).click(modifiers=["Alt"]),
            "hover": lambda act: self._at(act).hover(),
            "fill": lambda act: self._at(act).fill(act.text),
            "type": self._type,
            "press": lambda act: self._page.keyboard.press(act.text),
            "wheel": self._wheel,
            "attach": lambda act: self._page.locator(act.css).first.set_input_files(act.text),
            "see": lambda act: self._at(act).wait_for(),
            "shows": lambda act: self._page.locator(act.css).filter(visible=True).count(),
            "window": lambda act: self._page.evaluate("name => window.dispatchEvent(new Event(name))", act.text),
            "offline": lambda act: self._context.set_offline(act.text == "yes"),
            "rest": lambda act: asyncio.sleep(act.number / 1000),
        }
        return await deeds[act.deed](act)

    def _address(self, path: str) -> str:
        return path if path.startswith("about:") else self._url.rstrip("/") + path

    def _at(self, act: PageAct) -> Locator:
        return self._page.locator(act.css).filter(visible=True).first

    async def _type(self, act: PageAct) -> None:
        box = self._at(act)
        await box.click()
        await box.press_sequentially(act.text, delay=act.number)

    async def _wheel(self, act: PageAct) -> None:
        """A screen at a time."""
        await self._at(act).hover()
        for _ in range(int(act.text)):
            await self._page.mouse.wheel(0, act.number)
            await asyncio.sleep(_WHEEL_SECONDS)


if __name__ == "__main__":
    serve(PageOrder, _work)
