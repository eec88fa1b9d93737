"""How a process of the generator fares: the lateness of its event loop, its CPU time, its memory, its sockets.

Measures only; what is too much is decided from the record (`mmload.results.generator_health`). One `Probe` per process.
"""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gevent import get_hub

from mmload.metrics.delta import ProcessHealth
from mmload.metrics.recorder import HANDLING_DELAY, LOOP_LAG, Recorder

# How often the loop is asked whether it is late. Measured: 20 wake-ups a second cost 0.15 % of a core if it is idle.
WAKE_SECONDS = 0.05
# Over shorter spans a share of CPU time says nothing: a look that comes sooner is left to the next one.
SHORTEST_LOOK_SECONDS = 0.5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CONTROLLERS_OF_V1 = re.compile(r"^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(?P<path>.*)$", re.MULTILINE)
_PATH_OF_V2 = re.compile(r"^0::(?P<path>.*)$", re.MULTILINE)
_THROTTLED = re.compile(r"^throttled_(?P<unit>usec|time) (?P<value>\d+)$", re.MULTILINE)


class SocketLoad:
    """How a process keeps up with its sockets: written by the watch over them, read and reset by the probe.

    `most_ready` counts sockets ready at once, `longest_seconds` is how long the last of them waited to be served. Both
    go over several turns where one is not enough; the time is measured only then.
    """

    __slots__ = ("_since", "carried", "longest_seconds", "most_ready")

    def __init__(self) -> None:
        self.most_ready = 0
        self.longest_seconds = 0.0
        self.carried = 0  # sockets served in the turns before, since the first of which there have always been more
        self._since = 0.0

    def begin(self, now: float) -> None:
        """A turn has found as many sockets as it serves, or goes on where the one before left off."""
        if not self.carried:
            self._since = now

    def end(self, served: int, watched: int, now: float, *, more: bool) -> None:
        """They are served; `more` are ready, of `watched` in all.

        The system reports ready sockets in turn: when as many are served as there are, nobody of the beginning waits.
        """
        self.carried += served
        self.most_ready = max(self.most_ready, min(self.carried, watched))
        self.longest_seconds = max(self.longest_seconds, now - self._since)
        if not more or self.carried >= watched:
            self.carried = 0

    def take(self) -> tuple[int, float]:
        found = self.most_ready, self.longest_seconds
        self.most_ready, self.longest_seconds = 0, 0.0
        return found


class Pauses:
    """The time that garbage collection took of this process."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._since = 0.0

    def start(self) -> None:
        if self._on_collection not in gc.callbacks:
            gc.callbacks.append(self._on_collection)

    def stop(self) -> None:
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._since = self._clock()
        else:
            self.seconds += self._clock() - self._since


@dataclass(frozen=True, slots=True)
class Usage:
    """What the system says of this process and its machine, summed up since they began. None: it does not tell.

    `stolen` and `all_ticks` are of the whole machine, in ticks of its clock.
    """

    cpu_seconds: float
    rss_bytes: int = 0
    stolen: int | None = None
    all_ticks: int = 0
    throttled_seconds: float | None = None


def usage() -> Usage:
    """As it is now. Reads three small files of the system: 60 µs, measured."""
    stolen, ticks = machine_ticks(_text("/proc/stat"))
    pages = _text("/proc/self/statm").split()
    quota = quota_file(_text("/proc/self/cgroup"))
    return Usage(
        cpu_seconds=time.process_time(),
        rss_bytes=int(pages[1]) * _PAGE_BYTES if len(pages) > 1 else 0,
        stolen=stolen,
        all_ticks=ticks,
        throttled_seconds=throttled_seconds(_text(quota)) if quota else None,
    )


def machine_ticks(stat: str) -> tuple[int | None, int]:
    """Stolen and all ticks of a machine from its /proc/stat: user nice system idle iowait irq softirq steal. Pure."""
    fields = stat.partition("\n")[0].split()
    if len(fields) < 9 or fields[0] != "cpu":
        return None, 0
    ticks = [int(field) for field in fields[1:9]]
    return ticks[7], sum(ticks)


def throttled_seconds(stat: str) -> float | None:
    """How long a CPU quota has held the process back: from cpu.stat, of control groups v2 (µs) or v1 (ns). Pure."""
    found = _THROTTLED.search(stat)
    if found is None:
        return None
    return int(found["value"]) / (1e6 if found["unit"] == "usec" else 1e9)


@cache
def quota_file(groups: str) -> str:
    """The cpu.stat of a process from its /proc/self/cgroup, or "" where there is none that can be read."""
    candidates = []
    for pattern, root in ((_CONTROLLERS_OF_V1, "/sys/fs/cgroup/cpu"), (_PATH_OF_V2, "/sys/fs/cgroup")):
        if found := pattern.search(groups):
            # In a container the path is often the host's, and the group is mounted at the root.
            candidates += [f"{root}{found['path'].rstrip('/')}/cpu.stat", f"{root}/cpu.stat"]
    return next((path for path in candidates if os.access(path, os.R_OK)), "")


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def loop_timer() -> Any:
    """Called by the loop itself: no greenlet to switch to. ref=False: it keeps no process alive."""
    return get_hub().loop.timer(WAKE_SECONDS, WAKE_SECONDS, ref=False)


class Probe:
    """Looks at its own process while a test goes on; `look` gives what was seen since the last look.

    The lateness of each wake-up goes to `recorder` as a span, too, unless that is None.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        sockets: SocketLoad | None = None,
        *,
        read: Callable[[], Usage] = usage,
        clock: Callable[[], float] = time.perf_counter,
        timer: Callable[[], Any] = loop_timer,
    ) -> None:
        self._recorder = recorder
        self._sockets = sockets or process_sockets()
        self._read = read
        self._clock = clock
        self._make_timer = timer
        self._timer: Any = None
        self._pauses = Pauses(clock)

    def start(self) -> None:
        self.stop()
        self._seen, self._seen_at = self._read(), self._clock()
        self._due = self._seen_at + WAKE_SECONDS
        self._backlog, self._longest = 0, 0.0
        self._sockets.take()
        self._pauses.seconds = 0.0
        self._pauses.start()
        self._timer = self._make_timer()
        self._timer.start(self._wake)

    def stop(self) -> None:
        """Watch no longer. May be called again."""
        self._pauses.stop()
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _wake(self) -> None:
        """The loop has come round: how late is it?"""
        now = self._clock()
        lag = max(0.0, now - self._due)
        # The loop keeps to its beat, but makes up for none that it missed.
        self._due = max(self._due + WAKE_SECONDS, now)
        backlog, handling = self._sockets.take()
        self._backlog = max(self._backlog, backlog)
        self._longest = max(self._longest, lag, handling)
        if self._recorder is not None:
            # A loop's timers are good to a millisecond; finer figures would only fill the record.
            self._recorder.span(LOOP_LAG, round(lag, 4))
            if handling:
                self._recorder.span(HANDLING_DELAY, handling)

    def look(self) -> ProcessHealth | None:
        """How the process fared since the last look; None if that was only just now, or the probe does not run."""
        if self._timer is None:
            return None
        now = self._clock()
        wall = now - self._seen_at
        if wall < SHORTEST_LOOK_SECONDS:
            return None
        # A wake-up that is due and does not come is late already.
        overdue = max(self._longest, now - self._due)
        before, self._seen, self._seen_at = self._seen, self._read(), now
        collecting = self._pauses.seconds
        health = condition(before, self._seen, wall, longest_seconds=overdue, backlog=self._backlog, gc=collecting)
        self._backlog, self._longest, self._pauses.seconds = 0, 0.0, 0.0
        return health


def condition(
    before: Usage, now: Usage, wall_seconds: float, *, longest_seconds: float, backlog: int, gc: float
) -> ProcessHealth:
    """A span of time between two looks at the system, as figures of a second. Pure."""
    ticks = now.all_ticks - before.all_ticks
    steal = None if now.stolen is None or before.stolen is None or ticks <= 0 else (now.stolen - before.stolen) / ticks
    throttled = None
    if now.throttled_seconds is not None and before.throttled_seconds is not None:
        throttled = round((now.throttled_seconds - before.throttled_seconds) / wall_seconds * 1000, 3)
    return ProcessHealth(
        cpu=round((now.cpu_seconds - before.cpu_seconds) / wall_seconds, 4),
        lag_ms=round(max(0.0, longest_seconds) * 1000, 3),
        backlog=backlog,
        gc_ms=round(gc * 1000, 3),
        rss_bytes=now.rss_bytes,
        steal=None if steal is None else round(max(0.0, steal), 4),
        throttled_ms=throttled,
    )


@cache
def process_sockets() -> SocketLoad:
    """That of this process (a forked worker has its own copy)."""
    return SocketLoad()
