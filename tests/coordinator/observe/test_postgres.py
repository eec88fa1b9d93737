"""A real PostgreSQL that is made to break: what it says of itself, and the cause that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any

import pytest

from coordinator.observe.causes import CauseKind, cause_of
from coordinator.observe.postgres import PostgresServer, Statement, hits, normalised, slowest
from coordinator.observe.state import Moment, ObservedState, merged
from coordinator.polling import Unanswered
from mmload.config.coordinator_tables import Observe
from tests.coordinator.observe.postgres import PASSWORD, Postgres, running_postgres

PATIENCE_SECONDS = 60
# What processes would tell: a database with CPU to spare, and a server, too.
IDLE_CPU = ObservedState(server_cpu=0.2, server_cores=2, database_cpu=0.1, database_cores=2)
BUSY_CPU = ObservedState(server_cpu=0.2, server_cores=2, database_cpu=1.95, database_cores=2)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres("max_connections=30", "track_io_timing=on") as running:
        with running.session() as session:
            session.execute("CREATE TABLE Channels (Id int PRIMARY KEY, TotalMsgCount int)")
            session.execute("INSERT INTO Channels SELECT n, 0 FROM generate_series(1, 10) n")
        yield running


def looked(watched: PostgresServer, until: Callable[[ObservedState], bool]) -> ObservedState:
    """The state in which it is so: events are waited for, not times."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not until(state := watched.look()):
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    return state


@contextmanager
def watching(server: Postgres, **more: Any) -> Iterator[PostgresServer]:
    # Each look asks for the queries anew.
    ticks = iter(range(0, 10**9, 10))
    watched = PostgresServer(server.observe(**more), clock=lambda: float(next(ticks)))
    try:
        yield watched
    finally:
        watched.close()


def cause(state: ObservedState) -> tuple[str, bool, str]:
    """What follows from it, if it is so at the limit."""
    found = cause_of([Moment(float(second), 100, second >= 10, False, state) for second in range(30)], 30.0)
    assert found is not None
    return found.kind, found.sure, found.advice


@contextmanager
def clients(server: Postgres, count: int, statement: str) -> Iterator[list[Any]]:
    """So many clients, each of which executes it; a statement that still runs in the end is cancelled."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(server.session()) for _ in range(count)]
        threads = [Thread(target=_executed, args=(session, statement), daemon=True) for session in sessions]
        for thread in threads:
            thread.start()
        try:
            yield sessions
        finally:
            for session in sessions:
                session.cancel_safe()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)


def _executed(session: Any, statement: str) -> None:
    psycopg: Any = pytest.importorskip("psycopg")
    try:
        session.execute(statement)
    except psycopg.Error:
        return


def test_a_lock_is_seen_with_the_query_that_holds_it(server: Postgres) -> None:
    with server.session() as holder, watching(server) as watched:
        holder.execute("BEGIN")
        holder.execute("UPDATE Channels SET TotalMsgCount = 4711 WHERE Id = 1")
        with clients(server, 4, "UPDATE Channels SET TotalMsgCount = TotalMsgCount + 1 WHERE Id = 1"):
            state = looked(watched, lambda state: state.backends_in_locks == 4)
            holder.execute("ROLLBACK")

    assert state.blocker.startswith("UPDATE Channels SET TotalMsgCount = ") and "4711" not in state.blocker
    kind, sure, advice = cause(merged([IDLE_CPU, state]))
    assert (kind, sure) == (CauseKind.LOCKS, True)
    assert "UPDATE Channels SET TotalMsgCount" in advice


def test_a_query_that_takes_the_time_is_named(server: Postgres) -> None:
    slow = "SELECT count(*) FROM generate_series(1, 4000000) AS series(n) WHERE n % 7 = 3"
    with server.session() as client, watching(server) as watched:
        watched.look()
        client.execute(slow)
        state = looked(watched, lambda state: "generate_series" in state.query)

    assert state.query_share is not None and state.query_share > 0.5
    assert state.query_ms is not None and state.query_ms > 1
    assert "4000000" not in state.query
    kind, _, advice = cause(merged([BUSY_CPU, ObservedState(query_ms=200), state]))
    assert kind == CauseKind.SLOW_QUERY and "generate_series" in advice


def test_a_pool_that_is_full_is_seen_by_what_its_connections_do(server: Postgres) -> None:
    """As many connections as the server may have are in transactions; the database has nothing to do."""
    with watching(server, max_open_conns=5) as watched, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(server.session()).execute("BEGIN")
        state = looked(watched, lambda state: state.pool_in_use == 5)

    assert cause(merged([IDLE_CPU, state]))[:2] == (CauseKind.POOL, True)


def test_connections_that_are_all_taken_are_seen(server: Postgres) -> None:
    with watching(server) as watched, ExitStack() as stack:
        # Those of an earlier test may still be ending.
        looked(watched, lambda state: (state.connections or 0) <= 1)
        most = int(watched.look().connections_most or 0)
        for _ in range(most - 1):
            stack.enter_context(server.session())
        state = looked(watched, lambda state: (state.connections or 0) >= most)

    assert most == 27
    assert cause(merged([IDLE_CPU, state]))[:2] == (CauseKind.CONNECTIONS, False)


def test_backends_that_wait_for_something_else_make_no_pool_the_sure_cause(server: Postgres) -> None:
    with watching(server, max_open_conns=4) as watched, clients(server, 4, "SELECT pg_sleep(300)"):
        state = looked(watched, lambda state: state.backends_in_other == 4)

    assert cause(merged([IDLE_CPU, state]))[:2] == (CauseKind.POOL, False)


def test_a_server_that_is_well_has_no_cause(server: Postgres) -> None:
    with watching(server, max_open_conns=20) as watched:
        watched.look()
        state = looked(watched, lambda state: state.cache_hits is not None)

    assert cause(merged([IDLE_CPU, state]))[:2] == (CauseKind.NOT_KNOWN, False)


def test_a_user_without_rights_tells_what_it_can_and_what_to_grant(server: Postgres) -> None:
    observe = Observe(postgres_url=server.url, postgres_user="observer", postgres_password=PASSWORD)
    watched = PostgresServer(observe)
    with server.session():
        state = watched.look()
    watched.close()

    assert state.connections and state.backends_active is None and state.pool_in_use is None
    assert any("pg_monitor" in note for note in watched.notes)


def test_the_session_can_change_nothing(server: Postgres) -> None:
    with watching(server) as watched:
        watched.look()
        assert watched._session is not None
        with pytest.raises(Exception, match="read-only transaction"):
            watched._session.execute("CREATE TABLE mine (n int)")


def test_a_session_that_is_cut_is_told_and_opened_again(server: Postgres) -> None:
    with watching(server) as watched, server.session() as other:
        watched.look()
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mmload'")
        with pytest.raises(Unanswered, match=r"terminat|closed"):
            looked(watched, lambda _: False)
        assert watched.look().connections


def test_a_wrong_password_is_told_without_it(server: Postgres) -> None:
    observe = Observe(postgres_url=server.url, postgres_user="mm", postgres_password="not that one")

    with pytest.raises(Unanswered, match="password authentication failed") as refused:
        PostgresServer(observe).look()
    assert "not that one" not in str(refused.value)


# -- pure --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT *\n  FROM Posts -- all\nWHERE Id = $1", "SELECT * FROM Posts WHERE Id = $1"),
        (
            "UPDATE Posts SET Message = 'it''s one', EditAt = 17 /* now */",
            "UPDATE Posts SET Message = ?, EditAt = ?",
        ),
        ("UPDATE Posts SET Message = 'cut off in the midd", "UPDATE Posts SET Message ="),
        ("SELECT $tag$ secret $tag$ FROM t2", "SELECT ? FROM t2"),
        ("SELECT " + "x" * 200, "SELECT " + "x" * 92 + "…"),
    ],
)
def test_a_query_is_told_without_its_values(query: str, told: str) -> None:
    assert normalised(query) == told


def test_the_slowest_query_is_that_of_the_time_in_between() -> None:
    before = {1: Statement(1000, 90_000.0, 5, "often"), 2: Statement(1, 100.0, 10, "slow")}
    after = {
        1: Statement(1010, 90_100.0, 5, "often"),
        2: Statement(4, 1000.0, 70, "slow"),
        3: Statement(1, 0.0, 0, "new"),
    }

    assert slowest(before, after) == ObservedState(query_share=0.9, query_ms=300.0, query_blocks=20.0, query="slow")
    assert slowest(after, after) == ObservedState()


def test_hits_are_of_the_reads_in_between() -> None:
    assert hits((10, 10), (100, 20)) == 0.9
    assert hits((10, 10), (10, 10)) is None and hits((10, 10), (0, 0)) is None
