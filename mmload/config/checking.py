"""Decoded documents against the field tables: every problem is found in one pass, each with the path of its key.

Pure. A value that is refused is replaced by its default, so that the rest can still be checked; the caller raises.
Then come the checks across keys, and the defaults that follow from other values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from mmload.config.coordinator_tables import DEFAULT_LOWEST_USERS, Coordinator
from mmload.config.fields import FINITE, Check, Key, did_you_mean, keys
from mmload.config.files import Object
from mmload.config.stages import PROFILE_STAGES, STORM_STAGES, Stage, StagesRefused, parse_stages, stage_names
from mmload.config.tables import Config, ConnectionSettings, GenController, SimulController, Users
from mmload.config.threshold_syntax import ThresholdRefused, parse

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    type(None): "null",
    list: "a list",
    dict: "a table",
    Object: "a table",
}
_LONGEST_SHOWN = 60
# Other programs' integers have 64 bits.
_LARGEST_INT = 2**63


@dataclass(slots=True)
class DocumentCheck:
    """What a check of a document has found so far."""

    source: str
    problems: list[str] = field(default_factory=list)
    wrong_keys: set[str] = field(default_factory=set)
    respelled: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    # Path of each key that has a good value, and where that came from.
    sources: dict[str, str] = field(default_factory=dict)

    def refuse(self, path: str, what: str, source: str = "") -> None:
        self.wrong_keys.add(path)
        self.problems.append(f"{source or self.source}: {path}: {what}")

    def notices(self) -> tuple[str, ...]:
        """What a person should know although nothing is wrong."""
        told = {"not supported by mmload, ignored": self.unsupported, "accepted in another spelling": self.respelled}
        return tuple(f"{self.source}: {what}: {', '.join(dict.fromkeys(keys))}" for what, keys in told.items() if keys)


class _RefusedValue(Exception):
    """Carries the sentence that `_single` files under the value's path."""


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def table_values(table: type[msgspec.Struct], given: Mapping[str, Any], path: str, check: DocumentCheck) -> Any:
    """The struct that a decoded table describes; what is wrong in it goes to `check`."""
    values = {}
    for name in getattr(given, "repeated", ()):
        check.refuse(join(path, _printable(name)), "the key occurs more than once")
    for name, value in given.items():
        key = _known_key(name, table, given, path, check)
        # null is what the peer writes for a list that is not set: the same as leaving the key out.
        if key is not None and value is not None:
            if key.says.environment_only and value:
                check.refuse(join(path, key.name), "this secret is only accepted from the environment")
                continue
            values[key.attribute] = checked_value(key, value, join(path, key.name), check)
    return table(**values)


def _known_key(
    name: str, table: type[msgspec.Struct], given: Mapping[str, Any], path: str, check: DocumentCheck
) -> Key | None:
    """The field that a document's key means, or None: unknown (refused) or not supported."""
    by_name = {key.name: key for key in keys(table)}
    if name in by_name:
        return by_name[name]
    respelled = next((known for known in by_name if known.lower() == name.lower()), "")
    if respelled in given:
        check.refuse(join(path, _printable(name)), f"the key occurs twice, also as {respelled}")
        return None
    if respelled:
        check.respelled.append(f"{join(path, name)} (for {respelled})")
        return by_name[respelled]
    if name.lower() in {unsupported.lower() for unsupported in getattr(table, "unsupported", ())}:
        check.unsupported.append(re.sub(r"\[\d+\]", "[]", join(path, name)))
        return None
    hint = did_you_mean(name, by_name) or f"known keys: {', '.join(by_name)}"
    check.refuse(join(path, _printable(name)), f"unknown key; {hint}")
    return None


def checked_value(key: Key, given: Any, path: str, check: DocumentCheck, source: str = "") -> Any:
    """The value of a field; its default where it is refused. `source` is where it is from, if not the document."""
    if key.table is not None:
        return _nested(key.table, given, path, check, key.default)
    if key.element is None:
        return _single(key, key.kind, given, path, check, source)
    if not isinstance(given, list):
        check.refuse(path, f"expected a list, found {_kind(given)}")
        return ()
    check.sources[path] = source or check.source
    if issubclass(key.element, msgspec.Struct):
        whole = [_nested(key.element, each, f"{path}[{i}]", check, None) for i, each in enumerate(given)]
        return tuple(each for each in whole if each is not None)
    return tuple(_single(key, key.element, each, f"{path}[{i}]", check, source) for i, each in enumerate(given))


def _nested(table: type[msgspec.Struct], given: Any, path: str, check: DocumentCheck, default: Any) -> Any:
    if isinstance(given, dict):
        return table_values(table, given, path, check)
    check.refuse(path, f"expected a table, found {_kind(given)}")
    return default


def _single(key: Key, kind: type, given: Any, path: str, check: DocumentCheck, source: str) -> Any:
    """A single value of this type, or one of a list."""
    try:
        value = _typed(key, kind, given)
        for rule in (FINITE, *key.checks) if kind is float else key.checks:
            if not rule.accepts(value):
                raise _RefusedValue(_expectation(rule, key, value))
    except _RefusedValue as refusal:
        check.refuse(path, str(refusal), source)
        return key.default
    check.sources[path] = source or check.source
    return value


def _typed(key: Key, kind: type, given: Any) -> Any:
    """The value as the field's type; a whole number serves as a number, nothing else is converted."""
    whole = isinstance(given, int) and not isinstance(given, bool)
    if whole and kind in (int, float) and abs(given) >= _LARGEST_INT:
        raise _RefusedValue("expected a number below 2^63")
    if kind is float and whole:
        return float(given)
    if type(given) is not kind:
        raise _RefusedValue(f"expected {_KINDS[kind]}, found {_shown(key, given)}")
    # JSON lets a lone half of a surrogate pair pass, which cannot be sent.
    if isinstance(given, str) and ("\0" in given or any("\ud800" <= character <= "\udfff" for character in given)):
        raise _RefusedValue("expected a string of UTF-8 characters, without a null character")
    return given


def _expectation(rule: Check, key: Key, value: Any) -> str:
    hint = did_you_mean(value, rule.choices) if rule.choices else ""
    return f"expected {rule.expected}, found {_shown(key, value)}" + (f"; {hint}" if hint else "")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a date or time")


def _shown(key: Key, value: Any) -> str:
    """A found value for a message: of secrets and of whole tables only what kind it is."""
    if key.says.secret or not isinstance(value, bool | int | float | str):
        return f"an empty {_kind(value)[2:]}" if value == "" else _kind(value)
    if isinstance(value, bool):
        return str(value).lower()
    return _cut(_quoted(value) if isinstance(value, str) else repr(value))


def _quoted(value: str) -> str:
    # A password or a token in a URL must not reach the terminal or a log, even when the URL is refused.
    harmless = re.sub(r"(?s).*[/:].*@", "…@", value)
    return json.dumps(re.sub(r"(?s)\?.*", "?…", harmless), ensure_ascii=False)


def _printable(name: str) -> str:
    """A key of a document as it may be shown on a terminal."""
    return _cut(name if name.isprintable() else ascii(name)[1:-1])


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


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
    elif isinstance(document, SimulController):
        yield from _of_simulcontroller(document)
    elif isinstance(document, GenController):
        yield from _of_channel_members(document)
    elif isinstance(document, Coordinator):
        yield from _of_coordinator(document)


def _of_config(config: Config) -> Iterator[Contradiction]:
    users, instance = config.users, config.instance
    distributions = {
        "UserControllerConfiguration.RatesDistribution": [
            rate.percentage for rate in config.controller.rates_distribution
        ],
        f"{_USERS}.DevicesPerUser": [part.percentage for part in users.devices_per_user],
    }
    for path, parts in distributions.items():
        total = sum(parts)
        # Shares such as 0.1 have no exact binary form: their sum may be off in the last of 16 digits.
        if parts and round(total, 9) != 1:
            yield Contradiction(path, f"expected percentages that add up to 1, found {total:g}")
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
    yield from _of_run(config)


_OTHER_STAGES = " (of a storm); other stages need RunConfiguration.Stages or a load profile"


def _of_run(config: Config) -> Iterator[Contradiction]:
    """Stages, and thresholds that may name one."""
    try:
        stages = parse_stages(config.run.stages)
    except StagesRefused as error:
        yield Contradiction("RunConfiguration.Stages", str(error))
        return
    # Without stages, a load profile may be picked when the test is started: `stage_problems` tells then.
    picked_later = () if stages else PROFILE_STAGES
    try:
        for problem in stage_problems(config.run.thresholds, stages, picked_later):
            yield Contradiction("RunConfiguration.Thresholds", problem)
    except ThresholdRefused as error:
        yield Contradiction("RunConfiguration.Thresholds", str(error))


def stage_problems(thresholds: Sequence[str], stages: Sequence[Stage], more: Sequence[str] = ()) -> Iterator[str]:
    """Which thresholds name a stage that a load in these stages does not have; of `more` nothing is said."""
    names = stage_names(stages) or STORM_STAGES
    known = ", ".join(names) + ("" if stages else _OTHER_STAGES)
    for text in thresholds:
        stage = parse(text).stage
        if stage and stage not in (*names, *more):
            yield f"{text!r}: there is no stage {stage}; known: {known}"


def _of_simulcontroller(simul: SimulController) -> Iterator[Contradiction]:
    if simul.min_idle_time_ms >= simul.avg_idle_time_ms:
        expected = f"expected more than MinIdleTimeMs ({simul.min_idle_time_ms}), found {simul.avg_idle_time_ms}"
        yield Contradiction("AvgIdleTimeMs", expected, ("MinIdleTimeMs",))
    named = [each.action_id for each in simul.action_frequencies]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        yield Contradiction("ActionFrequencies", f"expected each action once, found {', '.join(twice)} more than once")


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
            problem = f"expected a Description and a Query for each query; one is missing in number {number}"
            yield Contradiction("MonitorConfig.Queries", problem)
            break
    if coordinator.monitor.prometheus_user and coordinator.monitor.prometheus_token:
        yield Contradiction(
            "MonitorConfig.PrometheusToken", "expected either a user or a token for Prometheus, found both"
        )
    names = [agent.id for agent in coordinator.cluster.agents]
    twice = next((name for name in names if names.count(name) > 1), "")
    if not names:
        yield Contradiction("ClusterConfig.Agents", "expected at least one agent")
    if twice:
        yield Contradiction("ClusterConfig.Agents", f"expected a different Id for each agent, found {twice} twice")
    lowest, most = coordinator.search.lowest_users, coordinator.cluster.max_active_users
    if lowest > most and lowest != DEFAULT_LOWEST_USERS:
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
