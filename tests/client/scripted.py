"""A WebSocket server that does what the test says, on loopback, in the test's own process; and a listening ear."""

from __future__ import annotations

import base64
import hashlib
import socket as constants
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import gevent
import msgspec
from gevent import socket

from mmload.client.websocket.frames import CLOSE, TEXT, WebSocketEvent

PATIENCE_SECONDS = 60.0
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def server_frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A frame as a server sends it: not masked."""
    first = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def event_text(name: str, seq: int, **data: Any) -> bytes:
    """An event as Mattermost writes it, with the newline at its end."""
    broadcast = {"omit_users": None, "user_id": "", "channel_id": "", "team_id": ""}
    return msgspec.json.encode({"event": name, "data": data, "broadcast": broadcast, "seq": seq}) + b"\n"


def ping_number(opcode: int, payload: bytes) -> int:
    """The number of the application's ping in a frame; 0 if it is none."""
    if opcode != TEXT:
        return 0
    message: dict[str, Any] = msgspec.json.decode(payload)
    return int(message["seq"]) if message["action"] == "ping" else 0


class Peer:
    """The server's end of one connection, its request read."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._data = b""
        # What the client has pinged us with, in order: numbers of its actions.
        self.pings: list[int] = []
        self.answers_pings = True
        self.path, self.query, self.headers = self._request()

    def _request(self) -> tuple[str, dict[str, str], dict[str, str]]:
        while b"\r\n\r\n" not in self._data:
            data = self._connection.recv(4096)
            assert data, "the client hung up"
            self._data += data
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        url = urlsplit(first.split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers

    def upgrade(self, behind: bytes = b"", headers: tuple[str, ...] = ()) -> None:
        """Accept; `behind` is sent in the same breath."""
        more = "".join(f"{header}\r\n" for header in headers).encode()
        digest = hashlib.sha1(self.headers["sec-websocket-key"].encode() + _MAGIC).digest()
        self.send_bytes(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + more
            + b"Sec-WebSocket-Accept: "
            + base64.b64encode(digest)
            + b"\r\n\r\n"
            + behind
        )

    def answer(self, status: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.send_bytes("\r\n".join(lines).encode() + body)

    def greet(self, connection_id: str) -> None:
        self.send_event("hello", 0, connection_id=connection_id, server_version="11.6.0")

    def send_event(self, name: str, seq: int, **data: Any) -> None:
        self.send_frame(TEXT, event_text(name, seq, **data))

    def send_frame(self, opcode: int, payload: bytes) -> None:
        self.send_bytes(server_frame(opcode, payload))

    def send_bytes(self, data: bytes) -> None:
        self._connection.sendall(data)

    def read_frame(self) -> tuple[int, bytes]:
        """The client's next frame, unmasked, but for its pings: those are answered on the way."""
        while True:
            opcode, payload = self.read_any_frame()
            number = ping_number(opcode, payload)
            if not number:
                return opcode, payload
            self.pings.append(number)
            if self.answers_pings:
                self.reply(number)

    def reply(self, number: int) -> None:
        """Answer an action as 11.6 does."""
        self.send_frame(TEXT, msgspec.json.encode({"status": "OK", "seq_reply": number}) + b"\n")

    def read_any_frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        assert second & 0x80, "a client must mask its frames"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self._exactly(8), "big")
        key = self._exactly(4)
        payload = self._exactly(size)
        return first & 0x0F, bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))

    def read_message(self) -> dict[str, Any]:
        """The client's next action but for pings."""
        opcode, payload = self.read_frame()
        assert opcode == TEXT, f"opcode {opcode} where an action was expected"
        message: dict[str, Any] = msgspec.json.decode(payload)
        return message

    def live(self) -> None:
        """Answer pings until the client closes or is gone."""
        with suppress(AssertionError, OSError):
            while self.read_frame()[0] != CLOSE:
                pass

    def ended(self) -> bool:
        """Wait until the client is gone; whatever it still says is ignored."""
        try:
            while self._connection.recv(65536):
                pass
        except OSError:
            return True
        return True

    def hang_up(self) -> None:
        self._connection.close()

    def reset(self) -> None:
        """Tear the connection: the client's read fails instead of ending."""
        self._connection.setsockopt(constants.SOL_SOCKET, constants.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            data = self._connection.recv(65536)
            assert data, "the client hung up"
            self._data += data
        taken, self._data = self._data[:size], self._data[size:]
        return taken


class Server:
    """Listens; each `accept` gives the next client that connects."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening: Any = socket.socket()
        # Small buffers, inherited by what is accepted: a client's send fills them soon.
        self._listening.setsockopt(constants.SOL_SOCKET, constants.SO_RCVBUF, 8192)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(16)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://localhost:{self.port}" if tls else f"ws://127.0.0.1:{self.port}"
        self._accepted: list[Any] = []

    def accept_bare(self) -> Any:
        """A TCP connection of which nothing was read yet."""
        with gevent.Timeout(PATIENCE_SECONDS):
            connection, _ = self._listening.accept()
        self._accepted.append(connection)
        return connection

    def accept(self) -> Peer:
        connection = self.accept_bare()
        with gevent.Timeout(PATIENCE_SECONDS):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._accepted.append(connection)
            connection.settimeout(PATIENCE_SECONDS)
            return Peer(connection)

    def forget(self) -> None:
        """Hang up on all clients so far."""
        for connection in self._accepted:
            connection.close()
        self._accepted.clear()

    def close(self) -> None:
        self._listening.close()
        self.forget()


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(tls)
    try:
        yield server
    finally:
        server.close()


class Ear:
    """A listener that remembers what it heard. `tokens` are what it has for a client that is refused."""

    def __init__(self, *tokens: str | None) -> None:
        self.events: list[WebSocketEvent] = []
        self.connected: list[str] = []
        self.dropped: list[tuple[int, str]] = []
        self.reopened = 0
        self.tokens = list(tokens)
        self.asked = 0

    def on_event(self, event: WebSocketEvent) -> None:
        self.events.append(event)

    def on_dropped(self, code: int, reason: str) -> None:
        self.dropped.append((code, reason))

    def on_reopened(self) -> None:
        self.reopened += 1

    def on_connected(self, resumed: bool, renewed: bool) -> None:
        self.connected.append("resumed" if resumed else "renewed" if renewed else "first")

    def on_unauthorised(self) -> str | None:
        self.asked += 1
        return self.tokens.pop(0)

    def numbers(self) -> list[int]:
        return [event.seq for event in self.events]


def eventually(condition: Callable[[], object]) -> None:
    """Let the others run until the condition holds; a failure after some seconds."""
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError("it never came true")):
        while not condition():
            gevent.sleep(0.002)
