"""Signals that end us, and children that do not outlive us, nor get in the way of others.

Whatever becomes of a command (a signal at any moment, a closed terminal, `kill -9`), no load and no sandbox goes on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

# SIGHUP comes when the terminal is closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Of Linux' prctl.h and capability.h.
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _CAP_SYS_NICE = 1, 24, 23
_MOST_TRIES, _NEXT_TRY_SECONDS = 10, 0.11
# Loaded here: between fork and exec as little as possible happens.
_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
# Signals that came while a child is being started; None: none is.
_held_back: list[int] | None = None


def ignores_hangup() -> bool:
    """Whether somebody wants us to go on when the terminal is closed (`nohup`)."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """This handler for all signals that end us, for a while; a hangup that is ignored stays so."""

    def handle(number: int, frame: FrameType | None) -> None:
        if _held_back is not None:
            _held_back.append(number)
            return
        if number == signal.SIGHUP:
            # The system and the shell may both send one; and a second signal would end us less orderly.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        leave_lost_terminal()
        handler(number, frame)

    heeded = [each for each in ENDING if each is not signal.SIGHUP or not ignores_hangup()]
    before = {each: signal.signal(each, handle) for each in heeded}
    # Who started us may have them wait until here.
    let_through()
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def hold_back() -> None:
    """The signals that end us wait, also for what this process becomes or forks, until they are let through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def let_through() -> None:
    """Get the signals that end us, those that waited first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def raising_interrupts() -> Any:
    """While in it, the signals that end us raise KeyboardInterrupt.

    Also where the shell made us ignore Ctrl-C, and as PID 1, which without a handler hears no SIGTERM.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    return handling(interrupt)


def leave_lost_terminal() -> None:
    """Write to nowhere if our terminal is gone: each line would be an OSError in the middle of an orderly end."""
    for stream in (1, 2):
        try:
            termios.tcgetattr(stream)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream)
                os.close(null)


def start_child(command: Sequence[str | Path], *, is_ours: bool = False, **options: Any) -> subprocess.Popen[Any]:
    """Start a child in a session of its own: a Ctrl-C at the terminal reaches only us. It is killed when we are gone.

    The options are those of `Popen`. Signals to one that is ours wait until it is `handling` them: they would end its
    imports with a traceback. What a handler raises while we fork, Python drops: signals to us are handled afterwards.
    """
    global _held_back
    setup = child_setup(holding_back=is_ours)
    start = partial(subprocess.Popen, command, start_new_session=True, preexec_fn=setup, **options)
    if threading.current_thread() is not threading.main_thread():
        return start()  # handlers do not run here
    came: list[int] = []
    _held_back = came
    try:
        return start()
    finally:
        _held_back = None
        for number in came:
            signal.raise_signal(number)


def child_setup(*, holding_back: bool = False) -> Callable[[], None]:
    """The `preexec_fn` of a child that heeds Ctrl-C and is killed when we are gone; what it becomes stays so.

    `holding_back`: signals that end it wait until it lets them through.
    """
    parent = os.getpid()

    def prepare() -> None:
        # A shell that starts us in the background ignores SIGINT, and so would the child.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if holding_back:
            hold_back()
        end_with(parent)

    return prepare


def forks_end_with_us() -> None:
    """From now on what this process forks is killed when it is gone."""
    parent = 0

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: end_with(parent))


def end_with(parent: int) -> None:
    """In a child: be killed when the parent is gone, however it ends. Only Linux can."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have gone in between.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def give_way(niceness: int) -> None:
    """In a child, before it becomes another program: others go first, and it can't take that back. Only Linux can."""
    os.nice(niceness)
    # Chromium sets the niceness of its processes back to 0 and below where it may: as root, who has this capability.
    if niceness and _libc is not None:
        _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)


def sessions_give_way(processes: Collection[int]) -> None:
    """The sessions that these processes lead get our niceness: it counts only among the processes of a session.

    Linux shares the CPU among sessions first (autogroups), whatever the niceness of who is in them. Elsewhere, or where
    it does not, nothing is done.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    for process in processes if niceness > 0 else ():
        group = Path(f"/proc/{process}/autogroup")
        with suppress(OSError):
            if os.getsid(process) in processes and not group.read_text().endswith(f" nice {niceness}\n"):
                _write_patiently(group, str(niceness))


def _write_patiently(file: Path, text: str) -> None:
    """Who is not root may do this ten times a second, together with all others."""
    for _ in range(_MOST_TRIES):
        with suppress(BlockingIOError):
            file.write_text(text)
            return
        time.sleep(_NEXT_TRY_SECONDS)
