"""The Locust users: an account, a client and a behaviour; how they come in and how they leave."""

from __future__ import annotations

import logging
import os
import random
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import gevent
from locust import FastHttpUser
from locust.exception import StopUser
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from mmload.behaviours.cluster import ClusterBehaviour, enter_console
from mmload.behaviours.generative import GenerateBehaviour, enter_to_generate
from mmload.behaviours.goals import Generation, Goals, targets
from mmload.behaviours.login import EntryRefused, disconnect, enter, enter_patiently, log_in_again
from mmload.behaviours.pace import rate_of
from mmload.behaviours.person import Person
from mmload.behaviours.simple import SimpleBehaviour
from mmload.behaviours.tasksets import IdleBehaviour, SimulatedBehaviour
from mmload.client.accounts import Account, AccountPool, account, is_administrator, session_owner
from mmload.client.api import LOGIN_ROUTES, Api
from mmload.client.http.client import Rest, Route
from mmload.config import ConnectionSettings, Settings, load_settings, read_credentials
from mmload.context import TestContext, new_context
from mmload.errors import NoAccountLeft, RequestFailed
from mmload.metrics.recorder import RATE_LIMITED, Recorder, process_recorder
from mmload.store import Store

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload.users")

# One who never gets in stays, asleep: a user that dies would be made anew, in a burst, at the next change of the load.
_ASLEEP_SECONDS = 3600.0
# Who leaves gives the account back within moments; with none for so long, there are more users than accounts.
ACCOUNT_PATIENCE_SECONDS = 60.0
_ACCOUNT_LOOK_SECONDS = 0.25


class Host:
    """The shared parts of this process's users: made when the first of them starts (workers fork before that)."""

    def __init__(
        self,
        settings: Settings,
        server_url: str,
        worker_index: int,
        recorder: Recorder,
        workers: int = 1,
        *,
        shared: bool = False,
        accounts: AccountPool | None = None,
    ) -> None:
        users = settings.config.users
        seed = settings.config.run.seed
        self.context: TestContext = new_context(settings, server_url, recorder, seed, shared=shared)
        self.accounts = accounts or AccountPool(worker_index, users.max_active_users)
        self.credentials = read_credentials(users.users_file_path) if users.users_file_path else ()
        part, parts = (worker_index, workers) if worker_index < workers else (0, 1)
        self.generation = Generation(Goals(targets(settings.generate, part, parts)))


_hosts: WeakKeyDictionary[Environment, Host] = WeakKeyDictionary()


def host_of(environment: Environment) -> Host:
    """This process's host; the same for all users of one environment."""
    host = _hosts.get(environment)
    if host is None:
        host = _hosts[environment] = _new_host(environment)
    return host


def _new_host(environment: Environment, accounts: AccountPool | None = None) -> Host:
    settings, _ = load_settings()
    index = getattr(environment.runner, "worker_index", 0) or 0
    server_url = environment.host or settings.config.connection.server_url
    return Host(
        settings,
        server_url.rstrip("/"),
        max(0, index),
        process_recorder(),
        workers_of(environment),
        shared=isinstance(environment.runner, WorkerRunner),
        accounts=accounts,
    )


def renew_host(environment: Environment) -> None:
    """Users that start from now on go by the settings now in force. Those who are in keep theirs.

    All share one pool of accounts until the test ends: a number must not be taken twice.
    """
    host = _hosts.get(environment)
    if host is not None:
        renewed = _hosts[environment] = _new_host(environment, host.accounts)
        # One account of messages, too: those who are in and those who come write to each other.
        renewed.context.deliveries = process_recorder().account = host.context.deliveries


def workers_of(environment: Environment) -> int:
    """How many workers there are, as far as a process can know: those of `--processes`; else it counts as alone."""
    asked = getattr(environment.parsed_options, "processes", None) or 1
    return asked if asked > 0 else os.cpu_count() or 1


def forget_host(environment: Environment) -> None:
    """Before a new test: the next user makes a new host, perhaps for another server."""
    _hosts.pop(environment, None)


class MattermostUser(FastHttpUser):
    """The base of all our users: comes in patiently, acts by its `tasks`, says farewell, gives its account back.

    `person` is the simulated person; a subclass sets `tasks` to its behaviour (see docs/extending.md).
    """

    abstract = True
    # Locust refuses a user without a host; the configured server is filled in by `mmload.plugin`, or by --host.
    host = "http://localhost:8065"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.person: Person = None  # type: ignore[assignment] # there from on_start on
        self._number = 0
        self._accounts: AccountPool | None = None
        self._gauge = ""

    @property
    def account_number(self) -> int:
        """The number of this user's account; 0 while it has none."""
        return self._number

    @property
    def is_in(self) -> bool:
        """Whether the person has come in and acts."""
        return self._gauge == "present"

    def on_start(self) -> None:
        """Take an account and come in; returns when the person is in, or sleeps for good if it never will be."""
        host = host_of(self.environment)
        self._enter_gauge("waiting")
        self._take_account(host.accounts)
        self.person = self.new_person(host, self._number)
        self.person.seat = self.person.store.memberships = host.context.deliveries.seat()
        self.person.sleep = self._sleep_as_one_who_may_go
        self.person.api.rest.renew_session = lambda token: log_in_again(self.person, token)
        if not enter_patiently(self.person, self._told_no, self.come_in):
            self._stay_outside()
        self._enter_gauge("present")

    def _take_account(self, accounts: AccountPool) -> None:
        """Wait for an account, if need be, until one who leaves gives it back."""
        looks = 0
        while not self._number:
            try:
                self._number, self._accounts = accounts.take(), accounts
            except NoAccountLeft as error:
                looks += 1
                if looks == int(ACCOUNT_PATIENCE_SECONDS / _ACCOUNT_LOOK_SECONDS):
                    log.error("%s", error)
                    self._enter_gauge("gave_up")
                self._sleep_as_one_who_may_go(_ACCOUNT_LOOK_SECONDS)
        self._enter_gauge("waiting")

    def new_person(self, host: Host, number: int) -> Person:
        """The person that this user is; a subclass may give it another store or account before it comes in."""
        return new_person(host, number, self._report)

    def come_in(self, person: Person) -> None:
        """Log in and load what this kind of user sees first; called again when it failed."""
        enter(person)

    def on_stop(self) -> None:
        """Runs in the dying greenlet, also of a user that was still waiting to log in."""
        self._enter_gauge("")
        if self.person is not None:
            disconnect(self.person)
        if self._accounts is not None:
            self._accounts.give_back(self._number)
            self._number, self._accounts = 0, None

    def _sleep_as_one_who_may_go(self, seconds: float) -> None:
        """A pause in the middle of an action: Locust may stop the user in it as between two actions, at once."""
        before, self._state = self._state, LOCUST_STATE_WAITING
        gevent.sleep(seconds)
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = before

    def _told_no(self, refusal: EntryRefused) -> None:
        log.warning("account %d never gets in: %s", self._number, refusal)

    def _stay_outside(self) -> None:
        self._enter_gauge("gave_up")
        while True:
            gevent.sleep(_ASLEEP_SECONDS)

    def _enter_gauge(self, name: str) -> None:
        """Count this user under `name` (waiting, present, gave_up, or "" = none) and nowhere else."""
        gauges = process_recorder().users
        if self._gauge:
            setattr(gauges, self._gauge, getattr(gauges, self._gauge) - 1)
        if name:
            setattr(gauges, name, getattr(gauges, name) + 1)
        self._gauge = name

    def _report(self, route: Route, start: float, seconds: float, size: int, failure: RequestFailed | None) -> None:
        """One request's outcome, to our recorder and to Locust's tables (an expected refusal is no failure there)."""
        expected = failure is not None and failure.expected
        reason, request_id = (failure.reason, failure.request_id) if failure is not None else ("", "")
        process_recorder().request(str(route), seconds, reason, route in LOGIN_ROUTES, request_id, expected)
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


def new_person(host: Host, number: int, report: Any) -> Person:
    """The person behind a number: all that chance decides about it follows from the number and the seed."""
    settings = host.context.settings
    users = settings.config.users
    owner = session_owner(number, users.avg_sessions_per_user, host.context.seed, users.max_active_users)
    rest = Rest(host.context.transport, report=report, unavailable=host.context.missing)
    counters = host.context.recorder.counters

    def count_rate_limit() -> None:
        counters[RATE_LIMITED] += 1

    rest.rate_limited = count_rate_limit
    person = Person(
        context=host.context,
        account=administrator(owner, settings.config.connection)
        if is_administrator(number, users.percent_of_users_are_admin)
        else account(owner, users.username_prefix, users.password, users.number_offset, host.credentials),
        api=Api(rest),
        store=Store(host.context.shared_objects),
        rng=random.Random(f"{host.context.seed}:person:{number}"),
        rate=rate_of(number, host.context.seed, settings.config.controller.rates_distribution),
    )
    # Clients poll at different moments of the minute.
    person.poll_due = time.monotonic() + person.rng.uniform(0, 60)
    return person


def administrator(number: int, connection: ConnectionSettings) -> Account:
    """The configured administrator. Without a user name nobody signs it up: one that is missing is not ours to make."""
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

    tasks = [ClusterBehaviour]  # noqa: RUF012

    def new_person(self, host: Host, number: int) -> Person:
        person = super().new_person(host, number)
        person.account = administrator(number, host.context.settings.config.connection)
        return person

    def come_in(self, person: Person) -> None:
        enter_console(person)


class GenerateUser(MattermostUser):
    """Fills the server, with the others of its process, up to the goals of gencontroller.json."""

    tasks = [GenerateBehaviour]  # noqa: RUF012

    @property
    def generation(self) -> Generation:
        return host_of(self.environment).generation

    def come_in(self, person: Person) -> None:
        enter_to_generate(person, self.generation)
