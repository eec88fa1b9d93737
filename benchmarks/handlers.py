"""How many requests of each handler an action sends: people on a sandbox, each request put down to its cause.

`--write` stores the table that `mmload learn` calculates with. Actions are drawn more evenly than people do, so that
rare ones are seen often enough, and people read and type at once.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gevent

# Before anything else that uses sockets: Locust patches the standard library.
import locust  # noqa: F401

from benchmarks.measuring import Report, Table, tell, whole
from mmload.behaviours import background, events
from mmload.behaviours.catalogue import SIMULATIVE, WeightedChoice
from mmload.behaviours.login import disconnect, enter
from mmload.behaviours.person import Person
from mmload.behaviours.returning import CATCH_UP
from mmload.behaviours.tasksets import perform
from mmload.cli.sandbox import sandbox, settle
from mmload.config import load_settings
from mmload.context import TestContext
from mmload.learn.routes import WEB_SOCKET, purpose
from mmload.learn.table import ENTRY, EVENTS, FILE
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.users import new_person

# Their frequencies are raised to this power: 0 would draw all alike, 1 as often as people do them.
_EVENNESS = 0.25
_REST_SECONDS = 0.02
_LAST_REST_SECONDS = 8.0
# A socket takes seconds to come back, in which hundreds of actions are done.
_SELDOM = 0.02
# What opens a WebSocket: no request of the REST client.
_SOCKETS = dict.fromkeys((ENTRY, "FullReload", "LogoutLogin", "Reload", "ReconnectWebSocket"), 1.0)
# Rarer than this, it is chance.
_LEAST_PER_ACTION = 0.002


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--people", type=whole, default=24, help="simulated people (default: %(default)s)")
    add("--seconds", type=whole, default=60, help="how long they act on each server (default: %(default)s)")
    add("--write", action="store_true", help="store the table in the package")


@dataclass
class Causes:
    """What was done how often, and what it sent and paused; what was skipped half-way is left out."""

    done: Counter[str] = field(default_factory=Counter)
    sent: dict[str, Counter[str]] = field(default_factory=lambda: {EVENTS: Counter()})
    paused: Counter[str] = field(default_factory=Counter)
    # What each greenlet is doing.
    doing: WeakKeyDictionary[Any, Counter[str]] = field(default_factory=WeakKeyDictionary)

    def watch(self, person: Person) -> None:
        """Put every request of this person down to what its greenlet is doing."""
        once = person.api.rest._once
        self.done[EVENTS] = 1

        def counted(route: Any, path: str, *more: Any, **options: Any) -> Any:
            query = path.partition("?")[2].encode()
            self.doing.get(gevent.getcurrent(), self.sent[EVENTS])[purpose(str(route), query)] += 1
            return once(route, path, *more, **options)

        person.api.rest._once = counted  # type: ignore[method-assign]

    @contextmanager
    def as_part_of(self, mine: Counter[str] | None) -> Iterator[None]:
        """What this greenlet sends counts as part of that."""
        me = gevent.getcurrent()
        before = self.doing.get(me)
        if mine is not None:
            self.doing[me] = mine
        try:
            yield
        finally:
            if before is not None:
                self.doing[me] = before
            else:
                self.doing.pop(me, None)

    def run(self, person: Person, name: str, act: Callable[[], object]) -> None:
        """Do something as the cause of its requests."""
        mine: Counter[str] = Counter()
        paused = person.paused_seconds
        with self.as_part_of(mine):
            outcome = act()
        if outcome in (None, ActionOutcome.OK):
            self.done[name] += 1
            self.sent.setdefault(name, Counter()).update(mine)
            self.paused[name] += person.paused_seconds - paused

    def table(self) -> dict[str, dict[str, Any]]:
        """By cause: the mean number of requests of each handler, and the mean seconds that people pause in it."""
        requests: dict[str, dict[str, float]] = {}
        for name, times in self.done.items():
            means = {handler: count / times for handler, count in self.sent.get(name, Counter()).items()}
            if name in _SOCKETS:
                means[WEB_SOCKET] = _SOCKETS[name]
            if name == "ReconnectWebSocket":
                # What it makes the client do when the socket is back.
                means |= {each: count / self.done[CATCH_UP] for each, count in self.sent.get(CATCH_UP, {}).items()}
            kept = {handler: round(mean, 3) for handler, mean in means.items() if mean >= _LEAST_PER_ACTION}
            if kept and name != CATCH_UP:
                requests[name] = dict(sorted(kept.items()))
        return {
            "requests": requests,
            "pauses": {name: round(self.paused[name] / self.done[name], 2) for name in requests if self.paused[name]},
        }


@contextmanager
def _watched(causes: Causes) -> Iterator[None]:
    """Polls, look-ups and catching up are causes of their own; of requests sent together it is who sends them."""
    with ExitStack() as undone:
        for module, name, label in (
            (background, "poll", background.POLL),
            (background, "look_up", background.LOOK_UP),
            (events, "catch_up", CATCH_UP),
        ):
            original = getattr(module, name)
            undone.callback(setattr, module, name, original)

            def watched(person: Person, *args: Any, original: Any = original, label: str = label, **more: Any) -> None:
                causes.run(person, label, lambda: original(person, *args, **more))

            setattr(module, name, watched)
        together = Person.together
        undone.callback(setattr, Person, "together", together)

        def watched_together(person: Person, calls: Iterable[Callable[[], object]], *more: Any) -> None:
            mine = causes.doing.get(gevent.getcurrent())

            def one(call: Callable[[], object]) -> None:
                with causes.as_part_of(mine):
                    call()

            together(person, [partial(one, call) for call in calls], *more)

        Person.together = watched_together  # type: ignore[method-assign]
        yield


def _live(person: Person, causes: Causes, until: float) -> None:
    causes.run(person, ENTRY, lambda: enter(person))
    mix = WeightedChoice(
        [
            (action, _SELDOM if action.name == "ReconnectWebSocket" else max(action.frequency, 0.0001) ** _EVENNESS)
            for action in SIMULATIVE
            if action.offered(person.context.capabilities)
        ]
    )
    person.poll_due = time.monotonic() + person.rng.uniform(0, 5)
    while time.monotonic() < until:
        action = mix.draw(person.rng)
        causes.run(person, action.name, partial(perform, person, action))
        person.rest(person.rng.uniform(0, 2 * _REST_SECONDS), background.run_background_tasks)
    # Sockets that were lost come back, and what was missed is asked for.
    person.rest(_LAST_REST_SECONDS, background.run_background_tasks)


def observed(people: int, seconds: int, *options: str) -> Causes:
    """People on a sandbox with these options, for so long."""
    causes = Causes()
    with _watched(causes), sandbox(*options) as url, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.txt"
        environ = {**os.environ, **settle(url, os.environ, (people,), file)}
        environ["MMLOAD_CONNECTIONCONFIGURATION_SERVERURL"] = url
        context = TestContext(load_settings(environ=environ)[0], url, Recorder())
        crowd = [new_person(context, number, lambda *_: None) for number in range(1, people + 1)]
        until = time.monotonic() + seconds
        try:
            for person in crowd:
                causes.watch(person)
                person.sleep = lambda wait: gevent.sleep(min(wait, 0.01))
            gevent.joinall([gevent.spawn(_live, person, causes, until) for person in crowd], raise_error=True)
        finally:
            for person in crowd:
                disconnect(person)
    return causes


def measure(args: argparse.Namespace) -> Report:
    """The table of a free and of a licensed server."""
    tables = {}
    for name, options in (("free", ()), ("licensed", ("--licensed",))):
        tell(f"{args.people} people on a {name} server for {args.seconds} s")
        causes = observed(args.people, args.seconds, *options)
        tables[name] = causes.table()
        tell(f"seldom done: {causes.done.most_common()[:-9:-1]}")
    if args.write:
        FILE.write_text(json.dumps(tables, indent=1, sort_keys=True) + "\n")
    rows = [
        (cause, handler, mean)
        for cause, means in sorted(tables["free"]["requests"].items())
        for handler, mean in means.items()
    ]
    return Report(tables, (Table("Requests per action (a free server)", ("cause", "handler", "mean"), tuple(rows)),))
