"""coordinator.json as frozen structs: the agents, the queries, the limits, and the capacity search.

Names and defaults are the peer's, so that its coordinator.json runs unchanged; keys marked `ours` are additions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from mmload.config.fields import NOT_EMPTY, Says, at_least, between, matching, more_than, one_of, optional, url
from mmload.config.tables import Config, GenController, Ours, SimpleController, SimulController, Table

DEFAULT_LOWEST_USERS = 30
MODES = ("search", "classic")
# How an agent is driven: by Locust's own web API, by the peer's, or by whichever of them answers.
APIS = ("auto", "swarm", "loadagent")
AT_END = ("stop", "hold")
_COUNT = at_least(0)
# A label in a query: nothing that ends the text there.
_INSTANCE = matching(r'[^"\\\s]*', "the value of a label, without spaces, quotes or backslashes")
_PRINTABLE = matching(r"[!-~]*", "printable ASCII without spaces")
_LEVEL = one_of("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


class AgentAddress(Table, frozen=True):
    """One agent: a process that simulates users and is told how many."""

    id: Annotated[str, Says("Its name; with /loadagent also the prefix of its accounts."), NOT_EMPTY] = "lt0"
    api_url: Annotated[str, Says("URL of its API."), url("http", "https")] = "http://localhost:4000"
    api: Annotated[str, Ours("The API that controls it; auto: /swarm where Locust answers."), one_of(*APIS)] = "auto"
    max_users: Annotated[
        int,
        Ours("Maximum number of users. 0: UsersConfiguration.MaxActiveUsers, for each of its workers."),
        _COUNT,
    ] = 0


class Cluster(Table, frozen=True):
    """ClusterConfig: the agents, and how many users they may simulate together."""

    unsupported = ("BrowserAgents", "MaxActiveBrowserUsers")

    agents: Annotated[tuple[AgentAddress, ...], Says("The agents: a list of {Id, ApiURL}.")] = (AgentAddress(),)
    max_active_users: Annotated[int, Says("Maximum number of users of the whole search."), at_least(1)] = 1000


class Query(Table, frozen=True):
    """One question to Prometheus, and the limit of its answer."""

    unsupported = ("Legend",)

    description: Annotated[str, Says("What it measures."), NOT_EMPTY] = ""
    query: Annotated[str, Says("The PromQL expression. If it has several elements, the highest counts."), NOT_EMPTY] = (
        ""
    )
    threshold: Annotated[float, Says("The limit: above it, the server is overloaded."), at_least(0)] = 0.0
    min_interval_seconds: Annotated[
        float, Says("Not queried before this time after the start: rates need some history."), _COUNT
    ] = 0.0
    alert: Annotated[bool, Says("Whether the limit applies; otherwise the value is only recorded.")] = False
    empty_is_zero: Annotated[
        bool, Ours("Whether an empty result means 0 (no such error yet), rather than no data.")
    ] = False


class Monitor(Table, frozen=True):
    """MonitorConfig: the queries to Prometheus."""

    prometheus_url: Annotated[str, Says("URL of Prometheus."), url("http", "https")] = "http://localhost:9090"
    prometheus_user: Annotated[str, Ours("User name for Prometheus (HTTP basic authentication).")] = ""
    prometheus_password: Annotated[str, Ours("Its password.", secret=True, environment_only=True)] = ""
    prometheus_token: Annotated[
        str,
        Ours("Bearer token for Prometheus, instead of a user.", secret=True, environment_only=True),
        _PRINTABLE,
    ] = ""
    prometheus_tenant: Annotated[
        str, Ours("Tenant of Mimir, Cortex or Thanos (header `X-Scope-OrgID`)."), _PRINTABLE
    ] = ""
    prometheus_ca_file: Annotated[
        str, Ours("File of certificate authorities (PEM) that count besides the system's.")
    ] = ""
    use_proxy: Annotated[
        bool, Ours("Reach Prometheus through the proxy of the environment (see below), if it names one.")
    ] = False
    update_interval_ms: Annotated[int, Says("Interval between decisions."), at_least(100)] = 1000
    queries: Annotated[
        tuple[Query, ...], Says("A list of {Description, Query, Threshold, MinIntervalSec, Alert, EmptyIsZero}.")
    ] = ()
    query_timeout_seconds: Annotated[float, Ours("Timeout of a query."), more_than(0)] = 5.0
    stale_after_seconds: Annotated[float, Ours("Older samples are ignored."), more_than(0)] = 30.0


class ActionLimit(Table, frozen=True):
    """The limit of one action by itself."""

    action: Annotated[str, Ours("The action's name (docs/behaviours.md)."), NOT_EMPTY] = ""
    p99_seconds: Annotated[float, Ours("Its limit."), more_than(0)] = 2.0


class Measures(Table, frozen=True):
    """MeasuresConfiguration: limits of what the agents measure. 0 is no limit."""

    request_p99_seconds: Annotated[float, Ours("p99 of all requests except logins, in seconds."), _COUNT] = 2.0
    action_p99_seconds: Annotated[float, Ours("p99 of all actions, in seconds."), _COUNT] = 0.0
    delivery_p99_seconds: Annotated[
        float, Ours("p99 of the delivery time of posts to other users, in seconds."), _COUNT
    ] = 0.0
    failure_percent: Annotated[float, Ours("Failed requests, in percent of all."), between(0, 100)] = 1.0
    action_limits: Annotated[
        tuple[ActionLimit, ...], Ours("Limits of single actions: a list of {Action, P99Sec}.")
    ] = ()
    window_seconds: Annotated[float, Ours("Time window of these measures."), between(5, 300)] = 30.0


class SearchSettings(Table, frozen=True):
    """SearchConfiguration: the capacity search."""

    mode: Annotated[
        str, Ours("`search` finds the capacity with its interval; `classic` is the peer's rule."), one_of(*MODES)
    ] = "search"
    lowest_users: Annotated[int, Ours("Users at the start."), at_least(1)] = DEFAULT_LOWEST_USERS
    spawn_rate: Annotated[float, Ours("Users started per second, all agents together."), more_than(0)] = 10.0
    arrival_actions: Annotated[
        float,
        Ours(
            "Cost of a user's page load on arrival, in user actions; the search limits arrivals to a share of the "
            "load. 0: none."
        ),
        _COUNT,
    ] = 7.0
    login_actions: Annotated[
        float,
        Ours("Further cost of a login by password, in user actions, for the share of users who have no kept session."),
        _COUNT,
    ] = 11.0
    budget_minutes: Annotated[float, Ours("Time limit: then the best result so far is reported."), more_than(0)] = 30.0
    precision_percent: Annotated[
        float, Ours("Target half-width of the confidence interval; 0: as the default rule reaches."), between(0, 50)
    ] = 0.0
    at_end: Annotated[
        str,
        Ours("`stop` all users at the end, or `hold` as many as the interval's lower end."),
        one_of(*AT_END),
    ] = "stop"


class Observe(Table, frozen=True):
    """ObserveConfiguration: what is looked at to tell why a limit was crossed. All of it optional."""

    processes: Annotated[
        bool,
        Ours("The processes of a server, and of a PostgreSQL, on this machine: CPU of the cores they may use."),
    ] = True
    server_url: Annotated[
        str, Ours("That server's URL; `mmload capacity` fills it in."), optional(url("http", "https"))
    ] = ""
    server_node: Annotated[
        str,
        Ours(
            "node_exporter of the server's machine in Prometheus (MonitorConfig): its label `instance`, such as "
            "app0:9100; a regular expression for several."
        ),
        _INSTANCE,
    ] = ""
    database_node: Annotated[
        str, Ours("node_exporter of the database's machine, where it is another one."), _INSTANCE
    ] = ""
    mattermost: Annotated[
        str, Ours("Mattermost's own metrics in Prometheus: their label `instance`, such as app0:8067."), _INSTANCE
    ] = ""
    metrics_url: Annotated[
        str,
        Ours("The page of Mattermost's own metrics, without a Prometheus: http://app0:8067/metrics."),
        optional(url("http", "https")),
    ] = ""
    postgres_exporter: Annotated[
        str, Ours("postgres_exporter in Prometheus: its label `instance`, such as db0:9187."), _INSTANCE
    ] = ""
    postgres_url: Annotated[
        str,
        Ours(
            "Address of PostgreSQL, such as postgresql://db0:5432/mattermost. Needs `pip install 'mmload[postgres]'`."
        ),
        optional(url("postgresql", "postgres")),
    ] = ""
    postgres_user: Annotated[str, Ours("User of PostgreSQL: Mattermost's own, or one with the role pg_monitor.")] = ""
    postgres_password: Annotated[str, Ours("Its password.", secret=True, environment_only=True)] = ""
    postgres_tls: Annotated[
        str, Ours("TLS of that connection, as libpq's sslmode."), one_of("disable", "prefer", "require", "verify-full")
    ] = "prefer"
    postgres_ca_file: Annotated[str, Ours("File of certificate authorities (PEM) for it.")] = ""
    max_open_conns: Annotated[
        int,
        Ours(
            "Connections that Mattermost may have to its database (SqlSettings.MaxOpenConns), all nodes together. "
            "0: not known; `mmload capacity` asks a single node."
        ),
        _COUNT,
    ] = 0


class LogSettings(Table, frozen=True):
    """LogSettings: the coordinator's log."""

    unsupported = ("EnableColor",)

    enable_console: Annotated[bool, Says("Log to the terminal.")] = True
    console_json: Annotated[bool, Says("As JSON.")] = False
    console_level: Annotated[str, Says("Lowest level that is logged."), _LEVEL] = "INFO"
    enable_file: Annotated[bool, Says("Log to a file.")] = False
    file_json: Annotated[bool, Says("As JSON.")] = False
    file_level: Annotated[str, Says("Lowest level that is logged."), _LEVEL] = "ERROR"
    file_location: Annotated[str, Says("That file."), NOT_EMPTY] = "ltcoordinator.log"


class Coordinator(Table, frozen=True):
    """coordinator.json."""

    cluster: Cluster = msgspec.field(default=Cluster(), name="ClusterConfig")
    monitor: Monitor = msgspec.field(default=Monitor(), name="MonitorConfig")
    num_users_inc: Annotated[int, Says("Users added at a step of the classic mode."), at_least(1)] = 8
    num_users_dec: Annotated[int, Says("Users removed at a step of the classic mode."), at_least(1)] = 8
    rest_time_seconds: Annotated[float, Says("The rest between two steps of the classic mode."), more_than(0)] = 2.0
    measures: Measures = msgspec.field(default=Measures(), name="MeasuresConfiguration")
    search: SearchSettings = msgspec.field(default=SearchSettings(), name="SearchConfiguration")
    observe: Observe = msgspec.field(default=Observe(), name="ObserveConfiguration")
    log: LogSettings = msgspec.field(default=LogSettings(), name="LogSettings")


# All documents by name. Every process of a run reads all but the last, which is the coordinator's alone.
DOCUMENTS: Mapping[str, type[Table]] = {
    "config": Config,
    "simulcontroller": SimulController,
    "simplecontroller": SimpleController,
    "gencontroller": GenController,
    "coordinator": Coordinator,
}
