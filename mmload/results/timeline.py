"""From the figures of processes to the seconds and totals of a run. Pure: time comes in with every call.

Each process takes its figures at every whole second of the wall clock. A worker's come with a delay, so a second is
closed only when all workers should have reported it; what comes later still counts, in the next second to be closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from mmload.metrics.counts import UserGauges
from mmload.metrics.delta import Delta, ProcessHealth, RouteFigures, all_times, answered, is_server_error
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.results.model import Figures, RunPhase, Second, Totals

# How often the histograms of the totals are packed that have grown meanwhile.
PACKED_EVERY_SECONDS = 10
API = "/api/v4/"


@dataclass(frozen=True, slots=True)
class Load:
    """Locust's target user count, and what it has started."""

    target: int = 0
    spawned: int = 0
    stopping: bool = False
    stage: str = ""
    is_ramp: bool = False  # of this stage


def next_phase(phase: RunPhase, lowest_target: int, load: Load, users: UserGauges) -> RunPhase:
    """The phase after a second, from its own and how things stood at its end. `lowest_target`: in it.

    A stage in which the users change is a ramp.

    Else the ramp-up ends when all users are active, or when none that could still become so is left. It begins again
    when the target is raised; that some drop out later does not.
    """
    if load.stopping:
        return RunPhase.STOPPING
    if load.is_ramp:
        return RunPhase.RAMP
    if phase is RunPhase.STEADY and load.target <= lowest_target:
        return RunPhase.STEADY
    came = load.target > 0 and users.active >= load.target
    nobody_left = load.target > 0 and users.waiting == 0 and users.active + users.gave_up >= load.target
    return RunPhase.STEADY if came or nobody_left else RunPhase.RAMP


@dataclass(slots=True)
class Timeline:
    """The seconds of one run, closed one after the other.

    `started` is when the run began (seconds since 1970), `delay_seconds` how long a second stays open for late figures.
    """

    started: float
    delay_seconds: int = 0
    phase: RunPhase = RunPhase.RAMP
    totals: Totals = field(default_factory=Totals)
    late: int = 0
    clock_error_ms: float | None = None
    _coming: RunPhase = RunPhase.RAMP
    _next: int = field(init=False)
    _open: dict[int, Delta] = field(default_factory=lambda: defaultdict(Delta))
    _levels: dict[str, UserGauges] = field(default_factory=dict)
    _levels_at: dict[int, dict[str, UserGauges]] = field(default_factory=lambda: defaultdict(dict))
    _health_at: dict[int, dict[str, ProcessHealth]] = field(default_factory=lambda: defaultdict(dict))
    _loads: dict[int, Load] = field(default_factory=dict)
    _load: Load = field(default_factory=Load)
    _lowest_target: int = 0

    def __post_init__(self) -> None:
        self._next = int(self.started)

    def add(self, second: int, process: str, delta: Delta) -> None:
        """Take in one process's figures of one second (whole seconds since 1970)."""
        if second < self._next:
            self.late += 1
            second = self._next
        self._open[second].merge(delta)
        self._levels_at[second][process] = delta.users
        if delta.health is not None:
            self._health_at[second][process] = _worse(self._health_at[second].get(process), delta.health)

    def observe(self, second: int, load: Load) -> None:
        """How Locust stood at the end of a second."""
        self._loads[second] = load

    def forget(self, process: str) -> None:
        """A process is gone, and with it its users and their WebSockets."""
        self._levels.pop(process, None)
        for levels in self._levels_at.values():
            levels.pop(process, None)

    def closed(self, now: float, *, all_of_them: bool = False) -> Iterator[tuple[Second, Figures]]:
        """Close the seconds that are over (`all_of_them`: also those kept open) and give their records, in order."""
        end = int(now) - (0 if all_of_them else self.delay_seconds)
        while self._next < end or (all_of_them and self._open):
            yield self._close(self._next)
            self._next += 1

    def _close(self, second: int) -> tuple[Second, Figures]:
        delta = self._open.pop(second, None) or Delta()
        self._levels.update(self._levels_at.pop(second, {}))
        self._load = self._loads.pop(second, self._load)
        users = _together(self._levels.values())
        self.phase = RunPhase.STOPPING if self._load.stopping else self._coming
        self._count(second, delta, users)
        self._look_ahead(users)
        elapsed = second - int(self.started)
        record = _record(second, elapsed, self.phase, self._load, users, delta)
        health = self._health_at.pop(second, {})
        return replace(record, health=health), Figures(record.ms, record.phase, delta)

    def _look_ahead(self, users: UserGauges) -> None:
        """What the next second is: how things stand now. So the steady phase has whole seconds only."""
        self._coming = next_phase(self.phase, self._lowest_target, self._load, users)
        begins = self._coming is not self.phase
        self._lowest_target = self._load.target if begins else min(self._lowest_target, self._load.target)

    def _count(self, second: int, delta: Delta, users: UserGauges) -> None:
        steady = self.phase is RunPhase.STEADY
        self.totals.whole.merge(delta)
        if steady:
            self.totals.steady.merge(delta)
        if self.totals.seconds % PACKED_EVERY_SECONDS == 0:
            self.totals.whole.pack()
            self.totals.steady.pack()
        self.totals = Totals(
            ms=(second + 1) * 1000,
            seconds=self.totals.seconds + 1,
            steady_seconds=self.totals.steady_seconds + steady,
            highest_active=max(self.totals.highest_active, users.active),
            whole=self.totals.whole,
            steady=self.totals.steady,
            clock_error_ms=self.clock_error_ms,
        )


def _worse(one: ProcessHealth | None, other: ProcessHealth) -> ProcessHealth:
    """Of two looks at the same process in the same second (one of them came late): each figure's worse one."""
    if one is None:
        return other
    worse: dict[str, Any] = {}
    for name in ProcessHealth.__struct_fields__:
        told = [each for each in (getattr(one, name), getattr(other, name)) if each is not None]
        worse[name] = max(told, default=None)
    return ProcessHealth(**worse)


def _together(levels: Iterable[UserGauges]) -> UserGauges:
    whole = UserGauges()
    for level in levels:
        whole.merge(level)
    return whole


def _record(second: int, elapsed: int, phase: RunPhase, load: Load, users: UserGauges, delta: Delta) -> Second:
    p50, p95, p99 = percentiles_ms(all_times(delta.routes))
    delivery = percentiles_ms(delta.spans.get(DELIVERY) or Histogram())
    return Second(
        ms=second * 1000,
        elapsed=elapsed,
        phase=phase,
        target=load.target,
        spawned=load.spawned,
        waiting=users.waiting,
        active=users.active,
        gave_up=users.gave_up,
        without_account=users.without_account,
        sockets=max(0, users.sockets),
        requests=sum(route.count for route in delta.routes.values()),
        failures=_failures(delta.routes),
        logins=sum(route.count for route in delta.logins.values()),
        login_failures=_failures(delta.logins),
        unanswered=_unanswered(delta.routes) + _unanswered(delta.logins),
        actions=sum(action.done for action in delta.actions.values()),
        posts=delta.deliveries.sent,
        events=sum(delta.events.values()),
        posted_of_others=delta.sockets.posted_of_others,
        stage="" if load.stopping else load.stage,
        groups=_groups(delta),
        dropped=delta.sockets.dropped,
        resumed=delta.sockets.resumed,
        renewed=delta.sockets.renewed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        expected=delta.deliveries.expected,
        delivered=delta.deliveries.delivered,
        missing=delta.deliveries.missing,
        delivery_p50_ms=delivery[0],
        delivery_p95_ms=delivery[1],
        delivery_p99_ms=delivery[2],
    )


def rounded_ms(seconds: float | None) -> float | None:
    """Milliseconds, to the microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def percentiles_ms(times: Histogram) -> tuple[float | None, float | None, float | None]:
    """The 50th, 95th and 99th."""
    p50, p95, p99 = (rounded_ms(times.percentile(percent)) for percent in (50, 95, 99))
    return p50, p95, p99


def _groups(delta: Delta) -> dict[str, tuple[int, int]]:
    """What ended and what was answered with 5xx, by groups of routes: the database may fail some of them only."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for route, figures in (*delta.routes.items(), *delta.logins.items()):
        group = counts[route_group(route)]
        group[0] += figures.count
        group[1] += sum(failures.count for reason, failures in figures.failures.items() if is_server_error(reason))
    return {group: (ended, errors) for group, (ended, errors) in sorted(counts.items()) if ended}


def route_group(route: str) -> str:
    """`GET /api/v4/posts/{id}` → `/posts`; what is no call of the API is a group of its own. Pure."""
    path = route.partition(" ")[2]
    return f"/{path.removeprefix(API).partition('/')[0]}" if path.startswith(API) else "web application"


def _failures(routes: Mapping[str, RouteFigures]) -> int:
    return sum(route.failed_times.count for route in routes.values())


def _unanswered(routes: Mapping[str, RouteFigures]) -> int:
    return sum(
        failures.count
        for route in routes.values()
        for reason, failures in route.failures.items()
        if not answered(reason)
    )
