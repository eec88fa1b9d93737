"""How a Locust process ends when it is told to, or when the process that started it is gone.

Locust heeds SIGTERM only when its runner is made: a worker that waits for its master would not hear it as PID 1, and
the parent of forked workers would leave them behind; that one ignores a first SIGINT. It does not know SIGHUP: workers
went on when a terminal was closed. And Ctrl-C would end the greenlet that happens to run, a user in the middle of a
request, say, which then neither logs out nor leaves the figures in order. So all of these are handled here.

No handler here raises an exception in what happens to run: in the middle of a fork, a destructor or a callback Python
drops it, and the process would go on as if nobody had told it anything.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import gevent
import psutil

from mmload.errors import ExitCode
from mmload.signals import forks_end_with_us, hold_back, ignores_hangup, leave_lost_terminal, let_through

# A signal that comes again so soon is the same: a terminal tells workers and their parent, which tells them, too.
SAME_SECONDS = 1.0


def heed_signals() -> None:
    """From now on, before workers are forked and before there are users: the process ends at once."""
    forks_end_with_us()
    end_at_once = _EndAtOnce()
    signal.signal(signal.SIGTERM, end_at_once)
    if not ignores_hangup():
        signal.signal(signal.SIGHUP, _end_on_hangup)
    # Not where a shell that started us in the background has SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    # `mmload agent` has them wait until here.
    let_through()


def let_users_leave() -> None:
    """From now on there may be users: the test ends in order."""
    interrupt_main = _InterruptMain()
    for number in (signal.SIGTERM, signal.SIGINT):
        if isinstance(signal.getsignal(number), _EndAtOnce):
            signal.signal(number, interrupt_main)


class _EndAtOnce:
    """Ends this process without a further step, or has its forked workers end and lets it wait for them.

    Of workers without a master on this machine the parent has no runner: Locust has it wait for them.
    """

    def __init__(self) -> None:
        self._order = 0
        # Locust may be in the middle of forking them. What a child gets early in a fork, Python forgets.
        os.register_at_fork(before=hold_back, after_in_parent=self._after_fork, after_in_child=let_through)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._order = number
        if not self._pass_on() or "--worker" not in sys.argv:
            os._exit(int(ExitCode.INTERRUPTED))

    def _after_fork(self) -> None:
        let_through()
        self._pass_on()

    def _pass_on(self) -> bool:
        """Whether there are workers."""
        workers = psutil.Process().children() if self._order else []
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(self._order)
        return bool(workers)


class _Interrupted(SystemExit, KeyboardInterrupt):
    """An end in order where Locust heeds Ctrl-C; elsewhere (it waits for its workers, say) one without a traceback."""


class _InterruptMain:
    """Interrupts the main greenlet when it waits, for the end of the test, say.

    Python calls it in whatever greenlet runs, or in the hub, in the middle of a WebSocket's callback.
    """

    def __init__(self) -> None:
        self._coming: Any = None
        self._came = -math.inf

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._came < SAME_SECONDS:
            return
        self._came = now
        hub: Any = gevent.get_hub()
        interrupted = _Interrupted(int(ExitCode.INTERRUPTED))
        if self._coming is not None and self._coming.pending:
            # Somebody asks again, as a greenlet does not let go: it is ended, and by that main is interrupted.
            self._coming.stop()
            raise interrupted
        self._coming = hub.loop.run_callback(hub.parent.throw, interrupted)


def _end_on_hangup(_number: int, _frame: FrameType | None) -> None:
    # The system and the shell may both send one.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leave_lost_terminal()
    os.kill(os.getpid(), signal.SIGTERM)
