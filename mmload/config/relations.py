"""What values must be to each other, and the defaults that follow from other values. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from mmload.config.coordinator_tables import Coordinator
from mmload.config.tables import Config, ConnectionSettings, GenController, SimulController, Users
from mmload.config.thresholds import ThresholdRefused, parse

_USERS = "UsersConfiguration"
_SHARES = tuple(f"InstanceConfiguration.Percent{kind}Channels" for kind in ("Public", "Private", "Direct", "Group"))


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A broken rule over several keys: filed under `path`, unless one of the `keys` is wrong by itself."""

    path: str
    problem: str
    keys: tuple[str, ...] = ()


def contradictions(document: Any) -> Iterator[Contradiction]:
    """Which values of a document do not go together."""
    if isinstance(document, Config):
        yield from _of_config(document)
    elif isinstance(document, SimulController) and document.min_idle_time_ms >= document.avg_idle_time_ms:
        expected = f"expected more than MinIdleTimeMs ({document.min_idle_time_ms}), found {document.avg_idle_time_ms}"
        yield Contradiction("AvgIdleTimeMs", expected, ("MinIdleTimeMs",))
    elif isinstance(document, GenController):
        yield from _of_channel_members(document)
    elif isinstance(document, Coordinator):
        yield from _of_coordinator(document)


def _of_config(config: Config) -> Iterator[Contradiction]:
    users, instance = config.users, config.instance
    rates = config.controller.rates_distribution
    total = sum(rate.percentage for rate in rates)
    # Shares such as 0.1 have no exact binary form: their sum may be off in the last of 16 digits.
    if rates and round(total, 9) != 1:
        problem = f"expected percentages that add up to 1, found {total:g}"
        yield Contradiction("UserControllerConfiguration.RatesDistribution", problem)
    shares = (instance.percent_public_channels, instance.percent_private_channels)
    total = sum((*shares, instance.percent_direct_channels, instance.percent_group_channels))
    if round(total, 2) != 1:
        problem = f"expected shares that add up to 1, found {total:g}"
        yield Contradiction("InstanceConfiguration.Percent…Channels", problem, _SHARES)
    if users.initial_active_users > users.max_active_users:
        problem = f"expected at most MaxActiveUsers ({users.max_active_users}), found {users.initial_active_users}"
        yield Contradiction(f"{_USERS}.InitialActiveUsers", problem, (f"{_USERS}.MaxActiveUsers",))
    first, longest = users.login_retry_min_seconds, users.login_retry_max_seconds
    if first > longest:
        problem = f"expected at least LoginRetryMinSec ({first:g}), found {longest:g}"
        yield Contradiction(f"{_USERS}.LoginRetryMaxSec", problem, (f"{_USERS}.LoginRetryMinSec",))
    try:
        for text in config.run.thresholds:
            parse(text)
    except ThresholdRefused as error:
        yield Contradiction("RunConfiguration.Thresholds", str(error))


def _of_channel_members(generate: GenController) -> Iterator[Contradiction]:
    distribution = generate.channel_members_distribution
    sums = {
        "PercentChannels": sum(each.percent_channels for each in distribution),
        "Probability": sum(each.probability for each in distribution),
    }
    wrong = [f"expected {key} that add up to 1, found {total:g}" for key, total in sums.items() if round(total, 9) != 1]
    if distribution and wrong:
        yield Contradiction("ChannelMembersDistribution", "; ".join(wrong))


def _of_coordinator(coordinator: Coordinator) -> Iterator[Contradiction]:
    for number, query in enumerate(coordinator.monitor.queries, start=1):
        if not (query.description and query.query):
            problem = f"expected a Description and a Query in each, found none in number {number}"
            yield Contradiction("MonitorConfig.Queries", problem)
            break
    names = [agent.id for agent in coordinator.cluster.agents]
    twice = next((name for name in names if names.count(name) > 1), "")
    if not names:
        yield Contradiction("ClusterConfig.Agents", "expected at least one agent")
    if twice:
        yield Contradiction("ClusterConfig.Agents", f"expected a different Id for each, found {twice} twice")
    lowest, most = coordinator.search.lowest_users, coordinator.cluster.max_active_users
    if lowest > most:
        problem = f"expected at most ClusterConfig.MaxActiveUsers ({most}), found {lowest}"
        yield Contradiction("SearchConfiguration.LowestUsers", problem)


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
