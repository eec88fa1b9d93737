"""One WebSocket from its upgrade to its end: frames in and out; whom it tells of events."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from typing import Protocol

from mmload.client.transport import NOT_NOW, ByteChannel
from mmload.client.websocket.epoll import NestedEpoll
from mmload.client.websocket.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    CloseCode,
    FrameReader,
    ProtocolError,
    WebSocketEvent,
    client_frame,
    close_payload,
    sole_text,
)
from mmload.errors import CLOSED_BY_SERVER, WebSocketFailed, transport_reason

log = logging.getLogger("mmload.websocket")


class Listener(Protocol):
    """Whom a WebSocket tells. All but `on_unauthorised` run in the hub or in passing: they must not block."""

    def on_event(self, event: WebSocketEvent) -> None:
        """Each event once, in order, the `hello` among them."""

    def on_dropped(self, code: int, reason: str) -> None:
        """The connection is lost and will be taken up again. Not told of our own `close`."""

    def on_reopened(self) -> None:
        """It is open again after a loss; whether it is resumed or renewed, the server has yet to tell."""

    def on_connected(self, resumed: bool, renewed: bool) -> None:
        """It is up. First time: both False. After a loss `resumed`: nothing was lost; `renewed`: events may be."""

    def on_unauthorised(self) -> str | None:
        """The token is good no longer. Runs in a greenlet and may block: a fresh token, or None to give up."""


_told: set[tuple[str, type[Exception]]] = set()


def tell_once(where: str, error: Exception) -> None:
    """A listener raised: its traceback goes to the log once for each kind, as it may come with every event."""
    kind = where, type(error)
    if kind not in _told:
        _told.add(kind)
        log.error("an event listener failed at %s; further failures like it are only counted", where, exc_info=error)


_READ_BYTES = 65536
# A client has little to say. So much unsent means that the server stopped reading; a person would see a dead page.
LONGEST_BACKLOG_BYTES = 1 << 20


class Owner(Protocol):
    """Whom a connection reports to, mostly from the hub: nothing of it may block.

    `on_text` may raise `ProtocolError`, which ends the connection. `on_end` comes at most once, and not after
    `close` or `cut`, which are the owner's own doing.
    """

    def on_open(self) -> None: ...

    def on_text(self, payload: bytes) -> None: ...

    def on_end(self, code: int, reason: str) -> None: ...

    def on_sweep(self, now: float) -> None: ...


class WebSocketConnection:
    """An upgraded WebSocket, watched from `start` on. Never waits; may be called from any greenlet of its hub.

    `heard_at`: when something came last, as the last sweep found it; 0.0 before the first.
    """

    __slots__ = (
        "_heard",
        "_on_text",
        "_outgoing",
        "_owner",
        "_pending",
        "_reader",
        "_readiness",
        "_receive",
        "_wire",
        "heard_at",
        "started_at",
    )

    def __init__(self, wire: ByteChannel, owner: Owner, readiness: NestedEpoll) -> None:
        self._wire: ByteChannel | None = wire
        self._receive = wire.receive
        self._pending = wire.pending
        self._owner = owner
        self._on_text = owner.on_text
        self._readiness = readiness
        self._reader = FrameReader()
        self._outgoing: deque[bytes] | None = None
        self._heard = False
        self.heard_at = 0.0
        self.started_at = time.monotonic()

    @property
    def heard_anything(self) -> bool:
        return self._heard or self.heard_at > 0

    def start(self, received: bytes) -> None:
        """Watch the socket; `received` is what came behind the handshake, and is served first."""
        assert self._wire is not None
        self._readiness.add(self._wire.fd, self)
        self._owner.on_open()
        try:
            if received and self._wire is not None:
                self._heard = True
                self._digest(received)
            if self._pending is not None:
                self._read_pending()
        except (ProtocolError, OSError) as error:
            self._fail(error)

    # -- the hub calls ---------------------------------------------------------------------------------------

    def on_readable(self) -> None:
        """Read once and serve what came: the hot path of a load test."""
        try:
            data = self._receive(_READ_BYTES)
            if self._reader.idle and (payload := sole_text(data)) is not None:
                self._heard = True
                self._on_text(payload)
            elif data:
                self._heard = True
                self._digest(data)
            else:
                self._end(CloseCode.ABNORMAL, CLOSED_BY_SERVER)
            if self._pending is not None:
                self._read_pending()
        except (ProtocolError, OSError) as error:
            self._fail(error)

    def on_writable(self) -> None:
        """The socket takes bytes again: send what waits."""
        try:
            self._flush()
        except OSError as error:
            self._fail(error)

    def on_sweep(self, now: float) -> None:
        if self._heard:
            self._heard, self.heard_at = False, now
        self._owner.on_sweep(now)

    def on_fault(self) -> None:
        self._end(CloseCode.ABNORMAL, "internal error")

    # -- the owner calls -------------------------------------------------------------------------------------

    def send_text(self, payload: bytes) -> None:
        """Send, or queue what the socket does not take now; `WebSocketFailed` when the connection is lost."""
        try:
            self._write(client_frame(TEXT, payload, os.urandom(4)))
        except OSError as error:
            self._fail(error)
            raise WebSocketFailed("connection lost") from error

    def close(self, code: int = CloseCode.NORMAL) -> None:
        """Send a close frame, as far as the socket takes it at once, and close. Does not wait for the server's."""
        self._try_send(CLOSE, code.to_bytes(2, "big"))
        self.cut()

    def cut(self) -> None:
        """Close without a close frame. Everything the connection held is given back."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        self._outgoing = None
        self._readiness.remove(wire.fd)
        wire.close()

    # -- within ----------------------------------------------------------------------------------------------

    def _digest(self, data: bytes) -> None:
        """The general case: several frames, parts of frames, control frames."""
        for opcode, payload in self._reader.feed(data):
            if opcode == TEXT:
                self._on_text(payload)
            elif opcode == PING:
                self._try_send(PONG, payload)
            elif opcode == CLOSE:
                self._closed_by_server(payload)
            # Whatever was served may have ended the connection.
            if self._wire is None:
                return

    def _read_pending(self) -> None:
        """Serve what TLS has decrypted already: the system does not report it. A record at most, so soon done."""
        while self._wire is not None and self._pending is not None and self._pending():
            self._digest(self._receive(_READ_BYTES))

    def _closed_by_server(self, payload: bytes) -> None:
        code, reason = close_payload(payload)
        self._try_send(CLOSE, payload[:2])
        self._end(code, reason or "closed by the server")

    def _fail(self, error: ProtocolError | OSError) -> None:
        """End, unless there was only nothing to read or write at the moment."""
        if isinstance(error, NOT_NOW):
            return
        if isinstance(error, OSError):
            self._end(CloseCode.ABNORMAL, transport_reason(error))
            return
        log.warning("the server broke the WebSocket protocol: %s", error.reason)
        self._try_send(CLOSE, error.code.to_bytes(2, "big"))
        self._end(error.code, error.reason)

    def _end(self, code: int, reason: str) -> None:
        if self._wire is not None:
            self.cut()
            self._owner.on_end(code, reason)

    def _try_send(self, opcode: int, payload: bytes) -> None:
        """Send a control frame; that the connection is lost is left for the next read to find."""
        try:
            self._write(client_frame(opcode, payload, os.urandom(4)))
        except OSError:
            return

    def _write(self, frame: bytes) -> None:
        """Behind what already waits, or at once; what the socket does not take waits."""
        if self._wire is None:
            raise BrokenPipeError("the WebSocket is closed")
        if self._outgoing is not None:
            if sum(map(len, self._outgoing)) > LONGEST_BACKLOG_BYTES:
                raise BrokenPipeError("the server stopped reading")
            self._outgoing.append(frame)
            return
        sent = self._wire.send_some(frame)
        if sent < len(frame):
            self._outgoing = deque([frame[sent:]])
            self._readiness.want_write(self._wire.fd, True)

    def _flush(self) -> None:
        waiting = self._outgoing
        while waiting and self._wire is not None:
            sent = self._wire.send(waiting[0])
            if sent < len(waiting[0]):
                waiting[0] = waiting[0][sent:]
                return
            waiting.popleft()
        self._outgoing = None
        if self._wire is not None:
            self._readiness.want_write(self._wire.fd, False)
