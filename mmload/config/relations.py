"""What values must be to each other, and the defaults that follow from other values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from mmload.config.coordinator_tables import Coordinator
from mmload.config.tables import Config, ConnectionSettings, GenController, SimulController, Users
from mmload.config.thresholds import ThresholdRefused, parse

_RATES = "UserControllerConfiguration.RatesDistribution"
_SHARES = tuple(f"InstanceConfiguration.Percent{kind}Channels" for kind in ("Public", "Private", "Direct", "Group"))


@dataclass(frozen=True, slots=True)
class Relation:
    """A rule over several keys. `judge` says what was expected and found, or "" when it holds."""

    path: str
    keys: tuple[str, ...]
    judge: Callable[[Any], str]


def _rates(config: Config) -> str:
    total = sum(rate.percentage for rate in config.controller.rates_distribution)
    # Shares such as 0.1 have no exact binary form: their sum may be off in the last of 16 digits.
    if not config.controller.rates_distribution or round(total, 9) == 1:
        return ""
    return f"expected percentages that add up to 1, found {total:g}"


def _channel_shares(config: Config) -> str:
    of = config.instance
    total = sum(
        (
            of.percent_public_channels,
            of.percent_private_channels,
            of.percent_direct_channels,
            of.percent_group_channels,
        )
    )
    return "" if round(total, 2) == 1 else f"expected shares that add up to 1, found {total:g}"


def _initial_users(config: Config) -> str:
    users = config.users
    if users.initial_active_users <= users.max_active_users:
        return ""
    return f"expected at most MaxActiveUsers ({users.max_active_users}), found {users.initial_active_users}"


def _login_waits(config: Config) -> str:
    users = config.users
    if users.login_retry_min_seconds <= users.login_retry_max_seconds:
        return ""
    return (
        f"expected at least LoginRetryMinSec ({users.login_retry_min_seconds:g}), "
        f"found {users.login_retry_max_seconds:g}"
    )


def _idle_times(simul: SimulController) -> str:
    if simul.min_idle_time_ms < simul.avg_idle_time_ms:
        return ""
    return f"expected more than MinIdleTimeMs ({simul.min_idle_time_ms}), found {simul.avg_idle_time_ms}"


def _channel_members(generate: GenController) -> str:
    distribution = generate.channel_members_distribution
    sums = {
        "PercentChannels": sum(each.percent_channels for each in distribution),
        "Probability": sum(each.probability for each in distribution),
    }
    wrong = [f"expected {key} that add up to 1, found {total:g}" for key, total in sums.items() if round(total, 9) != 1]
    return "; ".join(wrong) if distribution else ""


def _thresholds(config: Config) -> str:
    for text in config.run.thresholds:
        try:
            parse(text)
        except ThresholdRefused as error:
            return str(error)
    return ""


def _queries(coordinator: Coordinator) -> str:
    bare = [i for i, query in enumerate(coordinator.monitor.queries) if not (query.description and query.query)]
    return f"expected a Description and a Query in each, found none in number {bare[0] + 1}" if bare else ""


def _agent_names(coordinator: Coordinator) -> str:
    names = [agent.id for agent in coordinator.cluster.agents]
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"expected a different Id for each, found {twice} twice" if twice else ""


def _some_agent(coordinator: Coordinator) -> str:
    return "" if coordinator.cluster.agents else "expected at least one agent"


def _lowest_users(coordinator: Coordinator) -> str:
    lowest, most = coordinator.search.lowest_users, coordinator.cluster.max_active_users
    return "" if lowest <= most else f"expected at most ClusterConfig.MaxActiveUsers ({most}), found {lowest}"


_USERS = "UsersConfiguration"
_AGENTS = "ClusterConfig.Agents"
_LOWEST = "SearchConfiguration.LowestUsers"
_THRESHOLDS = "RunConfiguration.Thresholds"
_MEMBERS = "ChannelMembersDistribution"
RELATIONS: dict[type, tuple[Relation, ...]] = {
    Config: (
        Relation(_RATES, (_RATES,), _rates),
        Relation("InstanceConfiguration.Percent…Channels", _SHARES, _channel_shares),
        Relation(
            f"{_USERS}.InitialActiveUsers",
            (f"{_USERS}.InitialActiveUsers", f"{_USERS}.MaxActiveUsers"),
            _initial_users,
        ),
        Relation(
            f"{_USERS}.LoginRetryMaxSec", (f"{_USERS}.LoginRetryMaxSec", f"{_USERS}.LoginRetryMinSec"), _login_waits
        ),
        Relation(_THRESHOLDS, (_THRESHOLDS,), _thresholds),
    ),
    SimulController: (Relation("AvgIdleTimeMs", ("AvgIdleTimeMs", "MinIdleTimeMs"), _idle_times),),
    Coordinator: (
        Relation("MonitorConfig.Queries", ("MonitorConfig.Queries",), _queries),
        Relation(_AGENTS, (_AGENTS,), _agent_names),
        Relation(_AGENTS, (_AGENTS,), _some_agent),
        Relation(_LOWEST, (_LOWEST,), _lowest_users),
    ),
    GenController: (Relation(_MEMBERS, (_MEMBERS,), _channel_members),),
}


def with_derived_defaults(config: Config, given: Collection[str]) -> Config:
    """The values that follow from others where they were not given: the WebSocket's URL, the users at the start."""
    return replace(config, connection=_connection(config.connection), users=_users(config.users, given))


def _connection(connection: ConnectionSettings) -> ConnectionSettings:
    default = ConnectionSettings()
    server, websocket = connection.server_url.rstrip("/"), connection.websocket_url.rstrip("/")
    if websocket == default.websocket_url and server != default.server_url:
        scheme = "wss" if urlsplit(server).scheme == "https" else "ws"
        websocket = f"{scheme}://{server.partition('://')[2]}"
    return replace(connection, server_url=server, websocket_url=websocket)


def _users(users: Users, given: Collection[str]) -> Users:
    """A maximum below our default of users at the start contradicts nobody who did not write that default."""
    if f"{_USERS}.InitialActiveUsers" in given:
        return users
    return replace(users, initial_active_users=min(users.initial_active_users, users.max_active_users))
