"""What thresholds can be about is known before a run: the lists are those of the classes of users and of the client."""

from __future__ import annotations

from typing import Any

import pytest

from mmload import users
from mmload.behaviours.after_reconnect import CATCH_UP
from mmload.behaviours.background import LOOK_UP, POLL
from mmload.behaviours.catalogue import ACTIONS, routes, unknown_subjects
from mmload.behaviours.events import VIEW_ON_ARRIVAL
from mmload.behaviours.focus import BLUR, FOCUS
from mmload.behaviours.generative import JOIN_TEAMS
from mmload.behaviours.prefetching import PREFETCH
from mmload.browser.steps import CYCLE, LOG_IN, OPEN
from mmload.client.api import LOGIN_ROUTES
from mmload.config.threshold_syntax import BROWSER, WHOLES
from mmload.user_classes import BROWSER_USER, CLASSES
from tests.behaviours.action_reference import LOOK_UPS, REQUESTS

# Recorded for everybody beside the tasks; and what no task of its own stands for.
BESIDE = {POLL, LOOK_UP, CATCH_UP, VIEW_ON_ARRIVAL, PREFETCH, BLUR, FOCUS}
NOT_A_TASK = {"GenerateUser": {JOIN_TEAMS}}
NOT_RECORDED = {"IdleUser": {"Nothing"}}


@pytest.mark.parametrize("name", [name for name in CLASSES if name != BROWSER_USER])
def test_the_actions_of_a_class_are_its_tasks(name: str) -> None:
    """One that was forgotten here would be refused in a threshold though it happens."""
    behaviours: list[Any] = getattr(users, name).tasks
    tasks = {task.action.name for behaviour in behaviours for task in behaviour.tasks}

    assert set(ACTIONS[name]) - BESIDE == (tasks | NOT_A_TASK.get(name, set())) - NOT_RECORDED.get(name, set())


def test_the_actions_of_a_browser_user_are_the_steps_it_does() -> None:
    assert set(ACTIONS[BROWSER_USER]) == {f"{BROWSER}.{step}" for step in (LOG_IN, OPEN, *CYCLE)}


def test_every_route_that_an_action_asks_is_known() -> None:
    asked = {route for routes_of_one in REQUESTS.values() for route in routes_of_one}

    assert asked | set(LOOK_UPS) | {str(route) for route in LOGIN_ROUTES} <= set(routes())


@pytest.mark.parametrize("subject", [*WHOLES, *ACTIONS["SimulatedUser"], "Create*", "*", "POST /posts", "GET /users/*"])
def test_what_there_is_can_be_asked_for(subject: str) -> None:
    assert unknown_subjects([f"p99({subject}) < 2s"], ["SimulatedUser"]) == []


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("CreatPost", "there is no action CreatPost; did you mean CreatePost?"),
        ("createpost", "did you mean CreatePost?"),
        ("login", "did you mean logins?"),
        ("Crate*", "there is no action Crate*"),
        ("GET /api/v4/users/me", "there is no route GET /api/v4/users/me; did you mean GET /users/me?"),
        ("GET  /user/me", "did you mean GET /users/me?"),
        ("GET /nowhere/at/all*", "routes are written as in the report"),
        ("CreateReply", "there is no action CreateReply"),
    ],
)
def test_what_there_will_never_be_is_refused(subject: str, said: str) -> None:
    """The last of them is one of another class of users, which does not run."""
    (told,) = unknown_subjects([f"p99({subject}) < 2s"], ["SimulatedUser"])

    assert "column 5: " in told
    assert said in told


def test_an_action_of_any_class_that_runs_will_do() -> None:
    assert unknown_subjects(["p99(CreateReply) < 2s", "p99(CreatePost) < 2s"], ["SimulatedUser", "GenerateUser"]) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(unknown_subjects(["p99(CreatPost) < 2s", "errors < 1%", "p99(Dance) < 2s"], ["SimulatedUser"])) == 2
