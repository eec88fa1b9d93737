"""The connections of one user: kept, replaced, limited, given up in time; on real sockets against scripted servers."""

from __future__ import annotations

import resource
import socket as plain_socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from mmload.client import transport
from mmload.client.http.client import Transport
from mmload.client.http.pool import CallTimer, ConnectionPool, Gone
from mmload.client.http.protocol import request_bytes
from mmload.errors import BadAnswer

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ASK = request_bytes("GET", "/", b"", None, b"")
Serve = Callable[[Any, int], None]


@contextmanager
def server(serve: Serve) -> Iterator[tuple[str, list[Any]]]:
    """A server that has `serve(connection, its number)` do everything; its address and its connections."""
    seen: list[Any] = []

    def accept(connection: Any, _address: Any) -> None:
        seen.append(connection)
        serve(connection, len(seen))

    listening = StreamServer(("127.0.0.1", 0), accept)
    listening.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", seen
    finally:
        listening.stop(timeout=1)


def connections(url: str, *, timeout_seconds: float = 5.0) -> ConnectionPool:
    return Transport(url, connect_timeout_seconds=2, request_timeout_seconds=timeout_seconds).connections()


def answer_all(connection: Any, _number: int) -> None:
    """Answers each request until the client goes."""
    while connection.recv(65536):
        connection.sendall(GOOD)


def test_requests_one_after_the_other_take_one_connection() -> None:
    with server(answer_all) as (url, seen), closing(connections(url)) as mine:
        for _ in range(3):
            assert mine.ask("GET", ASK).body == b"{}"

        assert len(seen) == 1


def test_requests_at_once_take_as_many_connections_as_there_may_be() -> None:
    inside: list[int] = []
    most = Event()

    def serve(connection: Any, number: int) -> None:
        while connection.recv(65536):
            inside.append(number)
            if len(inside) == 6:
                most.set()
            most.wait(5)
            connection.sendall(GOOD)

    with server(serve) as (url, seen), closing(connections(url)) as mine:
        asking = [gevent.spawn(mine.ask, "GET", ASK) for _ in range(10)]
        gevent.joinall(asking, timeout=10, raise_error=True)

        assert all(greenlet.successful() for greenlet in asking)
        assert len(seen) == 6


def tells_when_it_learnt() -> bool:
    """libuv does not say it."""
    return "libev" in type(gevent.get_hub().loop).__module__


def test_an_answer_is_as_old_as_it_was_there_whoever_is_served_first() -> None:
    """Two answers come at once: the second one's wait until the first one has been read is not the server's."""
    asked: list[Any] = []
    both = Event()
    ready_at: list[float] = []
    read_at: list[float] = []

    def serve(connection: Any, _number: int) -> None:
        while connection.recv(65536):
            asked.append(connection)
            if len(asked) == 2:
                both.set()

    def ask(mine: ConnectionPool) -> None:
        incoming = mine.ask("GET", ASK)
        read_at.append(time.perf_counter())
        ready_at.append(incoming.ready_at)

    with server(serve) as (url, _seen), closing(connections(url)) as mine:
        asking = [gevent.spawn(ask, mine) for _ in range(2)]
        assert both.wait(5)
        sent_at = time.perf_counter()
        for connection in asked:
            connection.sendall(GOOD)
        gevent.joinall(asking, timeout=10, raise_error=True)

    if tells_when_it_learnt():
        assert sent_at < min(ready_at)
        assert max(ready_at) < min(read_at)
    else:
        assert ready_at == [0.0, 0.0]


def test_an_answer_in_parts_is_there_with_the_last_one() -> None:
    sent_at: list[float] = []
    begun = Event()

    def serve(connection: Any, _number: int) -> None:
        connection.recv(65536)
        connection.sendall(GOOD[:-1])
        begun.wait(5)
        sent_at.append(time.perf_counter())
        connection.sendall(GOOD[-1:])

    with server(serve) as (url, _seen), closing(connections(url)) as mine:
        asking = gevent.spawn(mine.ask, "GET", ASK)
        gevent.spawn_later(0.05, begun.set)
        ready_at = asking.get(timeout=10).ready_at

    assert ready_at > sent_at[0] or not tells_when_it_learnt()


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    """A web server closes idle connections; that must not cost a request, be it one that can't be repeated."""
    gone = Event()

    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        connection.sendall(GOOD)
        if number == 1:
            connection.close()
            gone.set()

    with server(serve) as (url, seen), closing(connections(url)) as mine:
        mine.ask("POST", ASK)
        gone.wait(5)

        assert mine.ask("POST", ASK).status == 200
        assert len(seen) == 2


def test_a_connection_lost_under_a_repeatable_request_is_replaced_once_it_had_served() -> None:
    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        connection.sendall(GOOD)
        if number == 1:
            connection.recv(65536)
            connection.close()
        else:
            answer_all(connection, number)

    with server(serve) as (url, seen), closing(connections(url)) as mine:
        mine.ask("GET", ASK)

        assert mine.ask("GET", ASK).status == 200
        assert len(seen) == 2


def test_a_post_on_a_connection_lost_meanwhile_is_not_sent_twice() -> None:
    """Nobody knows whether the server has had it: two messages would be worse than a failed one."""

    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        connection.sendall(GOOD)
        connection.recv(65536)
        connection.close()

    with server(serve) as (url, seen), closing(connections(url)) as mine:
        mine.ask("POST", ASK)
        with pytest.raises(Gone):
            mine.ask("POST", ASK)

        assert len(seen) == 1


def test_a_server_that_hangs_up_on_a_new_connection_is_not_asked_again() -> None:
    with server(lambda connection, _number: connection.close()) as (url, seen), closing(connections(url)) as mine:
        with pytest.raises(ConnectionError):
            mine.ask("GET", ASK)

        assert len(seen) == 1


def test_an_answer_that_never_comes_ends_in_time_and_gives_its_place_back() -> None:
    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        if number > 6:
            connection.sendall(GOOD)
        connection.recv(65536)

    with server(serve) as (url, _seen), closing(connections(url, timeout_seconds=0.5)) as mine:
        for _ in range(6):
            with pytest.raises(TimeoutError):
                mine.ask("GET", ASK)

        assert mine.ask("GET", ASK).status == 200


def test_an_answer_that_trickles_ends_in_time() -> None:
    """Each part comes soon after the one before; the limit is that of the whole call."""
    endless = GOOD.replace(b": 2", b": 2000")

    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        for at in range(len(endless) + 200):
            gevent.sleep(0.02)
            connection.sendall(endless[at : at + 1] or b"x")

    with server(serve) as (url, _seen), closing(connections(url, timeout_seconds=0.3)) as mine:
        asking = gevent.spawn(mine.ask, "GET", ASK)
        gevent.joinall([asking], timeout=5)

        assert isinstance(asking.exception, TimeoutError)


def test_waiting_for_a_connection_is_part_of_the_call() -> None:
    """Six calls are under way and never end: a seventh does not wait for them and then for its own answer."""
    now = 0.0
    asked: list[int] = []

    def serve(connection: Any, number: int) -> None:
        while connection.recv(65536):
            asked.append(number)

    with server(serve) as (url, seen):
        mine = ConnectionPool(Transport(url)._dial, CallTimer(1, clock=lambda: now), 6)
        with closing(mine):
            asking = [gevent.spawn(mine.ask, "GET", ASK) for _ in range(7)]
            while len(asked) < 6:
                gevent.sleep(0.01)
            now = 1.0
            gevent.joinall(asking, timeout=10)

        assert all(isinstance(greenlet.exception, TimeoutError) for greenlet in asking)
        assert len(seen) == 6


def test_a_server_that_does_not_accept_ends_in_time_at_all_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to connect is over once for all of them: the next address gets no time of its own."""
    full = plain_socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [plain_socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(full.getsockname())
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
    known = transport.Addresses("chat", 80, resolve=lambda *_, **__: [found, found, found])
    monkeypatch.setattr(transport, "addresses", lambda host, port: known)

    mine = Transport("http://chat", connect_timeout_seconds=0.3, request_timeout_seconds=30).connections()
    with closing(mine), gevent.Timeout(5), pytest.raises(TimeoutError):
        mine.ask("GET", ASK)

    for each in (*waiting, full):
        each.close()


def test_a_killed_greenlet_gives_its_place_back_and_closes_its_connection() -> None:
    """Locust stops users in the middle of a request."""
    asked, closed = Event(), Event()

    def serve(connection: Any, number: int) -> None:
        connection.recv(65536)
        if number > 6:
            connection.sendall(GOOD)
            return
        asked.set()
        if not connection.recv(65536):
            closed.set()

    with server(serve) as (url, _seen), closing(connections(url)) as mine:
        for _ in range(6):
            asked.clear()
            closed.clear()
            asking = gevent.spawn(mine.ask, "GET", ASK)
            assert asked.wait(5)
            asking.kill()
            assert closed.wait(5)

        assert mine.ask("GET", ASK).status == 200


def test_an_answer_cut_off_in_the_middle_is_told_from_a_lost_connection() -> None:
    def serve(connection: Any, _number: int) -> None:
        connection.recv(65536)
        connection.sendall(GOOD[:-1])
        connection.close()

    with server(serve) as (url, _seen), closing(connections(url)) as mine, pytest.raises(BadAnswer):
        mine.ask("GET", ASK)


def test_a_large_request_is_sent_whole_to_a_slow_reader() -> None:
    size = 3_000_000
    received = []

    def serve(connection: Any, _number: int) -> None:
        gevent.sleep(0)
        total = 0
        while total < size and (data := connection.recv(4096)):
            total += len(data)
        received.append(total)
        connection.sendall(GOOD)

    with server(serve) as (url, _seen), closing(connections(url)) as mine:
        assert mine.ask("POST", b"x" * size).status == 200

    assert received == [size]


def test_an_answer_given_before_the_request_was_read_is_read() -> None:
    """A server refuses a file that is too big without waiting for its end."""
    refusal = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def serve(connection: Any, _number: int) -> None:
        connection.recv(10)
        connection.sendall(refusal)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with server(serve) as (url, _seen), closing(connections(url)) as mine:
        assert mine.ask("POST", b"x" * 1_000_000).status == 413


def test_connections_stay_open_beyond_the_thousandth_file() -> None:
    """`select` knows no files above 1023: asked by it, each of them looks closed."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1300:
        pytest.skip("this process may not open so many files")
    held = [plain_socket.socket() for _ in range(1100)]
    try:
        with server(answer_all) as (url, seen), closing(connections(url)) as mine:
            for _ in range(3):
                mine.ask("GET", ASK)

            assert len(seen) == 1
    finally:
        for each in held:
            each.close()


def test_an_idle_connection_that_the_server_closed_is_closed_here_too() -> None:
    """Else each user would keep the five connections of its page load, half closed, for the rest of the run."""
    now = 0.0
    opened: list[Any] = []
    enough = Event()

    def serve(connection: Any, _number: int) -> None:
        opened.append(connection)
        while connection.recv(65536):
            if len(opened) == 2:
                enough.set()
            enough.wait(5)
            connection.sendall(GOOD)

    with server(serve) as (url, _seen):
        transport = Transport(url)
        mine = ConnectionPool(transport._dial, CallTimer(5), 6, clock=lambda: now)
        with closing(mine):
            gevent.joinall([gevent.spawn(mine.ask, "GET", ASK) for _ in range(2)], raise_error=True)
            assert len(mine._idle) == 2
            for connection in opened:
                if connection.getpeername()[1] == _local_port(mine._idle[0]):
                    connection.shutdown(socket.SHUT_RDWR)
            now = 31.0
            mine.ask("GET", ASK)

            assert len(mine._idle) == 1


def _local_port(line: Any) -> int:
    bare = line._wire.receive.__self__
    port: int = bare.getsockname()[1]
    return port


def test_closed_connections_are_not_kept_when_they_have_served() -> None:
    asked, go_on = Event(), Event()

    def serve(connection: Any, _number: int) -> None:
        connection.recv(65536)
        asked.set()
        go_on.wait(5)
        connection.sendall(GOOD)

    with server(serve) as (url, _seen):
        mine = connections(url)
        asking = gevent.spawn(mine.ask, "GET", ASK)
        assert asked.wait(5)
        mine.close()
        go_on.set()

        assert asking.get(timeout=5).status == 200
        assert not mine._idle
