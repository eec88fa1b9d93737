"""One user's WebSocket: the numbers of its events, pings, taking it up again after a loss, actions.

While it is up there is no greenlet: frames are served in the hub. One lives only as long as the connection is down.
Seen on 11.6: a known connection id with the next expected number is taken up without a `hello`, and what was missed
comes first; else a `hello` brings a new id, and the numbers start at 0. A `hello` comes before any reply.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult

from mmload.client.http.cookies import Cookies
from mmload.client.websocket.connection import Listener, WebSocketConnection, tell_once
from mmload.client.websocket.epoll import NestedEpoll, process_readiness
from mmload.client.websocket.frames import CloseCode, WebSocketEvent, answered_number, decode_event, greeted_as
from mmload.client.websocket.handshake import DIRECT, Caller, SocketRoute, handshake_url, shake_hands
from mmload.errors import UNREADABLE_JSON, WebSocketFailed
from mmload.metrics.counts import SocketCounts

__all__ = ["Listener", "Timing", "WebSocket"]

log = logging.getLogger("mmload.websocket")

# Why a connection ended over which nothing came any more, not even the answer to a ping.
FELL_SILENT = "the server fell silent"
_PING = "ping"


# The web application's rule: up to so many failures in a row it waits the same, then with their square.
PATIENT_FAILURES = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a connection is. The defaults are the web application's where it has such a number.

    `ping_interval_seconds`: how often a ping is sent; a connection on which one is not answered before the next is due
    is dropped.
    `good_after_seconds`: a connection that lived so long was a good one and clears the count of failures; one that is
    accepted and dropped at once (a proxy without its server) must not.
    `refused_from_seconds` to `refused_until_seconds`: a token that is not good is accepted at the handshake, and the
    socket dropped without a word when the time to authenticate, five seconds, is over (seen on 11.6).
    """

    handshake_timeout_seconds: float = 10.0
    ping_interval_seconds: float = 30.0
    first_retry_seconds: float = 3.0
    longest_retry_seconds: float = 300.0
    jitter_seconds: float = 2.0
    good_after_seconds: float = 30.0
    refused_from_seconds: float = 4.0
    refused_until_seconds: float = 10.0

    @property
    def unnoticed_seconds(self) -> float:
        """How long a connection that ends by falling silent may have been dead: since the last answered ping."""
        return 2 * self.ping_interval_seconds


def retry_delay(failures: int, rng: random.Random, timing: Timing) -> float:
    """Seconds to wait before the next try, after so many failed ones in a row.

    first                      up to 7 failures
    min(first · n², longest)   after n > 7 failures;     plus a jitter from [0, 2) s: users lost together, by a restart
    of the server, come back one by one. Added, as the web application does: a shorter wait would reach the eighth
    failure, and with it minutes of waiting, in an outage of 20 seconds.
    """
    seconds = timing.first_retry_seconds
    if failures > PATIENT_FAILURES:
        seconds = min(seconds * failures**2, timing.longest_retry_seconds)
    return seconds + rng.uniform(0.0, timing.jitter_seconds)


def looks_refused(lived_seconds: float, heard_anything: bool, timing: Timing) -> bool:
    """Whether a connection ended as one does whose token the server does not know."""
    return not heard_anything and timing.refused_from_seconds <= lived_seconds <= timing.refused_until_seconds


class _SocketState(Enum):
    NEW = auto()
    OPENING = auto()  # for the first time: no hello yet
    UP = auto()
    DOWN = auto()
    RETURNING = auto()  # connected again; whether resumed or renewed, the first frame will tell
    CLOSED = auto()


_UP = _SocketState.UP  # for the hot path: a member is looked up slowly


class WebSocket:
    """Opened once, then kept up until `close`. For the greenlets of one hub; none of it is for threads."""

    __slots__ = (
        "_close_code",
        "_connection",
        "_cookies",
        "_counts",
        "_expected",
        "_failures",
        "_first_hello",
        "_gaps",
        "_listener",
        "_on_event",
        "_ping",
        "_ping_due",
        "_readiness",
        "_return",
        "_rng",
        "_route",
        "_sent",
        "_state",
        "_timing",
        "_tls_context",
        "_tried_token",
        "_url",
        "connection_id",
        "token",
    )

    def __init__(
        self,
        url: str,
        token: str,
        listener: Listener,
        counts: SocketCounts,
        *,
        rng: random.Random,
        watcher: NestedEpoll | None = None,
        tls_context: ssl.SSLContext | None = None,
        route: SocketRoute = DIRECT,
        timing: Timing = Timing(),
        cookies: Cookies | None = None,
    ) -> None:
        self.token = token
        self.connection_id = ""
        self._tried_token = ""
        self._url = url
        self._listener = listener
        self._on_event = listener.on_event
        self._counts = counts
        self._rng = rng
        self._readiness = watcher if watcher is not None else process_readiness()
        self._tls_context = tls_context
        self._route = route
        self._timing = timing
        self._cookies = cookies or Cookies()
        # The number of the next event: 0, 1, 2, … on each connection that the server gives us.
        self._expected = 0
        self._state = _SocketState.NEW
        self._connection: WebSocketConnection | None = None
        self._first_hello: AsyncResult[None] | None = None
        self._sent = 0
        # The number of the ping that waits for its answer, 0 if none does; when the next one is due.
        self._ping = 0
        self._ping_due = 0.0
        # Why it is down, for the server to know; 0 while it is up.
        self._close_code = 0
        # Tries and short-lived connections in a row; a connection that lived long enough clears them.
        self._failures = 0
        # Gaps in the numbers of events that are not explained yet: the return of the connection will.
        self._gaps = 0
        self._return: gevent.Greenlet[..., None] | None = None

    # -- the user's side -------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether something can be sent now."""
        return self._connection is not None

    def open(self) -> None:
        """Connect, and wait for the hello. Fails with `WebSocketFailed` and then may be tried again.

        Blocks cooperatively, 20 seconds at most. Leaves nothing behind if the greenlet is killed meanwhile.
        """
        if self._state is not _SocketState.NEW:
            raise WebSocketFailed("opened twice, or closed")
        self._state = _SocketState.OPENING
        self._first_hello = AsyncResult()
        try:
            self._connect()
            self._first_hello.get(timeout=self._timing.handshake_timeout_seconds)
        except gevent.Timeout as timeout:
            raise WebSocketFailed("no hello from the server") from timeout
        finally:
            self._first_hello = None
            if self._state is _SocketState.OPENING:
                self._state = _SocketState.NEW
                self._take_connection(WebSocketConnection.cut)

    def send(self, action: str, data: dict[str, Any] | None = None) -> int:
        """Send an action; its number, from 1 on each connection. Never waits: the socket's rest is queued."""
        if self._connection is None:
            raise WebSocketFailed("the WebSocket is down")
        number = self._sent + 1
        message = {"action": action, "seq": number}
        self._connection.send_text(msgspec.json.encode(message if data is None else {**message, "data": data}))
        self._sent = number
        return number

    def close(self) -> None:
        """Close for good, with a close frame. Waits for nothing; safe in any greenlet, also a dying one, and twice."""
        if self._state is _SocketState.CLOSED:
            return
        self._state = _SocketState.CLOSED
        if self._connection is not None:
            self._counts.closed += 1
            self._take_connection(WebSocketConnection.close)
        if self._first_hello is not None:
            self._first_hello.set_exception(WebSocketFailed("closed"))
        if self._return is not None and self._return is not gevent.getcurrent():
            self._return.kill(block=False)
        self._return = None

    def drop(self) -> None:
        """Lose the connection on purpose, as by a short network failure."""
        if self._state in (_SocketState.UP, _SocketState.RETURNING):
            lived_seconds = self._take_connection(WebSocketConnection.cut)
            self._lost(CloseCode.ABNORMAL, "dropped on purpose", lived_seconds)

    # -- the connection reports, from the hub ----------------------------------------------------------------

    def on_open(self) -> None:
        """The first frames of a connection: a ping, on return behind what the listener has to say."""
        self._close_code = self._sent = 0
        if self._state is _SocketState.RETURNING:
            self._tell("on_reopened", self._listener.on_reopened)
        self._send_ping()

    def on_text(self, payload: bytes) -> None:
        """Hot path: with thousands of events a second, most of a load generator's time is spent below here.

        The one case that matters is written out: an event, in order, on a settled connection (so it is no hello).
        Measured: 1.2 µs a frame, against 1.7 through the functions that the other cases take.
        """
        try:
            event = decode_event(payload)
        except UNREADABLE_JSON:
            self._on_reply(answered_number(payload))
            return
        if event.seq == self._expected and self._state is _UP:
            self._expected += 1
        elif not self._placed(event):
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 — logged in _blame; one listener must not stop the others' events
            self._blame(event.event, error)

    def on_end(self, code: int, reason: str) -> None:
        """The connection is gone, by the server's doing or the network's."""
        connection, lived_seconds = self._connection, self._take_connection(WebSocketConnection.cut)
        refused = connection is not None and looks_refused(lived_seconds, connection.heard_anything, self._timing)
        if self._state is _SocketState.OPENING and self._first_hello is not None:
            lost = WebSocketFailed("connection lost before the hello")
            self._first_hello.set_exception(WebSocketFailed("token not accepted", status=401) if refused else lost)
        elif self._state in (_SocketState.UP, _SocketState.RETURNING):
            self._lost(code, reason, lived_seconds, refused=refused and self._state is _SocketState.RETURNING)

    def on_sweep(self, now: float) -> None:
        """Ask the server whether it is there; give one up that has not answered the ping before."""
        if now < self._ping_due or self._connection is None or self._state is _SocketState.OPENING:
            return
        if not self._ping:
            self._send_ping()
            return
        silent = now - self._connection.heard_at > self._timing.ping_interval_seconds / 2
        reason = FELL_SILENT if silent else "a ping was not answered"
        self._lost(CloseCode.PING_UNANSWERED, reason, self._take_connection(WebSocketConnection.close))

    def _send_ping(self) -> None:
        if self._connection is None:
            return
        self._ping_due = time.monotonic() + self._timing.ping_interval_seconds
        with suppress(WebSocketFailed):
            # It broke in this very moment: its end was reported.
            self._ping = self.send(_PING)

    def _on_reply(self, number: int) -> None:
        if number == self._ping:
            self._ping = 0
        if self._state is _SocketState.RETURNING:
            # A new connection's hello would have come before.
            self._arrive(resumed=True)

    # -- events ----------------------------------------------------------------------------------------------

    def _placed(self, event: WebSocketEvent) -> bool:
        """Whether the event is one to tell: in order, after whatever it says about the connection."""
        if event.event == "hello":
            self._on_hello(event)
        if event.seq > self._expected:
            self._on_gap()
            return False
        if event.seq < self._expected:
            # Sent again.
            return False
        self._expected += 1
        if self._state is _SocketState.RETURNING:
            self._arrive(resumed=True)
        return True

    def _on_hello(self, event: WebSocketEvent) -> None:
        connection_id = greeted_as(event.data)
        first = self._state is _SocketState.OPENING
        if first or connection_id != self.connection_id:
            self.connection_id = connection_id
            self._expected = 0
            self._arrive(renewed=not first)

    def _arrive(self, resumed: bool = False, renewed: bool = False) -> None:
        self._state = _SocketState.UP
        self._counts.resumed += resumed
        self._counts.renewed += renewed
        self._counts.opened += not resumed and not renewed
        self._counts.gaps_filled += self._gaps if resumed else 0
        self._counts.gaps_lost += 0 if resumed else self._gaps
        self._gaps = 0
        if self._first_hello is not None:
            self._first_hello.set(None)
        self._tell("on_connected", partial(self._listener.on_connected, resumed, renewed))

    def _on_gap(self) -> None:
        """Events are missing: come back and ask for them, as the web application does.

        After the usual wait: to one who resumes a connection that the server takes for open, it gives a new one.
        """
        self._counts.gaps += 1
        self._gaps += 1
        if self._state is _SocketState.RETURNING:
            # The server took us up and left events out all the same: it would do so again.
            self.connection_id = ""
            self._expected = 0
        lived_seconds = self._take_connection(WebSocketConnection.close)
        self._lost(CloseCode.EVENTS_MISSING, "events are missing", lived_seconds)

    # -- losing and returning --------------------------------------------------------------------------------

    def _connect(self) -> None:
        url = handshake_url(self._url, self.connection_id, self._expected, self._close_code)
        self._tried_token = self.token
        timeout_seconds = self._timing.handshake_timeout_seconds
        caller = Caller(self.token, self._tls_context, timeout_seconds, self._cookies, self._route)
        wire, received = shake_hands(url, caller)
        if self._state is _SocketState.CLOSED:
            wire.close()
            raise WebSocketFailed("closed")
        if self._state is _SocketState.DOWN:
            self._state = _SocketState.RETURNING
        self._connection = connection = WebSocketConnection(wire, self, self._readiness)
        connection.start(received)

    def _take_connection(self, how: Callable[[WebSocketConnection], None]) -> float:
        """End the connection, if there is one; the seconds it lived."""
        connection, self._connection = self._connection, None
        if connection is None:
            return 0.0
        how(connection)
        return time.monotonic() - connection.started_at

    def _lost(self, code: int, reason: str, lived_seconds: float, *, refused: bool = False) -> None:
        """Count it, tell it, and come back after a wait. One lost before it was known to be back is no second loss."""
        was_up, self._state = self._state is _UP, _SocketState.DOWN
        self._close_code = self._close_code or code
        self._failures = 0 if lived_seconds >= self._timing.good_after_seconds else self._failures + 1
        self._return = gevent.spawn(self._come_back, self._retry_delay(), refused)
        if was_up:
            self._counts.dropped += 1
            self._tell("on_dropped", partial(self._listener.on_dropped, code, reason))

    def _come_back(self, wait_seconds: float, refused: bool) -> None:
        """The greenlet of a connection that is down: try until one stands, or nobody has a token for it."""
        asked = False
        while self._state is _SocketState.DOWN:
            gevent.sleep(wait_seconds)
            if refused and not self._fetch_token():
                self._counts.given_up += 1
                log.warning("gave up on a WebSocket: its session has expired and could not be renewed")
                return
            asked = asked or refused
            try:
                self._connect()
                # If it was lost again in the same breath, that loss has a greenlet of its own.
                return
            except WebSocketFailed as failure:
                log.debug("WebSocket not connected yet: %s", failure.reason)
                self._failures += 1
                refused = failure.status == 401
            # The first fresh token is fetched at once; if that is refused too, there is no hurry.
            wait_seconds = 0.0 if refused and not asked else self._retry_delay()

    def _fetch_token(self) -> bool:
        """Whether there is a token to go on with; a request may have renewed the session since it was refused."""
        if self.token != self._tried_token:
            return True
        try:
            token = self._listener.on_unauthorised()
        except Exception as error:  # noqa: BLE001 — logged in _blame; a later try may go better
            self._blame("on_unauthorised", error)
            return True
        self.token = token or self.token
        return token is not None

    def _retry_delay(self) -> float:
        return retry_delay(self._failures, self._rng, self._timing)

    def _tell(self, where: str, listener: Callable[[], None]) -> None:
        try:
            listener()
        except Exception as error:  # noqa: BLE001 — logged in _blame
            self._blame(where, error)

    def _blame(self, where: str, error: Exception) -> None:
        self._counts.listener_errors += 1
        tell_once(where, error)
