"""coordinator.json and the command line as what the search needs: the document, the limits, the agents.

The command line of the coordinator, and how its options change the document.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from coordinator.answer import Limits, Today
from mmload import __version__
from mmload.config import Settings
from mmload.config.coordinator_tables import DEFAULT_LOWEST_USERS, MODES, AgentAddress, Coordinator
from mmload.config.documents import COORDINATOR, Checked, load_document
from mmload.config.fields import FINITE, Check, at_least, more_than, seconds_of
from mmload.errors import ConfigurationError, ServerNotReady, UsageError

if TYPE_CHECKING:
    # They load requests, and so urllib3: commands of mmload that start Locust must not have it before Locust.
    from coordinator.agent_apis import LoadAgent, SwarmAgent
    from coordinator.agents import Agent

T = TypeVar("T", bound=msgspec.Struct)
N = TypeVar("N", int, float, int | None, float | None)
DEFAULT_TOLERANCE = 0.05
TOKEN_VARIABLE = "MMLOAD_AGENT_TOKEN"
# An action takes a user about so long besides the wait before it (measured on the sandbox: 1.2 requests a second and
# user at an idle time of 3 s, 6 requests an action).
_ACTION_SECONDS = 2.0
# `rate(…[5m])` looks back five minutes; `irate` and `idelta` only at the last two samples, however long their range is.
_RANGE = re.compile(r"(\w+)?\s*\(?[^()\[\]]*\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*(?::[^\]]*)?\]")
_RANGE_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_LAST_TWO = ("irate", "idelta")


def load(given: Path | None, environ: Mapping[str, str] = os.environ) -> Checked[Coordinator]:
    """The document named on the command line, else by the environment, else in config/, else the defaults."""
    return load_document(COORDINATOR, environ, given=given)


def limits_of(document: Coordinator, settings: Settings) -> Limits:
    """What the search is to keep to. `settings` tell how often a user acts. Pure."""
    search = document.search
    action_seconds = settings.simul.avg_idle_time_ms / 1000 + _ACTION_SECONDS
    by_password = settings.config.users.login_share * search.login_actions if search.arrival_actions else 0.0
    alerting = [query.query for query in document.monitor.queries if query.alert]
    return Limits(
        mode=search.mode,
        lowest_users=search.lowest_users,
        highest_users=document.cluster.max_active_users,
        spawn_rate=search.spawn_rate,
        window_seconds=max(document.measures.window_seconds, *map(looks_back_seconds, alerting), 0.0),
        precision=search.precision_percent / 100 or None,
        budget_seconds=search.budget_minutes * 60,
        arrival_seconds=(search.arrival_actions + by_password) * action_seconds,
        users_increase=document.num_users_inc,
        users_decrease=document.num_users_dec,
        rest_seconds=document.rest_time_seconds,
    )


def looks_back_seconds(query: str) -> float:
    """How far back a PromQL expression looks: its longest range, 0 without one. Pure."""
    ranges = [_RANGE_PART.findall(found[2]) for found in _RANGE.finditer(query) if found[1] not in _LAST_TWO]
    return max((sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts) for parts in ranges), default=0.0)


def thresholds_of(document: Coordinator, *, measured: bool) -> dict[str, float]:
    """The limits by the names of their readings. Pure."""
    from coordinator.agent_metrics import Recent

    own = Recent(document.measures).unknown("") if measured else ()
    queries = {query.description: query.threshold for query in document.monitor.queries if query.alert}
    return {reading.name: reading.limit for reading in own} | queries


def agents_of(document: Coordinator, settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Agent]:
    """The configured agents, each by the API that it speaks. Raises ServerNotReady for one that speaks none."""
    configured = document.cluster.agents
    rate = document.search.spawn_rate / len(configured)
    token = environ.get(TOKEN_VARIABLE, "")
    return [_agent(agent, rate, settings, token) for agent in configured]


def _agent(agent: AgentAddress, spawn_rate: float, settings: Settings, token: str) -> Agent:
    from coordinator.agent_apis import LoadAgent, SwarmAgent

    most = settings.config.users.max_active_users
    swarm = SwarmAgent(agent.id, agent.api_url, spawn_rate, most, token)
    load = LoadAgent(agent.id, agent.api_url, documents(settings), agent.max_users or most, token)
    if agent.api == "swarm":
        return swarm
    if agent.api == "loadagent":
        return load
    return _speaking(agent, swarm, load)


def _speaking(agent: AgentAddress, swarm: SwarmAgent, load: LoadAgent) -> Agent:
    """Locust's API where it is there: it comes along with the spawn rate and with the state of the workers."""
    from coordinator.polling import Unanswered

    refusals = []
    for candidate in (swarm, load):
        try:
            candidate.status()
        except Unanswered as error:
            refusals.append(str(error))
        else:
            return candidate
    reasons = dict.fromkeys(refusals)
    raise ServerNotReady(
        f"cannot control agent {agent.id} at {agent.api_url}: {'; '.join(reasons)}: start it (`mmload agent`), "
        "or correct its ApiURL in ClusterConfig.Agents"
    )


def documents(settings: Settings) -> dict[str, Any]:
    """What a new agent is created with: our settings, starting with no users. Pure."""
    users = replace(settings.config.users, initial_active_users=0)
    return {
        "LoadTestConfig": msgspec.to_builtins(replace(settings.config, users=users)),
        "SimulControllerConfig": msgspec.to_builtins(settings.simul),
        "SimpleControllerConfig": msgspec.to_builtins(settings.simple),
    }


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="mmload-coordinator",
        description="Changes the number of users of the agents until it is known how many users the server holds. "
        "Exit code: 0 a number was found, 4 the configuration was refused, 5 an agent or Prometheus cannot be "
        "reached, 6 the number cannot be determined (and why), 130 interrupted.",
    )
    made.add_argument("--version", action="version", version=f"mmload-coordinator {__version__}")
    made.add_argument("-c", "--config", metavar="FILE", type=Path, help="coordinator.json (config/coordinator.json)")
    made.add_argument(
        "-l",
        "--agent-config",
        "--ltagent-config",
        metavar="FILE",
        type=Path,
        help="config.json, for agents that have yet to be created, and for the number of users that one can run",
    )
    made.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        help="where journal and result are written (default: a new folder in runs/)",
    )
    made.add_argument(
        "--compare",
        metavar="FILE",
        type=Path,
        help="the coordinator.json of a second server: how many more users does it hold?",
    )
    made.add_argument("--take-up", action="store_true", help="take over agents that are already running")
    made.add_argument(
        "--hold", action="store_true", help="at the end, keep as many users running as the interval's lower end (AtEnd)"
    )
    add_search_options(made)
    return made


def add_search_options(made: argparse.ArgumentParser) -> None:
    """The options that `mmload capacity` has as well."""
    add = made.add_argument
    add(
        "--mode",
        choices=MODES,
        help="search (climb, retreat, measure), or classic: the rule of mattermost-load-test-ng",
    )
    add("--lowest-users", metavar="N", type=int, help="users at the start (SearchConfiguration.LowestUsers)")
    add("--highest-users", metavar="N", type=int, help="maximum number of users (ClusterConfig.MaxActiveUsers)")
    add(
        "--spawn-rate",
        metavar="R",
        type=float,
        help="maximum number of users started per second (SearchConfiguration.SpawnRate)",
    )
    add("--budget", metavar="TIME", help="time limit of the search: 900, 15m, 1h (BudgetMinutes)")
    add("--precision", metavar="PERCENT", help="half-width of the interval to reach, such as 2%% (PrecisionPercent)")
    add("--p99", metavar="SEC", type=float, help="limit for the p99 of requests; 0: none (RequestP99Sec)")
    add("--failures", metavar="PERCENT", help="limit for failed requests, such as 1%%; 0: none (FailurePercent)")
    add(
        "--people",
        metavar="N",
        type=int,
        help="number of people on the server today: the result says how many more fit",
    )
    add("--peak-factor", metavar="F", type=float, help="how many times as busy as usual they are at peak times (1)")
    add("--json", action="store_true", help="print the result as JSON")
    add("--tolerance", metavar="PERCENT", help="with --compare: smaller differences are tolerated (5%%)")


def applied(document: Coordinator, args: argparse.Namespace) -> Coordinator:
    """The document with the options in place of its own values. Raises UsageError. Pure."""
    highest = _checked("--highest-users", args.highest_users, at_least(1))
    cluster = _under(document.cluster, max_active_users=highest)
    search = _under(
        document.search,
        mode=args.mode,
        lowest_users=_checked("--lowest-users", args.lowest_users, at_least(1)),
        spawn_rate=_checked("--spawn-rate", args.spawn_rate, more_than(0)),
        budget_minutes=None if args.budget is None else seconds_of("--budget", args.budget) / 60,
        precision_percent=None if args.precision is None else percent("--precision", args.precision, 50),
        at_end="hold" if getattr(args, "hold", False) else None,
    )
    measures = _under(
        document.measures,
        request_p99_seconds=_checked("--p99", args.p99, at_least(0)),
        failure_percent=None if args.failures is None else percent("--failures", args.failures, 100),
    )
    if search.lowest_users == DEFAULT_LOWEST_USERS and args.lowest_users is None:
        # Nobody asked for it: fewer are no contradiction.
        search = replace(search, lowest_users=min(search.lowest_users, cluster.max_active_users))
    today_of(args)
    tolerance_of(args)
    if search.lowest_users > cluster.max_active_users:
        raise ConfigurationError(
            f"--lowest-users (SearchConfiguration.LowestUsers): expected at most --highest-users "
            f"(ClusterConfig.MaxActiveUsers, {cluster.max_active_users}), found {search.lowest_users}"
        )
    return replace(document, search=search, measures=measures, cluster=cluster)


def _under(table: T, **typed: Any) -> T:
    """The table with what was typed."""
    return replace(table, **{name: value for name, value in typed.items() if value is not None})


def _checked(option: str, value: N, *checks: Check) -> N:
    """The value of an option; UsageError if it is given and refused."""
    for check in (*checks, FINITE) if value is not None else ():
        if not check.accepts(value):
            raise UsageError(f"{option} {value:g}: expected {check.expected}")
    return value


def today_of(args: argparse.Namespace) -> Today:
    """Whom the answer's table is for. Raises UsageError. Pure."""
    people = _checked("--people", args.people, at_least(1))
    return Today(people or 0, _checked("--peak-factor", args.peak_factor, at_least(1)) or 1.0)


def tolerance_of(args: argparse.Namespace) -> float:
    """What a difference may be between two servers. Raises UsageError. Pure."""
    if args.tolerance is None:
        return DEFAULT_TOLERANCE
    tolerance = percent("--tolerance", args.tolerance, 50) / 100
    if not tolerance:
        raise UsageError("--tolerance 0: no two servers are the same; expected more than 0")
    return tolerance


def percent(option: str, text: str, most: float) -> float:
    """A number of percent, with or without the sign. Pure."""
    try:
        value = float(text.removesuffix("%").strip())
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise UsageError(f"{option} {text!r}: expected 0 to {most:g} percent, such as 2%")
    return value
