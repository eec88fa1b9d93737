"""What one process counts while its users act: plain increments, taken away once a second as a `Delta`.

Nothing here does I/O or knows Locust. All of a process's greenlets share one `Recorder`; it is not for threads.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from msgspec.structs import replace

from mmload.browser.messages import StepDone
from mmload.metrics.browser import BrowserHost, BrowserStep
from mmload.metrics.counts import DeliveryCounts, SessionCounts, SocketCounts, UserGauges
from mmload.metrics.delta import MOST_LOSSES, ActionFigures, Delta, Loss, RouteFigures, count_one, entry
from mmload.metrics.histogram import Histogram

# Spans of time that are neither an action's nor a request's.
DELIVERY = "delivery"  # from sending a post to its `posted` event on another socket of the same process
RECONNECT = "reconnect"  # from the loss of a socket to its being back
SCHEDULE_LAG = "schedule_lag"  # by how much an action began later than planned (open model)
LOOP_LAG = "loop_lag"  # by how much the event loop was late, 20 times a second
STARTING_REQUEST = "starting_request"  # a request, not a login's, of a user who is still loading the first page
HANDLING_DELAY = "handling_delay"  # from finding many sockets readable to the last one's being served


class ActionOutcome(StrEnum):
    """How an action ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"  # the person had nothing to do it on


class MessageAccount(Protocol):
    """The account of messages, which settles as time goes by (`mmload.delivery.account`)."""

    def tick(self) -> None: ...

    def finish(self) -> None: ...

    def take_announcements(self) -> list[Any]: ...

    def announced(self, posts: list[Any]) -> None: ...


class Recorder:
    """The figures of one process since they were last taken.

    `events`, `deliveries`, `sockets` and `sessions` are incremented in place, and stay the same objects. `users` is a
    level, not a count: it stays when the rest is taken.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.events: dict[str, int] = defaultdict(int)
        self.deliveries = DeliveryCounts()
        self.sockets = SocketCounts()
        self.sessions = SessionCounts()
        self.users = UserGauges()
        self.account: MessageAccount | None = None
        self._clock = clock
        self._delta = Delta()
        self._unavailable: set[str] = set()

    def action(self, name: str, seconds: float, outcome: ActionOutcome) -> None:
        """One action of a person has ended. A skipped one is counted without its time."""
        figures = self._delta.actions.get(name)
        if figures is None:
            figures = entry(self._delta.actions, name, ActionFigures)
        if outcome is ActionOutcome.OK:
            figures.times.record(seconds)
        elif outcome is ActionOutcome.FAILED:
            figures.failed_times.record(seconds)
        else:
            figures.skipped += 1

    def request(
        self,
        route: str,
        seconds: float,
        failure: str = "",
        login: bool = False,
        request_id: str = "",
        expected: bool = False,
    ) -> None:
        """One REST call has ended. `failure` is a constant text, "" if good; it begins with the status if there is one.

        `request_id` is the answer's `X-Request-Id` if it failed. An `expected` failure is a refusal that a real client
        gets, too: its time counts as that of a good answer, its reason is counted apart. `login` calls are reported
        apart from the steady load: they are the most expensive requests there are.
        """
        routes = self._delta.logins if login else self._delta.routes
        figures = routes.get(route)
        if figures is None:
            figures = entry(routes, route, RouteFigures)
        if expected:
            figures.refuse_as_expected(seconds, failure, self._clock(), request_id)
        elif failure:
            figures.fail(seconds, failure, self._clock(), request_id)
        else:
            figures.times.record(seconds)

    def span(self, name: str, seconds: float) -> None:
        """A span of time that is neither an action's nor a request's (names above)."""
        times = self._delta.spans.get(name)
        if times is None:
            times = self._delta.spans[name] = Histogram()
        times.record(seconds)

    def browser_step(self, step: StepDone, host: str) -> None:
        entry(self._delta.browser, step.step, BrowserStep).count(step)
        entry(self._delta.browser_hosts, host, BrowserHost).count(step)

    def kept_out(self, reason: str) -> None:
        """A user tried to log in and load the application, and could not."""
        count_one(self._delta.kept_out, reason)

    def loss(self, loss: Loss) -> None:
        if len(self._delta.losses) < MOST_LOSSES:
            self._delta.losses.append(loss)

    def unavailable(self, feature: str, reason: str) -> None:
        """This server lacks a feature; told once, however often it is found out."""
        if feature not in self._unavailable:
            self._unavailable.add(feature)
            self._delta.unavailable[feature] = reason

    def take(self) -> Delta:
        if self.account is not None:
            self.account.tick()
        delta, self._delta = self._delta, Delta()
        delta.events = dict(self.events)
        self.events.clear()
        delta.deliveries = self.deliveries.take()
        delta.sockets = self.sockets.take()
        delta.sessions = self.sessions.take()
        self.users.sockets += delta.sockets.change
        delta.users = replace(self.users)
        return delta

    def forget(self) -> None:
        """A new test begins: what was counted before is dropped, and missing features may be told again."""
        self.account = None
        self.take()
        self._unavailable.clear()


@cache
def process_recorder() -> Recorder:
    """The recorder of this process (a forked worker has its own copy)."""
    return Recorder()
