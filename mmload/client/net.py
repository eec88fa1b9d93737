"""From a server's name to a connection: addresses that all users of a process share, TCP, and TLS where wanted.

The byte channel under an open WebSocket: a non-blocking socket, plain or TLS, without gevent's object around it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

from gevent import monkey, socket

Address = tuple[Any, Any, int, Any]
"""Family, kind, protocol and address, as a socket wants them."""

# As long as browsers keep an answer.
KEPT_SECONDS = 60.0


class Addresses:
    """The addresses of one server: asked for once a minute, not by each connection, and taken in turn.

    In turn, as a name of several machines is meant to spread its clients; those of the other family come last.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        resolve: Callable[..., Any] = socket.getaddrinfo,
    ) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._resolve = resolve
        self._known: list[Address] = []
        self._asked_at = 0.0
        self._turn = 0

    def in_turn(self) -> list[Address]:
        """All of them, in the order in which they should be tried now. Raises `socket.gaierror`."""
        if not self._known or self._clock() - self._asked_at >= KEPT_SECONDS:
            found = self._resolve(self._host, self._port, type=socket.SOCK_STREAM)
            self._known = [(family, kind, protocol, address) for family, kind, protocol, _, address in found]
            self._asked_at = self._clock()
        self._turn += 1
        return rotated(self._known, self._turn)

    def forget(self) -> None:
        """None of them answered: ask again before the next connection."""
        self._known = []


def rotated(known: list[Address], turn: int) -> list[Address]:
    """The addresses of the preferred (first) family, beginning with another one each turn, then the others. Pure."""
    preferred = [address for address in known if address[0] == known[0][0]]
    others = [address for address in known if address[0] != known[0][0]]
    first = turn % len(preferred) if preferred else 0
    return [*preferred[first:], *preferred[:first], *others]


@cache
def addresses(host: str, port: int) -> Addresses:
    """Those that all connections of this process to the server share."""
    return Addresses(host, port)


@cache
def default_tls_context() -> ssl.SSLContext:
    """Shared by all connections that were given none: one each would cost 30 ms and 0.7 MB."""
    return ssl.create_default_context()


def dial(host: str, port: int, tls_context: ssl.SSLContext | None, opened: ExitStack) -> Any:
    """A connected gevent socket; with a context TLS is spoken on it. `opened` closes it unless it is taken out again.

    In single steps, each covered: a greenlet may be killed in any of them, and socket.create_connection or a TLS
    handshake within wrap_socket would then leave the socket to the garbage collector.
    """
    connection = _tcp(host, port, opened)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls_context is not None:
        connection = tls_context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        opened.callback(connection.close)
        connection.do_handshake()
    return connection


def _tcp(host: str, port: int, opened: ExitStack) -> Any:
    """Connected to the first address of the host that accepts."""
    failure: OSError = OSError("no address")
    known = addresses(host, port)
    for family, kind, protocol, address in known.in_turn():
        connection = socket.socket(family, kind, protocol)
        opened.callback(connection.close)
        try:
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    known.forget()
    raise failure


# Nothing to read, or no room to write, at the moment. TLS has its own words for it, and they are OSErrors too.
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(slots=True, eq=False)
class ByteChannel:
    """`receive` and `send` never wait: they raise one of `NOT_NOW`, or another `OSError` when the connection is lost.

    `pending` tells how many decrypted bytes wait inside TLS, unseen by the system; None on a plain connection.
    """

    fd: int
    receive: Callable[[int], bytes]
    send: Callable[[bytes], int]
    pending: Callable[[], int] | None
    close: Callable[[], None]


def plain_wire(connection: Any) -> ByteChannel:
    """Take over a gevent socket: a bare one on the same connection costs 1 KB instead of 3 (measured)."""
    bare = monkey.get_original("socket", "socket")(fileno=os.dup(connection.fileno()))
    connection.close()
    bare.setblocking(False)
    return ByteChannel(bare.fileno(), bare.recv, bare.send, None, bare.close)


def tls_wire(connection: Any) -> ByteChannel:
    """Take over a gevent TLS socket: its native object is read without waiting, 40 % cheaper than through gevent."""
    native = connection._sslobj
    return ByteChannel(connection.fileno(), native.read, native.write, native.pending, connection.close)
