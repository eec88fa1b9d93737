"""A stand-in for a server with a database: each line it gets is a request, which it serves in one of several ways.

`python -m benchmarks.causes_server PORT DSN KIND POOL`: it is made of CPU, connections and SQL.
"""

from __future__ import annotations

import importlib
import queue
import random
import socketserver
import sys
import time
from typing import Any

# Each spins for some 4 ms; pg_stat_statements tells them apart.
_AGGREGATES = ("count(n)", "sum(n)", "avg(n)", "min(n)", "max(n)", "stddev(n)", "variance(n)", "bit_or(n)")
ROWS = 60_000
# A reply of the slow link: so many bytes, at so many a second for all requests together.
_REPLY_BYTES, _LINK_BYTES_PER_SECOND = 40_000, 400_000


class StandIn(socketserver.ThreadingTCPServer):
    """The server: a pool of connections, and the kind of work that it does."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, dsn: str, kind: str, pool: int) -> None:
        super().__init__(("127.0.0.1", port), Requests)
        psycopg: Any = importlib.import_module("psycopg")
        self.work = getattr(self, f"work_{kind}")
        self.pool: queue.Queue[Any] = queue.Queue()
        for _ in range(pool):
            self.pool.put(psycopg.connect(dsn, autocommit=True))
        self._link_free = 0.0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A database that ends in the middle of a request is the end of the trial."""

    def ask(self, *statements: str, between: float = 0.0) -> None:
        """In one transaction, on a connection of the pool; `between` them something else is done."""
        connection = self.pool.get()
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
                    time.sleep(between)
        finally:
            self.pool.put(connection)

    def work_server_cpu(self) -> bytes:
        """CPU of the server, and a quick query."""
        self.ask("SELECT 1")
        ends = time.thread_time() + 0.012
        while time.thread_time() < ends:
            pass
        return b""

    def work_pool(self) -> bytes:
        """A connection is kept while something else is done."""
        self.ask("SELECT 1", between=0.1)
        return b""

    def work_database_cpu(self) -> bytes:
        """Many queries of the same weight."""
        for aggregate in random.sample(_AGGREGATES, 2):
            self.ask(f"SELECT {aggregate} FROM generate_series(1, 20000) AS series(n)")
        return b""

    def work_slow_query(self) -> bytes:
        """One that is far heavier than the others."""
        self.ask("SELECT min(n) FROM generate_series(1, 1000) AS series(n)")
        self.ask("SELECT count(*) FROM generate_series(1, 150000) AS series(n) WHERE n % 7 = 3")
        return b""

    def work_locks(self) -> bytes:
        """All change the same row, and keep it for a while."""
        self.ask("UPDATE counters SET value = value + 1 WHERE id = 1", between=0.1)
        return b""

    def work_io(self) -> bytes:
        """Rows from all over a table that fits into no memory."""
        for _ in range(3):
            self.ask(f"SELECT length(content) FROM pages WHERE id = {random.randint(1, ROWS)}")
        return b""

    def work_network(self) -> bytes:
        """A reply over a link that all share."""
        self.ask("SELECT 1")
        now = time.monotonic()
        self._link_free = max(now, self._link_free) + _REPLY_BYTES / _LINK_BYTES_PER_SECOND
        time.sleep(self._link_free - now)
        return b"x" * _REPLY_BYTES

    def work_generator(self) -> bytes:
        """Next to nothing: whoever finds this slow is slow."""
        self.ask("SELECT 1")
        return b""


class Requests(socketserver.StreamRequestHandler):
    """One client: a line in, a line out."""

    server: StandIn

    def handle(self) -> None:
        for _ in self.rfile:
            try:
                self.wfile.write(self.server.work() + b"\n")
            except OSError:
                return


if __name__ == "__main__":
    with StandIn(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])) as server:
        print("ready", flush=True)
        server.serve_forever()
