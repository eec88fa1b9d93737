"""What a user's client sends because others write: requests per user and hour, with few people and with many.

The same sandbox (teams, channels, memberships) is used by a part of its people and by all of them. What a user does by
themself goes with the pace of their actions; each message is viewed once by everybody who has its channel on the screen
when it is written, which is counted then; messages heard grow as the number of the others. These rules are held against
what was seen. Look-ups keep no such rule (nobody is looked up twice in a page's life): the growth of
messages is shown beside them. Messages are written more often than people do, for steadier counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.crowd import SANDBOX_RATE, Crowd, Server, crowd
from benchmarks.measuring import Report, Table, nonnegative, positive, tell, whole
from mmload.behaviours.background import LOOK_UP, POLL
from mmload.behaviours.catalogue import SIMULATIVE
from mmload.behaviours.events import VIEW_ON_ARRIVAL
from mmload.behaviours.prefetching import PREFETCH
from mmload.cli.sandbox import sandbox, settle
from mmload.config import environment_name
from mmload.metrics.delta import Delta
from mmload.open_files import open_files_needed, raise_open_files
from mmload.results.folder import read_figures

# Read by talkative.py, which runs in the Locust process.
WRITE_OFTEN = "BENCHMARK_WRITE_OFTEN"
# Counted by it as an action: whoever has the channel on the screen, in front, when a message is written.
VIEWER = "Viewer"
VIEW = "POST /channels/members/{user_id}/view"
WRITE = "POST /posts"
PEOPLE, STATUSES = "POST /users/ids", "POST /users/status/ids"
# Rarer than this in an hour, it is chance.
_LEAST_PER_HOUR = 1.0
# The record of a second is written when the next ones are there.
_WRITTEN_AFTER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Size:
    """One number of people: what they did and sent, each per user and hour."""

    users: int
    routes: dict[str, float]
    actions: dict[str, float]
    heard: float

    @property
    def pace(self) -> float:
        """Actions per user and hour."""
        return sum(self.actions.get(action.name, 0.0) for action in SIMULATIVE)

    @property
    def views_per_message(self) -> float:
        return self.actions.get(VIEW_ON_ARRIVAL, 0.0) / max(self.routes.get(WRITE, 0.0), 1e-9)


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--few", type=whole, default=60, help="people of the first run (default: %(default)s)")
    add("--many", type=whole, default=240, help="people of the second one (default: %(default)s)")
    add("--seconds", type=positive, default=150.0, help="length of the measured window (default: %(default)g)")
    add("--settle", type=nonnegative, default=120.0, help="seconds between the last arrival and the window")
    add("--write-often", type=positive, default=8.0, help="so much as people do (default: %(default)g)")
    add("--idle-ms", type=whole, default=8000, help="mean pause of a person (default: %(default)s)")


def measure(args: argparse.Namespace) -> Report:
    """Both numbers of people at once, each on a sandbox of its own that was filled in the same way."""
    sizes = (args.few, args.many)
    with ExitStack() as stack:
        crowds = [stack.enter_context(_crowd(users, args)) for users in sizes]
        for here in crowds:
            here.wait_for_steady()
        tell(f"all are in; measuring from in {args.settle:g} s on, for {args.seconds:g} s")
        time.sleep(args.settle)
        began = time.time()
        time.sleep(args.seconds)
        ended = time.time()
        time.sleep(_WRITTEN_AFTER_SECONDS)
        for here in crowds:
            here.must_live()
        hours = (ended - began) / 3600
        counted = [_between(here.folder, began, ended) for here in crowds]
        few, many = (size_of(users, hours, each) for users, each in zip(sizes, counted, strict=True))
    return report(few, many)


@contextmanager
def _crowd(users: int, args: argparse.Namespace) -> Iterator[Crowd]:
    pace = {environment_name("SimulController", "AvgIdleTimeMs"): str(args.idle_ms), WRITE_OFTEN: str(args.write_often)}
    talkative = str(Path(__file__).with_name("talkative.py"))
    with _server(args.many) as server, crowd(server, users, SANDBOX_RATE, (talkative,), pace) as here:
        here.wait_for_start()
        tell(f"{users} users are coming in")
        yield here


@contextmanager
def _server(people: int) -> Iterator[Server]:
    raise_open_files(open_files_needed(people))
    with sandbox() as address, tempfile.TemporaryDirectory(prefix="mmload-accounts-") as folder:
        tell(f"populating a sandbox for {people} people")
        file = Path(folder) / "accounts.txt"
        settle(address, os.environ, (people,), file)
        yield Server(address, file)


def _between(folder: Path, began: float, ended: float) -> Delta:
    total = Delta()
    for second in read_figures(folder):
        if began - 0.5 <= second.ms / 1000 < ended - 0.5:
            total.merge(second.figures)
    return total


def size_of(users: int, hours: float, counted: Delta) -> Size:
    """Pure."""
    per = users * hours
    actions = {name: figures.done / per for name, figures in counted.actions.items()}
    routes = {name: figures.count / per for name, figures in counted.routes.items()}
    return Size(users, routes, actions, counted.sockets.posted_of_others / per)


# -- what came out -----------------------------------------------------------------------------------------------


def growth(few: Size, many: Size) -> float:
    """By how much others' messages grow: with their number, and with how much each of them writes. Pure."""
    writes = many.routes.get(WRITE, 0.0) / max(few.routes.get(WRITE, 0.0), 1e-9)
    return writes * (many.users - 1) / (few.users - 1)


def caused_by_others(size: Size, route: str) -> float:
    """Requests per user and hour of this route that events of others cause, where that can be told. Pure."""
    if route == VIEW:
        return size.actions.get(VIEW_ON_ARRIVAL, 0.0)
    if route == PEOPLE:
        return size.routes.get(route, 0.0)
    return max(0.0, size.routes.get(route, 0.0) - size.actions.get(POLL, 0.0)) if route == STATUSES else 0.0


def predicted(few: Size, many: Size, route: str) -> float:
    """What the rule says for many people: the own part goes with the pace, others' with messages. Pure."""
    others = caused_by_others(few, route)
    theirs = many.actions.get(VIEWER, 0.0) if route == VIEW else others * growth(few, many)
    return (few.routes.get(route, 0.0) - others) * many.pace / max(few.pace, 1e-9) + theirs


def report(few: Size, many: Size) -> Report:
    """Pure."""
    found: dict[str, Any] = {
        "few": few.users,
        "many": many.users,
        "growth_of_messages": growth(few, many),
        "views_per_message": [few.views_per_message, many.views_per_message],
        "causes": [dict(zip(("what", "few", "many", "rule"), row, strict=True)) for row in causes(few, many)],
        "handlers": [row._asdict() for row in handlers(few, many)],
    }
    return Report(found, (_causes_table(few, many), _handlers_table(few, many)))


def causes(few: Size, many: Size) -> Sequence[tuple[str, float, float, float | str]]:
    """What happens to a client because of others, with what the rule says for many. Pure."""
    grown, viewed = growth(few, many), many.actions.get(VIEWER, 0.0)

    def action(what: str, name: str, rule: float | str) -> tuple[str, float, float, float | str]:
        return what, few.actions.get(name, 0.0), many.actions.get(name, 0.0), rule

    written = few.routes.get(WRITE, 0.0), many.routes.get(WRITE, 0.0)
    return [
        ("actions", few.pace, many.pace, few.pace),
        ("messages written", *written, written[0]),
        ("messages of others heard", few.heard, many.heard, few.heard * grown),
        action("viewers of messages, counted", VIEWER, few.actions.get(VIEWER, 0.0) * grown),
        action("views on arrival", VIEW_ON_ARRIVAL, viewed),
        ("views per message", few.views_per_message, many.views_per_message, viewed / max(written[1], 1e-9)),
        action("channels fetched ahead", PREFETCH, "bounded"),
        action("look-ups", LOOK_UP, few.actions.get(LOOK_UP, 0.0) * grown),
        action("polls", POLL, few.actions.get(POLL, 0.0)),
    ]


def _causes_table(few: Size, many: Size) -> Table:
    columns = ("per user·h", f"{few.users} people", f"rule for {many.users}", f"seen at {many.users}", "seen / rule")
    rows = tuple(
        (what, before, rule, after, after / rule if isinstance(rule, float) and rule else "")
        for what, before, after, rule in causes(few, many)
    )
    return Table("What others cause", columns, rows)


class HandlerRow(NamedTuple):
    """Requests of one route per user and hour: with few people, those of them that others cause; with many."""

    route: str
    few: float
    others: float
    rule: float
    many: float


def handlers(few: Size, many: Size) -> list[HandlerRow]:
    """All routes that are asked often enough to be compared. Pure."""
    rows = [
        HandlerRow(
            route,
            few.routes.get(route, 0.0),
            caused_by_others(few, route),
            predicted(few, many, route),
            many.routes.get(route, 0.0),
        )
        for route in sorted({*few.routes, *many.routes})
    ]
    return [row for row in rows if max(row.few, row.many) >= _LEAST_PER_HOUR]


def summed(rows: Sequence[HandlerRow]) -> HandlerRow:
    """Pure."""
    columns = zip(*(row[1:] for row in rows), strict=True)
    few, others, rule, many = (sum(column) for column in columns)
    return HandlerRow("all", few, others, rule, many)


def _handlers_table(few: Size, many: Size) -> Table:
    columns = ("handler", f"{few.users} people", "because of others", f"rule for {many.users}", f"seen at {many.users}")
    found = handlers(few, many)
    rows = tuple(
        (row.route, row.few, row.others or "", row.rule, row.many, row.many / row.rule if row.rule else "")
        for row in (*found, summed(found))
    )
    return Table("Requests per user and hour", (*columns, "seen / rule"), rows)
