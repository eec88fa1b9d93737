"""However a user ends, at whatever stage: its account, seat, WebSocket and place in the gauge are given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from locust.env import Environment

from mmload.behaviours import login
from mmload.behaviours.tasksets import SimulatedBehaviour
from mmload.client.accounts import AccountPool
from mmload.client.api import Api
from mmload.client.websocket.client import WebSocket
from mmload.delivery.account import Deliveries, Seat
from mmload.metrics.recorder import process_recorder
from mmload.users import MattermostUser, context_of, forget_context
from tests.users.test_users import await_that, counts, locust

__all__ = ["locust"]

# Where a user is caught: before or after the named function has done its work.
STAGES: dict[str, tuple[Any, str, bool]] = {
    "waiting for an account": (AccountPool, "take", False),
    "an account, no person yet": (MattermostUser, "new_person", True),
    "logging in": (login, "log_in", False),
    "logged in": (login, "log_in", True),
    "loading the page": (login, "load_account", False),
    "opening the WebSocket": (WebSocket, "_connect", True),
    "the WebSocket is open": (WebSocket, "open", True),
    "in an action": (SimulatedBehaviour, "wait", False),
    "closing the WebSocket": (login, "close_socket", False),
    "logging out": (Api, "logout", False),
    "logged out": (Api, "logout", True),
}
IN_THE_END = ("closing the WebSocket", "logging out", "logged out")


class Caught:
    """Stops a user at a stage: `reached` is set there, and then `what` happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stage: str, what: Callable[[], None]) -> None:
        self.reached = gevent.event.Event()
        owner, name, after = STAGES[stage]
        original = getattr(owner, name)

        def caught(*arguments: Any, **options: Any) -> Any:
            done = original(*arguments, **options) if after else None
            self.reached.set()
            what()
            return done

        monkeypatch.setattr(owner, name, caught)


def wait_for_ever() -> None:
    gevent.sleep(600)


def nothing_is_held(environment: Environment, stage: str) -> None:
    users = process_recorder().users
    await_that(lambda: (users.waiting, users.active, users.gave_up) == (0, 0, 0), f"nobody is in the gauge ({stage})")
    await_that(lambda: counts(environment)["sockets_open"] == 0, f"no WebSocket is open at the server ({stage})")


def free_again(accounts: AccountPool, deliveries: Deliveries) -> None:
    assert accounts.take() == 1, "the account was not given back"
    accounts.give_back(1)
    tracker = deliveries._tracker
    assert len(tracker._free) == tracker.seats, "a seat was not given back"


def started(environment: Environment) -> Any:
    """The one user of a new test."""
    runner = environment.runner
    assert runner is not None
    users: list[Any] = []
    spawn = runner.spawn_users

    def noted(*arguments: Any, **options: Any) -> Any:
        made = spawn(*arguments, **options)
        users.extend(made)
        return made

    runner.spawn_users = noted  # type: ignore[method-assign]
    runner.start(1, spawn_rate=1)
    await_that(lambda: bool(users), "the user has started")
    runner.spawn_users = spawn  # type: ignore[method-assign]
    return users[0]


def end_one_user(environment: Environment, monkeypatch: pytest.MonkeyPatch, stage: str, error: Any = None) -> None:
    """One user who comes as far as this stage, then meets the error there, or is killed."""

    def fail() -> None:
        raise error()

    runner = environment.runner
    assert runner is not None
    with monkeypatch.context() as patches:
        patches.setenv("MMLOAD_USERSCONFIGURATION_LOGOUTWHENSTOPPED", "true")
        caught = Caught(patches, stage, wait_for_ever if error is None else fail)
        # Nothing settles the account of messages here, so there is no waiting for the last ones.
        patches.setattr(Seat, "outstanding", lambda _: False)
        user = started(environment)
        if stage in IN_THE_END:
            await_that(lambda: process_recorder().users.active == 1, "the user is active")
            user.greenlet.kill(block=False)
        assert caught.reached.wait(30), stage
        # A task's error does not end a Locust user; and what waits is killed here, also in the middle of logging out.
        user.greenlet.kill(block=True, timeout=30)
    context = context_of(environment)
    nothing_is_held(environment, stage)
    free_again(context.accounts, context.deliveries)
    runner.stop()
    forget_context(environment)


@pytest.mark.parametrize("error", [KeyError, gevent.Timeout])
def test_a_user_that_ends_by_an_unexpected_error_holds_nothing(
    locust: Environment, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    for stage in STAGES:
        end_one_user(locust, monkeypatch, stage, error)


def test_a_user_that_is_killed_holds_nothing(locust: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in STAGES:
        end_one_user(locust, monkeypatch, stage)
