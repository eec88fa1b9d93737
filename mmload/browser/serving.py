"""The process of one browser: carries out the orders on its stdin, tells how they went on its stdout.

It ends, and leaves neither browser nor profile behind, when it is told to or when its stdin is closed: whatever became
of the process that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
from msgspec.structs import replace
from playwright.async_api import Error

from mmload.browser.driving import Drive, driven
from mmload.browser.messages import CloseBrowser, Order, StartBrowser, StepDone
from mmload.browser.orders import problem_of, stdin_lines, tell
from mmload.browser.steps import LOG_IN

PROFILE_PREFIX = "mmload-browser-"
STARTED = "Start"


def main() -> int:
    """Serve until stdin ends."""
    remove_left_profiles()
    profile = Path(tempfile.mkdtemp(prefix=f"{PROFILE_PREFIX}{os.getpid()}-"))
    # What the driver and the browser put aside goes the same way, however they end.
    os.environ["TMPDIR"] = str(profile)
    try:
        asyncio.run(_serve(profile / "profile"))
    finally:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        _remove(profile)
    return 0


def remove_left_profiles(folder: Path | None = None) -> None:
    """Profiles of processes of this user that were killed and could not remove them."""
    for path in (folder or Path(tempfile.gettempdir())).glob(f"{PROFILE_PREFIX}*"):
        owner = path.name.removeprefix(PROFILE_PREFIX).partition("-")[0]
        with suppress(OSError):
            if owner.isdigit() and not psutil.pid_exists(int(owner)) and path.stat().st_uid == os.geteuid():
                _remove(path)


def _remove(profile: Path) -> None:
    # A browser that is being killed may still write a file.
    for _ in range(3):
        shutil.rmtree(profile, ignore_errors=True)


async def _serve(profile: Path) -> None:
    reader = await stdin_lines()
    orders: asyncio.Queue[Order] = asyncio.Queue()
    work = asyncio.create_task(_work(orders, profile))
    reading = asyncio.create_task(_read(reader, orders))
    await asyncio.wait({work, reading}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, reading):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _read(reader: asyncio.StreamReader, orders: asyncio.Queue[Order]) -> None:
    while line := await reader.readline():
        orders.put_nowait(msgspec.json.decode(line, type=Order))


async def _work(orders: asyncio.Queue[Order], profile: Path) -> None:
    start = await orders.get()
    assert isinstance(start, StartBrowser), "the first order"
    try:
        async with driven(start, profile) as drive:
            tell(StepDone(STARTED, usable_ms=0.0))
            await _carry_out(drive, orders)
    except Error as error:
        tell(StepDone(STARTED, failure=f"the browser ended: {problem_of(error)}"))


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
