"""How many users there should be: whoever changes it (web UI, /swarm, /loadagent, keyboard, Locust itself) comes here.

Takes the place of `runner.start` and `runner.stop`. A change is accepted at once and carried out by one greenlet, the
latest target first: two greenlets inside Locust's own `MasterRunner.start` crash it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import RLock
from locust.log import greenlet_exception_logger
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner

from mmload.locust_internals import dispatcher_of, keep_dispatcher, replace_start_and_stop

# Workers report their users every 3 s: a difference that lasts longer is a real one.
PATIENCE_SECONDS, PATIENCE_DISTRIBUTED_SECONDS = 2.0, 8.0
# A user class that can't start must not hammer the server; log-ins are admitted few at a time besides.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 300.0


class Respawn:
    """When users that died are made anew: soon, but ever more rarely where they die again.

    Pure; times are seconds of any steady clock.
    """

    def __init__(self, *, distributed: bool) -> None:
        self._patience = PATIENCE_DISTRIBUTED_SECONDS if distributed else PATIENCE_SECONDS
        self.forget()

    def forget(self) -> None:
        self._wrong_since: float | None = None
        self._pause = SHORTEST_PAUSE_SECONDS
        self._not_before = 0.0

    def is_due(self, now: float, actual: int, target: int) -> bool:
        """Whether the target should be carried out anew now, because the actual number differs."""
        if actual == target:
            self._wrong_since = None
            if now >= self._not_before:
                self._pause = SHORTEST_PAUSE_SECONDS
            return False
        if self._wrong_since is None:
            self._wrong_since = now
        if now - self._wrong_since < self._patience or now < self._not_before:
            return False
        self._not_before = now + self._pause
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
        self._wrong_since = None
        return True


log = logging.getLogger("mmload.user_count")

LOOK_SECONDS = 1.0
# A test begins with a check of the server, which may take as long as its requests' timeouts; then it may be stopped.
LONGEST_BEGINNING_SECONDS = 60.0
_POLL_SECONDS = 0.02
# Between two targets that are passed on to workers; those in between are overtaken. Each costs every worker some work,
# and a worker that has too many of them to read forgets to say that it is alive.
SHORTEST_DISPATCH_SECONDS = 0.2
# Locust then exits with code 2, as it does for greenlets of its own.
_logged = greenlet_exception_logger(log)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Target:
    """How many users there should be, and how fast they should come or go (users per second)."""

    users: int
    spawn_rate: float
    options: dict[str, Any] = field(default_factory=dict)


class UserCount:
    """The number of users of one runner: the target, and how it is carried out."""

    def __init__(
        self, runner: Any, reread: Callable[[], None] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._reread = reread
        self._prepared = False
        self._locust_start, self._locust_stop = replace_start_and_stop(runner, self.start, self.stop)
        self._target: Target | None = None
        self.accepted = 0  # how many targets so far
        self._news = Event()
        self._ending = RLock()
        self._at_work: Any = None  # the greenlet that carries out the last target
        self._dispatcher: Any = None
        self._members = self._present_workers()
        self._respawn = Respawn(distributed=isinstance(runner, MasterRunner))
        self.added = self.removed = 0
        self.began = 0.0  # when the test began, in seconds since 1970; 0: none has yet
        self.is_ending = False
        self.on_lost: list[Callable[[str], None]] = []
        # Called before Locust begins a test, and before it deals out users.
        self.before_test: Callable[[], None] = lambda: None
        for loop in (self._carry_on, self._look_around):
            runner.greenlet.spawn(loop).link_exception(_logged)

    @property
    def target(self) -> int | None:
        """How many users there should be; None while no test runs."""
        return None if self._target is None else self._target.users

    @property
    def has_begun(self) -> bool:
        """Whether Locust is past the beginning of a test: users come and go."""
        return self._runner.state in (STATE_SPAWNING, STATE_RUNNING)

    @property
    def is_settled(self) -> bool:
        """Whether the last target was carried out: nobody is being started or stopped any more."""
        return not self._news.is_set() and (self._at_work is None or self._at_work.ready())

    def start(self, user_count: int, spawn_rate: float, wait: bool = False, user_classes: Any = None) -> None:
        """Accept a target. It takes the place of an earlier one that is still being carried out."""
        if user_count < 0 or not 0 < spawn_rate < math.inf:
            raise ValueError(f"{user_count} users at {spawn_rate} per second: expected 0 or more, at a rate above 0")
        if self.target is None and not self._prepared:
            self.prepare()
        self._prepared = False
        self._tally(user_count)
        # Locust itself asks again for these numbers when workers come and go.
        self._runner.target_user_count = user_count
        self._runner.spawn_rate = spawn_rate
        self._target = Target(user_count, spawn_rate, {"wait": wait, "user_classes": user_classes})
        self.accepted += 1
        self._respawn.forget()
        self._news.set()

    def prepare(self) -> None:
        """Before the first users of a test: read the settings again. ConfigurationError: it cannot start."""
        if self._reread is not None:
            self._reread()
        self._prepared = True

    def change(self, amount: int, spawn_rate: float, most: int) -> int:
        """So many users more (or, below 0, fewer) than the target so far; by how many it really changed."""
        before = self.target or 0
        after = max(0, before + amount) if amount < 0 else max(before, min(before + amount, most))
        if after != before:
            self.start(after, spawn_rate or max(1, abs(after - before)))
        return after - before

    def stop(self, *arguments: Any, **options: Any) -> None:
        """Locust's own `runner.stop`, one at a time: returns when the test has ended."""
        with self._ending:
            self.removed += self.target or 0
            self._target = self._dispatcher = None
            self._news.clear()
            self.is_ending = True
            try:
                self._interrupt()
                self._locust_stop(*arguments, **options)
            finally:
                self.is_ending = False

    def renew(self) -> None:
        """Target the same once more. Locust speaks of absolute numbers: whoever is missing is made anew."""
        if self._target is not None:
            self._news.set()

    def _tally(self, users: int) -> None:
        """Count who is to come and who is to go. The first target begins a test."""
        before = self.target
        if before is None:
            self.added, self.removed, self.began = users, 0, self._clock()
            return
        self.added += max(0, users - before)
        self.removed += max(0, before - users)

    def _carry_on(self) -> None:
        while True:
            self._news.wait()
            # Not while a test is being ended.
            with self._ending:
                self._news.clear()
                target = self._target
            if target is not None and self._workers_are_here(target):
                self._carry_out(target)
                if isinstance(self._runner, MasterRunner):
                    gevent.sleep(SHORTEST_DISPATCH_SECONDS)

    def _workers_are_here(self, target: Target) -> bool:
        """Wait for a worker, unless the target changes before. Locust would drop a target that no worker hears."""
        told = False
        while isinstance(self._runner, MasterRunner) and not self._present_workers():
            if not told:
                log.warning("no worker is connected: the test starts with %d users when one connects", target.users)
                told = True
            if self._news.wait(_POLL_SECONDS * 10):
                return False
        return True

    def _carry_out(self, target: Target) -> None:
        """Let Locust do it; come back when that is done, or when there are news and it can be interrupted."""
        with self._ending:
            if self._target is not target:
                return
            if self.has_begun:
                keep_dispatcher(self._runner, self._dispatcher)
            self._at_work = self._begin(target)
        gevent.wait([self._at_work, self._news], count=1)
        if not self._at_work.ready():
            self._interrupt()

    def _begin(self, target: Target) -> Any:
        """The greenlet in which Locust starts and stops users."""
        if not self.has_begun:
            self.before_test()
        if isinstance(self._runner, MasterRunner):
            greenlet = self._runner.greenlet.spawn(
                self._locust_start, target.users, target.spawn_rate, **target.options
            )
            greenlet.link_exception(_logged)
            return greenlet
        self._locust_start(target.users, target.spawn_rate, **target.options)
        return self._runner.spawning_greenlet

    def _interrupt(self) -> None:
        """End what is being carried out, but not in the beginning of a test: its listeners must all be called."""
        greenlet = self._at_work
        if greenlet is None or greenlet is gevent.getcurrent():
            return
        with gevent.Timeout(LONGEST_BEGINNING_SECONDS, False):  # type: ignore[arg-type]
            while not greenlet.ready() and not self.has_begun:
                gevent.sleep(_POLL_SECONDS)
        greenlet.kill()

    def _present_workers(self) -> frozenset[str]:
        clients = getattr(self._runner, "clients", None)
        if clients is None:
            return frozenset()
        return frozenset(each.id for each in (*clients.ready, *clients.spawning, *clients.running))

    def _look_around(self) -> None:
        """Locust leaves gaps where workers are lost, join one after the other, or heal: carry the target out anew."""
        while True:
            gevent.sleep(LOOK_SECONDS)
            members, before = self._present_workers(), self._members
            self._members = members
            for client_id in before - members:
                for listener in self.on_lost:
                    listener(client_id)
            if self._target is None:
                continue
            self._dispatcher = dispatcher_of(self._runner) or self._dispatcher
            if members != before:
                log.info("%d workers instead of %d: redistributing the users", len(members), len(before))
                self.renew()
            elif (
                self.has_begun
                and self.is_settled
                and self._respawn.is_due(time.monotonic(), self._runner.user_count, self._target.users)
            ):
                log.warning(
                    "%d users are running instead of %d: respawning users", self._runner.user_count, self._target.users
                )
                self.renew()
