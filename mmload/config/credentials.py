"""Which credentials settings have, and for which server: they go to no other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from mmload.config.checking import join
from mmload.config.fields import Key, keys
from mmload.config.tables import Config, ConnectionSettings, Settings

# A users file has their passwords.
_FILES_OF_PASSWORDS = ("UsersFilePath",)
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def credentials(config: Config) -> Iterator[str]:
    """The paths of the credentials that are set. The defaults are known to everybody."""
    for table, key in _keys():
        if _value(config, table, key) != key.default:
            yield join(table.name, key.name)


def other_passwords(config: Config, own: Config) -> Iterator[str]:
    """The paths of the passwords that are others than one's own."""
    for table, key in _keys():
        if key.says.secret and _value(config, table, key) != _value(own, table, key):
            yield join(table.name, key.name)


def with_passwords_of(own: Config, settings: Settings) -> Settings:
    """The settings with the passwords of these ones."""
    config = settings.config
    for table, key in _keys():
        if key.says.secret:
            inner = replace(getattr(config, table.attribute), **{key.attribute: _value(own, table, key)})
            config = replace(config, **{table.attribute: inner})
    return replace(settings, config=config)


def _keys() -> Iterator[tuple[Key, Key]]:
    """The keys of credentials, each with its table's."""
    for table in keys(Config):
        for key in keys(table.table) if table.table is not None else ():
            if key.says.secret or key.name in _FILES_OF_PASSWORDS:
                yield table, key


def _value(config: Config, table: Key, key: Key) -> Any:
    return getattr(getattr(config, table.attribute), key.attribute)


def is_same_server(one: ConnectionSettings, other: ConnectionSettings) -> bool:
    """Whether the users of `one` talk to the server of `other` only: REST calls, and sockets, which have a session."""
    return origin(one.server_url) == origin(other.server_url) and origin(one.websocket_url) in (
        origin(other.websocket_url),
        origin(other.server_url),
    )


def origin(url: str) -> tuple[bool, str, int]:
    """Where requests to a URL go, as http or its WebSocket: whether encrypted, host, port (0: another scheme's)."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return parts.scheme in ("https", "wss"), (parts.hostname or "").rstrip("."), port
