"""Spans in which the server gave no answer, and how its sockets came back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmload.results.model import Second

# Shorter spans are single requests that timed out, not an outage.
SHORTEST_OUTAGE_SECONDS = 3
FEWEST_UNANSWERED = 2
# Of the requests that end in an outage nearly none was answered; a few may have been on their way when it began.
MOST_ANSWERED_SHARE = 0.1
# How long sockets may take to come back to be told of with the outage (the longest back-off is 5 minutes).
RETURN_SECONDS = 330
# A server that stops takes its sockets along within a moment: nearly all of them.
_STOP_SECONDS = 3
_FEWEST_SOCKETS = 2
_MOST_KEPT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first second without answers to the first with answers again (or the end of the run)."""

    start_ms: int
    end_ms: int
    unanswered: int
    sockets_dropped: int
    sockets_back: int
    back_after_seconds: int  # from the end of the outage until the last of `sockets_back` was back

    @property
    def seconds(self) -> int:
        """How long it lasted."""
        return (self.end_ms - self.start_ms) // 1000


def outages(seconds: Sequence[Second]) -> tuple[Outage, ...]:
    """The outages of a run, in order."""
    found = []
    index = 0
    while index < len(seconds):
        end = _end(seconds, index)
        unanswered = sum(second.unanswered for second in seconds[index:end])
        if end - index >= SHORTEST_OUTAGE_SECONDS and unanswered >= FEWEST_UNANSWERED:
            found.append(_outage(seconds, index, end))
        index = max(end, index + 1)
    return tuple(found)


def restarts(seconds: Sequence[Second]) -> tuple[int, ...]:
    """The moments (`ms`) at which the server was restarted so fast that hardly a request noticed.

    All sockets break within a moment, and most of them come back anew: the server has forgotten them. Those of an
    outage are not told here.
    """
    away = outages(seconds)
    found: list[int] = []
    for index, second in enumerate(seconds):
        known = any(each.start_ms - 2000 <= second.ms < each.end_ms for each in away)
        again = bool(found) and second.ms - found[-1] < _STOP_SECONDS * 1000
        if second.dropped and not known and not again and _all_lost(seconds, index):
            found.append(second.ms)
    return tuple(found)


def _all_lost(seconds: Sequence[Second], index: int) -> bool:
    """Whether the server lost all its sockets from this second on, and does not know them any more."""
    before = seconds[index - 1].sockets if index else 0
    dropped = sum(second.dropped for second in seconds[index : index + _STOP_SECONDS])
    if before < _FEWEST_SOCKETS or dropped < before * (1 - _MOST_KEPT_SHARE):
        return False
    after = seconds[index : index + RETURN_SECONDS]
    return sum(second.renewed for second in after) > sum(second.resumed for second in after)


def _unanswered(second: Second) -> bool:
    """Requests ended, and nearly none of them with an answer."""
    ended = second.requests + second.logins
    return second.unanswered > 0 and ended - second.unanswered <= ended * MOST_ANSWERED_SHARE


def _silent(second: Second) -> bool:
    """No request ended at all: says nothing by itself."""
    return second.requests + second.logins == 0


def _end(seconds: Sequence[Second], start: int) -> int:
    """The index after the outage that begins at `start`; `start` itself if none does.

    Seconds in which no request ended belong to it until answers come again, but not where the run ends without any.
    """
    if not _unanswered(seconds[start]):
        return start
    end = start
    while end < len(seconds) and (_unanswered(seconds[end]) or _silent(seconds[end])):
        end += 1
    while end == len(seconds) and _silent(seconds[end - 1]):
        seconds = seconds[: end - 1]
        end -= 1
    return end


def _outage(seconds: Sequence[Second], start: int, end: int) -> Outage:
    dropped_from = max(0, start - 2)  # sockets break a moment before the first request fails
    dropped = sum(second.dropped for second in seconds[dropped_from:end])
    back, last_back = 0, end
    for index in range(dropped_from, min(len(seconds), end + RETURN_SECONDS)):
        came = seconds[index].resumed + seconds[index].renewed
        if came and back < dropped:
            back, last_back = min(dropped, back + came), index + 1
    return Outage(
        start_ms=seconds[start].ms,
        end_ms=seconds[end - 1].ms + 1000,
        unanswered=sum(second.unanswered for second in seconds[start:end]),
        sockets_dropped=dropped,
        sockets_back=back,
        back_after_seconds=max(0, last_back - end),
    )
