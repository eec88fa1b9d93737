"""Reads what a browser sent from a HAR file of its developer tools (Chrome, Edge, Firefox).

Such a file holds cookies, tokens, passwords and messages. Only routes, names of parameters and fields, and values that
the recording of the web application has as well leave this module; the rest is not even kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from mmload.client.http.rules import API
from mmload.errors import UNREADABLE_JSON, UsageError
from mmload.fidelity.recording import route_table
from mmload.fidelity.traffic import (
    PAGE,
    SentFrame,
    SentRequest,
    StepTraffic,
    below_api,
    fields,
    file_kind,
    is_word,
    query_of,
    value_of,
)

LARGEST_HAR_BYTES = 128 << 20
_SOCKET_PATH = f"{API}/websocket"
# What a browser asks by itself, and what leaves no connection of its own.
_NOT_OURS = ("OPTIONS", "CONNECT")


class HarBody(msgspec.Struct):
    text: str = ""


class HarRequest(msgspec.Struct, rename="camel"):
    """A request, without its headers and cookies."""

    method: str
    url: str
    post_data: HarBody | None = None


class HarResponse(msgspec.Struct):
    status: int = 0


class HarMessage(msgspec.Struct):
    """A frame of a WebSocket; `time` in seconds since 1970."""

    type: str
    data: str
    time: float = 0.0


class HarEntry(msgspec.Struct):
    request: HarRequest
    response: HarResponse
    began: str = msgspec.field(name="startedDateTime")
    from_cache: str | None = msgspec.field(name="_fromCache", default=None)
    messages: list[HarMessage] | None = msgspec.field(name="_webSocketMessages", default=None)


class HarLog(msgspec.Struct):
    """All requests of a file."""

    entries: list[HarEntry]


class HarFile(msgspec.Struct):
    log: HarLog


def har_step(path: Path, step: str, server_url: str = "") -> StepTraffic:
    """What was sent to the server in a file. Raises `UsageError` for one that is no use.

    `server_url`: where it must have been recorded; "": anywhere, but at one server.
    """
    entries = [each for each in _read(path).log.entries if each.request.method not in _NOT_OURS]
    origin = _origin(path, entries, server_url)
    ours = [each for each in entries if _origin_of(each.request.url) == origin and each.from_cache is None]
    plain = [each for each in ours if not _is_socket(each)]
    began = min((_ms(path, each) for each in ours), default=0.0)
    sockets = [each for each in ours if _is_socket(each)]
    # Firefox leaves them out, and so does a page whose socket was open before.
    shows_frames = any(each.messages for each in sockets)
    messages = [message for each in sockets for message in each.messages or () if message.type == "send"]
    static = Counter(kind for each in plain if (kind := file_kind(each.request.url)))
    return StepTraffic(
        step,
        f"recorded in {path.name}",
        tuple(_request(each, _ms(path, each) - began) for each in plain if not file_kind(each.request.url)),
        tuple(frame for message in messages if (frame := _frame(message)) is not None) if shows_frames else None,
        tuple(query_of(each.request.url) for each in sockets),
        static,
    )


def _read(path: Path) -> HarFile:
    try:
        size = path.stat().st_size
        if size > LARGEST_HAR_BYTES:
            limit = LARGEST_HAR_BYTES >> 20
            raise UsageError(
                f"{path}: {size >> 20} MB, expected at most {limit} MB: record one step, and export it without content"
            )
        return msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=HarFile)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: not a HAR file: {error}") from None
    except UNREADABLE_JSON as error:
        why = "it is cut off" if "truncated" in str(error) else "it is not JSON"
        raise UsageError(f"{path}: not a HAR file: {why}; export it again from the browser's developer tools") from None


def _origin(path: Path, entries: Sequence[HarEntry], server_url: str) -> str:
    """The server of which the file is."""
    asked = Counter(_origin_of(each.request.url) for each in entries if f"{API}/" in urlsplit(each.request.url).path)
    if not asked:
        seen = ", ".join(sorted({_origin_of(each.request.url) for each in entries})[:3]) or "nothing"
        raise UsageError(f"{path}: it has no requests to Mattermost's API ({API}), only to {seen}")
    wanted = _origin_of(server_url)
    if server_url and wanted not in asked:
        raise UsageError(f"{path}: recorded at {', '.join(sorted(asked))}, not at {wanted}")
    if not server_url and len(asked) > 1:
        raise UsageError(
            f"{path}: it has requests to several servers ({', '.join(sorted(asked))}): name yours with --server"
        )
    return wanted if server_url else next(iter(asked))


def _origin_of(url: str) -> str:
    """Scheme, host and port, http for ws; without a name and password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        return ""
    return f"{parts.scheme.replace('ws', 'http')}://{parts.hostname or ''}{port}"


def _is_socket(entry: HarEntry) -> bool:
    return urlsplit(entry.request.url).path.endswith(_SOCKET_PATH)


def _ms(path: Path, entry: HarEntry) -> float:
    try:
        return datetime.fromisoformat(entry.began).timestamp() * 1000
    except ValueError:
        raise UsageError(f"{path}: not a HAR file: a time (startedDateTime) cannot be read") from None


def _request(entry: HarEntry, at: float) -> SentRequest:
    url = entry.request.url
    path = below_api(url)
    route = PAGE if path is None else route_table().name_of(entry.request.method, path)
    posted = entry.request.post_data
    body = fields(value_of(posted.text)) if posted is not None and posted.text else ()
    return SentRequest(route, query_of(url), body, at)


def _frame(message: HarMessage) -> SentFrame | None:
    said = value_of(message.data)
    if not isinstance(said, dict) or not is_word(said.get("action")):
        return None
    return SentFrame(said["action"], fields(said.get("data") or {}) or (), message.time * 1000)
