"""From a URL and a token to an open WebSocket: name, TCP, TLS and the upgrade (RFC 6455 §4), within one deadline."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mmload.client.http.protocol import (
    LONGEST_HEAD_BYTES,
    USER_AGENT,
    head_status,
    header_lines,
    header_value,
    host_header,
    request_bytes,
)
from mmload.client.net import ByteChannel, byte_channel, connect, time_limit
from mmload.errors import WebSocketFailed, transport_reason

_READ_BYTES = 16384
_UPGRADED = 101
_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connects, and how. `tls_context` is for wss only; None: the process's."""

    token: str = field(repr=False)
    tls_context: ssl.SSLContext | None
    timeout_seconds: float


def shake_hands(url: str, caller: Caller) -> tuple[ByteChannel, bytes]:
    """An open WebSocket, and the bytes that came right behind the server's answer.

    Waits cooperatively; leaves nothing open when it fails (`WebSocketFailed`) or the greenlet is killed meanwhile.
    """
    try:
        with ExitStack() as opened, time_limit(caller.timeout_seconds):
            connection = connect(url, caller.tls_context, opened)
            key = base64.b64encode(os.urandom(16))
            connection.sendall(_upgrade_request(url, caller, key))
            rest = _upgraded(connection, key)
            channel = byte_channel(connection)
            opened.pop_all()
            return channel, rest
    except (OSError, ValueError) as error:
        raise WebSocketFailed(transport_reason(error)) from error


def _upgrade_request(url: str, caller: Caller, key: bytes) -> bytes:
    parts = urlsplit(url)
    headers = {
        "Host": host_header(url),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
        "Authorization": f"Bearer {caller.token}",
        "User-Agent": USER_AGENT,
    }
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return request_bytes("GET", target, header_lines(headers), None, b"")


def _upgraded(connection: Any, key: bytes) -> bytes:
    """Read the answer; what came behind it: the first frames. A redirect is not followed: it would get the token."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(_READ_BYTES)
        if not data or len(received) > LONGEST_HEAD_BYTES:
            raise WebSocketFailed("handshake not answered in HTTP" if received else "connection lost")
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    status = head_status(head)
    if status != _UPGRADED:
        raise WebSocketFailed(f"handshake answered {status}", status=status)
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_SALT).digest())
    if header_value(head, head.lower(), "sec-websocket-accept").encode() != accept:
        raise WebSocketFailed("handshake answered wrongly: no WebSocket server")
    return rest
