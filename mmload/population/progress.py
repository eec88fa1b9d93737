"""The progress of `mmload init`: progress bars on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, TextIO

from mmload.printable import harmless

LINE_EVERY_SECONDS = 5.0


class InitProgress:
    """What a long job reports while it works; here to nobody. All methods may be called from any thread."""

    def start(self, step: str, total: int) -> None:
        """A step with `total` items begins; the one before it is over."""

    def advance(self, count: int = 1) -> None:
        """`count` more of them are done."""

    def note(self, text: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """Nothing more will come."""


class InitLines(InitProgress):
    """One line at the end of each step, and every few seconds in between."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._lock = Lock()
        self._step, self._total, self._done, self._told_at = "", 0, 0, 0.0

    def start(self, step: str, total: int) -> None:
        with self._lock:
            self._finish()
            self._step, self._total, self._done, self._told_at = step, total, 0, self._clock()

    def advance(self, count: int = 1) -> None:
        with self._lock:
            self._done += count
            if self._clock() - self._told_at >= LINE_EVERY_SECONDS and self._done < self._total:
                self._told_at = self._clock()
                self._line(f"{self._step}: {self._done} of {self._total}")

    def note(self, text: str) -> None:
        with self._lock:
            self._line(text)

    def close(self) -> None:
        with self._lock:
            self._finish()

    def _finish(self) -> None:
        if self._step:
            state = "done" if self._done >= self._total else "stopped"
            self._line(f"{self._step}: {self._done} of {self._total} {state}")
        self._step = ""

    def _line(self, text: str) -> None:
        print(harmless(f"mmload init: {text}"), file=self._out, flush=True)


class InitBars(InitProgress):
    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description:<28}", markup=False),
            progress.BarColumn(bar_width=30),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left:"),
            progress.TimeRemainingColumn(),
        )
        self._bars = progress.Progress(*columns, console=Console(stderr=True, highlight=False))
        self._bars.start()
        self._task: Any = None

    def start(self, step: str, total: int) -> None:
        self._task = self._bars.add_task(step, total=total)

    def advance(self, count: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)

    def note(self, text: str) -> None:
        self._bars.console.print(harmless(text), markup=False)

    def close(self) -> None:
        self._bars.stop()


def progress_for(out: TextIO, *, quiet: bool = False) -> InitProgress:
    """Bars on a terminal, lines elsewhere; nothing if `quiet`."""
    if quiet:
        return InitProgress()
    return InitBars() if out.isatty() else InitLines(out)
