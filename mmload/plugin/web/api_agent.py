"""The load-test agent that the API speaks of: the peer's states and counts over the one test that this process runs."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import MasterRunner

from mmload.client.accounts import has_file_only
from mmload.config import Settings, read_credentials
from mmload.errors import ConfigurationError, MmloadError, UsageError
from mmload.plugin.runner import injection
from mmload.plugin.runner.staged_load import shape_of
from mmload.plugin.runner.user_count import UserCount
from mmload.plugin.runner.user_stopping import UserTurnover
from mmload.plugin.settings import process_settings, settings_of
from mmload.results.folder import Order
from mmload.results.model import Storm, StormKind

# A change is answered when it is accepted; one that takes no longer than this is answered when it is carried out.
SHORT_CHANGE_SECONDS = 1.0
# A test begins with the check of the server; it takes about a log-in.
LONGEST_BEGINNING_SECONDS = 15.0
LONGEST_END_SECONDS = 90.0
# Over which an order may be spread.
LONGEST_SPAN_SECONDS = 3600.0
_POLL_SECONDS = 0.02
NO_TIME = "0001-01-01T00:00:00Z"

# The peer's texts, which its clients look for.
NOT_RUNNING = "LoadTester is not running"
NOT_STOPPED = "LoadTester has not stopped"
NOBODY_LEFT = "no active users left"
IN_STAGES = "the test runs in stages (RunConfiguration.Stages), which set the number of users"
LIMIT_REACHED = "max active users limit reached"


class WrongState(MmloadError):
    """The agent can't do that now."""


class State(StrEnum):
    """The peer's states of an agent."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class ApiStatus(msgspec.Struct, frozen=True, rename="pascal"):
    """How the agent is, with the peer's names."""

    state: State
    num_users: int = 0
    num_users_added: int = 0
    num_users_removed: int = 0
    num_users_stopped: int = 0
    num_errors: int = 0
    start_time: str = NO_TIME


class ApiAgent:
    """One agent, by its id. Its test may as well be driven by Locust's own page and /swarm."""

    def __init__(
        self, name: str, environment: Environment, user_count: UserCount, turnover: Callable[[], UserTurnover]
    ) -> None:
        self.name = name
        self._environment = environment
        self._runner: Any = environment.runner
        self._user_count = user_count
        self._turnover = turnover
        # A test that had ended before is none of this agent's.
        self._test_before = user_count.began if user_count.target is None else 0.0

    @property
    def _settings(self) -> Settings:
        return settings_of(self._environment)

    @property
    def state(self) -> State:
        if self._user_count.is_ending:
            return State.STOPPING
        if self._user_count.target is None:
            return State.STOPPED
        return State.RUNNING if self._user_count.has_begun else State.STARTING

    @property
    def most_users(self) -> int:
        """MaxActiveUsers is what one process takes; each worker has its own."""
        workers = self._runner.worker_count if isinstance(self._runner, MasterRunner) else 1
        users = self._settings.config.users
        most = users.max_active_users * max(1, workers)
        return min(most, _lines(users.users_file_path, self._user_count.began)) if has_file_only(users) else most

    def status(self) -> ApiStatus:
        """Counts since the test began; the number of users is that of those who are there now."""
        count = self._user_count
        if count.began == self._test_before:
            return ApiStatus(self.state)
        stats = self._environment.stats
        faults = sum(fault["count"] for fault in self._runner.exceptions.values())
        return ApiStatus(
            self.state,
            self._runner.user_count,
            count.added,
            count.removed,
            self._turnover().ended,
            stats.total.num_failures + faults,
            datetime.fromtimestamp(count.began, UTC).isoformat().replace("+00:00", "Z"),
        )

    def run(self) -> None:
        """Begin a test with InitialActiveUsers; returns when it has begun, or is known not to."""
        if self.state is not State.STOPPED:
            raise WrongState(NOT_STOPPED)
        try:
            self._user_count.prepare()
            process_settings(self._environment).check_stages()
        except ConfigurationError as error:
            raise WrongState(f"the test could not start: {'; '.join(error.problems)}") from error
        settings = self._settings.config
        users = settings.users.initial_active_users
        if shape_of(self._environment):
            self._runner.start_shape()
        else:
            self._user_count.start(users, settings.run.spawn_rate or max(1, users))
        self._await(lambda: self._user_count.has_begun or self._user_count.target is None, LONGEST_BEGINNING_SECONDS)
        self._await_users()
        refusal = getattr(self._environment, "mmload_refusal", None)
        if refusal is not None:
            raise WrongState(f"the test could not start: {refusal}")

    def stop(self) -> None:
        """End the test; returns when everybody has left."""
        if self.state is not State.RUNNING:
            raise WrongState(NOT_RUNNING)
        self.end()

    def end(self) -> None:
        """End the test, if there is one, whatever its state."""
        if self._user_count.target is not None or self._user_count.is_ending:
            # Not in our own greenlet: it goes on when the one who asked has waited long enough.
            gevent.spawn(self._runner.stop).join(timeout=LONGEST_END_SECONDS)

    def change(self, amount: int) -> tuple[int, str]:
        """So many users more, or fewer: how many really, and why not all."""
        if self.state is not State.RUNNING:
            return 0, NOT_RUNNING
        if shape_of(self._environment):
            return 0, IN_STAGES
        rate = self._settings.config.run.spawn_rate
        changed = self._user_count.change(amount, rate, self.most_users)
        self._await_users()
        if changed == amount:
            return abs(changed), ""
        return abs(changed), LIMIT_REACHED if amount > 0 else NOBODY_LEFT

    def inject(self, action: str, users: int = 0, within_seconds: float = 0.0) -> tuple[str, int]:
        """Have users (0: all) do an action within a span; its name, and how many do. `UsageError` if there is none."""
        if self.state is not State.RUNNING:
            raise WrongState(NOT_RUNNING)
        known = injection.action_named(action)
        order = Order(known.name, users, within_seconds)
        return known.name, injection.give(self._environment, order, random.Random())

    def raise_storm(self, kind: str, users: int = 0, within_seconds: float = 0.0) -> Storm:
        """A storm now, by so many users (0: all; of a spike: as many again). `UsageError` if there is no such one."""
        if self.state is not State.RUNNING:
            raise WrongState(NOT_RUNNING)
        if kind not in list(StormKind):
            raise UsageError(f"{kind}: no such storm; the storms are {', '.join(StormKind)}")
        if kind == StormKind.SPIKE:
            target = self._user_count.target or 0
            users = users or target
            if target + users > self.most_users:
                raise WrongState(f"{LIMIT_REACHED}: {target} + {users} users are more than {self.most_users}")
        order = Order(users=users, within_seconds=within_seconds, storm=Storm(StormKind(kind)))
        return injection.raise_storm(self._environment, order)

    def _await_users(self) -> None:
        """Wait for a change that is quick, so that the answer shows it; not for one that was overtaken by another."""
        accepted = self._user_count.accepted

        def is_over() -> bool:
            return self._runner.user_count == (self._user_count.target or 0) or self._user_count.accepted != accepted

        self._await(is_over, SHORT_CHANGE_SECONDS)

    def _await(self, condition: Callable[[], bool], seconds: float) -> None:
        with gevent.Timeout(seconds, False):  # type: ignore[arg-type]
            while not condition():
                gevent.sleep(_POLL_SECONDS)


@functools.lru_cache(maxsize=2)
def _lines(path: str, _test: float) -> int:
    """The accounts of a file of users, which is read once in a test."""
    try:
        return len(read_credentials(path))
    except ConfigurationError:
        return 0


_NUMBER = re.compile(r"[+-]?[0-9]+")
_MOST_AT_ONCE = 2**15 - 1


def amount_of(text: str) -> int | None:
    """The number of users in a query, as the peer reads it: 1 to 32767; None where it is none. Pure."""
    if not _NUMBER.fullmatch(text) or len(text) > 10:
        return None
    amount = int(text)
    return amount if 1 <= amount <= _MOST_AT_ONCE else None
