"""PostgreSQL as it sees itself: connections, what they wait for, the cache, and which query takes the time.

psycopg is loaded only here, and only when an address is configured (`pip install 'mmload[postgres]'`). The session is
read-only, and each statement bounded in time.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec.structs import replace

from coordinator.observe.state import ObservedState, Source, merged
from coordinator.polling import Unanswered
from mmload.config.coordinator_tables import Observe

_CONNECT_SECONDS = 5
_STATEMENT_MS = 2000
# The text of all queries is read from a file each time.
_STATEMENTS_EVERY_SECONDS = 5.0
_LONGEST_QUERY = 100
_MOST_STATEMENTS = 200
_ACTIVITY = """
SELECT count(*) FILTER (WHERE state <> 'idle'),
       count(*) FILTER (WHERE state = 'active'),
       count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock'),
       count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'IO'),
       count(*) FILTER (WHERE state = 'active'
                        AND wait_event_type IN ('LWLock', 'IPC', 'BufferPin', 'Timeout', 'Extension')),
       count(*) FILTER (WHERE query = '<insufficient privilege>'),
       (SELECT sum(numbackends) FROM pg_stat_database),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (backend_type = 'client backend' OR backend_type IS NULL)
"""
_CACHE = "SELECT blks_hit, blks_read FROM pg_stat_database WHERE datname = current_database()"
_BLOCKER = """
SELECT left(blocking.query, 300) FROM pg_stat_activity waiting
  CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS of(pid)
  JOIN pg_stat_activity blocking ON blocking.pid = of.pid
WHERE waiting.wait_event_type = 'Lock' AND waiting.datname = current_database()
GROUP BY 1 ORDER BY count(*) DESC LIMIT 1
"""
_STATEMENTS = """
SELECT queryid, calls, {time}, shared_blks_read, left(query, 300) FROM {schema}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
ORDER BY {time} DESC LIMIT {most}
"""
_SCHEMA = """
SELECT quote_ident(nspname), current_setting('server_version_num')::int
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_stat_statements'
"""
# Names of people and what they wrote must not get into a report.
_LITERALS = re.compile(r"""('(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$|(?<![\w$])\d+(?:\.\d+)?)""", re.S)


def normalised(query: str) -> str:
    """A query on one line without its values, cut off. Pure."""
    # What was cut off may have an open quote.
    text = _LITERALS.sub("?", query)
    text = text.partition("'")[0]
    text = re.sub(r"\s+", " ", re.sub(r"(?s)/\*.*?\*/|--[^\n]*", " ", text)).strip()
    return text if len(text) <= _LONGEST_QUERY else text[: _LONGEST_QUERY - 1] + "…"


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of pg_stat_statements: calls, milliseconds, and blocks read from outside the cache so far."""

    calls: int
    total_ms: float
    blocks: int
    query: str


def slowest(before: Mapping[int, Statement], after: Mapping[int, Statement]) -> ObservedState:
    """Which query took the most of the time in between, and what share of all. Pure."""
    # Beyond the most that are asked for, one that comes up among them may be old.
    known = [key for key in after if key in before or len(before) < _MOST_STATEMENTS]
    took = {key: after[key].total_ms - (before[key].total_ms if key in before else 0.0) for key in known}
    whole = sum(max(0.0, ms) for ms in took.values())
    if whole <= 0:
        return ObservedState()
    key = max(took, key=lambda each: took[each])
    now, then = after[key], before.get(key, Statement(0, 0.0, 0, ""))
    calls = max(1, now.calls - then.calls)
    return ObservedState(
        query_share=took[key] / whole,
        query_ms=took[key] / calls,
        query_blocks=(now.blocks - then.blocks) / calls,
        query=normalised(now.query),
    )


def hits(before: tuple[int, int], after: tuple[int, int]) -> float | None:
    """The share of reads that were in the cache. Pure."""
    hit, read = after[0] - before[0], after[1] - before[1]
    return hit / (hit + read) if hit >= 0 and read >= 0 and hit + read > 0 else None


class PostgresSession(Protocol):
    """A connection of psycopg."""

    closed: bool

    def execute(self, query: str) -> Any: ...

    def close(self) -> None: ...


def connected(observe: Observe) -> PostgresSession:
    """A read-only session. Raises Unanswered with the reason."""
    try:
        psycopg = importlib.import_module("psycopg")
    except ImportError:
        raise Unanswered("psycopg is not installed: pip install 'mmload[postgres]'") from None
    parts = urlsplit(observe.postgres_url)
    named = {
        "dbname": parts.path.strip("/"),
        "user": observe.postgres_user,
        "password": observe.postgres_password,
        "sslrootcert": observe.postgres_ca_file,
    }
    try:
        session: PostgresSession = psycopg.connect(
            host=parts.hostname,
            port=parts.port or 5432,
            sslmode=observe.postgres_tls,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="mmload",
            options=f"-c statement_timeout={_STATEMENT_MS} -c default_transaction_read_only=on",
            **{key: value for key, value in named.items() if value},
        )
    except psycopg.Error as error:
        raise Unanswered(_reason(error)) from None
    return session


def _reason(error: Exception) -> str:
    """PostgreSQL's own words, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _statements_query(session: PostgresSession) -> str | None:
    """How this server is asked for its queries; None where they are not recorded."""
    row = session.execute(_SCHEMA).fetchone()
    if row is None:
        return None
    time_column = "total_exec_time" if row[1] >= 130000 else "total_time"
    query = _STATEMENTS.format(time=time_column, schema=row[0], most=_MOST_STATEMENTS)
    try:
        session.execute(query)
    except Exception:  # noqa: BLE001  # psycopg's, which may not be imported here: it is not preloaded, or forbidden
        return None
    return query


_NO_STATEMENTS = (
    "pg_stat_statements does not answer, so no slow query can be named: it takes shared_preload_libraries = "
    "'pg_stat_statements', a restart, and CREATE EXTENSION pg_stat_statements"
)


class PostgresServer(Source):
    """The PostgreSQL of the configuration; connects when it is looked at, and again after a loss."""

    def __init__(
        self,
        observe: Observe,
        *,
        connect: Callable[[Observe], PostgresSession] = connected,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observe, self._connect, self._clock = observe, connect, clock
        self._session: PostgresSession | None = None
        self._statements_query: str | None = None
        self._statements: dict[int, Statement] = {}
        self._statements_at: float | None = None
        self._slowest = ObservedState()
        self._cache: tuple[int, int] | None = None

    def look(self) -> ObservedState:
        """What it does now. Raises Unanswered."""
        try:
            session = self._session = self._session or self._opened()
            return self._looked(session)
        except Unanswered:
            raise
        except Exception as error:  # noqa: BLE001  # psycopg's, which may not be imported here
            self.close()
            raise Unanswered(_reason(error)) from None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None

    def _opened(self) -> PostgresSession:
        session = self._connect(self._observe)
        self._statements_query = _statements_query(session)
        self.notes = () if self._statements_query else (_NO_STATEMENTS,)
        self._statements_at, self._cache = None, None
        return session

    def _looked(self, session: PostgresSession) -> ObservedState:
        in_use, active, locks, io, other, hidden, connections, most = session.execute(_ACTIVITY).fetchone()
        known = ObservedState(connections=float(connections or 0), connections_most=float(most))
        blocker = self._blocker(session) if locks else ""
        if hidden:
            told = "other users' queries are hidden from this user: GRANT pg_monitor TO it"
            self.notes = tuple(dict.fromkeys([*self.notes, told]))
        else:
            known = replace(
                known,
                pool_in_use=float(in_use),
                pool_most=float(self._observe.max_open_conns) or None,
                backends_active=float(active),
                backends_in_locks=float(locks),
                backends_in_io=float(io),
                backends_in_other=float(other),
                blocker=blocker,
                cache_hits=self._cache_hits(session),
            )
        return merged([known, self._slowest_query(session)])

    def _blocker(self, session: PostgresSession) -> str:
        row = session.execute(_BLOCKER).fetchone()
        return normalised(row[0]) if row is not None and row[0] else ""

    def _cache_hits(self, session: PostgresSession) -> float | None:
        row = session.execute(_CACHE).fetchone()
        before, self._cache = self._cache, (int(row[0]), int(row[1]))
        return hits(before, self._cache) if before is not None else None

    def _slowest_query(self, session: PostgresSession) -> ObservedState:
        now = self._clock()
        if self._statements_query is None:
            return ObservedState()
        if self._statements_at is not None and now - self._statements_at < _STATEMENTS_EVERY_SECONDS:
            return self._slowest
        rows = session.execute(self._statements_query).fetchall()
        latest = {
            int(key): Statement(int(calls), float(ms), int(blocks), str(query))
            for key, calls, ms, blocks, query in rows
        }
        first, before = self._statements_at is None, self._statements
        self._statements_at, self._statements = now, latest
        self._slowest = ObservedState() if first else slowest(before, latest)
        return self._slowest
