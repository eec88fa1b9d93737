"""What the coordinator's look each second costs it: asking an agent, reading its page, and the machine's processes.

A page is read twice: as by one that has seen none before, and as it is done. So are the processes. CPU time is that of
the thread which looks.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.crowd import LONGEST_RAMP_SECONDS, Server, served, variables
from benchmarks.measuring import Report, Table, spread, tell, whole
from coordinator.agent_apis import SwarmAgent
from coordinator.agent_metrics import BY, Sums, snapshot
from coordinator.observe.processes import Processes
from coordinator.polling import Unanswered
from mmload.cli import locust_process
from mmload.errors import MmloadError
from mmload.results.folder import LOG

_EVERY_SECONDS = 1.0
_END_SECONDS = 60.0
ASKING, PAGE, PROCESSES = "asking the agent", "reading its page", "the machine's processes"
# CPU milliseconds of a look's parts: as if it were the first one, and as it is done.
Costs = dict[str, tuple[float, float]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=whole, default=30, help="users of the agent (default: %(default)s)")
    parser.add_argument("--looks", type=whole, default=30, help="one a second (default: %(default)s)")


def measure(args: argparse.Namespace) -> Report:
    with served("", args.users) as server, _agent(server, args.users) as agent:
        _wait_for(agent, args.users)
        tell(f"{args.looks} looks at {args.users} users")
        sums, processes = Sums(BY), Processes(server.url)
        # The first one knows of none before it.
        costs = [_look(agent, server, sums, processes) for _ in range(args.looks + 1)][1:]
        return report(args.users, agent.page().count("\n"), costs)


@contextmanager
def _agent(server: Server, users: int) -> Iterator[SwarmAgent]:
    """A real one, driven as the coordinator does."""
    port = locust_process.free_port()
    with tempfile.TemporaryDirectory(prefix="mmload-benchmark-") as name:
        process = locust_process.start(
            [sys.executable, "-m", "mmload", "agent", "--port", str(port)],
            {**os.environ, **variables(server, users, Path(name))},
            Path(name) / LOG,
        )
        try:
            yield SwarmAgent("here", f"http://127.0.0.1:{port}", spawn_rate=10, users_per_worker=users)
        finally:
            locust_process.end(process, signal.SIGTERM, _END_SECONDS)


def _wait_for(agent: SwarmAgent, users: int) -> None:
    """Until all users are active."""
    deadline = time.monotonic() + LONGEST_RAMP_SECONDS
    ordered = False
    while time.monotonic() < deadline:
        with suppress(Unanswered):
            if not ordered:
                agent.set_users(users)
                ordered = True
            if snapshot({"here": agent.page()}, 0.0).present == users:
                return
        time.sleep(_EVERY_SECONDS)
    raise MmloadError(f"not all of {users} users came in")


def _look(agent: SwarmAgent, server: Server, sums: Sums, processes: Processes) -> Costs:
    time.sleep(_EVERY_SECONDS)
    pages: list[str] = []

    def ask() -> None:
        agent.status()
        pages.append(agent.page())

    asking = _cpu_ms(ask)
    read = {"here": pages[0]}
    return {
        ASKING: (asking, asking),
        PAGE: (_cpu_ms(lambda: snapshot(read, 0.0)), _cpu_ms(lambda: snapshot(read, 0.0, sums))),
        PROCESSES: (_cpu_ms(_knowing_nobody(server.url).look), _cpu_ms(processes.look)),
    }


def _knowing_nobody(url: str) -> Processes:
    """Whose look reads all of them once more, but does not look for the server among them."""
    made = Processes(url)
    made.look()
    made._others.clear()
    return made


def _cpu_ms(act: Callable[[], object]) -> float:
    began = time.thread_time()
    act()
    return (time.thread_time() - began) * 1000


def report(users: int, lines: int, looks: list[Costs]) -> Report:
    """Table and figures. Pure."""
    parts = {part: tuple(spread([look[part][way] for look in looks]) for way in (0, 1)) for part in looks[0]}
    rows: list[tuple[Any, ...]] = [
        (part, first.minimum, first.median, later.minimum, later.median, first.median / later.median)
        for part, (first, later) in parts.items()
    ]
    first_ms, first_median, done_ms, done_median = (sum(row[column] for row in rows) for column in range(1, 5))
    rows.append(("all", first_ms, first_median, done_ms, done_median, first_median / done_median))
    columns = ("CPU ms of a look", "everything read anew", "median", "as it is done", "median", "ratio of medians")
    title = f"{len(looks)} looks at an agent with {users} users, whose page has {lines} lines"
    names = ("part", "first_ms", "first_ms_median", "ms", "ms_median", "ratio")
    figures = {"users": users, "lines": lines, "parts": [dict(zip(names, row, strict=True)) for row in rows]}
    return Report(figures, (Table(title, columns, tuple(rows)),))
