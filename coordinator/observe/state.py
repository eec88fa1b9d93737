"""The state of the server at one moment, put together from whatever is observed. None is not known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import fields, replace


class ObservedState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look. CPU is in cores; shares are 0 to 1; backends are PostgreSQL's processes, one for each connection."""

    # Mattermost's processes, and the cores they may use.
    server_cpu: float | None = None
    server_cores: float | None = None
    # The share of periods in which the kernel held them back for their CPU quota.
    server_throttled: float | None = None
    # The machine they are on: not only theirs.
    machine_cpu: float | None = None
    machine_cores: float | None = None
    machine_io_wait: float | None = None
    machine_disk: float | None = None  # the busiest disk
    machine_network: float | None = None  # of the link's speed
    # PostgreSQL's processes, and its machine where that is another one.
    database_cpu: float | None = None
    database_cores: float | None = None
    database_throttled: float | None = None
    database_machine_cpu: float | None = None
    database_machine_io_wait: float | None = None
    database_machine_disk: float | None = None
    database_machine_network: float | None = None
    # Mattermost's pool of connections to its database; `pool_waiting` requests wait for one.
    pool_in_use: float | None = None
    pool_most: float | None = None
    pool_waiting: float | None = None
    # PostgreSQL as it sees itself.
    connections: float | None = None
    connections_most: float | None = None
    backends_active: float | None = None
    backends_in_locks: float | None = None
    backends_in_io: float | None = None
    backends_in_other: float | None = None  # that wait for another process, or a lock within memory
    cache_hits: float | None = None
    # Of the time of all queries, the share of the greatest; how long one such takes, and how many blocks it reads from
    # outside the cache; its text without values.
    query_share: float | None = None
    query_ms: float | None = None
    query_blocks: float | None = None
    query: str = ""
    blocker: str = ""  # the query that most of those in locks wait for
    # The load generator is on the server's machine.
    shared_machine: bool = False
    # Mattermost and PostgreSQL are held to one CPU quota together.
    shared_quota: bool = False


class Source:
    """Where a part of the state comes from. `notes`: what it lacks, for whoever sets it up."""

    every_seconds = 1.0
    notes: tuple[str, ...] = ()

    def look(self) -> ObservedState:
        """The state as far as it tells. Raises Unanswered."""
        raise NotImplementedError

    def close(self) -> None:
        """It is looked at no more."""


_NUMBERS = tuple(
    field.name for field in fields(ObservedState) if field.name not in ("query", "blocker") and field.default is None
)


def merged(states: Iterable[ObservedState]) -> ObservedState:
    """The first that knows a figure counts. Pure."""
    known: dict[str, Any] = {}
    for state in states:
        for field in fields(ObservedState):
            value = getattr(state, field.name)
            if value != field.default:
                known.setdefault(field.name, value)
    return ObservedState(**known)


def mean(states: Sequence[ObservedState]) -> ObservedState:
    """The mean of each figure over the looks that know it; texts are of the look with the greatest share. Pure."""
    told: dict[str, Any] = {
        name: math.fsum(values) / len(values)
        for name in _NUMBERS
        if (values := [value for state in states if (value := getattr(state, name)) is not None])
    }
    slowest = max(states, key=lambda state: state.query_share or 0.0, default=ObservedState())
    blocked = max(states, key=lambda state: (state.backends_in_locks or 0.0, state.blocker), default=ObservedState())
    return replace(
        ObservedState(**told),
        query=slowest.query,
        blocker=blocked.blocker,
        shared_machine=any(state.shared_machine for state in states),
        shared_quota=any(state.shared_quota for state in states),
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """One cycle of the search: the load, what became of it, and the server's state where one was had."""

    seconds: float
    users: int
    breached: bool
    saturated: bool
    state: ObservedState | None = None


# A breach belongs to a load that is at most so much below the one at which it began.
_SAME_LOAD = 0.97


def at_the_limit(moments: Sequence[Moment], window_seconds: float, fewest_users: float) -> list[Moment]:
    """The moments that made the limit break: around the beginning of each breach, at that load or above. Pure.

    Half a window each way: a p99 over a window rises some seconds after the server is full, and shows for a whole
    window that it was, when the load is long gone. Breaches by fewer users are of log-ins, or of a pause.
    """
    half = window_seconds / 2
    over = [moment.breached and moment.users >= fewest_users for moment in moments]
    began = [now for now, is_over, was in zip(moments, over, [False, *over], strict=False) if is_over and not was]
    return [
        moment
        for moment in moments
        if any(abs(moment.seconds - each.seconds) <= half and moment.users >= _SAME_LOAD * each.users for each in began)
    ]
