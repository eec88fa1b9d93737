"""Why the limit was crossed: rules over the server's state at the limit. Pure.

A cause is `sure` only if one thing alone was at its limit, and what could have been behind it was seen and was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from coordinator.observe.state import Moment, ObservedState, at_the_limit, mean

# Of the cores that may be used: requests wait for CPU, as they come by chance and not evenly.
FULL_CPU = 0.9
# Below it, CPU is not what is short.
FREE_CPU = 0.8
FULL_POOL = 0.95
FULL_DISK = 0.9
FULL_NETWORK = 0.85
# Of all time, in which a quota holds processes back.
MUCH_THROTTLED = 0.3
# Of the active backends, those that wait for the same kind of thing; and so many at least.
MOST_BACKENDS, FEWEST_BACKENDS = 0.5, 1.0
MUCH_IO_WAIT = 0.2
# A single query that takes so much of the time of all, and so long each time, is looked at before hardware is bought.
DOMINANT_QUERY, SURELY_DOMINANT, SLOW_QUERY_MS = 0.5, 0.7, 20.0
# One that reads no more blocks each time than an index does is slow because the disk is.
FEW_BLOCKS = 50.0
# Of the moments at the limit.
_MOST, _SOME = 0.5, 0.3
# Fewer looks say nothing.
FEWEST_MOMENTS = 5


class CauseKind(StrEnum):
    """What there was too little of."""

    GENERATOR = "generator"
    LOCKS = "locks"
    SLOW_QUERY = "slow query"
    DATABASE_CPU = "database CPU"
    IO = "I/O"
    SERVER_CPU = "server CPU"
    MACHINE_CPU = "machine CPU"
    POOL = "connection pool"
    CONNECTIONS = "database connections"
    NETWORK = "network"
    NOT_KNOWN = "not known"


class Cause(msgspec.Struct, frozen=True):
    """Why a limit was crossed. `sure`: nothing else that was seen explains it; `facts` and `advice` are for people."""

    kind: str
    sure: bool
    facts: tuple[str, ...]
    advice: str
    also: tuple[str, ...] = ()  # further kinds that were at their limit


@dataclass(frozen=True, slots=True)
class Evidence:
    """The moments at the limit: the mean of their states, and how often something was so in them."""

    state: ObservedState
    moments: tuple[Moment, ...]

    def share(self, so: Callable[[ObservedState], bool]) -> float:
        """In which share of the moments with a state it was so."""
        states = [moment.state for moment in self.moments if moment.state is not None]
        return sum(map(so, states)) / len(states) if states else 0.0

    def seconds(self, so: Callable[[ObservedState], bool]) -> float:
        """For how long it was so, all moments together; a moment lasts until the next, but no longer than 5 s."""
        following = [*(moment.seconds for moment in self.moments[1:]), self.moments[-1].seconds + 1.0]
        return sum(
            min(5.0, after - moment.seconds)
            for moment, after in zip(self.moments, following, strict=True)
            if moment.state is not None and so(moment.state)
        )


# A breach by so much fewer users than are surely fine had another cause.
_OF_FINE = 0.9


def cause_of(moments: Sequence[Moment], window_seconds: float, fine_users: int = 0) -> Cause | None:
    """Why the limit was crossed; None if none was, or nothing was observed. `fine_users` are below the capacity."""
    near = at_the_limit(moments, window_seconds, max(1.0, _OF_FINE * fine_users))
    if near and sum(moment.saturated for moment in near) >= _MOST * len(near):
        return judged(Evidence(mean([m.state for m in near if m.state is not None]), tuple(near)))
    seen = [moment for moment in near if moment.state is not None]
    if not seen:
        return None
    if len(seen) < FEWEST_MOMENTS:
        few = f"the server was observed only {len(seen)} times at the limit"
        return Cause(CauseKind.NOT_KNOWN, False, (few,), "")
    return judged(Evidence(mean([m.state for m in seen if m.state is not None]), tuple(seen)))


def judged(evidence: Evidence) -> Cause:
    """The first of the kinds that were at their limit, in the order in which one is behind another."""
    found = [rule(evidence) for rule in RULES]
    full = [each for each in found if each is not None]
    facts = tuple(told(evidence))
    if not full:
        return Cause(CauseKind.NOT_KNOWN, False, facts, missing(evidence.state))
    first, others = full[0], [each for each in full[1:] if each.kind not in _FOLLOWS.get(full[0].kind, ())]
    advice = " or ".join([first.advice, *(each.advice for each in others[:1])]) + (" first" if others else "")
    also = tuple(str(each.kind) for each in full[1:])
    return Cause(first.kind, first.sure and not others, facts, advice, also)


@dataclass(frozen=True, slots=True)
class Full:
    """Something that was at its limit; `sure`: and what could be behind it was seen, and was not."""

    kind: CauseKind
    sure: bool
    advice: str


# What fills up because of another thing, and so takes nothing from its certainty.
_FOLLOWS: dict[CauseKind, tuple[CauseKind, ...]] = {
    CauseKind.GENERATOR: tuple(CauseKind),
    CauseKind.LOCKS: (CauseKind.POOL, CauseKind.CONNECTIONS),
    CauseKind.SLOW_QUERY: (
        CauseKind.DATABASE_CPU,
        CauseKind.MACHINE_CPU,
        CauseKind.IO,
        CauseKind.POOL,
        CauseKind.CONNECTIONS,
    ),
    CauseKind.DATABASE_CPU: (CauseKind.MACHINE_CPU, CauseKind.POOL, CauseKind.CONNECTIONS),
    CauseKind.IO: (CauseKind.POOL, CauseKind.CONNECTIONS),
    CauseKind.SERVER_CPU: (CauseKind.MACHINE_CPU,),
    CauseKind.POOL: (CauseKind.CONNECTIONS,),
}


def generator(evidence: Evidence) -> Full | None:
    """Late clients measure themselves."""
    saturated = sum(moment.saturated for moment in evidence.moments)
    if saturated < _MOST * len(evidence.moments):
        return None
    return Full(CauseKind.GENERATOR, True, "add agents or workers and search again: this says nothing about the server")


def locks(evidence: Evidence) -> Full | None:
    state = evidence.state
    if not _most_of(state.backends_in_locks, state.backends_active):
        return None
    behind = f": most wait for `{state.blocker}`" if state.blocker else ""
    free = _known_free(database_cpu(state)) and not _is_full(server_cpu(state))
    return Full(CauseKind.LOCKS, free, f"check what holds locks in the database{behind}")


def slow_query(evidence: Evidence) -> Full | None:
    """One query takes most of the database's time; sure where the database has no more to give."""
    state = evidence.state
    dominant = (state.query_share or 0.0) >= DOMINANT_QUERY and (state.query_ms or 0.0) >= SLOW_QUERY_MS
    if not dominant or _most_of(state.backends_in_locks, state.backends_active):
        return None
    full = _is_full(database_cpu(state)) or _database_is_throttled(state)
    reading = _most_of(state.backends_in_io, state.backends_active)
    if reading and not full and (state.query_blocks or 0.0) < FEW_BLOCKS:
        return None
    busy = full or reading
    if not busy and (state.backends_active or 0.0) * (state.query_share or 0.0) < FEWEST_BACKENDS:
        return None
    text = f" `{state.query}`" if state.query else ""
    sure = busy and (state.query_share or 0.0) >= SURELY_DOMINANT
    return Full(CauseKind.SLOW_QUERY, sure, f"check the plan of one query{text}: an index may help more than hardware")


def database_cpu_full(evidence: Evidence) -> Full | None:
    state = evidence.state
    throttled = _database_is_throttled(state)
    if not _is_full(database_cpu(state)) and not throttled:
        return None
    advice = "raise the database's CPU quota" if throttled else "raise the database's CPU"
    # A share of a machine says nothing of whose it is.
    return Full(CauseKind.DATABASE_CPU, state.database_cpu is not None, advice)


def io(evidence: Evidence) -> Full | None:
    state = evidence.state
    disk = max(state.database_machine_disk or 0.0, state.machine_disk or 0.0)
    waits = max(state.database_machine_io_wait or 0.0, state.machine_io_wait or 0.0) >= MUCH_IO_WAIT
    backends = _most_of(state.backends_in_io, state.backends_active)
    if not backends and not (disk >= FULL_DISK and waits):
        return None
    advice = "raise the database's memory (its cache) or give it a faster disk"
    return Full(CauseKind.IO, backends and _known_free(database_cpu(state)), advice)


def server_cpu_full(evidence: Evidence) -> Full | None:
    state = evidence.state
    throttled = (state.server_throttled or 0.0) >= MUCH_THROTTLED
    if not _is_full(server_cpu(state)) and not throttled:
        return None
    return Full(CauseKind.SERVER_CPU, True, "raise the CPU quota" if throttled else "raise the server's CPU")


def machine_cpu(evidence: Evidence) -> Full | None:
    """The machine has no CPU left, whoever takes it."""
    state = evidence.state
    if not _is_full(state.machine_cpu):
        return None
    if state.shared_machine:
        advice = "put the load generator on another machine, or raise the machine's CPU"
        return Full(CauseKind.MACHINE_CPU, False, advice)
    return Full(CauseKind.MACHINE_CPU, True, "raise the CPU of the server's machine")


def pool(evidence: Evidence) -> Full | None:
    state = evidence.state
    full = evidence.share(_pool_is_full) >= _SOME
    if not full and not ((state.pool_waiting or 0.0) >= 1.0 and evidence.share(_pool_is_full) > 0.0):
        return None
    # A slow database fills a pool as well.
    free = _known_free(database_cpu(state)) and _known_free(server_cpu(state))
    seen = state.backends_in_locks is not None and not _most_of(state.backends_in_other, state.backends_active)
    return Full(CauseKind.POOL, free and seen, "raise SqlSettings.MaxOpenConns")


def connections(evidence: Evidence) -> Full | None:
    if evidence.share(_connections_are_full) < _SOME:
        return None
    return Full(CauseKind.CONNECTIONS, False, "raise PostgreSQL's max_connections, or lower SqlSettings.MaxOpenConns")


def network(evidence: Evidence) -> Full | None:
    state = evidence.state
    if max(state.machine_network or 0.0, state.database_machine_network or 0.0) < FULL_NETWORK:
        return None
    cpu = _known_free(server_cpu(state))
    return Full(CauseKind.NETWORK, cpu, "raise the speed of the network link")


# In the order in which one thing is behind another: who waits for a lock keeps a connection, and so fills the pool.
RULES: tuple[Callable[[Evidence], Full | None], ...] = (
    generator,
    locks,
    slow_query,
    database_cpu_full,
    io,
    server_cpu_full,
    machine_cpu,
    pool,
    connections,
    network,
)


def server_cpu(state: ObservedState) -> float | None:
    """Of the cores that the server may use, the share in use."""
    return _share(state.server_cpu, state.server_cores)


def database_cpu(state: ObservedState) -> float | None:
    """Of the cores that PostgreSQL may use, the share in use; of its machine's where its processes are not seen."""
    own = _share(state.database_cpu, state.database_cores)
    return own if own is not None else state.database_machine_cpu


def pool_in_use(state: ObservedState) -> float | None:
    """Of the connections that Mattermost may have to its database, the share in use."""
    return _share(state.pool_in_use, state.pool_most)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _is_full(share: float | None) -> bool:
    return (share or 0.0) >= FULL_CPU


def _known_free(share: float | None) -> bool:
    return share is not None and share < FREE_CPU


def _database_is_throttled(state: ObservedState) -> bool:
    """By a quota of its own: of a common one nobody knows who uses it up."""
    return (state.database_throttled or 0.0) >= MUCH_THROTTLED and not state.shared_quota


def _most_of(waiting: float | None, active: float | None) -> bool:
    return waiting is not None and waiting >= FEWEST_BACKENDS and waiting >= MOST_BACKENDS * (active or 0.0)


def _pool_is_full(state: ObservedState) -> bool:
    return (pool_in_use(state) or 0.0) >= FULL_POOL


def _connections_are_full(state: ObservedState) -> bool:
    return (_share(state.connections, state.connections_most) or 0.0) >= FULL_POOL


def told(evidence: Evidence) -> Iterator[str]:
    """What was seen at the limit, in words: CPU, the database, its connections, and what is remarkable."""
    state = evidence.state
    yield from _cpu_told(state)
    yield from _database_told(evidence)
    for name, share in (("the busiest disk", state.machine_disk), ("the database's disk", state.database_machine_disk)):
        if (share or 0.0) >= FULL_DISK:
            yield f"{name} was busy {_percent(share)} of the time"
    for name, share in (("network", state.machine_network), ("database's network", state.database_machine_network)):
        if (share or 0.0) >= FULL_NETWORK:
            yield f"the {name} link was at {_percent(share)}"


def _cpu_told(state: ObservedState) -> Iterator[str]:
    server, database = server_cpu(state), _share(state.database_cpu, state.database_cores)
    if server is not None:
        yield f"the server's CPU was at {_percent(server)} of {_cores(state.server_cores)}"
    if (state.server_throttled or 0.0) >= MUCH_THROTTLED:
        whose = "it and PostgreSQL were" if state.shared_quota else "it was"
        yield f"{whose} throttled by a CPU quota in {_percent(state.server_throttled)} of all periods"
    if database is not None:
        yield f"PostgreSQL at {_percent(database)} of {_cores(state.database_cores)}"
    if _database_is_throttled(state):
        yield f"which was throttled by a CPU quota in {_percent(state.database_throttled)} of all periods"
    if state.machine_cpu is not None:
        yield f"the machine's CPU at {_percent(state.machine_cpu)}{_others_told(state)}"
    if state.database_machine_cpu is not None:
        yield f"the CPU of the database's machine at {_percent(state.database_machine_cpu)}"


def _others_told(state: ObservedState) -> str:
    """Who else is on the machine."""
    if not state.shared_machine or not state.machine_cores:
        return ""
    busy = (state.machine_cpu or 0.0) * state.machine_cores
    others = max(0.0, busy - (state.server_cpu or 0.0) - (state.database_cpu or 0.0))
    return f" ({others:.1f} of {_cores(state.machine_cores)} by others, including the load generator)"


def _database_told(evidence: Evidence) -> Iterator[str]:
    state = evidence.state
    if state.pool_in_use is not None and state.pool_most:
        yield _in_use(evidence, state.pool_in_use, state.pool_most)
    if state.connections is not None and state.connections_most and evidence.share(_connections_are_full):
        yield f"{state.connections:.0f} of {state.connections_most:.0f} connections of PostgreSQL were in use"
    active = state.backends_active
    if active is not None:
        waits = [
            f"{value:.1f} of them waited for {what}"
            for value, what in (
                (state.backends_in_locks, "locks"),
                (state.backends_in_io, "I/O"),
                (state.backends_in_other, "something else inside PostgreSQL"),
            )
            if value is not None and value >= 0.1
        ]
        yield ", ".join([f"{active:.1f} queries were running at a time", *waits])
    if state.query_share is not None and state.query_share >= DOMINANT_QUERY and state.query_ms is not None:
        yield f"one query took {_percent(state.query_share)} of the database's time ({state.query_ms:.0f} ms each)"
    if state.cache_hits is not None and state.cache_hits < 0.95:
        yield f"{_percent(state.cache_hits)} of its reads were in its cache"


def _in_use(evidence: Evidence, in_use: float, most: float) -> str:
    seconds = evidence.seconds(_pool_is_full)
    if seconds:
        return f"the server's connections to its database {most:.0f} of {most:.0f} in use for {seconds:.0f} s"
    return f"the server's connections to its database {in_use:.0f} of {most:.0f} in use"


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} %"


def _cores(count: float | None) -> str:
    return "1 core" if count == 1 else f"{count or 0:.3g} cores"


def missing(state: ObservedState) -> str:
    """What to observe for a better answer, where there is no cause."""
    lacking = []
    if server_cpu(state) is None:
        lacking.append("the server's CPU (ServerNode, Mattermost)")
    if state.backends_active is None:
        lacking.append("the database (PostgresURL)")
    if database_cpu(state) is None:
        lacking.append("the database's CPU (DatabaseNode)")
    if state.pool_in_use is None or not state.pool_most:
        lacking.append("the server's connections to its database (MaxOpenConns, Mattermost)")
    if not lacking:
        return "nothing that was observed was at its limit"
    return (
        "nothing that was observed was at its limit; not observed: " + ", ".join(lacking) + ": see ObserveConfiguration"
    )


def text(cause: Cause) -> str:
    """What was so at the limit, and what follows: one line each."""
    then = "then: " + ", ".join(cause.facts) if cause.facts else ""
    if cause.kind == CauseKind.NOT_KNOWN:
        because = "cause: not known" + (f": {cause.advice}" if cause.advice else "")
    else:
        because = f"{'cause' if cause.sure else 'likely cause'}: {cause.kind}: {cause.advice}"
    return "\n".join(filter(None, [then, because]))
