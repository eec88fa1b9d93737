"""From a URL to a connection, for HTTP and WebSocket alike: the addresses and TLS context of a process, TCP, TLS.

An open connection is a byte channel: a non-blocking socket, plain or TLS, without gevent's object around it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent import monkey, socket

from mmload.errors import BadAnswer
from mmload.network import proxy_headers, trusting

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
def tls_context(verify: bool = True) -> ssl.SSLContext:
    """One for all connections of a process: each costs 30 ms and 0.8 MB (measured)."""
    return trusting(verify)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """`TimeoutError` when what is within takes longer. Not raised in it: there, whoever tries the next address would
    take it for the failure of one."""
    limit = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as passed:
        if passed is not limit:
            raise
        raise TimeoutError("timed out") from None
    finally:
        limit.close()


def connect(url: str, context: ssl.SSLContext | None, opened: ExitStack, proxy: str = "") -> Any:
    """A gevent socket connected to the URL's host; TLS is spoken on it if the URL says so, by `context` or the default.

    `opened` closes it unless it is taken out again. In single steps, each covered: a greenlet may be killed in any of
    them, and socket.create_connection or a TLS handshake within wrap_socket would then leave the socket to the garbage
    collector. Through a `proxy`, in a tunnel; but plain HTTP is to be asked of the proxy itself (RFC 9112 §3.2.2).
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    if proxy:
        by = urlsplit(proxy)
        connection = _tcp(by.hostname or "", by.port or 80, opened)
        if parts.scheme != "http":
            _dig(connection, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy)
    else:
        connection = _tcp(host, port, opened)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if secure:
        context = context or tls_context()
        connection = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        opened.callback(connection.close)
        connection.do_handshake()
    return connection


_LONGEST_PROXY_ANSWER_BYTES = 1 << 16


def _dig(connection: Any, target: str, proxy: str) -> None:
    """A tunnel to the target (RFC 9110 §9.3.6); the proxy says nothing more until we do."""
    lines = {"Host": target, **proxy_headers(proxy)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        if len(answer) > _LONGEST_PROXY_ANSWER_BYTES or not answer.startswith(b"HTTP/1."[: len(answer)]):
            raise BadAnswer("the proxy does not speak HTTP")
        if not (data := connection.recv(4096)):
            raise BadAnswer("the proxy's answer is cut off")
        answer += data
        if answer[9:12].isdigit() and not answer[9:12].startswith((b"1", b"2")):
            # In the words of the standard library, which `transport_reason` knows.
            raise OSError(f"Tunnel connection failed: {answer[9:12].decode()}")


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

    def send_some(self, data: bytes) -> int:
        """How many bytes it takes now, 0 if none."""
        try:
            return self.send(data)
        except NOT_NOW:
            return 0


def byte_channel(connection: Any) -> ByteChannel:
    """Take over a gevent socket.

    A plain one for a bare one on the same connection: it costs 1 KB instead of 3. Of one with TLS the native object is
    read without waiting, 40 % cheaper than through gevent (both measured).
    """
    native = getattr(connection, "_sslobj", None)
    if native is not None:
        return ByteChannel(connection.fileno(), native.read, native.write, native.pending, connection.close)
    bare = monkey.get_original("socket", "socket")(fileno=os.dup(connection.fileno()))
    connection.close()
    bare.setblocking(False)
    return ByteChannel(bare.fileno(), bare.recv, bare.send, None, bare.close)
