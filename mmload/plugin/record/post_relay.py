"""Posts told from worker to worker, by way of the master, so that each can keep account of what is due at its sockets.

A post's moment of sending is told by the clock of whoever hears of it. Processes of one host share a clock; for those
on other hosts the master measures how far theirs is off, as NTP does: half of the round trip is the error.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmload.delivery.account import Announcement

# The names of our messages.
SENT = "mmload_sent"  # master to worker: posts of other workers
CLOCK = "mmload_clock"  # master to worker: what time is it?
CLOCK_ANSWER = "mmload_clock_answer"
MEASURE_EVERY_SECONDS = 15
# Of so many measurements the one with the shortest round trip counts: clocks drift by less than it could tell.
MEASUREMENTS_KEPT = 20

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Offset:
    """By how many seconds a worker's clock is ahead of the master's, and how wrong that may be."""

    seconds: float = 0.0
    error_seconds: float = 0.0


def offset(asked: float, answered: float, their_time: float) -> Offset:
    """From one question: asked and answered by our clock, `their_time` in between by theirs. Pure."""
    return Offset(their_time - (asked + answered) / 2, (answered - asked) / 2)


def host_id() -> str:
    """The same for processes that share a clock: a host's name alone may be the same everywhere."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return platform.node()


@dataclass(slots=True)
class Clocks:
    """The clocks of the workers, against the master's."""

    own_host: str = field(default_factory=host_id)
    _measured: dict[str, list[Offset]] = field(default_factory=dict)

    def take(self, client_id: str, host: str, measured: Offset) -> None:
        known = self._measured.setdefault(client_id, [])
        known.append(Offset() if host == self.own_host else measured)
        del known[:-MEASUREMENTS_KEPT]

    def of(self, client_id: str) -> Offset:
        """The best that is known of a worker's clock."""
        return min(self._measured.get(client_id, [Offset()]), key=lambda each: each.error_seconds)

    def error_ms(self) -> float | None:
        """By how much the time of a delivery may be wrong; None where all share one clock."""
        errors = sorted((self.of(client_id).error_seconds for client_id in self._measured), reverse=True)
        worst = sum(errors[:2])
        return round(worst * 1000, 3) if worst else None


class Relay:
    """The master's part. `send(message, data, client_id)` reaches one worker."""

    def __init__(self, send: Callable[[str, Any, str], None], clock: Callable[[], float] = time.time) -> None:
        self.clocks = Clocks()
        self._send = send
        self._clock = clock
        self._measured_at = 0.0

    def measure(self, workers: Sequence[str]) -> None:
        """Ask the workers for the time, if it is time for that."""
        now = self._clock()
        if now - self._measured_at < MEASURE_EVERY_SECONDS:
            return
        self._measured_at = now
        for client_id in workers:
            self._send(CLOCK, {"asked": self._clock()}, client_id)

    def on_answer(self, client_id: str, data: dict[str, Any]) -> None:
        self.clocks.take(client_id, data["host"], offset(data["asked"], self._clock(), data["time"]))

    def pass_on(self, sender: str, posts: Sequence[Sequence[Any]], workers: Sequence[str]) -> None:
        sent_by = self.clocks.of(sender).seconds
        for client_id in workers:
            if posts and client_id != sender:
                shift = self.clocks.of(client_id).seconds - sent_by
                moved = [post._replace(sent=post.sent + shift) for post in announcements(posts)]
                self._send(SENT, [list(post) for post in moved], client_id)


def answer(data: dict[str, Any], now: float, host: str) -> dict[str, Any]:
    """A worker's answer to the question for the time. Pure."""
    return {"asked": data["asked"], "time": now, "host": host}


def announcements(data: Sequence[Sequence[Any]]) -> list[Announcement]:
    return [Announcement(*post) for post in data]
