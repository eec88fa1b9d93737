"""WebSocket events and their audience: each is encoded once, the sequence number spliced in per recipient."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Audience:
    """The `broadcast` of an event. A user takes precedence over a channel, a channel over a team; none: everybody."""

    user_id: str = ""
    channel_id: str = ""
    team_id: str = ""
    omit_users: tuple[str, ...] = ()
    # Sanitised copies go to users who are not system admins, full copies to system admins.
    sanitised: bool = False
    sensitive: bool = False

    def document(self, modern: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "omit_users": dict.fromkeys(self.omit_users, True) or None,
            "user_id": self.user_id,
            "channel_id": self.channel_id,
            "team_id": self.team_id,
        }
        if modern:
            fields |= {"connection_id": "", "omit_connection_id": ""}
            if self.sanitised:
                fields["contains_sanitized_data"] = True
            if self.sensitive:
                fields["contains_sensitive_data"] = True
        return fields


@dataclass(slots=True)
class ServerEvent:
    """One event. `personal`: additional `data` for some recipients, by user id."""

    name: str
    data: dict[str, Any]
    audience: Audience
    modern: bool
    personal: dict[str, dict[str, Any]] = field(default_factory=dict)
    _common: bytes = b""

    def frame(self, user_id: str, sequence: int) -> bytes:
        """The text of the frame for one recipient. Common copies are spaced, personal ones compact with a new line:
        as seen on 11.6, which encodes the common part beforehand."""
        extra = self.personal.get(user_id)
        if extra is not None:
            return _encode({**self._parts({**self.data, **extra}), "seq": sequence}) + b"\n"
        if not self._common:
            parts = self._parts(self.data).items()
            self._common = b"{%b" % b"".join(b'"%b": %b, ' % (name.encode(), _encode(part)) for name, part in parts)
        return b'%b"seq": %d}' % (self._common, sequence)

    def _parts(self, data: dict[str, Any]) -> dict[str, Any]:
        broadcast = self.audience.document(self.modern)
        return {"event": self.name, "data": dict(sorted(data.items())), "broadcast": broadcast}


def hello(user_id: str, connection_id: str, version_id: str, modern: bool) -> ServerEvent:
    """The first event of a connection: it names the connection, so that it can be resumed."""
    data = {"connection_id": connection_id, "server_version": version_id}
    if modern:
        data["server_hostname"] = "sandbox"
    # Empty personal data: the copy is compact, as the real hello is.
    return ServerEvent("hello", data, Audience(user_id=user_id), modern, personal={user_id: {}})


def ids_text(ids: Collection[str]) -> str:
    """A list of ids as the JSON text that events carry it in."""
    return _encode(sorted(ids)).decode()


def text(document: Any) -> str:
    """A document as the JSON text that events carry it in."""
    return _encode(document).decode()
