"""The Locust users: an account, a client and a behaviour; how they come in and how they leave."""

from __future__ import annotations

import functools
import logging
import os
import random
import time
from contextlib import ExitStack
from typing import Any

import gevent
from gevent.pool import Group
from locust import User
from locust.env import Environment
from locust.runners import WorkerRunner

from mmload.behaviours.background import be_connected
from mmload.behaviours.cluster import ClusterBehaviour, enter_console
from mmload.behaviours.generative import GenerateBehaviour, enter_to_generate
from mmload.behaviours.goals import Generation, Goals, targets
from mmload.behaviours.login import (
    AccountsUsedUp,
    EntryRefused,
    close_application,
    disconnect,
    enter,
    enter_patiently,
    log_in_again,
    release,
)
from mmload.behaviours.pace import devices_of, rate_of
from mmload.behaviours.person import Person
from mmload.behaviours.simple import SimpleBehaviour
from mmload.behaviours.tasksets import IdleBehaviour, SimulatedBehaviour
from mmload.client.accounts import Account, AccountPool, account, is_administrator, session_owner
from mmload.client.api import LOGIN_ROUTES, Api
from mmload.client.http.client import Rest, Route
from mmload.config import ConnectionSettings, Settings
from mmload.context import TestContext
from mmload.errors import NoAccountLeft, RequestFailed
from mmload.locust_internals import sleep_as_between_tasks
from mmload.metrics.recorder import STARTING_REQUEST, process_recorder
from mmload.store import Store

log = logging.getLogger("mmload.users")

# One who never gets in stays, asleep: a user that dies would be made anew, in a burst, at the next change of the load.
_ASLEEP_SECONDS = 3600.0
# Who leaves gives the account back within moments; with none for so long, there are more users than accounts.
ACCOUNT_PATIENCE_SECONDS = 60.0
_ACCOUNT_LOOK_SECONDS = 0.25


def new_context(environment: Environment, settings: Settings) -> TestContext:
    """The context of the users who start from now on; until `forget_context`, accounts and deliveries go on."""
    runner = environment.runner
    processes = getattr(environment.parsed_options, "processes", None) or 1
    context = TestContext(
        settings,
        (environment.host or settings.config.connection.server_url).rstrip("/"),
        process_recorder(),
        max(0, getattr(runner, "worker_index", 0) or 0),
        # As far as a process can know: those of `--processes`; else it counts as alone.
        processes if processes > 0 else os.cpu_count() or 1,
        shared=isinstance(runner, WorkerRunner),
        before=getattr(environment, "mmload_context", None),
        lines=getattr(environment, "mmload_lines", None),
        kept=getattr(environment, "mmload_kept_sessions", None),
    )
    environment.mmload_context = context  # type: ignore[attr-defined]
    return context


def forget_context(environment: Environment) -> None:
    """A test is over, or the next one begins: nothing of its accounts and deliveries goes on."""
    environment.mmload_context = None  # type: ignore[attr-defined]


def context_of(environment: Environment) -> TestContext:
    """What the users of this environment share; there is one while a test runs (else None, which no user sees)."""
    context: TestContext = getattr(environment, "mmload_context", None)  # type: ignore[assignment]
    return context


class AccountUser(User):
    """A Locust user with an account of its own, which it gives back however it ends."""

    abstract = True
    # Locust refuses a user without a host; the configured server is filled in by `mmload.plugin`, or by --host.
    host = "http://localhost:8065"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.account_number = 0  # 0: none yet
        self._held = ExitStack()
        self._gauges: tuple[str, ...] = ()
        self._refusal: EntryRefused | None = None

    def start(self, group: Group) -> gevent.Greenlet[..., Any]:
        """Begin the user's life. However it ends, the account, the seat, the WebSocket and the gauge go back.

        Locust calls `on_stop` only after a stop or a kill, not after an exception, and a second kill may end `on_stop`
        in the middle. So all of it is given back when the greenlet is dead, in the hub: nothing there may wait.
        """
        greenlet: gevent.Greenlet[..., Any] = super().start(group)
        greenlet.rawlink(lambda _: self._held.close())
        return greenlet

    def _take_account(self, accounts: AccountPool) -> None:
        """Wait for an account, if need be, until one who leaves gives it back."""
        self._held.callback(self._enter_gauges)
        self._enter_gauges("waiting")
        looks = 0
        while not self.account_number:
            try:
                self.account_number = accounts.take()
                self._held.callback(self._give_account_back, accounts)
            except NoAccountLeft as error:
                looks += 1
                if looks == int(ACCOUNT_PATIENCE_SECONDS / _ACCOUNT_LOOK_SECONDS):
                    log.error("%s", error)
                    self._enter_gauges("gave_up", "without_account")
                sleep_as_between_tasks(self, _ACCOUNT_LOOK_SECONDS)
        self._enter_gauges("waiting")

    def _give_account_back(self, accounts: AccountPool) -> None:
        accounts.give_back(self.account_number)
        self.account_number = 0

    def _told_no(self, refusal: EntryRefused) -> None:
        self._refusal = refusal
        log.warning("account %d cannot become active: %s", self.account_number, refusal)

    def _stay_outside(self) -> None:
        self._enter_gauges("gave_up", *(("without_account",) if isinstance(self._refusal, AccountsUsedUp) else ()))
        while True:
            # In the middle of nothing: the end of the run does not wait for it.
            sleep_as_between_tasks(self, _ASLEEP_SECONDS)

    def _enter_gauges(self, *names: str) -> None:
        """Count this user under these names (waiting, active, gave_up, …; none: not at all) and nowhere else."""
        gauges = process_recorder().users
        for name in self._gauges:
            setattr(gauges, name, getattr(gauges, name) - 1)
        for name in names:
            setattr(gauges, name, getattr(gauges, name) + 1)
        self._gauges = names

    def _report(self, route: Route, start: float, seconds: float, size: int, failure: RequestFailed | None) -> None:
        """One request's outcome, to our recorder and to Locust's tables (an expected refusal is no failure there)."""
        expected = failure is not None and failure.expected
        reason, request_id = (failure.reason, failure.request_id) if failure is not None else ("", "")
        login, recorder = route in LOGIN_ROUTES, process_recorder()
        recorder.request(str(route), seconds, reason, login, request_id, expected)
        if "waiting" in self._gauges and not login:
            recorder.span(STARTING_REQUEST, seconds)
        self.environment.events.request.fire(
            request_type=route.method,
            name=route.path,
            response_time=seconds * 1000,
            response_length=size,
            exception=None if expected else failure,
            context={},
            response=None,
            start_time=start,
            url=route.path,
        )


class MattermostUser(AccountUser):
    """The base of our simulated users: logs in patiently, acts by its `tasks`, logs out, gives its account back.

    `person` is the simulated person; a subclass sets `tasks` to its behaviour (see docs/extending.md).
    """

    abstract = True
    # Whether these people may have further devices (UsersConfiguration.DevicesPerUser).
    has_devices = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.person: Person = None  # type: ignore[assignment] # there from on_start on
        self._devices: list[tuple[Person, gevent.Greenlet[..., Any]]] = []

    @property
    def is_in(self) -> bool:
        return "active" in self._gauges

    @property
    def further_devices(self) -> tuple[Person, ...]:
        return tuple(device for device, _ in self._devices)

    def on_start(self) -> None:
        """Take an account and come in; returns when the person is in, or sleeps for good if it never will be."""
        context = context_of(self.environment)
        self._take_account(context.accounts)
        self.person = self.new_person(context, self.account_number)
        self._equip(self.person)
        self.person.sleep = functools.partial(sleep_as_between_tasks, self)
        if not enter_patiently(self.person, self._told_no, self.come_in):
            self._stay_outside()
        self._enter_gauges("active")
        if self.has_devices:
            self._connect_devices(context)

    def _equip(self, person: Person) -> None:
        """A place in the account of messages and a way to a new session; all of it is given back in the end."""
        self._held.callback(release, person)
        person.seat = person.store.memberships = person.context.deliveries.seat()
        person.api.rest.renew_session = functools.partial(log_in_again, person)

    def _connect_devices(self, context: TestContext) -> None:
        number = self.account_number
        devices = devices_of(number, context.seed, context.settings.config.users.devices_per_user)
        for place in range(1, devices):
            device = new_person(context, number, self._report, device=place)
            self._equip(device)
            life = gevent.spawn(be_connected, device)
            self._held.callback(life.kill, block=False)
            self._devices.append((device, life))

    def new_person(self, context: TestContext, number: int) -> Person:
        """The person that this user is; a subclass may give it another store or account before it comes in."""
        return new_person(context, number, self._report)

    def come_in(self, person: Person) -> None:
        """Log in and load what this kind of user sees first; called again when it failed."""
        enter(person)

    def on_stop(self) -> None:
        """Close the WebSocket and log out; in the dying greenlet, also of a user that was still waiting to log in."""
        self._enter_gauges()
        devices, self._devices = self._devices, []
        for _, life in devices:
            life.kill(block=False)
        closing = [gevent.spawn(close_application, device) for device, _ in devices]
        if self.person is not None:
            disconnect(self.person)
        gevent.joinall(closing)


def new_person(context: TestContext, number: int, report: Any, device: int = 0) -> Person:
    """The person behind a number, at one of its devices: all that chance decides follows from them and the seed."""
    settings = context.settings
    users = settings.config.users
    owner = session_owner(number, users.avg_sessions_per_user, context.seed, context.accounts.numbers_with(number))
    rest = Rest(context.transport, report=report, unavailable=context.missing)
    sessions = context.recorder.sessions

    def count_rate_limit() -> None:
        sessions.rate_limited += 1

    rest.rate_limited = count_rate_limit
    person = Person(
        context=context,
        account=administrator(owner, settings.config.connection)
        if is_administrator(number, users.percent_of_users_are_admin)
        else account(owner, users.username_prefix, users.password, users.number_offset, context.credentials),
        api=Api(rest),
        store=Store(context.shared_objects),
        rng=random.Random(f"{context.seed}:person:{number}" + (f":{device}" if device else "")),
        rate=rate_of(number, context.seed, settings.config.controller.rates_distribution),
    )
    # Clients poll at different moments of the minute.
    person.poll_due = time.monotonic() + person.rng.uniform(0, 60)
    return person


def administrator(number: int, connection: ConnectionSettings) -> Account:
    """The configured administrator. Without a user name nobody signs it up: mmload does not create it."""
    return Account(number, "", connection.admin_email, connection.admin_password)


class SimulatedUser(MattermostUser):
    """A person at a web client, doing what people do."""

    tasks = [SimulatedBehaviour]  # noqa: RUF012 — Locust's own form


class SimpleUser(MattermostUser):
    """Repeats the steps of simplecontroller.json."""

    tasks = [SimpleBehaviour]  # noqa: RUF012


class IdleUser(MattermostUser):
    """Is connected and does nothing: for counting what connections cost."""

    tasks = [IdleBehaviour]  # noqa: RUF012


class ClusterUser(MattermostUser):
    """The administrator at the system console. Its account is that of ConnectionConfiguration."""

    has_devices = False
    tasks = [ClusterBehaviour]  # noqa: RUF012

    def new_person(self, context: TestContext, number: int) -> Person:
        person = super().new_person(context, number)
        person.account = administrator(number, context.settings.config.connection)
        return person

    def come_in(self, person: Person) -> None:
        enter_console(person)


class GenerateUser(MattermostUser):
    """Fills the server, with the others of its process, up to the goals of gencontroller.json."""

    has_devices = False
    tasks = [GenerateBehaviour]  # noqa: RUF012

    @property
    def generation(self) -> Generation:
        """What the generative users of one context make together."""
        context = self.person.context
        if context.generation is None:
            wanted = targets(context.settings.generate, context.part, context.parts)
            context.generation = Generation(Goals(wanted))
        made: Generation = context.generation
        return made

    def come_in(self, person: Person) -> None:
        enter_to_generate(person, self.generation)
