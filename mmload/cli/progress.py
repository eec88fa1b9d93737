"""The progress of a run while it goes on: one live line on a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec

from mmload.report.wording import count, of_ms
from mmload.results.folder import place_of
from mmload.results.model import Second

PLAIN_LINE_EVERY_SECONDS = 5.0
_CLEAR_LINE = "\r\033[K"


class Tail:
    """The lines that were added to seconds.jsonl since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Second]:
        """Whole new lines only; none while the file is not there yet."""
        try:
            with (place_of(self._path.parent) / self._path.name).open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [msgspec.json.decode(line, type=Second) for line in whole.splitlines()]


def progress_line(second: Second, run_time_seconds: float, posts: int, events: int) -> str:
    """How the run stands, in one line. Pure. `posts` and `events` are those of the whole run so far."""
    waiting = f", {second.waiting} waiting to log in" if second.waiting else ""
    gave_up = f", {second.gave_up} gave up" if second.gave_up else ""
    return (
        f"{_clock(second.elapsed + 1)}/{_clock(run_time_seconds)} {second.phase}: "
        f"{second.active}/{second.target} users{waiting}{gave_up} · {second.requests + second.logins} req/s · "
        f"{second.failures + second.login_failures} failed/s · p95 {of_ms(second.p95_ms)} ms · "
        f"{count(posts)} posts · {count(events)} events"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


class RunProgress:
    """Shows the seconds of a run as they are recorded."""

    def __init__(
        self,
        seconds: Path,
        run_time_seconds: float,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        command: str = "run",
    ) -> None:
        self.command = command
        self._tail = Tail(seconds)
        self._folder, self._trouble = seconds.parent, False
        self._run_time_seconds = run_time_seconds
        self._out = out
        self._clock = clock
        self._live = out.isatty()
        self._posts = self._events = 0
        self._due = clock() + PLAIN_LINE_EVERY_SECONDS
        self._shown = False

    def update(self) -> None:
        """Show what is new: at once on a terminal, every few seconds elsewhere."""
        seconds = self._tail.new()
        if not self._trouble and place_of(self._folder) != self._folder:
            self._trouble = True
            why = f"cannot write to {self._folder}: is its disk full? The record continues in memory"
            self.tell(f"mmload {self.command}: {why}")
        for second in seconds:
            self._posts += second.posts
            self._events += second.events
        if not seconds or not (self._live or self._clock() >= self._due):
            return
        self._due = self._clock() + PLAIN_LINE_EVERY_SECONDS
        self._write(progress_line(seconds[-1], self._run_time_seconds, self._posts, self._events))

    def _write(self, line: str) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._out.write(_CLEAR_LINE + line[:width])
            self._shown = True
        else:
            self._out.write(line + "\n")
        self._out.flush()

    def tell(self, text: str) -> None:
        """Say something in between."""
        self.end()
        self._out.write(text + "\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the live line."""
        if self._shown:
            self._out.write(_CLEAR_LINE)
            self._out.flush()
            self._shown = False
