"""Our tabs in Locust's web page: Delivery, Health and Actions, with the buttons that change the load.

Locust draws the tabs (its `extended_tabs`), but fills them with tables only. So a script of ours, added to its page,
fills them from JSON routes. Who may read and press what, `mmload.agent.access` says, as for all other routes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import flask
import msgspec
from locust.runners import MasterRunner

from mmload.agent import injection, shown
from mmload.agent.agents import Agent, WrongState
from mmload.agent.view import view_of
from mmload.errors import UsageError
from mmload.results.trust import LOCAL

if TYPE_CHECKING:
    from locust.env import Environment

TABS = ("Delivery", "Health", "Actions")
PATH = "/mmload"
_FILES = Path(__file__).parent / "ui"
_PAGE = "locust.index"
# Relative, as those of Locust's own page: below --web-base-path, and behind a proxy.
_ADDED = (
    b'<link rel="stylesheet" href="./mmload/tabs.css"><script type="module" src="./mmload/tabs.js"></script></body>'
)
_MOST_AT_ONCE = 2**15 - 1
_LONGEST_SPAN_SECONDS = 3600.0
_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many users more, or below 0 fewer."""

    amount: Annotated[int, msgspec.Meta(ge=-_MOST_AT_ONCE, le=_MOST_AT_ONCE)]


class Injection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action for so many users (0: all who are in), each at a moment of its own within the span."""

    action: str
    users: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    within_seconds: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_SPAN_SECONDS)] = 0.0


class Tabs:
    """The routes of the tabs. The agent is that of the page: whoever began the test."""

    def __init__(self, environment: Environment, agent: Agent) -> None:
        self._environment = environment
        self._agent = agent

    def delivery(self) -> flask.Response:
        return _json(200, shown.delivery(view_of(self._environment)))

    def health(self) -> flask.Response:
        return _json(200, shown.health(view_of(self._environment), processes(self._environment.runner)))

    def actions(self) -> flask.Response:
        agent = self._agent
        view = view_of(self._environment)
        return _json(200, shown.actions(view, agent.state, agent.most_users, sorted(injection.ACTIONS)))

    def change(self) -> flask.Response:
        """Add or remove users."""
        amount = _body(Change).amount
        if amount == 0:
            return _json(400, {"error": "amount: expected another number than 0"})
        changed, why = self._agent.change(amount)
        said = f"{changed} {'user' if changed == 1 else 'users'} {'added' if amount > 0 else 'removed'}"
        if changed == 0:
            return _json(409, {"error": f"{said}: {why}"})
        return _json(200, {"message": f"{said}: {why}" if why else said})

    def inject(self) -> flask.Response:
        """Have users do an action now."""
        wanted = _body(Injection)
        try:
            name, users = self._agent.inject(wanted.action, wanted.users, wanted.within_seconds)
        except WrongState as error:
            return _json(409, {"error": str(error)})
        except UsageError as error:
            return _json(400, {"error": str(error)})
        return _json(200, {"message": f"{name} by {users} {'user' if users == 1 else 'users'}"})


def processes(runner: Any) -> dict[str, tuple[str, int | None]]:
    """State and users of each process, by the name that the record has for it."""
    if not isinstance(runner, MasterRunner):
        return {LOCAL: (runner.state, runner.user_count)}
    master: Any = runner
    workers = {master.get_worker_index(each.id): each for each in master.clients.values()}
    return {
        LOCAL: (master.state, None),
        **{f"worker {index}": (each.state, each.user_count) for index, each in sorted(workers.items())},
    }


def register(environment: Any, agent: Agent) -> None:
    """Add the tabs to Locust's page, and their routes to its web server, below its own base path."""
    web_ui = environment.web_ui
    others = web_ui.template_args.get("extended_tabs") or []
    ours = [{"title": title, "key": title.lower()} for title in TABS]
    web_ui.template_args["extended_tabs"] = [*others, *ours]
    base = getattr(environment.parsed_options, "web_base_path", "") or ""
    web_ui.app.register_blueprint(blueprint(Tabs(environment, agent), base + PATH))
    web_ui.app.after_request(_with_script)


def blueprint(tabs: Tabs, prefix: str) -> flask.Blueprint:
    """The routes of the tabs, and the files that draw them."""
    routes = flask.Blueprint("mmload_tabs", __name__, url_prefix=prefix)
    for name, call in (("delivery", tabs.delivery), ("health", tabs.health), ("actions", tabs.actions)):
        routes.add_url_rule(f"/{name}", name, call, methods=["GET"])
    routes.add_url_rule("/users", "users", tabs.change, methods=["POST"])
    routes.add_url_rule("/inject", "inject", tabs.inject, methods=["POST"])
    for file in ("tabs.js", "parts.js", "tabs.css"):
        routes.add_url_rule(f"/{file}", file.replace(".", "_"), lambda file=file: flask.send_file(_FILES / file))
    routes.register_error_handler(UsageError, lambda error: _json(400, {"error": str(error)}))
    return routes


def _with_script(response: flask.Response) -> flask.Response:
    """Locust's page, with our script at its end."""
    if flask.request.endpoint == _PAGE and response.status_code == 200 and response.mimetype == "text/html":
        response.set_data(response.get_data().replace(b"</body>", _ADDED, 1))
    return response


def _body(kind: type[_Wanted]) -> _Wanted:
    """The JSON of a request. Other types are what forms of other sites could send."""
    if flask.request.mimetype != "application/json":
        raise UsageError("expected application/json")
    try:
        return msgspec.json.decode(flask.request.get_data(), type=kind)
    except msgspec.MsgspecError as error:
        raise UsageError(str(error)) from None


def _json(code: int, content: Any) -> flask.Response:
    answer = flask.Response(msgspec.json.encode(content), code, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
