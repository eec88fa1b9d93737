"""How many requests of each handler an action sends: people on a sandbox, each request put down to its cause.

`--write` stores the table that `mmload learn` and `mmload mix` calculate with. Actions are drawn more evenly than
people do, so that rare ones are seen often enough, and people read and type at once. Two mixes are played: where a
mean differs between them, it depends on what else is done, and is told with its deviation.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import gevent

# Before anything else that uses sockets: Locust patches the standard library.
import locust  # noqa: F401
from gevent.pool import Pool

from benchmarks.crowd import COMMUNITY_PEOPLE
from benchmarks.measuring import Report, Table, tell, whole
from mmload.behaviours import background, composing, drafts, events
from mmload.behaviours.actions import posts
from mmload.behaviours.after_reconnect import CATCH_UP
from mmload.behaviours.catalogue import SIMULATIVE, WeightedChoice
from mmload.behaviours.login import disconnect, enter
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.cli.sandbox import sandbox, settle
from mmload.config import load_settings
from mmload.context import TestContext
from mmload.learn.handler_table import (
    BACK_IN_DIRECT,
    ENTRY,
    EVENTS,
    FILE,
    LEFT_BOX,
    LEFT_PAST,
    LINK,
    NO_THREADS,
    POST,
    RENEWED,
    REPLY,
    SCROLL,
    THREADS,
    VARIANTS,
)
from mmload.learn.routes import WEB_SOCKET, purpose
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.users import new_person

# On a server with a past, as production servers are: nobody scrolls back to the beginning of a busy channel.
HISTORY = {"MMLOAD_INSTANCECONFIGURATION_NUMPOSTS": "10000"}
# Their frequencies are raised to this power: 0 would draw all alike, 1 as often as people do them.
_EVENNESS = (0.2, 0.6)
_REST_SECONDS = 0.02
_LAST_REST_SECONDS = 8.0
# A socket takes seconds to come back, in which hundreds of actions are done.
_SELDOM = 0.06
# What opens a WebSocket: no request of the REST client.
_SOCKETS = dict.fromkeys((ENTRY, "FullReload", "LogoutLogin", "Reload", "ReconnectWebSocket"), 1.0)
_PERMALINK = re.compile(r" \S+/pl/[a-z0-9]{26}")
_PREFERENCES = "PUT /users/{user_id}/preferences"
_PAGE, _THREAD = "GET /channels/{channel_id}/posts?before", "GET /posts/{post_id}/thread"
# Rarer than this, it is chance; and so is such a deviation.
_LEAST_PER_ACTION, _LEAST_DEVIATION, _LEAST_PER_BOX = 0.002, 0.005, 0.05


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--people", type=whole, default=24, help="simulated people (default: %(default)s)")
    add("--seconds", type=whole, default=60, help="how long they act in each mix (default: %(default)s)")
    add("--write", action="store_true", help="store the table in the package")


@dataclass(eq=False)
class _Doing:
    """What a greenlet is doing, and what that has sent. Whether a post is a reply is known when it has begun."""

    name: str
    sent: Counter[str]


@dataclass
class Causes:
    """What was done how often, and what it sent and paused; what was skipped half-way is left out."""

    done: Counter[str] = field(default_factory=Counter)
    sent: dict[str, Counter[str]] = field(default_factory=lambda: {EVENTS: Counter()})
    paused: Counter[str] = field(default_factory=Counter)
    # While typing, by people of mean speed: who is idle for less time types faster.
    writing: Counter[str] = field(default_factory=Counter)
    typed_seconds: Counter[str] = field(default_factory=Counter)
    doing: WeakKeyDictionary[Any, _Doing] = field(default_factory=WeakKeyDictionary)
    # Who typed in a box last.
    typed: dict[tuple[str, str, str], _Doing] = field(default_factory=dict)
    # How often the box of a channel was typed in, left, or left by who had just typed in it: (cause, what).
    boxes: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Who leaves a channel just now.
    leaving: str = ""

    def watch(self, person: Person) -> None:
        """Put every request of this person down to what its greenlet is doing."""
        once = person.api.rest._once
        self.done[EVENTS] = 1

        def counted(route: Any, path: str, *more: Any, **options: Any) -> Any:
            query = path.partition("?")[2].encode()
            doing = self.doing.get(gevent.getcurrent())
            (doing.sent if doing else self.sent[EVENTS])[purpose(str(route), query)] += 1
            return once(route, path, *more, **options)

        person.api.rest._once = counted

    @contextmanager
    def as_part_of(self, mine: _Doing | None) -> Iterator[None]:
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
        mine = _Doing(name, Counter())
        paused = person.paused_seconds
        with self.as_part_of(mine):
            outcome = act()
        if outcome in (None, ActionOutcome.OK):
            if name == THREADS and not mine.sent[_THREAD]:
                mine.name = NO_THREADS
            if name == THREADS:
                back = mine.sent.pop(_PREFERENCES, 0)
                self.done[BACK_IN_DIRECT] += back
                self.sent.setdefault(BACK_IN_DIRECT, Counter())[_PREFERENCES] += back
            self.done[mine.name] += 1
            seconds = person.paused_seconds - paused
            self.sent.setdefault(mine.name, Counter()).update(mine.sent)
            self.paused[mine.name] += seconds

    def write(self, person: Person, message: str, write: Callable[[], object]) -> None:
        """Somebody types: the time is that of what they do, without that for the links, of which there are too many."""
        paused = person.paused_seconds
        write()
        if doing := self.doing.get(gevent.getcurrent()):
            seconds = person.paused_seconds - paused
            self.typed_seconds[doing.name] += seconds
            usual = len(_PERMALINK.sub("", message)) / max(1, len(message))
            self.writing[doing.name] += seconds * usual / composing.own_speed(person)

    def answer(self, root_id: str) -> str:
        """A post turns out to be a reply, if there is a thread to answer."""
        doing = self.doing.get(gevent.getcurrent())
        if root_id and doing is not None and doing.name == POST:
            doing.name = REPLY
        return root_id

    def type_in(self, box: tuple[str, str, str]) -> None:
        """Somebody types in a box (of a person, a channel, a thread)."""
        doing = self.doing.get(gevent.getcurrent())
        if doing is not None and self.typed.get(box) is not doing:
            self.typed[box] = doing
            if not box[2]:
                self.boxes[doing.name, "typed"] += 1

    def later(self, box: tuple[str, str, str], calls: Iterable[Callable[[], object]]) -> list[Callable[[], object]]:
        """What is sent when a box is left: part of what is done by who has just typed in it, else its own cause."""
        before, here, calls = self.typed.pop(box, None), self.doing.get(gevent.getcurrent()), list(calls)
        own = before is not None and before is here
        if box[1] and not box[2]:
            self.leaving = box[0]
        if here is not None and box[1] and not box[2]:
            self.boxes[here.name, "saved" if own else "left"] += 1
            self.boxes[here.name, "typed"] -= own
        if own:
            return calls
        self.done[LEFT_BOX] += bool(calls)
        mine = self._for_good(LEFT_BOX)
        return [partial(self.called, mine, call) for call in calls]

    def appear(self, person: Person, calls: list[Callable[[], object]]) -> list[Callable[[], object]]:
        """What a box asks for that comes on the screen: its own cause after a message in a channel's past."""
        doing, leaves, self.leaving = self.doing.get(gevent.getcurrent()), self.leaving == person.id, ""
        if not (leaves and person.store.shows_past) or (doing is not None and doing.name == LINK):
            return calls
        self.done[LEFT_PAST] += 1
        mine = self._for_good(LEFT_PAST)
        return [partial(self.called, mine, call) for call in calls]

    def going_on(self) -> _Doing | None:
        """What this greenlet does, for what goes on after it."""
        doing = self.doing.get(gevent.getcurrent())
        return self._for_good(doing.name if doing else None)

    def _for_good(self, name: str | None) -> _Doing | None:
        return _Doing(name, self.sent.setdefault(name, Counter())) if name else None

    def called(self, mine: _Doing | None, call: Callable[[], object]) -> None:
        with self.as_part_of(mine):
            call()

    def means(self) -> dict[str, dict[str, float]]:
        """By cause: the mean number of requests of each handler."""
        found: dict[str, dict[str, float]] = {}
        for name, times in self.done.items():
            means = {handler: count / times for handler, count in self.sent.get(name, Counter()).items()}
            if name in _SOCKETS:
                means[WEB_SOCKET] = _SOCKETS[name]
            if name == "ReconnectWebSocket":
                # What it makes the client do when the socket is back.
                means |= {each: count / self.done[CATCH_UP] for each, count in self.sent.get(CATCH_UP, {}).items()}
            if name != CATCH_UP:
                found[name] = means
        return found

    def added(self, other: Causes) -> Causes:
        """Both together."""
        sent = {
            name: self.sent.get(name, Counter()) + other.sent.get(name, Counter()) for name in self.sent | other.sent
        }
        return Causes(
            self.done + other.done,
            sent,
            self.paused + other.paused,
            self.writing + other.writing,
            self.typed_seconds + other.typed_seconds,
            boxes=self.boxes + other.boxes,
        )


def table(one: Causes, other: Causes) -> dict[str, dict[str, Any]]:
    """By cause: requests, their deviations, the seconds of pauses. Pure."""
    both = one.added(other)
    requests, deviations = {}, {}
    for name, means in both.means().items():
        kept = {handler: round(mean, 3) for handler, mean in means.items() if mean >= _LEAST_PER_ACTION}
        if kept:
            requests[name] = dict(sorted(kept.items()))
            found = {handler: _deviation(name, handler, mean, one, other) for handler, mean in kept.items()}
            deviations[name] = {
                handler: round(value, 3) for handler, value in sorted(found.items()) if value >= _LEAST_DEVIATION
            }
    return {
        "requests": requests,
        "deviations": {name: found for name, found in deviations.items() if found},
        "pauses": _seconds(both.paused - both.typed_seconds, both, requests),
        "typing": _seconds(both.writing, both, requests),
        "boxes": _boxes(both),
        "shares": {
            variant: round(both.done[variant] / (both.done[variant] + both.done[action]), 3)
            for variant, action in VARIANTS.items()
            if both.done[variant]
        },
    }


def _seconds(total: Counter[str], both: Causes, names: Iterable[str]) -> dict[str, float]:
    means = {name: round(total[name] / both.done[name], 2) for name in names if both.done[name]}
    return {name: mean for name, mean in means.items() if mean > 0}


def _boxes(both: Causes) -> dict[str, dict[str, float]]:
    """By cause: how often it types in the box of a channel, leaves one, or leaves its own. Pure."""
    found: dict[str, dict[str, float]] = {}
    for (name, what), times in sorted(both.boxes.items()):
        if both.done[name] and (mean := round(times / both.done[name], 3)) >= _LEAST_PER_BOX:
            found.setdefault(name, {})[what] = mean
    return found


def _deviation(name: str, handler: str, mean: float, one: Causes, other: Causes) -> float:
    """How far the mean may be from that of another mix: half the difference between both, and what is chance. Pure."""
    chance = math.sqrt(mean % 1 * (1 - mean % 1) / max(1, one.done[name] + other.done[name]))
    halves = [each.sent.get(name, Counter())[handler] / each.done[name] for each in (one, other) if each.done[name]]
    return math.hypot(chance, (max(halves) - min(halves)) / 2 if len(halves) > 1 else mean / 2)


@contextmanager
def _watched(causes: Causes) -> Iterator[None]:
    """Polls, look-ups and catching up are causes of their own; of requests sent together it is who sends them."""
    with ExitStack() as undone:

        def replace(owner: Any, name: str, watched: Callable[..., Any]) -> None:
            undone.enter_context(patch.object(owner, name, partial(watched, causes, getattr(owner, name))))

        replace(background, "poll", partial(_watched_cause, background.POLL))
        replace(background, "look_up", partial(_watched_cause, background.LOOK_UP))
        replace(events, "catch_up", partial(_watched_cause, CATCH_UP))
        replace(drafts, "typed", _watched_typed)
        replace(drafts, "left", _watched_left)
        replace(drafts, "appeared", _watched_appeared)
        replace(posts, "_thread_to_answer", _watched_answer)
        replace(composing, "type_text", _watched_text)
        undone.enter_context(patch.object(Person, "start_job", _watched_job(causes, Person.start_job)))
        undone.enter_context(patch.object(Person, "together", _watched_together(causes, Person.together)))
        yield


def _watched_cause(label: str, causes: Causes, original: Any, person: Person, *args: Any, **more: Any) -> None:
    causes.run(person, RENEWED if more.get("renewed") else label, lambda: original(person, *args, **more))


def _watched_answer(causes: Causes, original: Any, person: Person) -> Any:
    return causes.answer(original(person))


def _watched_text(causes: Causes, original: Any, person: Person, channel_id: str, message: str, *more: Any) -> Any:
    return causes.write(person, message, lambda: original(person, channel_id, message, *more))


def _watched_job(causes: Causes, original: Any) -> Callable[..., None]:
    def start_job(person: Person, do: Callable[[], object], *more: Any, **options: Any) -> None:
        original(person, partial(causes.called, causes.going_on(), do), *more, **options)

    return start_job


def _watched_together(causes: Causes, original: Any) -> Callable[..., None]:
    def together(person: Person, calls: Iterable[Callable[[], object]], *more: Any) -> None:
        mine = causes.doing.get(gevent.getcurrent())
        original(person, [partial(causes.called, mine, call) for call in calls], *more)

    return together


def _watched_typed(
    causes: Causes, original: Any, person: Person, channel_id: str, root_id: str = "", *more: Any
) -> None:
    original(person, channel_id, root_id, *more)
    causes.type_in((person.id, channel_id, root_id))


def _watched_left(causes: Causes, original: Any, person: Person, channel_id: str, root_id: str = "") -> Any:
    return causes.later((person.id, channel_id, root_id), original(person, channel_id, root_id))


def _watched_appeared(causes: Causes, original: Any, person: Person) -> Any:
    return causes.appear(person, original(person))


def _live(person: Person, causes: Causes, until: float, evenness: float) -> None:
    causes.run(person, ENTRY, lambda: enter(person))
    mix = WeightedChoice(
        [
            (action, _SELDOM if action.name == "ReconnectWebSocket" else max(action.frequency, 0.0001) ** evenness)
            for action in SIMULATIVE
            if (action.frequency or action.name == "Reload") and action.offered(person.context.capabilities)
        ]
    )
    person.poll_due = time.monotonic() + person.rng.uniform(0, 5)
    while time.monotonic() < until:
        action = mix.draw(person.rng)
        causes.run(person, action.name, partial(perform, person, action))
        person.rest(person.rng.uniform(0, 2 * _REST_SECONDS), background.run_background_tasks)
    # Sockets that were lost come back, and what was missed is asked for.
    person.rest(_LAST_REST_SECONDS, background.run_background_tasks)


def read_all(url: str, file: Path, users: int) -> None:
    """Have all people of these accounts read all that there is in their channels, as people of a real server have.

    Who has read nothing begins at the beginning of each channel, and cannot scroll back from there.
    """
    variables = {"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": url, "MMLOAD_USERSCONFIGURATION_USERSFILEPATH": str(file)}
    context = TestContext(load_settings(environ={**os.environ, **variables})[0], url, Recorder())

    def read(number: int) -> None:
        person = new_person(context, number, lambda *_: None)
        try:
            enter(person)
            for channel in person.store.my_channels():
                person.api.view_channel(channel.id, person.store.collapsed_threads)
        finally:
            disconnect(person)

    tell(f"{users} people read what there is")
    Pool(20).map(read, range(1, users + 1))


def observed(people: int, seconds: int, evenness: float, *options: str) -> Causes:
    """People on a sandbox with these options, for so long."""
    causes = Causes()
    with _watched(causes), sandbox(*options) as url, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.txt"
        environ = {**os.environ, **settle(url, {**os.environ, **HISTORY}, (COMMUNITY_PEOPLE,), file)}
        read_all(url, file, COMMUNITY_PEOPLE)
        environ["MMLOAD_CONNECTIONCONFIGURATION_SERVERURL"] = url
        # So that there are some to be clicked.
        environ["MMLOAD_SIMULCONTROLLER_PERCENTPOSTSWITHPERMALINK"] = "0.5"
        context = TestContext(load_settings(environ=environ)[0], url, Recorder())
        # Of all kinds: the first accounts of a community have written most of its history.
        numbers = range(1, COMMUNITY_PEOPLE + 1)[:: max(1, COMMUNITY_PEOPLE // people)]
        crowd = [new_person(context, number, lambda *_: None) for number in numbers[:people]]
        until = time.monotonic() + seconds
        try:
            for person in crowd:
                causes.watch(person)
                person.sleep = lambda wait: gevent.sleep(min(wait, 0.01))
            gevent.joinall([gevent.spawn(_live, person, causes, until, evenness) for person in crowd], raise_error=True)
        finally:
            for person in crowd:
                disconnect(person)
    # Somebody would have read them, had it gone on.
    causes.sent[SCROLL][_PAGE] += context.pages_left_unread
    return causes


def measure(args: argparse.Namespace) -> Report:
    """The table of a free and of a licensed server."""
    tables: dict[str, Any] = {}
    for name, options in (("free", ()), ("licensed", ("--licensed",))):
        tell(f"{args.people} people on a {name} server for {args.seconds} s")
        one, other = (observed(args.people, args.seconds, evenness, *options) for evenness in _EVENNESS)
        tables[name] = table(one, other)
        tell(f"seldom done: {one.added(other).done.most_common()[:-9:-1]}")
    if args.write:
        speeds = [composing.QUICKEST, composing.SLOWEST]
        tables["typists"] = {"full_speed_idle_s": composing.FULL_SPEED_IDLE_MS / 1000, "typing_speeds": speeds}
        FILE.write_text(json.dumps(tables, indent=1, sort_keys=True) + "\n")
    rows = [
        (cause, handler, mean)
        for cause, means in sorted(tables["free"]["requests"].items())
        for handler, mean in means.items()
    ]
    return Report(tables, (Table("Requests per action (a free server)", ("cause", "handler", "mean"), tuple(rows)),))
