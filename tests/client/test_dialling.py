"""Which address a connection goes to."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, suppress
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from mmload.client.http.cookies import Cookies
from mmload.client.transport import KEPT_SECONDS, Addresses, connect, rotated
from mmload.client.websocket.handshake import Caller, shake_hands
from tests.client.scripted import PATIENCE_SECONDS, serving


def address(number: int, family: Any = socket.AF_INET) -> tuple[Any, ...]:
    return (family, socket.SOCK_STREAM, 6, "", (f"10.0.0.{number}", 80))


class Resolver:
    """Names that are looked up, counted."""

    def __init__(self, *found: tuple[Any, ...]) -> None:
        self.found = list(found)
        self.asked = 0

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        return self.found


def first_hosts(known: Addresses, times: int) -> list[str]:
    return [known.in_turn()[0][3][0] for _ in range(times)]


def test_the_addresses_of_a_name_are_taken_in_turn() -> None:
    """A name of three machines is meant to spread its clients over all three."""
    known = Addresses("chat", 80, resolve=Resolver(address(1), address(2), address(3)))

    assert sorted(first_hosts(known, 3)) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_addresses_of_the_other_family_come_last() -> None:
    """A system that prefers one family may have no way to the other."""
    preferred = (socket.AF_INET, socket.SOCK_STREAM, 6, ("10.0.0.1", 80))
    other = (socket.AF_INET6, socket.SOCK_STREAM, 6, ("::1", 80))

    assert {rotated([preferred, other], turn)[0] for turn in range(4)} == {preferred}


def test_a_name_is_asked_for_once_a_minute() -> None:
    now = 0.0
    resolve = Resolver(address(1))
    known = Addresses("chat", 80, clock=lambda: now, resolve=resolve)

    first_hosts(known, 5)
    assert resolve.asked == 1
    now = KEPT_SECONDS
    first_hosts(known, 5)
    assert resolve.asked == 2


def test_when_no_address_answers_the_name_is_asked_for_again() -> None:
    resolve = Resolver(address(1))
    known = Addresses("chat", 80, resolve=resolve)

    first_hosts(known, 1)
    known.forget()
    first_hosts(known, 1)

    assert resolve.asked == 2


def test_dialling_nobody_leaves_no_socket_open() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as opened, pytest.raises(ConnectionRefusedError):
        connect(f"http://127.0.0.1:{port}", None, opened)


def test_a_handshake_whose_answer_trickles_ends_in_time() -> None:
    """Each byte comes soon after the one before; the limit is that of the whole handshake."""

    given_up = Event()

    def serve(connection: Any, _address: Any) -> None:
        connection.recv(65536)
        with suppress(OSError), connection:
            for byte in itertools.chain(b"HTTP/1.1 101 Switching Protocols\r\nX: ", itertools.repeat(120)):
                connection.sendall(bytes((byte,)))
                gevent.sleep(0.02)
        given_up.set()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    try:
        caller = Caller("token", None, timeout_seconds=0.3)
        asking = gevent.spawn(shake_hands, f"ws://127.0.0.1:{server.server_port}/x", caller)
        gevent.joinall([asking], timeout=5)
        assert given_up.wait(5), "nothing stays open"
    finally:
        server.stop(timeout=1)

    assert str(asking.exception) == "timed out"


def test_a_users_cookies_go_with_its_handshake_and_nobody_elses() -> None:
    """websocket-client keeps those with a domain in a jar of the whole process, and sends them with every handshake."""
    asked: list[str] = []

    with serving() as server:
        for cookies in (Cookies(), Cookies()):
            cookies.take(b"HTTP/1.1 200 OK\r\nSet-Cookie: node=%d" % len(asked))
            caller = Caller("token", None, 5.0, cookies)
            url = server.url.replace("127.0.0.1", "localhost")
            shaking = gevent.spawn(shake_hands, url, caller)
            peer = server.accept()
            asked.append(peer.headers["cookie"])
            peer.upgrade(headers=("Set-Cookie: route=r1; Domain=localhost",))
            shaking.get(timeout=PATIENCE_SECONDS)[0].close()
            assert cookies.header.endswith("route=r1")

    assert asked == ["node=0", "node=1"]
