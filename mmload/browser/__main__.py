"""The process of one browser: carries out the orders on its stdin, tells how they went on its stdout.

`process.py` starts it (`python -m mmload.browser`), nobody by hand.

It ends, and leaves neither browser nor profile behind, when it is told to or when its stdin is closed: whatever became
of the process that started it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace
from playwright.async_api import Error

from mmload.browser.driving import Drive, driven
from mmload.browser.messages import CloseBrowser, Order, StartBrowser, StepDone
from mmload.browser.stdio_server import problem_of, serve, tell
from mmload.browser.steps import LOG_IN

STARTED = "Start"


async def _work(orders: asyncio.Queue[Order], profile: Path) -> None:
    start = await orders.get()
    assert isinstance(start, StartBrowser), "the first order"
    try:
        async with driven(start, profile) as drive:
            tell(StepDone(STARTED, usable_ms=0.0))
            await _carry_out(drive, orders)
    except Error as error:
        tell(StepDone(STARTED, failure=f"the browser exited: {problem_of(error)}"))


async def _carry_out(drive: Drive, orders: asyncio.Queue[Order]) -> None:
    while True:
        order = await orders.get()
        if isinstance(order, CloseBrowser):
            if order.log_out:
                await drive.log_out()
            return
        assert not isinstance(order, StartBrowser), "it is there already"
        done = await drive.perform(order.name)
        if order.name == LOG_IN and not done.failure:
            user_id, token = await drive.session()
            done = replace(done, user_id=user_id, token=token)
        tell(done)


if __name__ == "__main__":
    serve(Order, _work)
