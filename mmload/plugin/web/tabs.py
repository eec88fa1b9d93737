"""Our tabs in Locust's web page: Delivery, Health and Actions, with the buttons that change the load.

Locust draws the tabs (its `extended_tabs`), but fills them with tables only. So a script of ours, added to its page,
fills them from JSON routes. Who may read and press what, `mmload.plugin.web.access` says, as for all other routes. All
times are milliseconds; the keys of the JSON are the names of the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import flask
import msgspec
from locust.env import Environment
from locust.runners import MasterRunner

from mmload.errors import UsageError
from mmload.metrics.counts import MISSING_REASONS
from mmload.metrics.delta import ProcessHealth
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.plugin.runner import injection
from mmload.plugin.web.api_agent import LONGEST_SPAN_SECONDS, ApiAgent, WrongState
from mmload.plugin.web.metrics import HEALTH_SECONDS
from mmload.plugin.web.run_view import View, view_of
from mmload.results.generator_health import LIMITS, LOCAL, trust_in
from mmload.results.model import Second, StormKind
from mmload.results.storms import recoveries, so_far

# A chart is so long: five minutes of whole seconds.
SERIES_SECONDS = 300
PERCENTILES = (50.0, 95.0, 99.0)

Point = tuple[int, float | None, float | None]


class Times(msgspec.Struct, frozen=True):
    """A histogram in a few numbers; None where nothing was measured."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None


class Delivery(msgspec.Struct, frozen=True):
    """The account of messages, and how long they took. `series`: moment (since 1970), p50 and p95 of each second."""

    posts: int
    uncertain: int
    account: dict[str, int]
    outcomes: dict[str, int]
    missing: dict[str, int]
    times: Times
    series: list[Point]


class Process(msgspec.Struct, frozen=True):
    """One process of the generator: the worst of the last ten seconds, and which limits of trust that crosses."""

    name: str
    state: str
    users: int | None
    health: ProcessHealth | None = None
    crossed: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """How the generator fares. `series`: moment, CPU of the busiest process, lag of the latest one."""

    running: bool
    phase: str
    users: dict[str, int]
    saturated: bool
    sentences: tuple[str, ...]
    processes: list[Process]
    series: list[Point]


class ActionRow(msgspec.Struct, frozen=True):
    name: str
    done: int
    failed: int
    skipped: int
    p50: float | None
    p95: float | None


class Actions(msgspec.Struct, frozen=True):
    """What can be done now, and what was done. `most_users`: more can't be added."""

    state: str
    users: int
    most_users: int
    choices: list[str]
    actions: list[ActionRow]
    storms: list[tuple[int, str]] = []  # when each storm began, and how the server comes through it
    kinds: tuple[StormKind, ...] = tuple(StormKind)


def delivery(view: View) -> Delivery:
    counts = view.totals.whole.deliveries

    def named(*names: str) -> dict[str, int]:
        return {name: getattr(counts, name) for name in names}

    return Delivery(
        posts=counts.sent,
        uncertain=counts.uncertain,
        account=named("expected", "delivered", "missing", "withdrawn"),
        outcomes=named("late", "resumed", "extra", "duplicated", "out_of_order"),
        missing={MISSING_REASONS[reason]: number for reason, number in counts.reasons.items()},
        times=times(view.totals.whole.spans.get(DELIVERY, Histogram())),
        series=[(one.ms, one.delivery_p50_ms, one.delivery_p95_ms) for one in view.recent[-SERIES_SECONDS:]],
    )


def times(histogram: Histogram) -> Times:
    p50, p95, p99 = (_ms(histogram.percentile(percent)) for percent in PERCENTILES)
    return Times(histogram.count, p50, p95, p99, _ms(histogram.maximum))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def health(view: View, now: Mapping[str, tuple[str, int | None]]) -> Health:
    """The Health tab. `now`: state and users of each process that there is; others are gone."""
    trust, last = trust_in(view.recent), view.last
    gauges = {name: getattr(last, name, 0) for name in ("waiting", "active", "gave_up")}
    return Health(
        running=view.running,
        phase=last.phase if last is not None else "",
        users={"target": view.target, "spawned": view.spawned, **gauges},
        saturated=trust.saturated,
        sentences=trust.sentences,
        processes=_processes(view.recent[-HEALTH_SECONDS:], now),
        series=[_busiest(second) for second in view.recent[-SERIES_SECONDS:]],
    )


def _processes(seconds: Sequence[Second], now: Mapping[str, tuple[str, int | None]]) -> list[Process]:
    worst = {name: _worst([one.health[name] for one in seconds if name in one.health]) for name in now}
    return [Process(name, *now[name], found, _crossed(found)) for name, found in worst.items()]


def _worst(told: Sequence[ProcessHealth]) -> ProcessHealth | None:
    """The highest of each figure; None where nothing was told."""
    if not told:
        return None
    highest: dict[str, Any] = {}
    for figure in ProcessHealth.__struct_fields__:
        known = [value for each in told if (value := getattr(each, figure)) is not None]
        highest[figure] = max(known, default=None)
    return ProcessHealth(**highest)


def _crossed(found: ProcessHealth | None) -> tuple[str, ...]:
    return () if found is None else tuple(limit.figure for limit in LIMITS if limit.crossed(found))


def _busiest(second: Second) -> Point:
    """Of the processes that make load: where there are workers, the master makes none."""
    makers = [each for name, each in second.health.items() if name != LOCAL] or list(second.health.values())
    cpu = max((each.cpu for each in makers), default=None)
    return second.ms, cpu, max((each.lag_ms for each in makers), default=None)


def actions(view: View, state: str, most_users: int, choices: list[str]) -> Actions:
    """The Actions tab; the most frequent action first."""
    rows = []
    for name, figures in list(view.totals.whole.actions.items()):
        p50, p95 = (_ms(figures.times.percentile(percent)) for percent in (50, 95))
        rows.append(ActionRow(name, figures.times.count, figures.failed_times.count, figures.skipped, p50, p95))
    rows.sort(key=lambda row: (-row.done - row.failed, row.name))
    storms = [(each.storm.ms, so_far(each)) for each in recoveries(view.storms, view.recent)]
    return Actions(state, view.spawned, most_users, choices, rows, storms)


TABS = ("Delivery", "Health", "Actions")
PATH = "/mmload"
_FILES = Path(__file__).parent / "ui"
_PAGE = "locust.index"
# Relative, as those of Locust's own page: below --web-base-path, and behind a proxy.
_ADDED = (
    b'<link rel="stylesheet" href="./mmload/tabs.css"><script type="module" src="./mmload/tabs.js"></script></body>'
)
_MOST_AT_ONCE = 2**15 - 1
_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many users more, or below 0 fewer."""

    amount: Annotated[int, msgspec.Meta(ge=-_MOST_AT_ONCE, le=_MOST_AT_ONCE)]


class Injection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action for so many users (0: all who are in), each at a moment of its own within the span."""

    action: str
    users: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    within_seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SPAN_SECONDS)] = 0.0


class StormWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A storm of so many users (0: all who are in; of a spike: as many again), within the span."""

    kind: StormKind
    users: Annotated[int, msgspec.Meta(ge=0, le=_MOST_AT_ONCE)] = 0
    within_seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SPAN_SECONDS)] = 0.0


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


def register(environment: Any, agent: ApiAgent) -> None:
    """Add the tabs to Locust's page, and their routes to its web server, below its own base path."""
    web_ui = environment.web_ui
    others = web_ui.template_args.get("extended_tabs") or []
    ours = [{"title": title, "key": title.lower()} for title in TABS]
    web_ui.template_args["extended_tabs"] = [*others, *ours]
    base = getattr(environment.parsed_options, "web_base_path", "") or ""
    web_ui.app.register_blueprint(blueprint(environment, agent, base + PATH))
    web_ui.app.after_request(_with_script)


def blueprint(environment: Environment, agent: ApiAgent, prefix: str) -> flask.Blueprint:
    """The routes of the tabs, and the files that draw them. The agent is that of the page: whoever began the test."""
    routes = flask.Blueprint("mmload_tabs", __name__, url_prefix=prefix)
    for status, kind in ((400, UsageError), (409, WrongState)):
        routes.register_error_handler(kind, lambda error, status=status: _json(status, {"error": str(error)}))
    for file in ("tabs.js", "parts.js", "tabs.css"):
        routes.add_url_rule(f"/{file}", file.replace(".", "_"), lambda file=file: flask.send_file(_FILES / file))

    @routes.get("/delivery")
    def show_delivery() -> flask.Response:
        return _json(200, delivery(view_of(environment)))

    @routes.get("/health")
    def show_health() -> flask.Response:
        return _json(200, health(view_of(environment), processes(environment.runner)))

    @routes.get("/actions")
    def show_actions() -> flask.Response:
        return _json(200, actions(view_of(environment), agent.state, agent.most_users, sorted(injection.ACTIONS)))

    @routes.post("/users")
    def change() -> flask.Response:
        amount = _body(Change).amount
        if amount == 0:
            raise UsageError("amount: expected a number other than 0")
        changed, why = agent.change(amount)
        said = f"{changed} {'user' if changed == 1 else 'users'} {'added' if amount > 0 else 'removed'}"
        if changed == 0:
            raise WrongState(f"{said}: {why}")
        return _json(200, {"message": f"{said}: {why}" if why else said})

    @routes.post("/inject")
    def inject() -> flask.Response:
        wanted = _body(Injection)
        name, users = agent.inject(wanted.action, wanted.users, wanted.within_seconds)
        return _json(200, {"message": f"{name} triggered: {users} {'user' if users == 1 else 'users'}"})

    @routes.post("/storm")
    def storm() -> flask.Response:
        wanted = _body(StormWanted)
        storm = agent.raise_storm(wanted.kind, wanted.users, wanted.within_seconds)
        return _json(200, {"message": f"{storm.kind} storm triggered"})

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
