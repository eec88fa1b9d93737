"""One simulated person: an account, its client, its store and its random numbers. Knows nothing of Locust.

Everything a person does runs in one greenlet: actions, and, while the person rests between them, the background tasks
of a web client (polling every 60 seconds, looking up the users that events name). The events of the WebSocket arrive in
the hub; they only leave notes (`wants_*`) and wake the greenlet.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent
from gevent import get_hub
from gevent.event import AsyncResult
from gevent.hub import Waiter

from mmload.client.accounts import Account
from mmload.client.api import Api
from mmload.client.websocket.client import WebSocket
from mmload.context import TestContext
from mmload.delivery.account import Seat
from mmload.errors import MmloadError, NotAvailable, RequestFailed, WebSocketFailed
from mmload.metrics.recorder import ActionOutcome
from mmload.store import Store


class WakeableSleep:
    """A sleep of one greenlet that `ring` ends early; a ring before the sleep ends it at once.

    Measured: 2.4 µs of CPU a sleep, where gevent's `Event.wait` with a time-out takes 13.
    """

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: Any = None

    def ring(self) -> None:
        """Wake the sleeper, or the next one. From any greenlet, or from the hub."""
        self._rung = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            # Not at once: whoever rings goes on first, and only the hub may switch.
            get_hub().loop.run_callback(waiter.switch, None)

    def clear(self) -> None:
        self._rung = False

    def sleep(self, seconds: float) -> None:
        """Until it rings, or for so long."""
        if self._rung:
            return
        hub = get_hub()
        waiter: Any = Waiter(hub)
        timer = hub.loop.timer(seconds)
        # The loop's clock stands still while a greenlet runs: from now on, not from when it last looked.
        timer.start(waiter.switch, None, update=True)
        self._waiter = waiter
        try:
            waiter.get()
        finally:
            self._waiter = None
            timer.close()


@dataclass(slots=True, eq=False)
class BrowserWindow:
    """A person's window: in front (it has the focus) or behind others. `now` is the caller's clock.

    `due`: when the present spell in front or behind others ends; infinite for who has no such spells. `long_returns`:
    returns after a long time that no action of the load model has been counted for yet.
    """

    in_front: bool = True
    due: float = math.inf
    spells: int = 0
    long_returns: int = 0
    away_since: float = 0.0
    away_seconds: float = 0.0

    @property
    def has_spells(self) -> bool:
        return self.due < math.inf

    @property
    def can_act(self) -> bool:
        """Whether the person does anything with their hands now."""
        return self.in_front or not self.has_spells

    def turn(self, now: float, *, in_front: bool) -> None:
        self.spells += 1
        if in_front and not self.in_front:
            self.away_seconds += now - self.away_since
        elif self.in_front and not in_front:
            self.away_since = now
        self.in_front = in_front

    def acting_clock(self, now: float) -> float:
        """A clock that stands still while the person cannot act."""
        return (now if self.can_act else self.away_since) - self.away_seconds


POLL_SECONDS = 60.0
MOST_ORDERS = 10
# Spreads clients over an interval by their numbers, however many there are.
_GOLDEN_RATIO = 0.618034


V = TypeVar("V")


class NothingToDo(Exception):
    """The action does not apply now (no other channel, no post, …): it is counted as skipped."""


def outcome_of(error: MmloadError) -> ActionOutcome:
    """How an action ended that an error cut short; a refusal that a real client gets, too, is no failure. Pure."""
    return ActionOutcome.SKIPPED if isinstance(error, RequestFailed) and error.expected else ActionOutcome.FAILED


def carry_out(person: Person, name: str, do: Callable[[], object]) -> None:
    """Do something of the background. A failure is counted under its name and changes nothing else."""
    began = time.perf_counter()
    outcome = ActionOutcome.OK
    try:
        do()
    except MmloadError as error:
        outcome = outcome_of(error)
    person.context.recorder.action(name, time.perf_counter() - began, outcome)


@contextmanager
def forget_if_deleted(forget: Callable[[], object]) -> Iterator[None]:
    """Around requests about an object of the store: where somebody else deleted it meanwhile, the client forgets it.

    The refusal is raised all the same, and the action counts as skipped.
    """
    try:
        yield
    except RequestFailed as error:
        if error.expected and not isinstance(error, NotAvailable):
            forget()
        raise


def unless_refused(fetch: Callable[..., object], *ids: str) -> None:
    """What the application is refused, too (it was deleted meanwhile), stays blank; the rest goes on."""
    try:
        fetch(*ids)
    except RequestFailed as refusal:
        if not refusal.expected:
            raise


def if_possible(request: Callable[[], object]) -> None:
    """A request whose failure is counted, and nothing more."""
    with suppress(RequestFailed):
        request()


def next_look(now: float, every_seconds: float, number: int) -> float:
    """When the client `number` next looks up the people it does not know: it does so all along, each in its time. Pure.

    At once where a server names no interval.
    """
    if every_seconds <= 0:
        return now
    return now + every_seconds - (now - number * _GOLDEN_RATIO * every_seconds) % every_seconds


@dataclass(slots=True, eq=False)
class Person:
    """`rate` multiplies the idle times. `socket` is None before the login and after the logout.

    `seat` is the socket's place in the account of messages; None: this person's deliveries are not accounted for.
    """

    context: TestContext
    account: Account
    api: Api
    store: Store
    rng: random.Random
    rate: float = 1.0
    socket: WebSocket | None = None
    seat: Seat | None = None
    clock: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = lambda: int(time.time() * 1000)
    sleep: Callable[[float], None] = gevent.sleep
    wants_users: dict[str, None] = field(default_factory=dict)
    wants_statuses: dict[str, None] = field(default_factory=dict)
    wants_channels: dict[str, None] = field(default_factory=dict)
    # What the web client would report of its own speed: (metric, milliseconds, when).
    measured: list[tuple[str, float, int]] = field(default_factory=list)
    paused_seconds: float = 0.0
    orders: deque[Callable[[], object]] = field(default_factory=lambda: deque(maxlen=MOST_ORDERS))
    # What the page does beside the person's actions; it ends with the page's socket.
    jobs: set[gevent.Greenlet[..., Any]] = field(default_factory=set)
    catch_ups: int = 0  # how often the page has begun to ask for what a lost socket missed
    poll_due: float = 0.0
    # When the people noted are looked up; infinite while there are none.
    look_up_due: float = math.inf
    reported_until_ms: int = 0
    last_pending_ms: int = 0
    cold: bool = False  # a browser without a cache, in the middle of its first page load
    # Of an entry that failed half-way (mmload.behaviours.login.enter): the steps done, and whether the next one failed.
    steps_taken: int = 0
    repeats: bool = False
    returning: bool = False  # came in with a kept session
    # The new login after a 401 while it is queued or under way; how many in a row have failed, and until when none is
    # tried (`clock`).
    renewal: AsyncResult[bool] | None = None
    window: BrowserWindow = field(default_factory=BrowserWindow)
    # `posted` events in a row, and when the last one came: the application takes in bursts as a whole.
    posts_in_a_row: int = 0
    last_posted_at: float = 0.0
    failed_renewals: int = 0
    no_login_before: float = 0.0
    _alarm: WakeableSleep = field(default_factory=WakeableSleep)

    @property
    def id(self) -> str:
        return self.store.me.id

    def pick(self, choices: list[V], otherwise: str) -> V:
        """One of them, each as likely; `NothingToDo` with the reason `otherwise` if there are none."""
        if not choices:
            raise NothingToDo(otherwise)
        return self.rng.choice(choices)

    def current_channel_id(self) -> str:
        """The channel on the screen; `NothingToDo` if none is open."""
        if not self.store.current_channel_id:
            raise NothingToDo("no channel is open")
        return self.store.current_channel_id

    def meet(self, user_id: str) -> None:
        """Somebody is on the screen: unless we know them, they are looked up at the page's next look. Never waits."""
        if user_id == self.id:
            return
        store = self.store
        if user_id not in store.users:
            self.wants_users[user_id] = self.wants_statuses[user_id] = None
        elif user_id not in store.statuses:
            self.wants_statuses[user_id] = None
        else:
            return
        if self.look_up_due == math.inf:
            every = self.context.capabilities.look_up_seconds
            self.look_up_due = next_look(self.clock(), every, self.account.number)
            self.wake()

    # -- time ------------------------------------------------------------------------------------------------

    def pause(self, shortest_seconds: float, longest_seconds: float) -> None:
        """Think, read or type in the middle of an action; not counted as the action's duration."""
        seconds = self.rng.uniform(shortest_seconds, longest_seconds)
        self.paused_seconds += seconds
        self.sleep(seconds)

    def acting_clock(self) -> float:
        """A clock that stands still while the person's window is behind others."""
        return self.window.acting_clock(self.clock())

    def rest(self, seconds: float, background: Callable[[Person], None]) -> None:
        """Idle for so long by the acting clock; `background` is called at once, on every wake-up and when it is due."""
        until = self.acting_clock() + seconds
        while True:
            self._alarm.clear()
            background(self)
            now, due = self.clock(), min(self.poll_due, self.look_up_due, self.window.due)
            if self.window.can_act:
                remaining = until - self.window.acting_clock(now)
                if remaining <= 0:
                    return
                due = min(due, now + remaining)
            self._alarm.sleep(max(0.0, due - now))

    def wake(self) -> None:
        """Something is noted for the person to look up. Safe to call from the hub."""
        self._alarm.ring()

    def give_order(self, do: Callable[[], object]) -> None:
        """Have the person do something as soon as they rest; of too many orders the oldest are forgotten."""
        self.orders.append(do)
        self.wake()

    def pending_post_id(self) -> str:
        """A new post's id of our own: `{user_id}:{ms}`, no two alike."""
        self.last_pending_ms = max(self.now_ms(), self.last_pending_ms + 1)
        return f"{self.id}:{self.last_pending_ms}"

    # -- the socket ------------------------------------------------------------------------------------------

    def tell(self, action: str, data: dict[str, Any]) -> None:
        """Send over the socket; while it is down a web client drops these messages, and so do we."""
        if self.socket is not None and self.socket.connected:
            try:
                self.socket.send(action, data)
            except WebSocketFailed:
                # It broke in this very moment: the same as being down.
                return

    # -- beside the actions ------------------------------------------------------------------------------------

    def start_job(self, do: Callable[[], object]) -> None:
        """Have the page do something, whatever the person does. Never waits."""
        job = gevent.spawn(do)
        self.jobs.add(job)
        job.rawlink(self.jobs.discard)

    def end_jobs(self) -> None:
        """The page goes away. Never waits."""
        for job in self.jobs - {gevent.getcurrent()}:
            job.kill(block=False)

    # -- several requests at once ------------------------------------------------------------------------------

    def together(self, calls: Iterable[Callable[[], object]], at_once: int = 6) -> None:
        """Make calls as a browser does, up to six at a time; the first failure is raised when all have ended."""
        waiting = list(calls)
        if len(waiting) <= 1:
            for call in waiting:
                call()
            return
        failures: list[Exception] = []
        waiting.reverse()
        workers = [gevent.spawn(_work_off, waiting, failures) for _ in range(min(at_once, len(waiting)))]
        try:
            gevent.joinall(workers)
        finally:
            # A user that is stopped in the middle takes its greenlets along.
            gevent.killall(workers)
        if failures:
            raise failures[0]


def _work_off(waiting: list[Callable[[], object]], failures: list[Exception]) -> None:
    while waiting:
        try:
            waiting.pop()()
        except Exception as failure:  # noqa: BLE001 — handed to the person's own greenlet
            failures.append(failure)
