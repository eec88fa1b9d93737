"""Why a limit was crossed: a table of servers that break in one way, and what is not known is never told as sure."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.observe.causes import Cause, CauseKind, cause_of, text
from coordinator.observe.state import Moment, ObservedState

WINDOW = 30.0
# Everything is observed, and nothing is at its limit.
WELL = ObservedState(
    server_cpu=0.8,
    server_cores=2,
    server_throttled=0.0,
    machine_cpu=0.4,
    machine_cores=4,
    machine_io_wait=0.01,
    machine_disk=0.1,
    machine_network=0.05,
    database_cpu=0.3,
    database_cores=2,
    pool_in_use=4,
    pool_most=20,
    pool_waiting=0,
    connections=22,
    connections_most=97,
    backends_active=1.5,
    backends_in_locks=0,
    backends_in_io=0.1,
    backends_in_other=0,
    cache_hits=0.99,
    query_share=0.2,
    query_ms=2,
)


def state(**changes: object) -> ObservedState:
    return msgspec.structs.replace(WELL, **changes)


def moments(
    at_limit: ObservedState | None, *, before: ObservedState | None = WELL, saturated: bool = False
) -> list[Moment]:
    """A climb by one user a second to a breach at the 60th second; the server is full from some seconds before it."""
    return [
        Moment(
            float(second),
            users=40 + min(second, 60),
            breached=second >= 60,
            saturated=saturated and second > 50,
            state=at_limit if second > 50 else before,
        )
        for second in range(80)
    ]


def why(at_limit: ObservedState | None, **more: object) -> Cause:
    found = cause_of(moments(at_limit, **more), WINDOW)  # type: ignore[arg-type]
    assert found is not None
    return found


PROCESSES_ONLY = ObservedState(
    server_cpu=1.96, server_cores=2, database_cpu=0.5, database_cores=2, machine_cpu=0.75, shared_machine=True
)
FULL_POOL = {"pool_in_use": 20.0, "connections": 22.0}
LOCKED = {"backends_active": 12.0, "backends_in_locks": 11.0, "blocker": "UPDATE Channels SET TotalMsgCount = ?"}
SLOW = {"query_share": 0.85, "query_ms": 240.0, "query": "SELECT * FROM Posts WHERE Message LIKE $1"}
READING = {"backends_active": 8.0, "backends_in_io": 7.0, "machine_disk": 0.98, "machine_io_wait": 0.4}

TABLE = [
    # what is so at the limit, the cause, whether that is sure
    ("the server's CPU", state(server_cpu=1.95), CauseKind.SERVER_CPU, True),
    ("the server's CPU, and only processes are seen", PROCESSES_ONLY, CauseKind.SERVER_CPU, True),
    ("a CPU quota", state(server_cpu=0.25, server_cores=0.4, server_throttled=0.9), CauseKind.SERVER_CPU, True),
    ("CPU of server and machine, which are one", state(server_cpu=1.95, machine_cpu=0.97), CauseKind.SERVER_CPU, True),
    ("the database's CPU", state(database_cpu=1.98, backends_active=6.0), CauseKind.DATABASE_CPU, True),
    (
        "the database's CPU, and so the pool",
        state(database_cpu=1.98, backends_active=20.0, **FULL_POOL),
        CauseKind.DATABASE_CPU,
        True,
    ),
    (
        "a CPU quota of the database",
        state(database_cpu=0.25, database_cores=0.4, database_throttled=0.9),
        CauseKind.DATABASE_CPU,
        True,
    ),
    (
        "a CPU quota that both have together, and the server's share of it",
        state(database_cpu=0.1, database_cores=0.4, database_throttled=0.9, server_throttled=0.9, shared_quota=True),
        CauseKind.SERVER_CPU,
        True,
    ),
    ("one slow query and a CPU quota", state(**SLOW, database_throttled=0.9), CauseKind.SLOW_QUERY, True),
    (
        "the CPU of the database's machine, of whatever it is",
        state(database_cpu=None, database_cores=None, database_machine_cpu=0.97),
        CauseKind.DATABASE_CPU,
        False,
    ),
    ("the pool", state(**FULL_POOL), CauseKind.POOL, True),
    ("the pool, and nobody sees the database", ObservedState(pool_in_use=20, pool_most=20), CauseKind.POOL, False),
    (
        "the pool, in front of backends that wait for one another in some way",
        state(**FULL_POOL, backends_active=20.0, backends_in_other=19.0),
        CauseKind.POOL,
        False,
    ),
    ("CPU and pool: either may be behind the other", state(server_cpu=1.95, **FULL_POOL), CauseKind.SERVER_CPU, False),
    ("locks", state(**LOCKED), CauseKind.LOCKS, True),
    ("locks, and so the pool", state(**LOCKED, **FULL_POOL), CauseKind.LOCKS, True),
    ("locks, and nobody sees CPU", ObservedState(backends_active=9, backends_in_locks=8), CauseKind.LOCKS, False),
    ("I/O", state(**READING), CauseKind.IO, True),
    ("a busy disk alone is no proof", state(machine_disk=0.99, machine_io_wait=0.3), CauseKind.IO, False),
    ("a disk that is busy while nobody waits", state(machine_disk=0.99), CauseKind.NOT_KNOWN, False),
    ("one slow query", state(**SLOW, database_cpu=1.97, backends_active=7.0), CauseKind.SLOW_QUERY, True),
    ("one slow query that reads much", state(**SLOW, **READING, query_blocks=4000), CauseKind.SLOW_QUERY, True),
    ("a query of few blocks, as slow as the disk", state(**SLOW, **READING, query_blocks=3), CauseKind.IO, True),
    ("a query of few blocks, and no CPU", state(**SLOW, query_blocks=3, database_cpu=1.97), CauseKind.SLOW_QUERY, True),
    ("one slow query with CPU to spare", state(**SLOW, backends_active=5.0), CauseKind.SLOW_QUERY, False),
    ("a query that is most of all, and quick", state(**{**SLOW, "query_ms": 3.0}), CauseKind.NOT_KNOWN, False),
    ("connections of PostgreSQL", state(connections=97), CauseKind.CONNECTIONS, False),
    ("the network", state(machine_network=0.93), CauseKind.NETWORK, True),
    ("the machine, by others", state(machine_cpu=0.98), CauseKind.MACHINE_CPU, True),
    (
        "the machine, with the load generator on it",
        state(machine_cpu=0.98, shared_machine=True),
        CauseKind.MACHINE_CPU,
        False,
    ),
    ("nothing", WELL, CauseKind.NOT_KNOWN, False),
    ("nothing that is seen", ObservedState(machine_cpu=0.3), CauseKind.NOT_KNOWN, False),
]


@pytest.mark.parametrize(("at_limit", "kind", "sure"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_server_that_breaks_in_one_way(at_limit: ObservedState, kind: CauseKind, sure: bool) -> None:
    found = why(at_limit)

    assert (found.kind, found.sure) == (kind, sure), text(found)


def test_a_saturated_generator_is_the_cause_whatever_the_server_does() -> None:
    for at_limit in (WELL, state(server_cpu=2.0), None):
        found = why(at_limit, saturated=True, before=at_limit)
        assert (found.kind, found.sure) == (CauseKind.GENERATOR, True)


def test_what_was_so_long_before_the_breach_is_no_cause() -> None:
    """A job that had all CPU during the climb, and was over when the limit was crossed."""
    assert why(WELL, before=state(server_cpu=2.0)).kind == CauseKind.NOT_KNOWN


def test_what_is_so_after_the_load_was_taken_back_is_no_evidence() -> None:
    seen = [
        *(Moment(float(second), 100, second >= 60, False, state(server_cpu=1.98)) for second in range(66)),
        *(Moment(float(second), 50, True, False, state(server_cpu=0.6)) for second in range(66, 90)),
    ]
    found = cause_of(seen, WINDOW)

    assert found is not None and (found.kind, found.sure) == (CauseKind.SERVER_CPU, True)


def test_a_breach_far_below_the_capacity_is_no_evidence() -> None:
    """Everybody logged in at once: the CPU was full of hashing, and that was not what the limit broke by."""
    early = [Moment(float(second), 20, second > 10, False, state(server_cpu=2.0)) for second in range(40)]
    locked = moments(state(**LOCKED))
    later = [Moment(40.0 + each.seconds, each.users, each.breached, False, each.state) for each in locked]
    found = cause_of([*early, *later], WINDOW, fine_users=95)

    assert found is not None and (found.kind, found.sure) == (CauseKind.LOCKS, True)


def test_without_a_breach_or_without_an_observation_there_is_nothing_to_say() -> None:
    fine = [Moment(float(second), 100, False, False, state(server_cpu=1.98)) for second in range(60)]

    assert cause_of(fine, WINDOW) is None
    assert cause_of(moments(None, before=None), WINDOW) is None


def test_a_few_looks_say_nothing() -> None:
    few = [Moment(1.0, 10, False, False, WELL), Moment(2.0, 11, True, False, state(server_cpu=2.0))]
    found = cause_of(few, WINDOW)

    assert found is not None and (found.kind, found.sure) == (CauseKind.NOT_KNOWN, False)


def test_the_sentence_has_the_figures_and_what_to_do_first() -> None:
    found = why(state(server_cpu=1.96, database_cpu=0.62, backends_active=2.0, backends_in_io=0, **FULL_POOL))

    assert text(found).splitlines() == [
        "then: the server's CPU was at 98 % of 2 cores, PostgreSQL at 31 % of 2 cores, the machine's CPU at 40 %, "
        "the server's connections to its database 20 of 20 in use for 19 s, 2.0 queries were running at a time",
        "likely cause: server CPU: raise the server's CPU or raise SqlSettings.MaxOpenConns first",
    ]


def test_who_else_is_on_the_machine_is_told() -> None:
    told = text(why(state(machine_cpu=1.0, shared_machine=True, server_cpu=0.5, database_cpu=0.3)))

    assert "the machine's CPU at 100 % (3.2 of 4 cores by others, including the load generator)" in told


def test_a_slow_query_and_a_lock_are_named() -> None:
    slow, locked = why(state(**SLOW, database_cpu=1.97)), why(state(**LOCKED))

    assert "`SELECT * FROM Posts WHERE Message LIKE $1`" in slow.advice
    assert "`UPDATE Channels SET TotalMsgCount = ?`" in locked.advice


def test_what_is_not_known_says_what_to_observe() -> None:
    told = text(why(ObservedState(server_cpu=0.5, server_cores=2)))

    assert "cause: not known" in told and "likely" not in told
    assert all(each in told for each in ("PostgresURL", "DatabaseNode", "MaxOpenConns", "ObserveConfiguration"))


SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SHARES, st.floats(0, 20), st.floats(0, 20), st.floats(0, 20))
def test_what_is_told_as_sure_was_at_its_limit(
    server: float, database: float, pool: float, active: float, locks: float, reads: float
) -> None:
    """Whatever comes together: a sure cause is one that was full, and no other than what follows from it was."""
    found = why(
        state(
            server_cpu=2 * server,
            database_cpu=2 * database,
            pool_in_use=20 * pool,
            backends_active=active,
            backends_in_locks=min(locks, active),
            backends_in_io=min(reads, active),
        )
    )
    full = {
        CauseKind.SERVER_CPU: server >= 0.9,
        CauseKind.DATABASE_CPU: database >= 0.9,
        CauseKind.POOL: pool >= 0.95 and database < 0.8 and server < 0.8,
        CauseKind.LOCKS: locks >= 1 and database < 0.8 and server < 0.9,
        CauseKind.IO: reads >= 1 and database < 0.8 and server < 0.9,
    }
    if found.sure:
        assert full[CauseKind(found.kind)], text(found)
