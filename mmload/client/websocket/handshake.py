"""From a URL and a token to an open WebSocket: name, TCP, TLS and the upgrade (RFC 6455 §4), within one deadline.

The upgrade itself is websocket-client's work; afterwards its socket is taken over.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import websocket

from mmload.client.http.cookies import Cookies
from mmload.client.http.protocol import LONGEST_HEAD_BYTES, USER_AGENT, head_status
from mmload.client.transport import ByteChannel, byte_channel, connect, time_limit
from mmload.errors import WebSocketFailed, transport_reason

_READ_BYTES = 16384
_UPGRADED = 101

# The library has one jar of cookies for the whole process: one user's would be sent with every other's handshake.
websocket._handshake.CookieJar.add = lambda set_cookie: None  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """What is between us and the server: a proxy ("" if none), and headers that something there asks for."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str = field(default="", repr=False)

    def connect(self, url: str, tls_context: ssl.SSLContext | None, opened: ExitStack) -> Any:
        """A socket connected to the URL's host, as `net.connect` makes it."""
        return connect(url, tls_context, opened, self.proxy)

    def channel(self, connection: Any) -> ByteChannel:
        """What the open WebSocket reads and writes."""
        return byte_channel(connection)


DIRECT = SocketRoute()


def handshake_url(base_url: str, connection_id: str, next_sequence: int, close_code: int = 0) -> str:
    """Where to connect, as the web application does: fresh without a connection id, else to take that connection up
    from the next number on. `close_code`: why the last one ended; 0: there was none."""
    query = {"connection_id": connection_id, "sequence_number": next_sequence, "posted_ack": "true"}
    if close_code:
        query["disconnect_err_code"] = close_code
    return f"{base_url.rstrip('/')}/api/v4/websocket?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connects, and how. `tls_context` is for wss only; None: the process's. `cookies`: those for this host."""

    token: str = field(repr=False)
    tls_context: ssl.SSLContext | None
    timeout_seconds: float
    cookies: Cookies = field(default_factory=Cookies, repr=False)
    route: SocketRoute = DIRECT


def shake_hands(url: str, caller: Caller) -> tuple[ByteChannel, bytes]:
    """An open WebSocket, and the bytes that came right behind the server's answer.

    Waits cooperatively; leaves nothing open when it fails (`WebSocketFailed`) or the greenlet is killed meanwhile.
    """
    try:
        with ExitStack() as opened, time_limit(caller.timeout_seconds):
            connection = caller.route.connect(url, caller.tls_context, opened)
            rest = _upgraded(url, caller, connection)
            channel = caller.route.channel(connection)
            opened.pop_all()
            return channel, rest
    except (OSError, ValueError) as error:
        raise WebSocketFailed(transport_reason(error)) from error


class BufferedSocket:
    """What websocket-client sees of a socket: its reads of single bytes are served from memory.

    One system call instead of about 130 (measured: 0.30 ms of CPU a connection against 0.54).
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._data = self._received = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        if self._at == len(self._data):
            self._data = b"" if len(self._received) > LONGEST_HEAD_BYTES else self._connection.recv(_READ_BYTES)
            self._received += self._data
            self._at = 0
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    @property
    def rest(self) -> bytes:
        """What came behind the headers: the first frames."""
        return self._data[self._at :]

    @property
    def head(self) -> bytes:
        return self._received.partition(b"\r\n\r\n")[0]

    def refusal(self) -> WebSocketFailed | None:
        """Why what was answered is no upgrade; None if it is one, as far as the first line tells."""
        first_line = self._received.partition(b"\n")[0]
        status = head_status(first_line)
        if status == _UPGRADED:
            return None
        if status:
            return WebSocketFailed(f"handshake answered {status}", status=status)
        return WebSocketFailed("handshake not answered in HTTP" if first_line else "connection lost")

    def send(self, data: bytes) -> int:
        self._connection.sendall(data)
        return len(data)

    def gettimeout(self) -> float | None:
        timeout: float | None = self._connection.gettimeout()
        return timeout

    def settimeout(self, seconds: float | None) -> None:
        self._connection.settimeout(seconds)

    def fileno(self) -> int:
        number: int = self._connection.fileno()
        return number

    def shutdown(self, how: int) -> None:
        """Left to whoever owns the connection."""

    def close(self) -> None:
        """Left to whoever owns the connection."""


def _upgraded(url: str, caller: Caller, connection: Any) -> bytes:
    """Ask for the upgrade; what came behind the answer: the first frames. websocket-client's work."""
    buffered = BufferedSocket(connection)
    try:
        upgraded = websocket.create_connection(
            url,
            socket=buffered,
            header={"Authorization": f"Bearer {caller.token}", "User-Agent": USER_AGENT, **caller.route.headers},
            cookie=caller.cookies.header or None,
            suppress_origin=True,
            # A redirect would carry the token to another place, on a socket that we do not know.
            redirect_limit=0,
            skip_utf8_validation=True,
            enable_multithread=False,
        )
    except websocket.WebSocketException as error:
        wrong = WebSocketFailed("handshake answered incorrectly: not a WebSocket server")
        raise (buffered.refusal() or wrong) from error
    # The library's object must not close the socket when it goes.
    upgraded.sock = None
    if refusal := buffered.refusal():
        raise refusal
    caller.cookies.take(buffered.head)
    return buffered.rest
