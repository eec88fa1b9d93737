"""Spans in which the server gave no answer, or most answers were errors (5xx), and how its sockets came back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mmload.results.model import Second

T = TypeVar("T")

# Shorter spans are single requests that timed out, not an outage.
SHORTEST_OUTAGE_SECONDS = 3
FEWEST_UNANSWERED = 2
# Of the requests that end in an outage nearly none was answered; a few may have been on their way when it began.
MOST_ANSWERED_SHARE = 0.1
# Errors are an outage where most requests end in one, enough of them, and few did before: what fails all the time is a
# fault, and a threshold's matter.
FEWEST_ERRORS = 10
MOST_ERRORS_SHARE, USUAL_ERRORS_SHARE = 0.5, 0.1
# How long sockets may take to come back to be told of with the outage (the longest back-off is 5 minutes).
RETURN_SECONDS = 330
# Proxies cut a silent WebSocket after a minute or more; ours are pinged, so even that says something is wrong.
FEWEST_DROPS, SHORTEST_LIFE_SECONDS = 10, 600
# A server that stops takes its sockets along within a moment: nearly all of them.
_STOP_SECONDS = 3
_FEWEST_SOCKETS = 2
_MOST_KEPT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first second without (good) answers to the first with them again, or the end of the run.

    `server_errors`: answers of 5xx in it. `route_groups`: what failed, if the rest went on.
    """

    start_ms: int
    end_ms: int
    unanswered: int
    sockets_dropped: int
    sockets_back: int
    back_after_seconds: int  # from the end of the outage until the last of `sockets_back` was back
    server_errors: int = 0
    route_groups: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        return (self.end_ms - self.start_ms) // 1000

    @property
    def what(self) -> str:
        """What the server did in it."""
        if not self.server_errors:
            return "the server gave no answer"
        which = f"for {', '.join(self.route_groups)} " if self.route_groups else ""
        return f"the server answered most requests {which}with errors (5xx)"


@dataclass(frozen=True, slots=True)
class OutageSpan:
    """Some of the seconds of a run, by their places; `group`: of the routes that failed in them, "" all."""

    start: int
    end: int
    group: str


def outages(seconds: Sequence[Second]) -> tuple[Outage, ...]:
    groups = sorted({group for second in seconds for group in second.groups})
    found = [*_without_answers(seconds), *_with_errors(seconds, "")]
    for group in groups:
        found += _with_errors(seconds, group)
    return tuple(_outage(seconds, each) for each in _joined(found))


def _joined(spans: Sequence[OutageSpan]) -> list[list[OutageSpan]]:
    """Those that overlap are one."""
    found: list[list[OutageSpan]] = []
    for span in sorted(spans, key=lambda each: each.start):
        if found and span.start < max(each.end for each in found[-1]):
            found[-1].append(span)
        else:
            found.append([span])
    return found


def _without_answers(seconds: Sequence[Second]) -> Iterator[OutageSpan]:
    index = 0
    while index < len(seconds):
        end = _end(seconds, index, _unanswered, _silent)
        unanswered = sum(second.unanswered for second in seconds[index:end])
        if end - index >= SHORTEST_OUTAGE_SECONDS and unanswered >= FEWEST_UNANSWERED:
            yield OutageSpan(index, end, "")
        index = max(end, index + 1)


def _with_errors(seconds: Sequence[Second], group: str) -> Iterator[OutageSpan]:
    """Where most requests of a group of routes ("": of all) end in errors that were rare before."""
    counts = [_ended_and_failed(second, group) for second in seconds]
    places = range(len(seconds))
    ended_before = failed_before = index = 0
    while index < len(seconds):
        end = _end(
            places,
            index,
            lambda place: counts[place][1] > counts[place][0] * MOST_ERRORS_SHARE,
            lambda place: counts[place][0] == 0,
        )
        errors = sum(_errors(second, group) for second in seconds[index:end])
        new = failed_before <= ended_before * USUAL_ERRORS_SHARE and (ended_before or not group)
        if end - index >= SHORTEST_OUTAGE_SECONDS and errors >= FEWEST_ERRORS and new:
            yield OutageSpan(index, end, group)
        else:
            for ended, failed in counts[index : max(end, index + 1)]:
                ended_before, failed_before = ended_before + ended, failed_before + failed
        index = max(end, index + 1)


def _errors(second: Second, group: str) -> int:
    """The answers of 5xx; of one group of routes, or of all."""
    return sum(errors for name, (_, errors) in second.groups.items() if group in ("", name))


def _ended_and_failed(second: Second, group: str) -> tuple[int, int]:
    if group:
        return second.groups.get(group, (0, 0))
    return second.requests + second.logins, second.unanswered + _errors(second, "")


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


def frequent_drops(seconds: Sequence[Second]) -> str:
    """A sentence where sockets drop so often that something between cuts them, or the server does; "" if not.

    Those of outages and restarts are known.
    """
    away = [(each.start_ms - 2000, each.end_ms) for each in outages(seconds)]
    away += [(ms, ms + _STOP_SECONDS * 1000) for ms in restarts(seconds)]
    dropped = sum(second.dropped for second in seconds if not any(a <= second.ms < b for a, b in away))
    lived = sum(second.sockets for second in seconds)
    if dropped < FEWEST_DROPS or lived >= dropped * SHORTEST_LIFE_SECONDS:
        return ""
    return (
        f"WebSockets dropped {dropped:,} times, after {lived / dropped:.0f} s on average: a proxy or load balancer "
        "may have a short timeout, or the server closes them"
    )


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


def _end(seconds: Sequence[T], start: int, is_bad: Callable[[T], bool], is_silent: Callable[[T], bool]) -> int:
    """The index after the outage that begins at `start`; `start` itself if none does.

    Seconds in which no request ended belong to it until answers come again, but not where the run ends without any.
    """
    if not is_bad(seconds[start]):
        return start
    end = start
    while end < len(seconds) and (is_bad(seconds[end]) or is_silent(seconds[end])):
        end += 1
    while end == len(seconds) and is_silent(seconds[end - 1]):
        seconds = seconds[: end - 1]
        end -= 1
    return end


def _outage(seconds: Sequence[Second], spans: Sequence[OutageSpan]) -> Outage:
    start, end = min(each.start for each in spans), max(each.end for each in spans)
    groups = {each.group for each in spans}
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
        server_errors=sum(_errors(second, "") for second in seconds[start:end]),
        route_groups=() if "" in groups else tuple(sorted(groups)),
    )
