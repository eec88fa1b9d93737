"""The other end of `frames`: a process that accepts WebSockets and writes one frame to each of them on command.

Its first connection is the control: `accept N` takes N upgrades (each is greeted with a hello), `forget` closes the
last N; any other line is the name of a frame (`benchmarks.frame_kinds`) that each of the last N then gets once.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import sys
from itertools import count

from benchmarks.frame_kinds import HELLO, KINDS
from mmload.open_files import raise_open_files

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SPARE_FILES = 64


def text_frame(payload: bytes) -> bytes:
    """A whole frame as a server sends it: unmasked. Pure."""
    size = len(payload)
    head = bytes((0x81, size)) if size < 126 else struct.pack("!BBH", 0x81, 126, size)
    return head + payload


def upgrade(request: bytes) -> bytes:
    """The 101 that answers an upgrade request. Pure."""
    key = request.lower().partition(b"sec-websocket-key:")[0]
    raw = request[len(key) :].partition(b":")[2].partition(b"\r\n")[0].strip()
    accept = base64.b64encode(hashlib.sha1(raw + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


def _accept(listener: socket.socket, number: int) -> list[socket.socket]:
    connections = []
    for _ in range(number):
        connection, _address = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        connection.sendall(upgrade(request) + text_frame(HELLO))
        connections.append(connection)
    return connections


def serve(listener: socket.socket) -> None:
    """Until the control goes away."""
    control, _address = listener.accept()
    # Those of one `accept` go together; the last ones are forgotten first.
    batches: list[list[socket.socket]] = []
    numbers = count(1)
    with control.makefile("r") as commands:
        for line in commands:
            word, _, rest = line.strip().partition(" ")
            if word == "accept":
                raise_open_files(sum(map(len, batches)) + int(rest) + _SPARE_FILES)
                batches.append(_accept(listener, int(rest)))
                numbers = count(1)
            elif word == "forget":
                for connection in batches.pop():
                    connection.close()
            else:
                frame = text_frame(KINDS[word].payload(next(numbers)))
                for connection in batches[-1]:
                    connection.send(frame)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        print(listening.getsockname()[1], flush=True)
        serve(listening)
        sys.exit(0)
