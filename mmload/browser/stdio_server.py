"""What the processes of browsers have in common: orders come as lines on stdin, and answers go as lines to stdout."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
from playwright.async_api import Error

from mmload.printable import harmless_line

# A session's cookies and a password are far smaller.
_LONGEST_ORDER = 1 << 20
_LONGEST_PROBLEM = 300
PROFILE_PREFIX = "mmload-browser-"
# Chromium ends at once if the path of its socket (profile/.org.chromium.Chromium.XXXXXX/SingletonSocket) has more than
# the 107 bytes that a socket may have; the profile's own name has up to 32.
_LONGEST_FOLDER = 107 - 46 - 32
_SHORT_FOLDERS = ("/tmp", "/var/tmp")
# Carries out the orders of a queue, with a browser whose profile is in this folder.
Work = Callable[[asyncio.Queue[Any], Path], Coroutine[Any, Any, None]]


def serve(orders: Any, work: Work) -> None:
    """Let `work` carry out the orders of this type until it has done all, or stdin ends. It gets a folder to itself."""
    folder = profiles_folder(tempfile.gettempdir())
    remove_left_profiles(folder)
    profile = Path(tempfile.mkdtemp(prefix=f"{PROFILE_PREFIX}{os.getpid()}-", dir=folder))
    # What the driver and the browser put aside goes the same way, however they end.
    os.environ["TMPDIR"] = str(profile)
    try:
        asyncio.run(_serve(orders, work, profile / "profile"))
    finally:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        _remove(profile)


def profiles_folder(temporary: str, others: Sequence[str] = _SHORT_FOLDERS) -> Path:
    """Where profiles are: the system's temporary folder, or another where Chromium could have no socket in it."""
    usable = (each for each in others if os.access(each, os.W_OK | os.X_OK))
    return Path(temporary if len(os.path.abspath(temporary)) <= _LONGEST_FOLDER else next(usable, temporary))


def remove_left_profiles(folder: Path) -> None:
    """Profiles of processes of this user that were killed and could not remove them."""
    for path in folder.glob(f"{PROFILE_PREFIX}*"):
        owner = path.name.removeprefix(PROFILE_PREFIX).partition("-")[0]
        with suppress(OSError):
            if owner.isdigit() and not psutil.pid_exists(int(owner)) and path.stat().st_uid == os.geteuid():
                _remove(path)


def _remove(profile: Path) -> None:
    # A browser that is being killed may still write a file.
    for _ in range(3):
        shutil.rmtree(profile, ignore_errors=True)


async def _serve(orders: Any, work: Work, profile: Path) -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    tasks = [asyncio.create_task(work(queue, profile)), asyncio.create_task(_read(await _stdin(), orders, queue))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
        # Whoever started us may be gone, and nobody reads what is told.
        with suppress(asyncio.CancelledError, BrokenPipeError):
            await task


async def _read(reader: asyncio.StreamReader, orders: Any, queue: asyncio.Queue[Any]) -> None:
    while line := await reader.readline():
        queue.put_nowait(msgspec.json.decode(line, type=orders))


async def _stdin() -> asyncio.StreamReader:
    """Our stdin, which ends when whoever started us is gone."""
    reader = asyncio.StreamReader(limit=_LONGEST_ORDER)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def tell(answer: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def problem_of(error: Error) -> str:
    """The first line of what the browser says, for people to read. Pure."""
    return harmless_line(str(error).partition("\n")[0][:_LONGEST_PROBLEM])
