"""Counts the lines of logs, in an amount of memory that does not depend on how many there are.

Of people only numbers are kept: marks are hashed, and the hashes forgotten when their five minutes or day is over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmload.learn.formats import UNREADABLE_TIME, Line, LogFormat
from mmload.learn.observed import DAY, HOUR, SLOT_SECONDS, Hour, Observed, Slot
from mmload.learn.routes import PERFORMANCE_REPORT, WEB_SOCKET, Handler, HandlerFinder, own_id
from mmload.learn.user_agents import ClientKind, client_kind

# Lines are written when requests end: they may be out of order by as much.
_OPEN_SLOTS = 3
_MOST_AGENTS = 10_000
# Of the times that requests take, the mean of each 16th is near enough. That of a WebSocket is how long it was open.
_SAMPLED = 15
JUMP_SECONDS = 900
GAP_SECONDS = HOUR


@dataclass(slots=True)
class _Seen:
    """Who was seen, by a mark: when first, when last; and how often anybody was seen."""

    first: dict[int, float] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    times: int = 0

    def note(self, mark: int, moment: float, today: set[int]) -> None:
        if mark not in self.first:
            self.first[mark] = moment
            today.add(mark)
        self.last[mark] = moment
        self.times += 1

    def people(self, span: tuple[float, float], before: _Seen | None, after: _Seen | None) -> float:
        """How many there were on average. `before`, `after`: who was seen in the spans around; None: nobody looked."""
        start, end = span
        total = 0.0
        # On average somebody was there for so long before and after: the time between two of their requests.
        margin = len(self.first) * (end - start) / max(1, self.times)
        for mark, first in self.first.items():
            if before is None:
                first = max(start, first - margin)
            elif mark in before.first:
                first = start
            last = end if after is not None and mark in after.first else min(end, self.last[mark] + margin)
            total += max(0.0, last - first)
        return total / (end - start) if end > start else float(len(self.first))


@dataclass(slots=True)
class _OpenSlot:
    reports: int = 0
    marked: _Seen = field(default_factory=_Seen)
    own_ids: _Seen = field(default_factory=_Seen)
    clients: _Seen = field(default_factory=_Seen)

    def marks(self) -> tuple[_Seen, _Seen, _Seen]:
        return self.marked, self.own_ids, self.clients


@dataclass(slots=True)
class _Day:
    marked: set[int] = field(default_factory=set)
    own_ids: set[int] = field(default_factory=set)
    clients: set[int] = field(default_factory=set)

    @property
    def people(self) -> int:
        return len(self.marked) or max(len(self.own_ids), len(self.clients))


@dataclass(slots=True)
class _Place:
    """Where requests are counted that were made in the same five minutes, and when those are over."""

    until: float = -1.0
    slot: _OpenSlot = field(default_factory=_OpenSlot)
    day: _Day = field(default_factory=_Day)
    counts: Counter[str] = field(default_factory=Counter)

    def see(self, fields: Line, moment: float, handler: Handler) -> None:
        """Note by its marks whose request this was."""
        address, _, _, target, _, agent, _, person = fields
        slot, day = self.slot, self.day
        if person and person != b"-":
            slot.marked.note(hash(person), moment, day.marked)
            return
        if address and address != b"-":
            slot.clients.note(hash((address, agent)), moment, day.clients)
        if handler.own and (user := own_id(target)):
            # Whoever changes the network goes on being one; who has two kinds of clients open is two.
            slot.own_ids.note(hash((agent, user)), moment, day.own_ids)
        elif handler.name == PERFORMANCE_REPORT:
            slot.reports += 1


@dataclass(slots=True)
class Jumps:
    """What is odd about a log's clock."""

    back: int = 0
    largest_back: float = 0.0
    gaps: int = 0
    largest_gap: float = 0.0


class LogTally:
    """Feed it the lines of one log after the other, then ask for what was `observed`."""

    def __init__(self, routes: HandlerFinder) -> None:
        self._routes = routes
        self._hours: defaultdict[int, Hour] = defaultdict(Hour)
        self._open: dict[int, _OpenSlot] = {}
        self._slots: list[Slot] = []
        self._closed: tuple[int, _OpenSlot] | None = None
        self._days: defaultdict[int, _Day] = defaultdict(_Day)
        self._daily: dict[int, int] = {}
        self._integrations: Counter[str] = Counter()
        self._agents: dict[bytes, tuple[bool, list[int]]] = {}
        self._kinds = {kind: [0] for kind in ClientKind}
        self._statuses: Counter[str] = Counter()
        self._service: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._before = self._first = self._last = 0.0
        self.jumps = Jumps()
        self.lines = self.unreadable = 0

    def feed(self, lines: Iterable[bytes], log: LogFormat) -> None:
        """Count them. The loop is written for speed: `benchmarks logs` says what it costs."""
        parse, epoch, find, agents, service = log.parse, log.epoch, self._routes.find, self._agents, self._service
        number, written, moment, place = self.lines, b"", self._before, _Place()
        for line in lines:
            number += 1
            fields = parse(line)
            if fields is None:
                self.unreadable += line.strip() != b""
                continue
            _, time, method, target, status, agent, seconds, _ = fields
            if time != written:
                try:
                    moment = epoch(time)
                except UNREADABLE_TIME:
                    self.unreadable += 1
                    continue
                written, place = time, self._at(moment, place)
            if not method:
                continue
            is_program, seen = agents.get(agent) or self._agent(agent)
            seen[0] += 1
            handler = find(method, target)
            name = handler.name
            if status >= b"400" and len(status) == 3 and status.isdigit():
                self._statuses[status.decode()] += 1
            if is_program:
                self._integrations[name] += 1
                continue
            place.counts[name] += 1
            if not handler.api:
                continue
            if seconds and not number & _SAMPLED and name != WEB_SOCKET:
                took = service[name]
                took[0] += 1
                took[1] += float(seconds) / log.per_second
            place.see(fields, moment, handler)
        self.lines = number

    def _agent(self, agent: bytes) -> tuple[bool, list[int]]:
        """Whether this is a program rather than somebody's client, and the count of its kind."""
        if len(self._agents) >= _MOST_AGENTS:
            self._agents.clear()
        kind = client_kind(agent)
        known = self._agents[agent] = kind is ClientKind.INTEGRATION, self._kinds[kind]
        return known

    def _at(self, moment: float, place: _Place) -> _Place:
        """Where requests of this moment are counted: there, unless it was in other five minutes."""
        before, self._before = self._before, moment
        if moment > self._last:
            self._last = moment
        if place.until - SLOT_SECONDS <= moment < place.until:
            return place
        if before:
            self._note_jump(moment - before)
        self._first = min(self._first or moment, moment)
        return self._opened(moment)

    def _opened(self, moment: float) -> _Place:
        number, day = int(moment // SLOT_SECONDS), int(moment // DAY)
        if number not in self._open:
            self._open[number] = _OpenSlot()
            while len(self._open) > _OPEN_SLOTS:
                self._close(min(self._open))
        if day not in self._days and len(self._days) > 1:
            self._close_day(min(self._days))
        hour = self._hours[int(moment // HOUR)]
        # A slot that was closed already (the clock jumped back) is opened anew, and counts apart.
        slot = self._open.get(number, _OpenSlot())
        return _Place((moment // SLOT_SECONDS + 1) * SLOT_SECONDS, slot, self._days[day], hour.handlers)

    def _note_jump(self, step: float) -> None:
        if -step > JUMP_SECONDS:
            self.jumps.back += 1
            self.jumps.largest_back = max(self.jumps.largest_back, -step)
        elif step > GAP_SECONDS:
            self.jumps.gaps += 1
            self.jumps.largest_gap = max(self.jumps.largest_gap, step)

    def _close(self, number: int) -> None:
        slot, start = self._open.pop(number), number * SLOT_SECONDS
        span = max(start, self._first), min(start + SLOT_SECONDS, self._last)
        before = self._closed[1] if self._closed is not None and self._closed[0] == number - 1 else None
        after = self._open.get(number + 1)
        marked, own_ids, clients = (
            seen.people(span, earlier if before else None, later if after else None)
            for seen, earlier, later in zip(
                slot.marks(), (before or slot).marks(), (after or slot).marks(), strict=True
            )
        )
        self._slots.append(Slot(start, max(0.0, span[1] - span[0]), marked, own_ids, clients, slot.reports))
        self._closed = number, slot

    def _close_day(self, number: int) -> None:
        day = self._days.pop(number)
        self._daily[number] = max(day.people, self._daily.get(number, 0))

    def observed(self, source: str, *, queries: bool, offset: int = 0) -> Observed:
        """All that was counted; the tally is over."""
        for number in sorted(self._open):
            self._close(number)
        for number in sorted(self._days):
            self._close_day(number)
        slots = sorted(self._slots, key=lambda each: each.start)
        for each in slots:
            hour = self._hours[each.start // HOUR]
            hour.seconds += each.seconds
            hour.user_seconds += each.seconds * each.people
        return Observed(
            source,
            queries,
            self._first,
            self._last,
            offset,
            hours=dict(sorted(self._hours.items())),
            slots=slots,
            daily=self._daily,
            integrations=self._integrations,
            kinds=Counter({kind: count for kind, [count] in self._kinds.items() if count}),
            service_seconds={name: total / count for name, (count, total) in self._service.items()},
            statuses=self._statuses,
        )
