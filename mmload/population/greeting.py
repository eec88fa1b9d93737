"""A WebSocket opened as a client opens it, up to the server's hello: is the way free for it?"""

from __future__ import annotations

import json
import ssl
from typing import Any

import websocket

from mmload.config import Connection
from mmload.population.server import API

NORMAL = 1000


def greeted(connection: Connection, token: str) -> str:
    """Why the WebSocket can't be used; "" if the server said hello."""
    options: dict[str, Any] = {}
    if connection.websocket_url.startswith("wss") and not connection.verify_tls:
        options["sslopt"] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    try:
        socket = websocket.create_connection(
            f"{connection.websocket_url.rstrip('/')}{API}/websocket",
            timeout=connection.connect_timeout_seconds,
            header=[f"Authorization: Bearer {token}"],
            # With an Origin the server compares it with its SiteURL; clients other than browsers send none.
            suppress_origin=True,
            http_no_proxy=["*"],
            **options,
        )
    except (OSError, websocket.WebSocketException) as error:
        return _refusal(error)
    try:
        return "" if _is_hello(socket.recv()) else "the first message was no hello"
    except (OSError, websocket.WebSocketException) as error:
        return f"no hello came: {_refusal(error)}"
    finally:
        socket.close(status=NORMAL, timeout=1)


def _is_hello(frame: str | bytes) -> bool:
    try:
        return bool(json.loads(frame).get("event") == "hello")
    except (ValueError, AttributeError):
        return False


def _refusal(error: Exception) -> str:
    """A failed handshake in a few words. Pure."""
    if isinstance(error, websocket.WebSocketBadStatusException):
        return f"the handshake was answered {error.status_code} instead of 101"
    if isinstance(error, (TimeoutError, websocket.WebSocketTimeoutException)):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return f"connection failed ({type(error).__name__})"
