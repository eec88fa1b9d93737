"""The hostile server: each sub-path is a way in which a server can be broken or malicious.

A program of its own (`python -m tests.hostile.answers`): what it sends must not weigh on the process that is tested.
Its URL, with the name of a way as its path, is the server under test.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BLOCK = b"x" * 65536
DEEP = b"[" * 100_000 + b"]" * 100_000
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def then(begin: bytes, again: bytes) -> Iterable[bytes]:
    """A beginning, and then the same without an end."""
    return itertools.chain([begin], itertools.repeat(again))


def slowly(data: bytes) -> Iterator[bytes]:
    """A byte each half second."""
    for byte in data:
        yield bytes([byte])
        time.sleep(0.5)


def whole(body: bytes, *headers: bytes) -> Iterable[bytes]:
    lines = b"".join(header + b"\r\n" for header in headers)
    return [OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body]


def bomb() -> Iterable[bytes]:
    """1 GB of zeros in 1 MB."""
    return whole(gzip.compress(bytes(1 << 20), 9) * 1024, b"Content-Encoding: gzip")


# What is answered to any request.
REST: dict[str, Callable[[], Iterable[bytes]]] = {
    "endless-body": lambda: then(OK + b"\r\n", BLOCK),
    "endless-chunk": lambda: then(CHUNKED + b"ffffffffffff\r\n", BLOCK),
    "endless-chunks": lambda: then(CHUNKED, b"10000\r\n" + BLOCK + b"\r\n"),
    "endless-small-chunks": lambda: then(CHUNKED, b"1\r\nx\r\n" * 10_000),
    "endless-chunk-line": lambda: then(CHUNKED + b"1;", BLOCK),
    "endless-trailers": lambda: then(CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
    "endless-trailer": lambda: then(CHUNKED + b"0\r\nX: ", BLOCK),
    "chunk-size-minus-5": lambda: then(CHUNKED + b"-5\r\n", BLOCK),
    "endless-continue": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "slow-continue": lambda: (slowly(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)),
    "slow-head": lambda: slowly(OK + b"X: " + b"x" * 1000),
    "slow-body": lambda: itertools.chain([OK + b"Content-Length: 1000\r\n\r\n"], slowly(b"x" * 1000)),
    "slow-chunks": lambda: itertools.chain([CHUNKED], slowly(b"1\r\nx\r\n" * 1000)),
    "silent": lambda: slowly(b""),
    "endless-head": lambda: then(OK + b"X: ", BLOCK),
    "head-of-10-mb": lambda: [OK + b"X: " + b"x" * 10_000_000 + b"\r\nContent-Length: 2\r\n\r\n{}"],
    "many-headers": lambda: then(OK, b"X: y\r\n" * 1000),
    "huge-length": lambda: then(OK + b"Content-Length: 99999999999999\r\n\r\n", BLOCK),
    "length-of-5000-digits": lambda: [OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"],
    "cut-off": lambda: [OK + b"Content-Length: 100\r\n\r\n{}"],
    "two-lengths": lambda: [OK + b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}"],
    "nul-bytes": lambda: itertools.repeat(bytes(65536)),
    "nul-in-head": lambda: [OK + b"X: \0\r\nContent-Length: 2\r\n\r\n{}"],
    "no-http": lambda: [b"220 smtp.example ESMTP\r\n"],
    "gzip-bomb": bomb,
    "gzip-twice": lambda: whole(gzip.compress(gzip.compress(b"{}")), b"Content-Encoding: gzip, gzip"),
    "no-gzip": lambda: whole(b"{}", b"Content-Encoding: gzip"),
    "deflate": lambda: whole(b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9", b"Content-Encoding: deflate"),
    "brotli": lambda: whole(b"\x0b\x00\x80{}\x03", b"Content-Encoding: br"),
    "deep-json": lambda: whole(DEEP),
    "deep-object": lambda: whole(b'{"status": ' + DEEP + b"}", b"X-Version-Id: 11.6.0"),
    "bad-utf-8": lambda: whole(b'{"status": "\xff\xfe", "id": "\xff"}', b"X-Version-Id: 11.6.0"),
    "empty-object": lambda: whole(b'{"status": "OK", "AndroidLatestVersion": ""}', b"X-Version-Id: 11.6.0"),
    "other-json": lambda: whole(b"[1, 2, 3]", b"X-Version-Id: 11.6.0"),
}  # fmt: skip


def frame(first: int, length: int, payload: bytes = b"") -> bytes:
    """A frame that announces a length, whatever follows."""
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


# What comes over a WebSocket after its upgrade.
FRAMES: dict[str, Callable[[], Iterable[bytes]]] = {
    "frame-of-2-63": lambda: then(frame(0x81, 1 << 63), BLOCK),
    "endless-fragments": lambda: then(b"\x01\x01x", b"\x00\x01x" * 1000),
    "endless-empty-fragments": lambda: then(b"\x01\x00", b"\x00\x00" * 1000),
    "large-fragments": lambda: then(b"\x01\x00", frame(0x00, len(BLOCK), BLOCK)),
    "masked": lambda: [b"\x81\x85\0\0\0\0hello"],
    "reserved-bits": lambda: [b"\xf1\x05hello"],
    "long-ping": lambda: then(frame(0x89, 1 << 30), BLOCK),
    "frame-in-slow-bytes": lambda: slowly(b"\x81\x7e\xff\xff" + b"x" * 1000),
    "bad-utf-8-frame": lambda: [b"\x81\x02\xff\xfe"],
    "deep-frame": lambda: [frame(0x81, len(DEEP), DEEP)],
    "deep-hello": lambda: [frame(0x81, len(DEEP) + 37, b'{"event": "hello", "seq": 0, "data": ' + DEEP[:-1] + b"}")],
    "says-nothing": lambda: slowly(b""),
}

# What is answered to the request for an upgrade, besides all of REST.
UPGRADES: dict[str, Callable[[], Iterable[bytes]]] = {
    "endless-upgrade": lambda: then(b"HTTP/1.1 101 Switching Protocols\r\n", b"X: y\r\n" * 1000),
    "endless-upgrade-line": lambda: itertools.repeat(BLOCK),
    "slow-upgrade": lambda: slowly(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 1000),
    "bad-cookie": lambda: [b"HTTP/1.1 101 Fine\r\nSet-Cookie: (=1\r\n\r\n"],
}


def answer(path: str, head: bytes) -> Iterable[bytes]:
    """What the way named by a path does."""
    way = path.lstrip("/").partition("/")[0]
    if way in FRAMES:
        key = head.lower().partition(b"sec-websocket-key:")[2]
        at = len(head) - len(key)
        said = head[at:].partition(b"\r\n")[0].strip()
        accept = base64.b64encode(hashlib.sha1(said + _MAGIC).digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        return itertools.chain([upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"], FRAMES[way]())
    return (REST | UPGRADES)[way]()


def serve(connection: socket.socket) -> None:
    """One request, then the answer until the other side has enough; the connection stays open after it."""
    with connection, suppress(OSError, KeyError):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(65536)):
                return
            head += data
        path = head.split(b" ", 2)[1].decode()
        for piece in answer(path, head):
            connection.sendall(piece)
        if path.lstrip("/").partition("/")[0] in ("silent", "says-nothing") or "slow" in path:
            connection.recv(1)


def main() -> None:
    """Serve until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(listening.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
