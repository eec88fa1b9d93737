"""The hostile server: whatever a broken or malicious server may answer, on loopback; new features are tried on it.

It stands before a sandbox: requests whose path contains `target` are answered by an attack, all others are passed on.
Without a sandbox every request is attacked.
"""

from __future__ import annotations

import gzip
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

# No attack goes on for longer, should nobody hang up.
LONGEST_SECONDS = 60.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b" " * (1 << 20)


def sized(body: bytes, more: bytes = b"") -> bytes:
    return OK + more + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def for_ever(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield then


def once(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(pieces)


def slowly(data: bytes, seconds: float) -> Iterator[bytes]:
    """One byte each so many seconds."""
    for byte in data:
        yield bytes([byte])
        time.sleep(seconds)


def silence() -> Iterator[bytes]:
    time.sleep(LONGEST_SECONDS)
    yield b""


def bomb() -> bytes:
    """Some 300 KB that unpack to 300 MB."""
    packed = gzip.compress(MEGABYTE)
    return sized(packed * 300, b"Content-Encoding: gzip\r\n")


ATTACKS: dict[str, Callable[[], Iterator[bytes]]] = {
    "endless body": lambda: for_ever(OK + b"\r\n", MEGABYTE),
    "endless chunk": lambda: for_ever(CHUNKED + b"fffffffffff\r\n", MEGABYTE),
    "endless chunks": lambda: for_ever(CHUNKED, b"1\r\n \r\n" * 10_000),
    "gzip bomb": lambda: iter([bomb()]),
    "endless 100 Continue": lambda: for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "one byte each 0.5 s": lambda: slowly(sized(b"{}"), 0.5),
    "chunk of -5": once(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "JSON 100,000 deep": once(sized(b'{"a":' * 100_000)),
    "list 100,000 deep": once(sized(b"[" * 100_000)),
    "bad UTF-8": once(sized(b'{"status":"OK","id":"\xff\xfe","AndroidLatestVersion":"\xc3\x28"}')),
    "endless head": lambda: for_ever(OK, b"X-Header: x\r\n" * 1000),
    "endless line": lambda: for_ever(OK + b"X-Header: ", MEGABYTE),
    "huge length": once(OK + b"Content-Length: 99999999999999\r\n\r\n{}"),
    "two lengths": once(OK + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}"),
    "cut off": once(OK + b"Content-Length: 20\r\n\r\n{"),
    "NUL bytes": once(b"\0" * 100_000),
    "hangs up": once(b""),
    "silence": silence,
    "an upgrade that never ends": lambda: for_ever(b"HTTP/1.1 101 Switching Protocols\r\n", b"X-Header: x\r\n"),
}


class HostileServer:
    """`url` is where it listens; it attacks with `attack` where the path contains `target`."""

    def __init__(self, attack: str, behind: str = "", target: str = "/") -> None:
        self._attack = ATTACKS[attack]
        self._behind = urlsplit(behind)
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = connection.recv(65536)
            path = request.split(b" ", 2)[1].decode() if request.count(b" ") > 1 else ""
            if not self._behind.port or self._target in path:
                self._strike(connection)
            else:
                self._pass_on(connection, request)

    def _strike(self, connection: socket.socket) -> None:
        until = time.monotonic() + LONGEST_SECONDS
        for piece in self._attack():
            connection.sendall(piece)
            if time.monotonic() > until:
                return

    def _pass_on(self, connection: socket.socket, request: bytes) -> None:
        """The connection is asked not to be used again, so that each request is looked at; WebSockets stay."""
        if b"Upgrade: websocket" not in request:
            request = request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with socket.create_connection(("127.0.0.1", self._behind.port or 80)) as behind:
            behind.sendall(request)
            back = threading.Thread(target=_copy, args=(behind, connection), daemon=True)
            back.start()
            _copy(connection, behind)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def hostile(attack: str, behind: str = "", target: str = "/") -> Iterator[str]:
    """The address of a hostile server, in a process of its own: where tests run, gevent has replaced the threads."""
    command = [sys.executable, __file__, attack, behind, target]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    server = HostileServer(*sys.argv[1:4])
    print(server.url, flush=True)
    signal.pause()
