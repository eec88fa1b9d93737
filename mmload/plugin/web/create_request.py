"""The body of `create` as settings: the peer's form, the seed tool's form, and what neither of them says from here.

Pure. What is posted goes before the documents and the environment of this process; only a password that the
environment gives stays, so that none has to be sent. Credentials of this process go to its own server only: for
another one they are in the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from mmload.config import Settings
from mmload.config.checking import join
from mmload.config.credentials import credentials, is_same_server
from mmload.config.documents import READ, check_values
from mmload.config.environment import variables
from mmload.config.fields import keys, seconds_of
from mmload.config.files import Object
from mmload.config.stages import StagesRefused, factor, of_profile, profile_points, written
from mmload.config.tables import Config
from mmload.errors import ConfigurationError, UsageError

LOAD_TEST = "LoadTestConfig"
LOAD_PROFILE = "LoadProfile"
_CONTROLLERS = {
    "SimulControllerConfig": ("simulcontroller", "simul"),
    "SimpleControllerConfig": ("simplecontroller", "simple"),
}
_LONGEST_PREFIX = 54  # see UsersConfiguration.UsernamePrefix


class UnreadableBody(UsageError):
    """The body is not what `create` takes."""


class UnreadableController(UnreadableBody):
    """The controller's part of the body is no document."""


class RefusedController(ConfigurationError):
    """The controller's part of the body is refused."""


def settings_from(
    body: bytes, agent: str, own: Settings, environ: Mapping[str, str]
) -> tuple[Settings, tuple[str, ...]]:
    """The settings of the agent of this name, and the paths of keys that nobody here knows."""
    parts = _parts(_object(body))
    _use_profile(parts)
    known, strangers = _known_only(Config, parts[LOAD_TEST], LOAD_TEST)
    _follow_server(known)
    _keep_own_accounts(known, agent)
    _refuse_variables(known)
    values = _merged(msgspec.json.decode(msgspec.json.encode(own.config)), known)
    config = _checked("config", values, LOAD_TEST, _secrets(environ))
    if not is_same_server(config.connection, own.config.connection):
        _need_credentials(known, own.config)
        config = _checked("config", values, LOAD_TEST, {})
    if config.run.seed == 0:
        config = replace(config, run=replace(config.run, seed=own.config.run.seed))
    controllers = {}
    for part, (document, attribute) in _CONTROLLERS.items():
        if part in parts:
            controllers[attribute], unknown = _controller(part, document, parts[part])
            strangers += unknown
    return replace(own, config=config, **controllers), tuple(strangers)


def _object(body: bytes) -> dict[str, Any]:
    """The body's JSON object. A text after it is not looked at, as the peer does."""
    if not body.strip():
        raise UnreadableBody("the body is empty; expected a JSON object")
    try:
        value, _end = json.JSONDecoder().raw_decode(body.decode("utf-8-sig").lstrip())
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8, or nested too deeply"
        raise UnreadableBody(f"not JSON: {reason}") from None
    if not isinstance(value, dict):
        raise UnreadableBody("expected a JSON object {…}")
    return value


def _parts(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The documents in the body. The seed tool posts its configuration as it is, without a name around it."""
    named = {name.lower(): given for name, given in value.items()}
    parts = {
        name: named[name.lower()]
        for name in (LOAD_TEST, LOAD_PROFILE, *_CONTROLLERS)
        if named.get(name.lower()) is not None
    }
    if LOAD_TEST not in parts and not parts and any(key.name.lower() in named for key in keys(Config)):
        parts = {LOAD_TEST: value}
    if LOAD_TEST not in parts:
        raise ConfigurationError(f"{LOAD_TEST} is missing")
    for name, part in parts.items():
        if not isinstance(part, dict):
            error = UnreadableController if name in _CONTROLLERS else UnreadableBody
            raise error(f"{name}: expected an object {{…}}")
    return parts


def _use_profile(parts: dict[str, dict[str, Any]]) -> None:
    """A posted load profile becomes the stages of the posted configuration: `{"Points", "Scale", "Day"}`."""
    profile = parts.pop(LOAD_PROFILE, None)
    if profile is None:
        return
    named = {name.lower(): value for name, value in profile.items()}
    run = parts[LOAD_TEST].setdefault("RunConfiguration", {})
    if not isinstance(run, dict) or any(name.lower() == "stages" for name in run):
        raise ConfigurationError(f"{LOAD_PROFILE}: cannot be combined with {LOAD_TEST}.RunConfiguration.Stages")
    try:
        points = profile_points(msgspec.json.encode({"Points": named.get("points")}).decode())
        day = seconds_of("Day", str(named.get("day", "24h")))
        run["Stages"] = written(of_profile(points, factor(str(named.get("scale", 1))), day))
    except (StagesRefused, UsageError) as error:
        raise ConfigurationError(f"{LOAD_PROFILE}: {error}") from None


def _known_only(table: type[msgspec.Struct], given: Any, path: str) -> tuple[Any, list[str]]:
    """The keys that we know, by our spelling, and the paths of the others: a newer peer's are no fault."""
    if not isinstance(given, dict):
        return given, []
    by_name = {key.name.lower(): key for key in keys(table)}
    unsupported = {name.lower() for name in getattr(table, "unsupported", ())}
    known, strangers = Object(), []
    for name, value in given.items():
        key = by_name.get(name.lower())
        if key is None:
            strangers += [] if name.lower() in unsupported else [join(path, name)]
        elif value is not None:
            known[key.name], inner = _known_value(key, value, join(path, key.name))
            strangers += inner
    return known, strangers


def _known_value(key: Any, value: Any, path: str) -> tuple[Any, list[str]]:
    if key.table is not None:
        return _known_only(key.table, value, path)
    element = key.element
    if isinstance(value, list) and isinstance(element, type) and issubclass(element, msgspec.Struct):
        pairs = [_known_only(element, each, path) for each in value]
        return [known for known, _ in pairs], sorted({name for _, names in pairs for name in names})
    return value, []


def _follow_server(known: dict[str, Any]) -> None:
    """A posted server without its WebSocket: that is then the server's own, not the one of this process."""
    connection = known.get("ConnectionConfiguration")
    if isinstance(connection, dict) and "ServerURL" in connection:
        connection.setdefault("WebSocketURL", "ws://localhost:8065")


def _keep_own_accounts(known: dict[str, Any], agent: str) -> None:
    """As with the peer, each agent has accounts named after it: two agents on one server must not share any."""
    users = known.setdefault("UsersConfiguration", Object())
    if isinstance(users, dict) and not users.get("UsersFilePath"):
        users.setdefault("UsernamePrefix", prefix(agent))


def prefix(agent: str) -> str:
    """The agent's name as the beginning of user names. Pure."""
    name = re.sub(r"[^a-z0-9._-]", "-", agent.lower())
    return (name if re.match("[a-z]", name) else f"lt-{name}")[:_LONGEST_PREFIX]


def _refuse_variables(known: dict[str, Any]) -> None:
    """A header of the body must not be filled in with what only this process's environment has."""
    if "${" in str(known.get("ConnectionConfiguration", {}).get("Headers", "")):
        why = "a variable is taken from this agent's environment: use it in the agent's own config.json instead"
        raise ConfigurationError(f"{LOAD_TEST}: ConnectionConfiguration.Headers: {why}")


def _need_credentials(known: dict[str, Any], own: Config) -> None:
    """Refuse another server than this process's without credentials of its own in the body."""
    paths = (path.partition(".") for path in credentials(own))
    missing = [f"{table}.{key}" for table, _, key in paths if key not in known.get(table, ())]
    if missing:
        why = "missing: the credentials of this agent are for its own server, so another server needs its own"
        raise ConfigurationError(*(f"{LOAD_TEST}: {path}: {why}" for path in missing))


def _merged(base: dict[str, Any], given: dict[str, Any]) -> Object:
    both = Object(base)
    for name, value in given.items():
        inner = both.get(name)
        both[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def _secrets(environ: Mapping[str, str]) -> dict[str, str]:
    secret = {variable.name for variable in variables(Config) if variable.key.says.secret}
    return {name: value for name, value in environ.items() if name in secret}


def _controller(part: str, document: str, given: dict[str, Any]) -> tuple[Any, list[str]]:
    table = next(kind.table for kind in READ if kind.name == document)
    assert table is not None
    known, strangers = _known_only(table, given, part)
    try:
        return _checked(document, known, part, {}), strangers
    except ConfigurationError as error:
        raise RefusedController(*error.problems) from None


def _checked(document: str, values: Object, source: str, environ: Mapping[str, str]) -> Any:
    kind = next(kind for kind in READ if kind.name == document)
    checked = check_values(kind, values, source, environ)
    if checked.problems:
        raise ConfigurationError(*checked.problems)
    return checked.value
