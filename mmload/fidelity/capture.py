"""Records what one of our people sends, on its way out: behind the client, in front of the network.

HTTP where a `Transport` gives a user its connections, the WebSocket where a `SocketRoute` opens them. What is recorded
is what is really sent, whoever in the client sends it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mmload.client.http.client import CONNECTIONS_PER_USER, Transport
from mmload.client.http.pool import ConnectionPool
from mmload.client.http.protocol import HttpAnswer
from mmload.client.transport import ByteChannel
from mmload.client.websocket.frames import TEXT
from mmload.client.websocket.handshake import SocketRoute
from mmload.fidelity.recording import route_table
from mmload.fidelity.traffic import (
    PAGE,
    Pairs,
    SentFrame,
    SentRequest,
    StepTraffic,
    below_api,
    fields,
    query_of,
    static_kind,
)


@dataclass(slots=True, eq=False)
class Capture:
    """What was sent since `take` was called last. `online`: off, there is no network: nothing is sent."""

    online: bool = True
    clock: Callable[[], float] = time.perf_counter
    _requests: list[SentRequest] = field(default_factory=list)
    _frames: list[SentFrame] = field(default_factory=list)
    _sockets: list[Pairs] = field(default_factory=list)
    _static: dict[str, int] = field(default_factory=dict)
    _channels: list[int] = field(default_factory=list)
    _under_way: int = 0

    def take(self, name: str) -> StepTraffic:
        """What was sent, and begin anew."""
        taken = StepTraffic(
            name, "", tuple(self._requests), tuple(self._frames), tuple(self._sockets), dict(self._static)
        )
        for each in (self._requests, self._frames, self._sockets, self._static):
            each.clear()
        return taken

    @property
    def tries(self) -> int:
        """How many WebSockets were to be opened since the last `take`."""
        return len(self._sockets)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._under_way > 0

    def now_ms(self) -> float:
        return self.clock() * 1000

    def network(self) -> None:
        """`OSError` while there is none."""
        if not self.online:
            raise ConnectionRefusedError("no network in this step")

    def cut(self) -> None:
        """End the open WebSockets as a network does: without a word to the client."""
        for number in self._channels:
            with socket.socket(fileno=os.dup(number)) as connection:
                connection.shutdown(socket.SHUT_RDWR)

    def sending(self, method: str, request: bytes) -> SentRequest | None:
        """Note a request; None for a static file, which is only counted."""
        head, _, body = request.partition(b"\r\n\r\n")
        target = head.split(b" ", 2)[1].decode("ascii")
        path = below_api(target)
        self._under_way += 1
        if path is None and (kind := static_kind(target)):
            self._static[kind] = self._static.get(kind, 0) + 1
            return None
        route = PAGE if path is None else route_table().name_of(method, path)
        note = SentRequest(route, query_of(target), _fields_of(body), self.now_ms(), under_way=self._under_way - 1)
        self._requests.append(note)
        return note

    def answered(self, note: SentRequest | None) -> None:
        """Its answer is there, or will not come."""
        self._under_way -= 1
        for place, each in enumerate(self._requests):
            # Not there where `take` came first.
            if each is note:
                self._requests[place] = replace(note, until=self.now_ms())

    def opening(self, url: str) -> None:
        self._sockets.append(query_of(url))

    def opened(self, number: int) -> None:
        self._channels.append(number)

    def closed(self, number: int) -> None:
        self._channels.remove(number)

    def said(self, text: bytes) -> None:
        message = json.loads(text)
        self._frames.append(SentFrame(message["action"], fields(message.get("data") or {}) or (), self.now_ms()))


def _fields_of(body: bytes) -> Pairs | None:
    if not body:
        return ()
    return fields(json.loads(body)) if body[:1] in (b"{", b"[") else None


class RecordedPool(ConnectionPool):
    """Connections whose requests are noted."""

    __slots__ = ("capture",)
    capture: Capture

    def ask(self, method: str, request: bytes, *, keep: bool = True) -> HttpAnswer:
        note = self.capture.sending(method, request)
        try:
            self.capture.network()
            return super().ask(method, request, keep=keep)
        finally:
            self.capture.answered(note)


@dataclass(frozen=True)
class RecordedTransport(Transport):
    """A transport whose requests are recorded."""

    capture: Capture = field(kw_only=True, compare=False, repr=False)

    def connections(self) -> ConnectionPool:
        pool = RecordedPool(self._dial, self._timer, CONNECTIONS_PER_USER, largest_bytes=self.largest_answer_bytes)
        pool.capture = self.capture
        return pool


@dataclass(frozen=True, slots=True)
class RecordedRoute(SocketRoute):
    """A way to the server on which WebSockets are recorded."""

    capture: Capture = field(kw_only=True, compare=False, repr=False)

    def connect(self, url: str, tls_context: Any, opened: Any) -> Any:
        self.capture.opening(url)
        self.capture.network()
        return SocketRoute.connect(self, url, tls_context, opened)

    def channel(self, connection: Any) -> ByteChannel:
        inner, capture = SocketRoute.channel(self, connection), self.capture

        def send(data: bytes) -> int:
            sent = inner.send(data)
            if data[0] & 0x0F == TEXT and sent == len(data):
                capture.said(unmasked(data))
            return sent

        def close() -> None:
            capture.closed(inner.fd)
            inner.close()

        capture.opened(inner.fd)
        return replace(inner, send=send, close=close)


def unmasked(frame: bytes) -> bytes:
    """The payload of one whole frame of a client (RFC 6455 §5.2). Pure."""
    start = 2 + {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    key, payload = frame[start : start + 4], frame[start + 4 :]
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
