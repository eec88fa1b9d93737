"""An expired session: one log-in for the person, however many requests were refused; and one poll a minute."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event as Flag

from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.events import EventListener
from mmload.behaviours.login import log_in, log_in_again
from mmload.behaviours.person import POLL_SECONDS, Person
from mmload.client.accounts import account
from mmload.client.capabilities import Capabilities
from mmload.client.login_queue import Admission
from mmload.errors import MmloadError, NoAnswer, Refused
from mmload.metrics.recorder import Recorder
from mmload.models import User
from mmload.store import SharedObjects, Store
from mmload.users import new_person
from tests.support import Crowd, crowd

IN_FLIGHT = 6


class Server:
    """Logs in when `answers` is set; with `failure` it refuses. Counts the log-ins and the polls."""

    def __init__(self, failure: MmloadError | None = None) -> None:
        self.rest = SimpleNamespace(token="expired", set_token=self._set_token)
        self.answers = Flag()
        self.failure = failure
        self.logins = 0
        self.polls = 0

    def _set_token(self, token: str) -> None:
        self.rest.token = token

    def login(self, login: str, password: str) -> tuple[str, User]:
        self.logins += 1
        self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return f"token-{self.logins}", User(id="me")

    def statuses(self, user_ids: list[str]) -> list[Any]:
        self.polls += 1
        return []


def person_on(server: Server) -> Person:
    users = SimpleNamespace(login_retry_min_seconds=2.0, login_retry_max_seconds=60.0)
    recorder = Recorder()
    context: Any = SimpleNamespace(
        recorder=recorder,
        kept=None,
        admission=Admission(2, 0.0, 0.0, random.Random(1)),
        settings=SimpleNamespace(config=SimpleNamespace(users=users)),
        capabilities=Capabilities(),
    )
    return Person(context, account(1, "user", "secret"), server, Store(SharedObjects()), random.Random(1))  # type: ignore[arg-type]


def refused_at_once(person: Person, requests: int = IN_FLIGHT) -> list[gevent.Greenlet[..., bool]]:
    """So many requests in flight are answered 401."""
    return [gevent.spawn(log_in_again, person, "expired") for _ in range(requests)]


def outcomes(waiting: list[gevent.Greenlet[..., bool]]) -> list[bool | None]:
    gevent.joinall(waiting, timeout=10, raise_error=True)
    return [each.value for each in waiting]


def test_one_expiry_is_one_log_in() -> None:
    server = Server()
    person = person_on(server)
    waiting = refused_at_once(person)
    gevent.idle()
    server.answers.set()

    assert outcomes(waiting) == [True] * IN_FLIGHT
    assert server.logins == 1
    assert person.context.recorder.sessions.logins == person.context.recorder.sessions.relogins == 1


def test_one_expiry_is_one_log_in_when_it_is_queued_behind_others() -> None:
    server = Server()
    person = person_on(server)
    released = Flag()

    def hold_a_place() -> None:
        with person.context.admission.turn():
            released.wait()

    others = [gevent.spawn(hold_a_place) for _ in range(2)]
    gevent.idle()
    waiting = refused_at_once(person)
    gevent.idle()
    assert server.logins == 0
    released.set()
    server.answers.set()

    assert outcomes(waiting) == [True] * IN_FLIGHT
    gevent.joinall(others)
    assert server.logins == 1


@pytest.mark.parametrize("failure", [NoAnswer("timed out"), Refused("401 wrong password", status=401)])
def test_a_failed_log_in_is_not_repeated_by_every_request(failure: MmloadError) -> None:
    """Nor by those whose 401 comes a moment later; after a wait it is tried again."""
    server = Server(failure)
    server.answers.set()
    person = person_on(server)
    now = 1000.0
    person.clock = lambda: now

    assert outcomes(refused_at_once(person)) == [False] * IN_FLIGHT
    assert outcomes(refused_at_once(person)) == [False] * IN_FLIGHT
    assert server.logins == 1
    now += 2.0
    server.failure = None
    assert outcomes(refused_at_once(person)) == [True] * IN_FLIGHT
    assert server.logins == 2


def test_waits_between_failed_log_ins_grow() -> None:
    server = Server(NoAnswer("timed out"))
    server.answers.set()
    person = person_on(server)
    now = 0.0
    person.clock = lambda: now
    for second in range(600):
        now = float(second)
        log_in_again(person, "expired")

    assert 10 <= server.logins <= 25


def test_a_user_stopped_while_logging_in_leaves_nobody_waiting() -> None:
    server = Server()
    person = person_on(server)
    first = gevent.spawn(log_in_again, person, "expired")
    gevent.idle()
    others = refused_at_once(person)
    gevent.idle()
    first.kill()
    server.answers.set()

    assert outcomes(others) == [False] * IN_FLIGHT
    assert log_in_again(person, "expired")


@pytest.fixture(scope="module")
def people(sandbox: str) -> Iterator[Crowd]:
    with crowd(sandbox) as here:
        here.admin.team()
        yield here


def test_six_requests_with_an_expired_token_log_in_once(people: Crowd) -> None:
    """Through the real client: all of them are answered after one new log-in."""
    person = people.come()
    person.api.rest.renew_session = lambda token: log_in_again(person, token)
    person.api.rest.set_token("expired")
    people.asked.clear()

    person.together([person.api.me] * 12)

    assert people.asked.count("POST /users/login") == 1
    assert person.api.rest.token not in ("", "expired")


def test_sessions_of_one_account_may_come_in_at_the_same_time(sandbox: str) -> None:
    """Each of them finds the account missing; only one can create it, and the others log in all the same."""
    with crowd(sandbox, MMLOAD_USERSCONFIGURATION_AVGSESSIONSPERUSER="4") as here:
        people = [new_person(here.context, number, here.report) for number in range(1, 5)]
        here.people.extend(people)
        gevent.joinall([gevent.spawn(log_in, person) for person in people], timeout=30, raise_error=True)

        assert len({person.id for person in people}) == 1
        assert len({person.api.rest.token for person in people}) == 4


class Day:
    """A person who rests all the time, on a clock that only the sleeps move."""

    def __init__(self) -> None:
        self.now = 5000.0
        self.server = Server()
        self.server.rest.token = ""  # no socket to be opened
        self.person = person_on(self.server)
        self.person.clock = lambda: self.now
        self.person.poll_due = self.now + 30

    def passes(self, seconds: float, on_the_way: Callable[[], None] | None = None, step: float = 1.0) -> int:
        """How many polls there were meanwhile; what happens, happens at the beginning."""
        before, until = self.server.polls, self.now + seconds
        if on_the_way is not None:
            on_the_way()
        while self.now < until:
            # As while resting: background tasks run whenever something is due, again and again.
            run_background_tasks(self.person)
            run_background_tasks(self.person)
            self.now += step
        return self.server.polls - before


def test_a_poll_a_minute() -> None:
    assert Day().passes(10 * POLL_SECONDS) == 10


@pytest.mark.parametrize("renewed", [False, True])
def test_a_socket_that_is_back_changes_nothing_about_it(renewed: bool) -> None:
    day = Day()
    ears = EventListener(day.person, lambda token: True)

    assert day.passes(10 * POLL_SECONDS, lambda: ears.on_connected(resumed=not renewed, renewed=renewed)) == 10


@pytest.mark.parametrize("busy_seconds", [45.0, 61.0, 200.0, 3600.0])
def test_polls_missed_while_the_person_was_busy_are_not_caught_up(busy_seconds: float) -> None:
    day = Day()
    day.passes(0)
    day.now += 30 + busy_seconds

    assert day.passes(1) == 1
    assert 9 <= day.passes(10 * POLL_SECONDS) <= 10


def test_a_server_slower_than_the_minute_is_polled_no_more_than_once_a_minute() -> None:
    day = Day()
    day.person.poll_due = day.now

    assert day.passes(20 * POLL_SECONDS, step=150.0) <= 8
