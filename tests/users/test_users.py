"""Locust users come in, act, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import requests
from locust.env import Environment
from locust.event import Events
from locust.user.task import LOCUST_STATE_WAITING

from mmload.client.http.client import Route
from mmload.config import load_settings
from mmload.errors import Refused
from mmload.locust_internals import users_of
from mmload.metrics.recorder import STARTING_REQUEST, process_recorder
from mmload.users import MattermostUser, SimulatedUser, context_of, new_context
from tests.support import Admin, settings_for

PATIENCE_SECONDS = 180


def await_that(condition: Callable[[], bool], what: str) -> None:
    """Wait until something has come true; fail with its name if it never does."""
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError(f"never came true: {what}")):
        while not condition():
            gevent.sleep(0.02)


@pytest.fixture
def locust(fresh_sandbox: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A Locust of this process on a sandbox with a team."""
    Admin(fresh_sandbox).team()
    for name in [name for name in os.environ if name.startswith("MMLOAD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MMLOAD_RUNCONFIGURATION_SEED", "7")
    monkeypatch.setenv("MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS", "10")
    monkeypatch.setenv("MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS", "100")
    monkeypatch.setattr("sys.argv", ["locust"])
    process_recorder().forget()
    environment = Environment(
        user_classes=[SimulatedUser],
        events=Events(),  # type: ignore[no-untyped-call]
        host=fresh_sandbox,
    )
    environment.create_local_runner()
    started: Any = environment.events.test_start
    started.add_listener(lambda **_: new_context(environment, load_settings()[0]))
    yield environment
    assert environment.runner is not None
    environment.runner.quit()


def counts(environment: Environment) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{environment.host}/sandbox/counts", timeout=10).json()
    return answer


def test_users_come_in_act_and_leave_no_socket_behind(locust: Environment) -> None:
    runner = locust.runner
    assert runner is not None
    runner.start(5, spawn_rate=5)
    recorder = process_recorder()
    await_that(lambda: recorder.users.active == 5, "five users are in")
    assert recorder.sessions.logins == 5
    await_that(lambda: counts(locust)["sockets_open"] == 5, "each of them has a socket")
    await_that(lambda: locust.stats.get("/channels/members/{user_id}/view", "POST").num_requests > 20, "they act")

    runner.stop()

    assert recorder.users.active == recorder.users.waiting == 0
    assert recorder.sessions.logged_out == 5
    await_that(lambda: counts(locust)["sockets_open"] == 0, "all sockets are closed at the server")
    assert locust.stats.total.num_failures == 0
    assert not runner.exceptions


def test_requests_are_those_of_a_starting_user_until_the_first_page_is_loaded(locust: Environment) -> None:
    runner, recorder = locust.runner, process_recorder()
    assert runner is not None
    runner.start(1, spawn_rate=1)
    await_that(lambda: recorder.users.active == 1, "the user is in")
    loaded = recorder.take()
    await_that(lambda: locust.stats.get("/channels/members/{user_id}/view", "POST").num_requests > 10, "it acts")

    runner.stop()

    page_load = sum(figures.count for figures in loaded.routes.values())
    assert loaded.logins and 20 < loaded.spans[STARTING_REQUEST].count <= page_load
    assert STARTING_REQUEST not in recorder.take().spans, "neither what it did nor its log-out is of its start"


def test_fewer_users_then_more_use_the_lowest_accounts_again(locust: Environment) -> None:
    runner = locust.runner
    assert runner is not None
    recorder = process_recorder()
    runner.start(6, spawn_rate=100)
    await_that(lambda: recorder.users.active == 6, "six users are in")

    runner.start(2, spawn_rate=100)
    await_that(lambda: recorder.users.active == runner.user_count == 2, "four have left")
    runner.start(4, spawn_rate=100)
    await_that(lambda: recorder.users.active == 4, "two came back")

    taken = [greenlet.args[0].account_number for greenlet in runner.user_greenlets]
    assert len(set(taken)) == len(taken) == 4
    assert max(taken) <= 6
    users = Admin(str(locust.host)).ask("GET", "/users?page=0&per_page=100")
    assert sum(user["username"].startswith("testuser-") for user in users) == 6


def test_a_user_whose_account_has_another_password_stays_outside_and_alive(
    locust: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user that died would be made anew, in a burst, at the next change of the load."""
    admin = Admin(str(locust.host))
    body = {"email": "testuser-1@example.com", "username": "testuser-1", "password": "something else 1$"}
    admin.ask("POST", "/users", body)
    runner = locust.runner
    assert runner is not None
    recorder = process_recorder()

    runner.start(2, spawn_rate=100)
    await_that(lambda: recorder.users.active == 1 and recorder.users.gave_up == 1, "one is in, one never will be")

    assert runner.user_count == 2
    # Who sleeps for good must not keep the end of a run waiting for the stop timeout.
    outside = [user for user in users_of(runner) if isinstance(user, MattermostUser) and not user.is_in]
    assert [user._state for user in outside] == [LOCUST_STATE_WAITING]


def test_log_ins_are_admitted_few_at_a_time(locust: Environment) -> None:
    """More at once than the server can hash make all of them time out."""
    runner = locust.runner
    assert runner is not None
    most = 0
    runner.start(30, spawn_rate=100)

    def watch() -> bool:
        nonlocal most
        if getattr(locust, "mmload_context", None) is None:
            return False
        admission = context_of(locust).admission
        most = max(most, settings_for("http://x").config.users.max_logins_in_flight - admission._places.counter)
        return process_recorder().users.active == 30

    await_that(watch, "thirty users are in")
    assert 1 <= most <= 2


def test_administrators_among_the_users_have_a_session_of_the_configured_one(
    locust: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMLOAD_USERSCONFIGURATION_PERCENTOFUSERSAREADMIN", "0.5")
    runner = locust.runner
    assert runner is not None

    runner.start(4, spawn_rate=100)
    await_that(lambda: process_recorder().users.active == 4, "four users are in")

    roles = [greenlet.args[0].person.store.me.roles for greenlet in runner.user_greenlets]
    assert sum("system_admin" in role for role in roles) == 2


@pytest.mark.parametrize("expected", [True, False])
def test_an_expected_refusal_is_no_failure_in_locusts_tables(locust: Environment, expected: bool) -> None:
    refusal = Refused("404 gone", status=404)
    refusal.expected = expected

    SimulatedUser(locust)._report(Route("GET", "/posts/{post_id}/thread"), 0.0, 0.1, 10, refusal)

    assert (locust.stats.total.num_requests, locust.stats.total.num_failures) == (1, 0 if expected else 1)
    figures = process_recorder().take().routes["GET /posts/{post_id}/thread"]
    assert (list(figures.expected), list(figures.failures)) == ((["404 gone"], []) if expected else ([], ["404 gone"]))
