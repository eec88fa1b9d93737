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

    id: Annotated[str, Says("Name of the agent; with /loadagent also the prefix of its accounts."), NOT_EMPTY] = "lt0"
    api_url: Annotated[str, Says("URL of the agent's API."), url("http", "https")] = "http://localhost:4000"
    api: Annotated[str, Ours("The API that controls the agent; auto: /swarm if Locust responds."), one_of(*APIS)] = (
        "auto"
    )
    max_users: Annotated[
        int,
        Ours("Maximum number of users. 0: UsersConfiguration.MaxActiveUsers for each of the agent's workers."),
        _COUNT,
    ] = 0


class Cluster(Table, frozen=True):
    """ClusterConfig: the agents, and the maximum number of users in total."""

    unsupported = ("BrowserAgents", "MaxActiveBrowserUsers")

    agents: Annotated[tuple[AgentAddress, ...], Says("The agents: a list of {Id, ApiURL}.")] = (AgentAddress(),)
    max_active_users: Annotated[int, Says("Maximum number of users on all agents together."), at_least(1)] = 1000


class Query(Table, frozen=True):
    """One question to Prometheus, and the limit of its answer."""

    unsupported = ("Legend",)

    description: Annotated[str, Says("What it measures."), NOT_EMPTY] = ""
    query: Annotated[
        str, Says("The PromQL expression. If the result has several elements, the highest counts."), NOT_EMPTY
    ] = ""
    threshold: Annotated[float, Says("The limit, above which the server is overloaded."), at_least(0)] = 0.0
    min_interval_seconds: Annotated[
        float, Says("Time after the start before which the query is not made, because rates need some history."), _COUNT
    ] = 0.0
    alert: Annotated[bool, Says("Apply the limit; otherwise the value is only recorded.")] = False
    empty_is_zero: Annotated[
        bool, Ours("Take an empty result as 0 (no such error yet), rather than as missing data.")
    ] = False


class Monitor(Table, frozen=True):
    """MonitorConfig: the queries to Prometheus."""

    prometheus_url: Annotated[str, Says("URL of Prometheus."), url("http", "https")] = "http://localhost:9090"
    prometheus_user: Annotated[str, Ours("User name for Prometheus (HTTP basic authentication).")] = ""
    prometheus_password: Annotated[str, Ours("Password of that user.", secret=True, environment_only=True)] = ""
    prometheus_token: Annotated[
        str,
        Ours("Bearer token for Prometheus, instead of a user name and password.", secret=True, environment_only=True),
        _PRINTABLE,
    ] = ""
    prometheus_tenant: Annotated[
        str, Ours("Tenant in Mimir, Cortex or Thanos (header `X-Scope-OrgID`)."), _PRINTABLE
    ] = ""
    prometheus_ca_file: Annotated[
        str, Ours("File of certificate authorities (PEM) to trust in addition to the system's.")
    ] = ""
    use_proxy: Annotated[
        bool, Ours("Connect to Prometheus through the proxy that the environment names, if any (see below).")
    ] = False
    update_interval_ms: Annotated[int, Says("Interval between decisions."), at_least(100)] = 1000
    queries: Annotated[
        tuple[Query, ...], Says("A list of {Description, Query, Threshold, MinIntervalSec, Alert, EmptyIsZero}.")
    ] = ()
    query_timeout_seconds: Annotated[float, Ours("Timeout of a query."), more_than(0)] = 5.0
    stale_after_seconds: Annotated[float, Ours("Age above which samples are ignored."), more_than(0)] = 30.0


class ActionLimit(Table, frozen=True):
    """The limit of one action."""

    action: Annotated[str, Ours("The action's name (docs/behaviours.md)."), NOT_EMPTY] = ""
    p99_seconds: Annotated[float, Ours("Limit of its p99."), more_than(0)] = 2.0


class Measures(Table, frozen=True):
    """MeasuresConfiguration: limits for what the agents measure. 0: no limit."""

    request_p99_seconds: Annotated[
        float,
        Ours(
            "Limit of the p99 of all requests except logins and the page loads of users who are starting, in seconds."
        ),
        _COUNT,
    ] = 2.0
    action_p99_seconds: Annotated[float, Ours("Limit of the p99 of all actions, in seconds."), _COUNT] = 0.0
    delivery_p99_seconds: Annotated[
        float, Ours("Limit of the p99 of the delivery time of posts to other users, in seconds."), _COUNT
    ] = 0.0
    failure_percent: Annotated[
        float, Ours("Limit of failed requests, in percent of all requests."), between(0, 100)
    ] = 1.0
    action_limits: Annotated[
        tuple[ActionLimit, ...], Ours("Limits for single actions: a list of {Action, P99Sec}.")
    ] = ()
    window_seconds: Annotated[float, Ours("Time window over which these are measured."), between(5, 300)] = 30.0


class SearchSettings(Table, frozen=True):
    """SearchConfiguration: the capacity search."""

    mode: Annotated[
        str,
        Ours("`search` finds the capacity with its confidence interval; `classic` is the peer's rule."),
        one_of(*MODES),
    ] = "search"
    lowest_users: Annotated[int, Ours("Users at the start, and the minimum."), at_least(1)] = DEFAULT_LOWEST_USERS
    spawn_rate: Annotated[float, Ours("Users started per second, on all agents together."), more_than(0)] = 10.0
    arrival_actions: Annotated[
        float,
        Ours(
            "Cost of a user's page load at the start, in user actions; the search keeps these loads to a share of the "
            "total. 0: no cost."
        ),
        _COUNT,
    ] = 7.0
    login_actions: Annotated[
        float,
        Ours("Additional cost of a login by password, in user actions, for the share of users without a kept session."),
        _COUNT,
    ] = 11.0
    budget_minutes: Annotated[
        float, Ours("Time limit, after which the best result so far is reported."), more_than(0)
    ] = 30.0
    precision_percent: Annotated[
        float, Ours("Target half-width of the confidence interval; 0: what the default rule reaches."), between(0, 50)
    ] = 0.0
    at_end: Annotated[
        str,
        Ours("At the end, `stop` all users, or `hold` as many as the interval's lower end."),
        one_of(*AT_END),
    ] = "stop"


class Observe(Table, frozen=True):
    """ObserveConfiguration: what is observed to find out why a limit was crossed. All of it is optional."""

    processes: Annotated[
        bool,
        Ours("Observe server and PostgreSQL processes on this machine: CPU relative to the cores that they can use."),
    ] = True
    server_url: Annotated[
        str, Ours("URL of that server; `mmload capacity` fills it in."), optional(url("http", "https"))
    ] = ""
    server_node: Annotated[
        str,
        Ours(
            "Label `instance` of the node_exporter on the server's machine in Prometheus (MonitorConfig), such as "
            "app0:9100, or a regular expression for several."
        ),
        _INSTANCE,
    ] = ""
    database_node: Annotated[str, Ours("The same for the database's machine, if it is a different one."), _INSTANCE] = (
        ""
    )
    mattermost: Annotated[
        str, Ours("Label `instance` of Mattermost's own metrics in Prometheus, such as app0:8067."), _INSTANCE
    ] = ""
    metrics_url: Annotated[
        str,
        Ours("URL of Mattermost's own metrics, if there is no Prometheus: http://app0:8067/metrics."),
        optional(url("http", "https")),
    ] = ""
    postgres_exporter: Annotated[
        str, Ours("Label `instance` of the postgres_exporter in Prometheus, such as db0:9187."), _INSTANCE
    ] = ""
    postgres_url: Annotated[
        str,
        Ours(
            "Address of PostgreSQL, such as postgresql://db0:5432/mattermost. Needs `pip install 'mmload[postgres]'`."
        ),
        optional(url("postgresql", "postgres")),
    ] = ""
    postgres_user: Annotated[str, Ours("PostgreSQL user: Mattermost's own, or one with the role pg_monitor.")] = ""
    postgres_password: Annotated[str, Ours("Password of that user.", secret=True, environment_only=True)] = ""
    postgres_tls: Annotated[
        str,
        Ours("TLS mode of the connection to PostgreSQL, as libpq's sslmode."),
        one_of("disable", "prefer", "require", "verify-full"),
    ] = "prefer"
    postgres_ca_file: Annotated[str, Ours("File of certificate authorities (PEM) for that connection.")] = ""
    max_open_conns: Annotated[
        int,
        Ours(
            "Maximum number of connections from all Mattermost nodes to the database (SqlSettings.MaxOpenConns). "
            "0: not known; `mmload capacity` asks a single node."
        ),
        _COUNT,
    ] = 0


class LogSettings(Table, frozen=True):
    """LogSettings: the coordinator's log."""

    unsupported = ("EnableColor",)

    enable_console: Annotated[bool, Says("Log to the terminal.")] = True
    console_json: Annotated[bool, Says("Write JSON.")] = False
    console_level: Annotated[str, Says("Lowest level to log."), _LEVEL] = "INFO"
    enable_file: Annotated[bool, Says("Log to a file.")] = False
    file_json: Annotated[bool, Says("Write JSON.")] = False
    file_level: Annotated[str, Says("Lowest level to log."), _LEVEL] = "ERROR"
    file_location: Annotated[str, Says("Path of the log file."), NOT_EMPTY] = "ltcoordinator.log"


class Coordinator(Table, frozen=True):
    """coordinator.json."""

    cluster: Cluster = msgspec.field(default=Cluster(), name="ClusterConfig")
    monitor: Monitor = msgspec.field(default=Monitor(), name="MonitorConfig")
    num_users_inc: Annotated[int, Says("Users added per step in classic mode."), at_least(1)] = 8
    num_users_dec: Annotated[int, Says("Users removed per step in classic mode."), at_least(1)] = 8
    rest_time_seconds: Annotated[float, Says("Wait between two steps in classic mode."), more_than(0)] = 2.0
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
