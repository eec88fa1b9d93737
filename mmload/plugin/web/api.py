"""The agent's HTTP API, on Locust's web server: routes, status codes, JSON keys and messages are the peer's.

Each Locust process runs one test, so it has one agent at a time. docs/agent-api.md has the calls.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import flask
import msgspec
from locust.env import Environment

from mmload.errors import ConfigurationError, MmloadError, UsageError
from mmload.plugin import startup_checks
from mmload.plugin.settings import process_settings
from mmload.plugin.web import create_request
from mmload.plugin.web.api_agent import LONGEST_SPAN_SECONDS, ApiAgent, WrongState, amount_of

log = logging.getLogger("mmload.api")

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# Forms of other sites can send these without asking; no client of the API does.
_FORM_TYPES = ("text/plain", "multipart/form-data")
_LONGEST_NAME = 100
_NAME = f"1 to {_LONGEST_NAME} printable characters without a slash, and neither . nor .."
VERSION = {"commit": "unknown", "build_time": "0001-01-01T00:00:00Z", "modified": False, "go_version": ""}


class AgentRoutes:
    """The agent of this process, if there is one, and the calls that make, change and end it."""

    def __init__(
        self,
        environment: Environment,
        new_agent: Callable[[str], ApiAgent],
        problem: Callable[[], MmloadError | None],
    ) -> None:
        self._environment = environment
        self._settings = process_settings(environment)
        self._new_agent = new_agent
        self._problem = problem
        self._agent: ApiAgent | None = None

    def create(self) -> flask.Response:
        """Make the agent: its configuration is in force for all users that start from now on."""
        name = flask.request.args.get("id")
        if name is None:
            return not_found()
        if not is_nameable(name):
            return answer(400, error=f"could not read request: id {name!r}: expected {_NAME}")
        if flask.request.mimetype in _FORM_TYPES:
            return answer(415, error=f"could not read request: {flask.request.mimetype}: expected application/json")
        taken = self._taken(name)
        try:
            settings, strangers = create_request.settings_from(
                flask.request.get_data(), name, self._settings.own.read_again(), os.environ
            )
        except create_request.UnreadableController as error:
            return answer(400, error=f"could not read controller configuration: {error}")
        except create_request.RefusedController as error:
            return answer(400, error=f"could not validate controller configuration: {_line(error)}")
        except UsageError as error:
            return answer(400, error=f"could not read request: {error}")
        except ConfigurationError as error:
            return answer(400, error=f"could not validate config: {_line(error)}")
        if taken is not None:
            return taken
        if unsendable := self._settings.unsendable(settings):
            return answer(400, error=f"could not validate config: {create_request.LOAD_TEST}.{unsendable}")
        if strangers:
            log.warning("agent %s: unknown keys are ignored: %s", name, ", ".join(strangers))
        agent = self._agent = self._new_agent(name)
        self._settings.replace(settings)
        problem = startup_checks.threshold_problem(self._environment, settings) or self._problem()
        if problem is not None and self._agent is agent:
            self._agent = None
            self._settings.replace(None)
            reason = f"could not create agent: {_line(problem)}"
            return answer(400, id=name, message="load-test agent creation failed", error=reason)
        return answer(201, id=name, message="load-test agent created", status=agent.status())

    def _taken(self, name: str) -> flask.Response | None:
        if self._agent is None:
            return None
        if self._agent.name == name:
            return answer(409, error=f"load-test agent with id {name} already exists")
        other = self._agent.name
        return answer(409, error=f"this process already has the load-test agent with id {other}: delete it first")

    def turn(self, do: Callable[[ApiAgent], None], done: str, agent: ApiAgent) -> flask.Response:
        try:
            do(agent)
        except WrongState as error:
            return answer(200, error=str(error))
        return answer(200, message=f"load-test agent {done}", status=agent.status())

    def destroy(self, agent: ApiAgent) -> flask.Response:
        """End the test and the agent. From here on its id is unknown, so nobody adds users meanwhile."""
        self._agent = None
        agent.end()
        status = agent.status()
        if self._agent is None:
            self._settings.replace(None)
        return answer(200, message="load-test agent destroyed", status=status)

    def status(self, agent: ApiAgent) -> flask.Response:
        return answer(200, status=agent.status())

    def change(self, sign: int, done: str, agent: ApiAgent) -> flask.Response:
        text = flask.request.args.get("amount")
        if text is None:
            return not_found()
        amount = amount_of(text)
        if amount is None:
            return answer(400, error=f"invalid amount: {text}")
        changed, error = agent.change(sign * amount)
        return answer(200, message=f"{changed} users {done}", status=agent.status(), error=error)

    def inject(self, agent: ApiAgent) -> flask.Response:
        action = flask.request.args.get("action")
        if action is None:
            return not_found()
        if not action:
            return answer(400, error="missing 'action' parameter")
        try:
            agent.inject(action)
        except MmloadError as error:
            return answer(400, error=f'could not inject action "{action}": {_line(error)}')
        return answer(200, message=f"action {action} injected", status=agent.status())

    def storm(self, agent: ApiAgent) -> flask.Response:
        given = flask.request.args
        try:
            users, within = int(given.get("users", 0)), float(given.get("within_seconds", 0))
            if users < 0 or not 0 <= within <= LONGEST_SPAN_SECONDS:
                raise ValueError
        except ValueError:
            return answer(400, error=f"expected users of 0 or more, within_seconds of 0 to {LONGEST_SPAN_SECONDS:g}")
        kind = given.get("kind", "")
        try:
            agent.raise_storm(kind, users, within)
        except MmloadError as error:
            return answer(400, error=f'could not trigger storm "{kind}": {_line(error)}')
        return answer(200, message=f"storm {kind} triggered", status=agent.status())

    def of_agent(self, call: Callable[[ApiAgent], flask.Response]) -> Callable[[str], flask.Response]:
        """The call as a route: it finds the agent that the path names."""

        def found(name: str) -> flask.Response:
            agent = self._agent
            if agent is None or agent.name != name:
                return answer(404, error=f"load-test agent with id {name} not found")
            return call(agent)

        return found


def is_nameable(name: str) -> bool:
    """Whether the routes can name an agent of this id: a client tidies up paths with dots. Pure."""
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and "/" not in name and name not in (".", "..")


def blueprint(agents: AgentRoutes, prefix: str) -> flask.Blueprint:
    """The routes. Whatever else is asked for under /loadagent is not there, by any method."""
    routes = flask.Blueprint("mmload_api", __name__, url_prefix=prefix or None)
    calls: dict[tuple[str, str], Callable[[ApiAgent], flask.Response]] = {
        ("GET", ""): agents.status,
        ("GET", "/status"): agents.status,
        ("DELETE", ""): agents.destroy,
        ("POST", "/run"): partial(agents.turn, ApiAgent.run, "started"),
        ("POST", "/stop"): partial(agents.turn, ApiAgent.stop, "stopped"),
        ("POST", "/addusers"): partial(agents.change, 1, "added"),
        ("POST", "/removeusers"): partial(agents.change, -1, "removed"),
        ("POST", "/inject"): agents.inject,
        ("POST", "/storm"): agents.storm,
    }
    add = routes.add_url_rule
    add("/loadagent/create", "create", agents.create, methods=["POST"])
    for (method, path), call in calls.items():
        add(f"/loadagent/<name>{path}", f"{method}{path}", agents.of_agent(call), methods=[method])
    add("/version", "version", lambda: document(200, VERSION), methods=["GET"])
    add("/loadagent/<path:_>", "unknown", lambda _: not_found(), methods=_METHODS)
    routes.register_error_handler(Exception, _broken)
    return routes


def answer(code: int, **fields: Any) -> flask.Response:
    """A reply of the peer's form: `id`, `message`, `status`, `error`, each only where there is one."""
    ordered = {name: fields[name] for name in ("id", "message", "status", "error") if fields.get(name)}
    return document(code, ordered)


def document(code: int, content: Any) -> flask.Response:
    return flask.Response(msgspec.json.encode(content) + b"\n", code, mimetype="application/json")


def not_found() -> flask.Response:
    return flask.Response("404 page not found\n", 404, mimetype="text/plain")


def _broken(error: Exception) -> flask.Response:
    log.error("a call to the agent's API failed", exc_info=error)
    return answer(500, error="internal error; see Locust's log for details")


def _line(error: Exception) -> str:
    return "; ".join(str(error).splitlines())
