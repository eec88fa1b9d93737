"""How a Locust process ends when it is told to, or when the process that started it is gone.

Locust heeds SIGTERM only when its runner is made: a worker that waits for its master would not hear it as PID 1, and
the parent of forked workers would leave them behind. It does not know SIGHUP: workers went on when a terminal was
closed. And Ctrl-C would end the greenlet that happens to run, a user in the middle of a request, say, which then
neither logs out nor leaves the figures in order.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import gevent
import psutil

from mmload.errors import ExitCode
from mmload.signals import ENDING, forks_end_with_us, ignores_hangup, leave_lost_terminal


def heed_signals() -> None:
    """From now on, before workers are forked. Locust's own handler of SIGTERM takes the place of this one later."""
    forks_end_with_us()
    signal.signal(signal.SIGTERM, _end_early)
    if not ignores_hangup():
        signal.signal(signal.SIGHUP, _end_on_hangup)
    # Not where a shell that started us in the background has SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _MainInterrupt())
    # `mmload agent` as PID 1 has them wait until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


class _MainInterrupt:
    """Raises KeyboardInterrupt in the main greenlet, which waits for the end of the test.

    Python calls it in whatever greenlet runs, or in the hub, in the middle of a WebSocket's callback.
    """

    def __init__(self) -> None:
        self._coming: Any = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        hub = gevent.get_hub()
        main = hub.parent
        # Or somebody asks again, as a greenlet does not let go.
        if main is None or gevent.getcurrent() is main or (self._coming is not None and self._coming.pending):
            raise KeyboardInterrupt
        self._coming = hub.loop.run_callback(main.throw, KeyboardInterrupt)


def _end_early(number: int, _frame: FrameType | None) -> None:
    # Of forked workers without a master on this machine the parent has no runner: it waits for them.
    workers = psutil.Process().children() if "--worker" in sys.argv else []
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.send_signal(number)
    if not workers:
        # What is just being made (a socket of ZeroMQ) is left half made: its destructor's complaint helps nobody.
        sys.unraisablehook = lambda _: None
        sys.exit(int(ExitCode.INTERRUPTED))


def _end_on_hangup(_number: int, _frame: FrameType | None) -> None:
    # The system and the shell may both send one.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leave_lost_terminal()
    os.kill(os.getpid(), signal.SIGTERM)
