"""Which credentials settings have, and for which server: they go to no other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from mmload.config.checking import join
from mmload.config.fields import keys
from mmload.config.tables import Config, ConnectionSettings

# A file of accounts has their passwords.
_FILES_OF_PASSWORDS = ("UsersFilePath",)
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def credentials(config: Config) -> Iterator[str]:
    """The paths of the credentials that are set. The defaults are known to everybody."""
    for table in keys(Config):
        for key in keys(table.table) if table.table is not None else ():
            value = getattr(getattr(config, table.attribute), key.attribute)
            if (key.says.secret or key.name in _FILES_OF_PASSWORDS) and value != key.default:
                yield join(table.name, key.name)


def is_same_server(one: ConnectionSettings, other: ConnectionSettings) -> bool:
    """Whether the users of `one` talk to the server of `other` only: REST calls, and sockets, which have a session."""
    return origin(one.server_url) == origin(other.server_url) and origin(one.websocket_url) in (
        origin(other.websocket_url),
        origin(other.server_url),
    )


def origin(url: str) -> tuple[bool, str, int]:
    """Where requests to a URL go, as http or its WebSocket: whether encrypted, host, port."""
    parts = urlsplit(url)
    return parts.scheme in ("https", "wss"), (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]
