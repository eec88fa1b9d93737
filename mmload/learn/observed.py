"""What a source says people did: requests by handler and hour, how many people there were and when. Pure data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mmload.learn.routes import SITE_ASSET, SITE_PAGE, WEB_SOCKET
from mmload.learn.user_agents import ClientKind

HOUR, DAY = 3600, 86_400
# One a minute from each client, at a moment of its own: so long a time has one of each.
_LEAST_FOR_REPORTS = 60.0
# If reports say so much more than the other marks, these are of little worth.
_MUCH_MORE = 1.2
_MARKS = {
    "by_own_id": "user id in paths",
    "by_client": "address and user agent",
    "by_report": "reports of the clients",
}
SLOT_SECONDS = 300
# Hours with at least this share of the busiest one's rate are those to which the configuration is fitted.
BUSY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Slot:
    """Five minutes: who was there, by each mark, and for how many seconds of it there is a log.

    Numbers of people are means over these seconds: who comes or goes in them was not there all the time.
    """

    start: int
    seconds: float
    marked: float  # by session or user id of the log's own field
    by_own_id: float  # by the user id in paths, and the agent
    by_client: float  # by address and agent
    reports: int  # reports of clients' own speed: one a minute from each open client
    sockets: float = 0.0  # open WebSockets, where the server counts them

    @property
    def people(self) -> float:
        """Who has a mark of their own is counted by it. The others can only be too few: the largest one is nearest."""
        return self.sockets or self.marked or max(self.by_own_id, self.by_client, self.by_report)

    @property
    def by_report(self) -> float:
        """Open clients by their reports. Of less than a minute they say too little."""
        return self.reports * 60 / self.seconds if self.seconds >= _LEAST_FOR_REPORTS else 0.0


@dataclass(slots=True)
class Hour:
    """Requests of people by handler."""

    handlers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    user_seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.handlers.total() / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Observed:
    """All of it. `queries`: whether the source has query strings. `offset`: seconds that local time is ahead of UTC.

    `as_counted`: the name under which the source counts a handler of the client; "" if it does not.
    """

    source: str
    queries: bool = True
    start: float = 0.0
    end: float = 0.0
    offset: int = 0
    hours: dict[int, Hour] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    # People of each day (its number), by the mark that tells most of them apart.
    daily: dict[int, int] = field(default_factory=dict)
    integrations: Counter[str] = field(default_factory=Counter)
    kinds: Counter[ClientKind] = field(default_factory=Counter)
    service_seconds: dict[str, float] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    reconnects: int | None = None  # where the server counts them
    as_counted: Callable[[str], str] = str

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def handlers(self) -> Counter[str]:
        return _sum(self.hours.values())

    @property
    def is_short(self) -> bool:
        """Less than an hour: its parts before and after the full hour tell nothing of a day."""
        return math.fsum(each.seconds for each in self.hours.values()) < HOUR

    @property
    def busiest(self) -> tuple[int, Hour] | None:
        """The hour (its number since 1970) with the highest rate, of those that are logged for a quarter at least."""
        longest = max((each.seconds for each in self.hours.values()), default=0.0)
        whole = [(each.rate, number) for number, each in self.hours.items() if each.seconds >= longest / 4]
        return (max(whole)[1], self.hours[max(whole)[1]]) if whole else None

    def busy_hours(self) -> dict[int, Hour]:
        """Those with at least half of the busiest one's rate; all of less than an hour, wherever the clock strikes."""
        busiest = self.busiest
        if busiest is None or self.is_short:
            return self.hours
        return {number: each for number, each in self.hours.items() if each.rate >= BUSY_SHARE * busiest[1].rate}

    @property
    def user_hours(self) -> float:
        return sum(each.people * each.seconds for each in self.slots) / HOUR

    @property
    def most_people(self) -> int:
        return round(max((each.people for each in self.slots if each.seconds), default=0.0))

    @property
    def mark(self) -> str:
        """By what people were told apart."""
        if any(each.sockets for each in self.slots):
            return "open WebSockets"
        if any(each.marked for each in self.slots):
            return "session or user id in the log"
        hours = {meaning: self.hours_by(name) for name, meaning in _MARKS.items()}
        # Reports name nobody: only what they add to the others is theirs.
        best = max(hours, key=lambda meaning: hours[meaning] / (_MUCH_MORE if meaning == _MARKS["by_report"] else 1))
        return best if hours[best] else ""

    def hours_by(self, name: str) -> float:
        """User hours by one of the marks."""
        return float(sum(getattr(each, name) * each.seconds for each in self.slots)) / HOUR

    def counted_twice(self) -> tuple[float, float]:
        """User hours by ids and addresses, and by reports, of the spans that are long enough for both."""
        long = [each for each in self.slots if each.by_report]
        by_others = sum(max(each.by_own_id, each.by_client) * each.seconds for each in long) / HOUR
        return by_others, sum(each.by_report * each.seconds for each in long) / HOUR

    def share_of(self, handler: str) -> float:
        total = self.handlers.total() + self.integrations.total()
        return (self.handlers[handler] + self.integrations[handler]) / total if total else 0.0


def merged(hours: Mapping[int, Hour]) -> Hour:
    """Several hours as one. Pure."""
    return Hour(
        _sum(hours.values()),
        sum(each.seconds for each in hours.values()),
        sum(each.user_seconds for each in hours.values()),
    )


def _sum(hours: Iterable[Hour]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in hours:
        total.update(each.handlers)
    return total


# Told by themselves, whatever explains them.
NOTEWORTHY = {WEB_SOCKET: "WebSocket connections", SITE_PAGE: "page loads", SITE_ASSET: "static files"}
