"""Locust's own log-in guards the agent's routes, too; the token passes it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
from locust import User
from locust.env import Environment
from locust.event import Events

from mmload.errors import ConfigurationError
from mmload.plugin.web.access import guard

TOKEN = "a token of sixteen characters or more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ANYWHERE = Namespace(web_host="0.0.0.0")


class Nobody(User):
    """A user that never runs."""


class Person(flask_login.UserMixin):  # type: ignore[misc]
    """Who has logged in."""

    id = "somebody"


@pytest.fixture
def web_ui(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Locust's web server with --web-login, not yet listening, with one route of ours."""
    monkeypatch.setattr("sys.argv", ["locust"])
    environment = Environment(user_classes=[Nobody], events=Events())  # type: ignore[no-untyped-call]
    runner = environment.create_local_runner()
    made: Any = environment.create_web_ui("127.0.0.1", 0, web_login=True, delayed_start=True)
    ours = flask.Blueprint("ours", __name__)
    ours.add_url_rule("/loadagent/x", "x", lambda: "driven")
    made.app.register_blueprint(ours)
    yield made
    runner.quit()


def configure(web_ui: Any) -> None:
    """What a locustfile does for --web-login."""
    web_ui.app.secret_key = "for this test only"
    web_ui.login_manager.user_loader(lambda _id: Person())

    @web_ui.app.route("/enter", methods=["POST"])  # type: ignore[untyped-decorator]
    def enter() -> str:
        flask_login.login_user(Person())
        return "welcome"


def test_our_routes_need_the_log_in_as_locusts_own_do(web_ui: Any) -> None:
    configure(web_ui)
    guard(web_ui, ANYWHERE, {})
    client = web_ui.app.test_client()
    assert client.get("/loadagent/x").status_code == 401
    assert client.get("/stats/requests").status_code == 302

    client.post("/enter")

    assert client.get("/loadagent/x").text == "driven"
    assert client.get("/stats/requests").status_code == 200


def test_a_log_in_that_was_never_set_up_lets_nobody_in(web_ui: Any) -> None:
    guard(web_ui, ANYWHERE, {})
    client = web_ui.app.test_client()

    assert client.get("/loadagent/x").status_code == 401
    assert "auth exception" in client.post("/swarm", data={"user_count": 1, "spawn_rate": 1}).text


@pytest.mark.parametrize("configured", [True, False])
def test_programs_pass_the_log_in_with_the_token(web_ui: Any, configured: bool) -> None:
    if configured:
        configure(web_ui)
    guard(web_ui, ANYWHERE, {"MMLOAD_AGENT_TOKEN": TOKEN})
    client = web_ui.app.test_client()

    assert client.get("/loadagent/x", headers=BEARER).text == "driven"
    assert client.get("/stats/requests", headers=BEARER).status_code == 200
    assert client.get("/loadagent/x").status_code == 401
    assert client.get("/stats/requests", headers={"Authorization": "Bearer x"}).status_code == 302


def test_locusts_default_of_all_interfaces_becomes_loopback(web_ui: Any) -> None:
    """Only an interface that was asked for is listened on."""
    web_ui.web_login, web_ui.host = False, ""

    guard(web_ui, Namespace(web_host=""), {})

    assert web_ui.host == "127.0.0.1"
    with pytest.raises(ConfigurationError, match="--web-host"):
        guard(web_ui, Namespace(web_host="*"), {})
