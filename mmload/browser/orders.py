"""What the processes of browsers have in common: orders come as lines on stdin, and answers go as lines to stdout."""

from __future__ import annotations

import asyncio
import sys

import msgspec
from playwright.async_api import Error

from mmload.printable import harmless_line

# A session's cookies and a password are far smaller.
_LONGEST_ORDER = 1 << 20
_LONGEST_PROBLEM = 300


async def stdin_lines() -> asyncio.StreamReader:
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
