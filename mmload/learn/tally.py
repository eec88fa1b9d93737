"""Counts the lines of logs, in an amount of memory that does not depend on how many there are.

Of people only numbers are kept: marks are hashed, and the hashes forgotten when their five minutes or day is over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmload.learn.agents import ClientKind, client_kind
from mmload.learn.formats import UNREADABLE_TIME, LogFormat
from mmload.learn.observed import DAY, HOUR, SLOT_SECONDS, Hour, Observed, Slot
from mmload.learn.routes import PERFORMANCE_REPORT, WEB_SOCKET, HandlerFinder, own_id

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
        self._kinds = {kind: [0] for kind in ClientKind}
        self._statuses: Counter[str] = Counter()
        self._service: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._before = self._first = self._last = 0.0
        self.jumps = Jumps()
        self.lines = self.unreadable = 0

    def feed(self, lines: Iterable[bytes], log: LogFormat) -> None:
        """Count them. The loop is written for speed: `benchmarks logs` says what it costs."""
        parse, epoch, find, report = log.parse, log.epoch, self._routes.find, PERFORMANCE_REPORT
        service, scale = self._service, log.per_second
        agents: dict[bytes, tuple[bool, list[int]]] = {}
        written, moment, latest, until = b"", self._before, self._last, -1.0
        slot, day, counts = _OpenSlot(), _Day(), Counter[str]()
        marked, clients, own_ids = slot.marked, slot.clients, slot.own_ids
        number, unreadable = self.lines, 0
        for line in lines:
            number += 1
            fields = parse(line)
            if fields is None:
                unreadable += line.strip() != b""
                continue
            address, time, method, target, status, agent, seconds, person = fields
            if time != written:
                before = moment
                try:
                    moment = epoch(time)
                except UNREADABLE_TIME:
                    unreadable += 1
                    continue
                written = time
                if moment > latest:
                    latest = moment
                if not until - SLOT_SECONDS <= moment < until:
                    until = (moment // SLOT_SECONDS + 1) * SLOT_SECONDS
                    slot, day, counts = self._at(moment, before, latest)
                    marked, clients, own_ids = slot.marked, slot.clients, slot.own_ids
            if not method:
                continue
            known = agents.get(agent)
            if known is None:
                known = agents[agent] = self._agent(agent, agents)
            is_program, seen = known
            seen[0] += 1
            handler = find(method, target)
            name = handler.name
            if status >= b"400" and len(status) == 3 and status.isdigit():
                self._statuses[status.decode()] += 1
            if is_program:
                self._integrations[name] += 1
                continue
            counts[name] += 1
            if not handler.api:
                continue
            if seconds and not number & _SAMPLED and name != WEB_SOCKET:
                took = service[name]
                took[0] += 1
                took[1] += float(seconds) / scale
            if person and person != b"-":
                mark = hash(person)
                if mark not in marked.first:
                    marked.first[mark] = moment
                    day.marked.add(mark)
                marked.last[mark] = moment
                marked.times += 1
                continue
            if address and address != b"-":
                mark = hash((address, agent))
                if mark not in clients.first:
                    clients.first[mark] = moment
                    day.clients.add(mark)
                clients.last[mark] = moment
                clients.times += 1
            if handler.own and (user := own_id(target)):
                # Whoever changes the network goes on being one; who has two kinds of clients open is two.
                mark = hash((agent, user))
                if mark not in own_ids.first:
                    own_ids.first[mark] = moment
                    day.own_ids.add(mark)
                own_ids.last[mark] = moment
                own_ids.times += 1
            elif name == report:
                slot.reports += 1
        self.lines, self._before, self._last = number, moment, latest
        self.unreadable += unreadable

    def _agent(self, agent: bytes, agents: dict[bytes, tuple[bool, list[int]]]) -> tuple[bool, list[int]]:
        """Whether this is a program rather than somebody's client, and the count of its kind."""
        if len(agents) >= _MOST_AGENTS:
            agents.clear()
        kind = client_kind(agent)
        return kind is ClientKind.INTEGRATION, self._kinds[kind]

    def _at(self, moment: float, before: float, latest: float) -> tuple[_OpenSlot, _Day, Counter[str]]:
        """Where requests of this moment are counted, and of others in the same five minutes."""
        if before:
            self._note_jump(moment - before)
        self._first = min(self._first or moment, moment)
        self._last = latest
        number, day = int(moment // SLOT_SECONDS), int(moment // DAY)
        if number not in self._open:
            self._open[number] = _OpenSlot()
            while len(self._open) > _OPEN_SLOTS:
                self._close(min(self._open))
        if day not in self._days and len(self._days) > 1:
            self._close_day(min(self._days))
        hour = self._hours[int(moment // HOUR)]
        # A slot that was closed already (the clock jumped back) is opened anew, and counts apart.
        return self._open.get(number, _OpenSlot()), self._days[day], hour.handlers

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
