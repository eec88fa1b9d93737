"""Running a sandbox as a process: says its address on stdout when it answers, ends on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from mmload.errors import ExitCode, UsageError
from mmload.sandbox.app import Server
from mmload.sandbox.options import Options


async def _serve(options: Options, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(options)
    try:
        address = await server.start(host, port)
    except OSError as error:
        raise UsageError(
            f"can't listen on {host}:{port}: {error.strerror or error}; --port 0 takes any free port"
        ) from error
    print(address, flush=True)
    await stop.wait()
    await server.stop()


def run(options: Options, host: str, port: int) -> int:
    """Serve until told to stop; gives the exit code."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options, host, port))
    return int(ExitCode.PASSED)
