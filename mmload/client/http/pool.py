"""The connections that one user's requests take: up to six at once, kept open in between as a browser keeps them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from gevent import get_hub, getcurrent, monkey
from gevent.hub import Waiter
from gevent.lock import BoundedSemaphore

from mmload.client.http.protocol import HttpAnswer
from mmload.client.transport import NOT_NOW, ByteChannel
from mmload.network import LARGEST_ANSWER_BYTES

# Safe to repeat when nobody knows whether the server had the request (RFC 9110 §9.2.2).
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_READ_BYTES = 65536
_READ, _WRITE = 1, 2  # gevent's
_FIRST = 2  # libev's highest priority
# Idle for so long, a connection is looked at: Mattermost closes them after 60 s (ServiceSettings.IdleTimeout).
_LOOKED_AT_AFTER_SECONDS = 30.0
# Chrome closes idle connections after 5 minutes.
_LONGEST_IDLE_SECONDS = 300.0
# How finely overdue answers are told. Time-outs are seconds.
_LOOK_EVERY_SECONDS = 0.25

# The real one, not gevent's: it is asked about one socket and never waits. `select` would fail from the 1024th on.
_poll: Callable[[], Any] = monkey.get_original("select", "poll")


class Gone(ConnectionError):
    """The connection ended before anything of the answer came."""


class _Overdue(BaseException):
    """Thrown into a greenlet whose call takes too long. No `Exception`: nothing on its way may take it for one."""


class CallTimer:
    """Ends calls that take too long, and says when answers came: one timer for all calls of a process, not one each.

    `with timer:` bounds a whole call of the current greenlet, whatever it waits for in it: a connection, TLS, each part
    of the answer. `TimeoutError` when the time is over.

    An answer is there when the event loop learns of it, not when its reader's turn comes: on a busy core that is later,
    by the time that it takes to serve the others (measured at 70 % of a core: half a millisecond at p99).
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        # When each greenlet's call is overdue: in this order, as all are given the same time.
        self._due: dict[Any, float] = {}
        self._timer: Any = None
        self._check: Any = None
        self._learnt_at = 0.0

    def __enter__(self) -> None:
        if self._timer is None:
            self._start()
        self._due[getcurrent()] = self._clock() + self._seconds

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._due.pop(getcurrent(), None)
        if kind is _Overdue:
            raise TimeoutError("timed out") from None

    def wait(self, watcher: Any) -> float:
        """Until the watched socket is ready: when the loop learned that (`time.perf_counter`; 0.0: it doesn't say)."""
        waiter: Any = Waiter()
        watcher.start(waiter.switch, None)
        try:
            waiter.get()
        finally:
            watcher.stop()
        return self._learnt_at

    def _start(self) -> None:
        every = min(_LOOK_EVERY_SECONDS, self._seconds / 4)
        loop = get_hub().loop
        # ref=False: it must not keep the process alive.
        self._timer = loop.timer(every, every, ref=False)
        self._timer.start(self._look)
        # libev calls it between learning what is ready and serving that; libuv calls it when all is served.
        if "libev" in type(loop).__module__:
            self._check = loop.check(ref=False, priority=_FIRST)
            self._check.start(self._learn)

    def _learn(self) -> None:
        self._learnt_at = time.perf_counter()

    def _look(self) -> None:
        """Runs in the hub, so every greenlet with a call is waiting for something in it."""
        now = self._clock()
        overdue = list(takewhile(lambda greenlet: self._due[greenlet] <= now, self._due))
        for greenlet in overdue:
            # One that an earlier one's greenlet has ended meanwhile is no longer there.
            if self._due.pop(greenlet, None) is not None:
                greenlet.throw(_Overdue())


class HttpConnection:
    """One open connection: asks one thing at a time."""

    __slots__ = ("_largest", "_readable", "_ready_at", "_timer", "_wire", "idle_since")

    def __init__(self, wire: ByteChannel, timer: CallTimer, largest_bytes: int = LARGEST_ANSWER_BYTES) -> None:
        self._wire = wire
        self._largest = largest_bytes
        self._timer = timer
        self._readable = get_hub().loop.io(wire.fd, _READ)
        self._ready_at = 0.0
        self.idle_since = 0.0

    def ask(self, method: str, request: bytes, *, keep: bool = True) -> HttpAnswer:
        """The whole answer. Raises `Gone`, another `OSError` or `BadAnswer`; the connection is of no use then."""
        self._send(request)
        incoming = HttpAnswer(method, self._largest, keep=keep)
        self._ready_at = self._timer.wait(self._readable)
        while True:
            data = self._receive()
            if not data:
                return _ended(incoming)
            if incoming.feed(data):
                incoming.ready_at = self._ready_at
                return incoming
            # What is read without another wait may have come since.
            self._ready_at = 0.0

    def quiet(self) -> bool:
        """Whether nothing waits to be read: on an idle connection it would be the end."""
        poll = _poll()
        poll.register(self._wire.fd, _READ)
        return not poll.poll(0)

    def close(self) -> None:
        self._readable.close()
        self._wire.close()

    def _send(self, data: bytes) -> None:
        """Nearly always at once. A server that hangs up meanwhile may have answered before: that is read next."""
        try:
            sent = self._wire.send_some(data)
            while sent < len(data):
                self._wait_writable()
                sent += self._wire.send_some(data[sent:])
        except (BrokenPipeError, ConnectionResetError):
            return

    def _receive(self) -> bytes:
        """What comes next; nothing when the server has ended the connection."""
        while True:
            try:
                return self._wire.receive(_READ_BYTES)
            except ssl.SSLWantWriteError:
                self._wait_writable()
            except NOT_NOW:
                self._ready_at = self._timer.wait(self._readable)
            except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    def _wait_writable(self) -> None:
        watcher = get_hub().loop.io(self._wire.fd, _WRITE)
        try:
            self._timer.wait(watcher)
        finally:
            watcher.close()


def _ended(incoming: HttpAnswer) -> HttpAnswer:
    if not incoming.begun:
        raise Gone("connection lost")
    incoming.end()
    return incoming


class ConnectionPool:
    """Those of one user. `dial` opens one; at most `limit` are in use at once, who wants more waits."""

    __slots__ = ("_clock", "_closed", "_dial", "_idle", "_largest", "_places", "_timer")

    def __init__(
        self,
        dial: Callable[[], ByteChannel],
        timer: CallTimer,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        largest_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> None:
        self._largest = largest_bytes
        self._dial = dial
        self._timer = timer
        self._places = BoundedSemaphore(limit)
        self._clock = clock
        # The one used last is taken first; the first one is idle longest.
        self._idle: list[HttpConnection] = []
        self._closed = False

    def ask(self, method: str, request: bytes, *, keep: bool = True) -> HttpAnswer:
        """Send a request and read its answer, all within the timer's limit. Raises an `OSError` or `BadAnswer`.

        Without `keep` the answer's body is thrown away as it comes.
        One that the server has closed in the same moment is replaced, if the request may be repeated.
        """
        with self._timer, self._places:
            while True:
                line, fresh = self._take()
                try:
                    incoming = line.ask(method, request, keep=keep)
                except Gone:
                    line.close()
                    if fresh or method not in _REPEATABLE:
                        raise
                except BaseException:
                    line.close()
                    raise
                else:
                    self._put(line, incoming.keeps_open)
                    return incoming

    def close(self) -> None:
        """Close the idle ones; those in use are closed when they have served."""
        self._closed = True
        for line in self._idle:
            line.close()
        self._idle.clear()

    def _take(self) -> tuple[HttpConnection, bool]:
        while self._idle:
            line = self._idle.pop()
            if line.quiet():
                return line, False
            line.close()
        return HttpConnection(self._dial(), self._timer, self._largest), True

    def _put(self, line: HttpConnection, keeps_open: bool) -> None:
        if self._closed or not keeps_open:
            line.close()
            return
        now = line.idle_since = self._clock()
        self._idle.append(line)
        oldest = self._idle[0]
        idle_seconds = now - oldest.idle_since
        if idle_seconds > _LOOKED_AT_AFTER_SECONDS and (idle_seconds > _LONGEST_IDLE_SECONDS or not oldest.quiet()):
            del self._idle[0]
            oldest.close()
