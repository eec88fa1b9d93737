"""What a received WebSocket frame costs the generator, by size and by whether the event is kept; and what idle ones do.

Lock-step: every connection gets one frame, the next round begins when all have been served: a wake-up per frame and
connection, as when a server fans out. The server is another process and not in the figures.
"""

from __future__ import annotations

# Before anything that makes sockets: as in a worker, the standard library is patched by Locust.
import locust  # noqa: F401  # isort: skip

import argparse
import gc
import json
import random
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import gevent
import msgspec
import websocket as websocket_client
from gevent.event import Event as Signal

from benchmarks import frame_server
from benchmarks.frame_kinds import AUTHOR, HERE, KINDS, ME
from benchmarks.measuring import Report, Spread, Table, python_process, spread, tell, whole
from mmload.behaviours.events import EventListener
from mmload.behaviours.person import Person
from mmload.client.accounts import account
from mmload.client.api import Api
from mmload.client.http.client import Rest
from mmload.client.websocket.client import WebSocket
from mmload.client.websocket.connection import WebSocketConnection
from mmload.client.websocket.epoll import process_readiness
from mmload.client.websocket.frames import decode_event
from mmload.client.websocket.handshake import Caller, shake_hands
from mmload.config import load_settings
from mmload.context import TestContext
from mmload.metrics.recorder import Recorder
from mmload.models import Post, User
from mmload.open_files import raise_open_files
from mmload.store import Store

PERSON, READER, PLAIN = "a person hears it", "reader, all decoded", "websocket-client and json"
SPARE_FILES = 256


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--connections", type=whole, default=200, help="sockets that get frames (default: %(default)s)")
    add("--frames", type=whole, default=50, help="frames to each in a round (default: %(default)s)")
    add("--rounds", type=whole, default=5, help="of which minimum and median are told (default: %(default)s)")
    add("--idle", type=whole, nargs="+", default=[1000, 5000], help="idle connections whose memory is measured")


class Control:
    """The line to the frame server, and the count of what has arrived."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}"
        self._line = socket.create_connection(("127.0.0.1", port))
        self._missing = 0
        self._served = Signal()

    def say(self, word: str) -> None:
        self._line.sendall(f"{word}\n".encode())

    def expect(self, frames: int) -> None:
        self._missing = frames
        self._served.clear()

    def arrived(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._served.set()

    def wait(self) -> None:
        if not self._served.wait(60):
            raise TimeoutError(f"{self._missing} frames did not arrive")

    def close(self) -> None:
        self._line.close()


class Reader(Protocol):
    """A way to read one connection's frames."""

    def close(self) -> None: ...


def _person(control: Control) -> Person:
    """Somebody who is in and knows the author. Another window is in front: what the page asks is no part of hearing."""
    settings, _ = load_settings(environ={})
    here = TestContext(settings, "http" + control.url.removeprefix("ws"), Recorder())
    rest = Rest(here.transport, report=lambda *_: None, unavailable=here.missing)
    store = Store(here.shared_objects)
    store.me = User(id=ME)
    store.current_channel_id = HERE
    store.members |= {HERE, "e" * 26}
    store.remember_users([User(id=AUTHOR, username="author")])
    store.statuses.add(AUTHOR)
    person = Person(here, account(1, "testuser", "secret"), Api(rest), store, random.Random(1))
    person.window.in_front = False
    return person


class PersonsSocket:
    """Our WebSocket with a person listening, as in a run."""

    def __init__(self, control: Control, person: Person) -> None:
        self._ears = EventListener(person, lambda _token: True)
        self._arrived = control.arrived
        self._socket = WebSocket(control.url, "token", self, person.context.recorder.sockets, rng=random.Random(1))
        self._socket.open()

    def on_event(self, event: Any) -> None:
        self._ears.on_event(event)
        self._arrived()

    def on_reopened(self) -> None: ...

    def on_connected(self, resumed: bool, renewed: bool) -> None: ...

    def on_dropped(self, code: int, reason: str) -> None: ...

    def on_unauthorised(self) -> str | None: ...

    def close(self) -> None:
        self._socket.close()


class _Posted(msgspec.Struct):
    post: str


class DecodingReader:
    """The bare connection; every event is decoded, and every post in one: nothing is told to anybody."""

    _posted = msgspec.json.Decoder(_Posted)
    _post = msgspec.json.Decoder(Post)

    def __init__(self, control: Control) -> None:
        self._arrived = control.arrived
        self._counts: dict[str, int] = defaultdict(int)
        wire, received = shake_hands(control.url + "/api/v4/websocket", Caller("token", None, 10.0))
        self._connection = WebSocketConnection(wire, self, process_readiness())
        self._connection.start(received)

    def on_open(self) -> None: ...

    def on_text(self, payload: bytes) -> None:
        event = decode_event(payload)
        self._counts[event.event] += 1
        if event.event == "posted":
            self._post.decode(self._posted.decode(event.data).post)
        if event.event != "hello":
            self._arrived()

    def on_end(self, code: int, reason: str) -> None: ...

    def on_sweep(self, now: float) -> None: ...

    def close(self) -> None:
        self._connection.close()


class GreenletReader:
    """websocket-client's `recv` in a greenlet, with the standard library's JSON: the usual way under Locust."""

    def __init__(self, control: Control) -> None:
        self._arrived = control.arrived
        self._counts: dict[str, int] = defaultdict(int)
        self._socket = websocket_client.create_connection(
            control.url, timeout=20, skip_utf8_validation=True, enable_multithread=False
        )
        self._socket.recv()
        self._socket.settimeout(None)
        self._greenlet = gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            while text := self._socket.recv():
                event = json.loads(text)
                self._counts[event["event"]] += 1
                if event["event"] == "posted":
                    json.loads(event["data"]["post"])
                self._arrived()
        except (OSError, websocket_client.WebSocketException):
            return

    def close(self) -> None:
        self._greenlet.kill()
        if self._socket.sock is not None:
            self._socket.sock.close()


def ways(control: Control) -> dict[str, Callable[[], Reader]]:
    """How a connection is made, by the name of the way it is read."""
    person = _person(control)
    return {
        PERSON: lambda: PersonsSocket(control, person),
        READER: lambda: DecodingReader(control),
        PLAIN: lambda: GreenletReader(control),
    }


@contextmanager
def connected(control: Control, make: Callable[[], Reader], number: int) -> Iterator[list[Reader]]:
    """So many connections, closed in the end."""
    control.say(f"accept {number}")
    readers = [make() for _ in range(number)]
    # A fresh connection's hello is read, whoever reads it.
    gevent.sleep(0.2)
    try:
        yield readers
    finally:
        for reader in readers:
            reader.close()
        control.say("forget")
        gc.collect()


def microseconds_per_frame(control: Control, kind: str, connections: int, frames: int) -> float:
    """CPU time of this process for one frame, over one round."""
    began = time.process_time()
    for _ in range(frames):
        control.expect(connections)
        control.say(kind)
        control.wait()
    return (time.process_time() - began) * 1e6 / (connections * frames)


def costs(control: Control, args: argparse.Namespace) -> dict[str, dict[str, Spread]]:
    """By way and kind. Each round goes through all kinds: what disturbs one, disturbs all."""
    found: dict[str, dict[str, Spread]] = {}
    for way, make in ways(control).items():
        tell(f"{way}: {args.connections} connections")
        rounds: dict[str, list[float]] = defaultdict(list)
        with connected(control, make, args.connections):
            for _ in range(args.rounds):
                for kind in KINDS:
                    rounds[kind].append(microseconds_per_frame(control, kind, args.connections, args.frames))
        found[way] = {kind: spread(values) for kind, values in rounds.items()}
    return found


def idle(number: int) -> dict[str, float]:
    """KB per idle connection, by way."""
    found = {}
    for way in (PERSON, READER, PLAIN):
        tell(f"{way}: {number} idle connections")
        with python_process("-m", "benchmarks.idle", way, str(number)) as printed:
            found[way] = float(printed)
    return found


def measure(args: argparse.Namespace) -> Report:
    raise_open_files(args.connections + SPARE_FILES)
    memory = {number: idle(number) for number in args.idle}
    with python_process("-m", frame_server.__name__) as port:
        control = Control(int(port))
        try:
            return report(costs(control, args), memory)
        finally:
            control.close()


def report(found: dict[str, dict[str, Spread]], memory: dict[int, dict[str, float]]) -> Report:
    """Tables and figures. Pure."""
    rows = []
    for kind in KINDS.values():
        plain = found[PLAIN][kind.name].minimum
        for way, by_kind in found.items():
            cost = by_kind[kind.name]
            size = len(kind.payload(1000))
            rows.append((kind.name, size, kind.kept, way, cost.minimum, cost.median, cost.minimum / plain))
    idle_rows = [(number, way, kilobytes) for number, by_way in memory.items() for way, kilobytes in by_way.items()]
    return Report(
        {
            "us_per_frame": {
                way: {kind: {"minimum": cost.minimum, "median": cost.median} for kind, cost in by_kind.items()}
                for way, by_kind in found.items()
            },
            "kb_per_idle_connection": {str(number): by_way for number, by_way in memory.items()},
        },
        (
            Table(
                "CPU per received frame",
                ("frame", "bytes", "event is", "way", "µs minimum", "µs median", "x websocket-client"),
                tuple(rows),
            ),
            Table("Memory per idle connection", ("connections", "way", "KB"), tuple(idle_rows)),
        ),
    )
