"""Settings as JSON: for people and for a run's folder, always without secrets; and back."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec.structs import replace

from mmload.config.fields import keys
from mmload.config.tables import Settings
from mmload.errors import ConfigurationError

HIDDEN = "********"


def shown(settings: msgspec.Struct) -> dict[str, Any]:
    """The values by the names of the documents, secrets hidden. Takes a part of the settings, too."""
    return {key.name: _shown(key.says.secret, getattr(settings, key.attribute)) for key in keys(type(settings))}


def _shown(secret: bool, value: Any) -> Any:
    if secret:
        return HIDDEN
    if isinstance(value, msgspec.Struct):
        return shown(value)
    return [_shown(False, each) for each in value] if isinstance(value, tuple) else value


def to_json(settings: Settings) -> bytes:
    """The settings for a run's folder, secrets hidden."""
    return msgspec.json.encode(shown(settings))


def from_json(data: bytes, secrets: Settings | None = None) -> Settings:
    """The settings that `to_json` wrote. Their secrets are those of `secrets`, else the defaults."""
    try:
        settings = msgspec.json.decode(data, type=Settings)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"settings of a run: {error}") from None
    whole: Settings = _with_secrets(settings, secrets or Settings())
    return whole


def _with_secrets(settings: Any, secrets: Any) -> Any:
    """The struct with the other one's secrets, in all its tables."""
    changed = {}
    table: type[msgspec.Struct] = type(settings)
    for key in keys(table):
        if key.table is not None:
            changed[key.attribute] = _with_secrets(getattr(settings, key.attribute), getattr(secrets, key.attribute))
        elif key.says.secret:
            changed[key.attribute] = getattr(secrets, key.attribute)
    return replace(settings, **changed)


def fingerprint(settings: Settings) -> str:
    """A short name of all values but the secrets: processes of one run must agree on it."""
    text = msgspec.json.encode(shown(settings), order="deterministic")
    return hashlib.sha256(text).hexdigest()[:12]
