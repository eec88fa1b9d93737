"""A user's WebSocket against a server that follows a script: what it says, and how it takes what befalls it."""

from __future__ import annotations

import gc
import itertools
import logging
import os
from contextlib import suppress
from dataclasses import replace

import gevent
import pytest
from gevent import get_hub

from mmload.client.websocket.client import WebSocket
from mmload.client.websocket.connection import LONGEST_BACKLOG_BYTES
from mmload.client.websocket.frames import CLOSE, PING, PONG, TEXT, WebSocketEvent
from mmload.errors import CLOSED_BY_SERVER, WebSocketFailed
from mmload.metrics.counts import SocketCounts
from tests.client.conftest import QUICK, Clients
from tests.client.scripted import Ear, Peer, event_text, eventually, server_frame

_numbers = itertools.count(1)
FIRST = {"connection_id": "", "sequence_number": "0", "posted_ack": "true"}


def back_to(connection_id: str, number: int, code: int) -> dict[str, str]:
    """The query of a return: the connection, the next number, and how the last connection ended."""
    told = {"connection_id": connection_id, "sequence_number": str(number), "disconnect_err_code": str(code)}
    return {**FIRST, **told}


def returned(clients: Clients) -> Peer:
    """The client's next connection, upgraded."""
    peer = clients.server.accept()
    peer.upgrade()
    return peer


# -- opening -----------------------------------------------------------------------------------------------------


def test_a_fresh_connection_names_nothing_but_its_token(clients: Clients) -> None:
    """As recorded: an empty connection id, and that posts are acknowledged."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)

    assert (peer.path, peer.query) == ("/api/v4/websocket", FIRST)
    assert peer.headers["authorization"] == "Bearer token-1"
    assert "sec-websocket-extensions" not in peer.headers and "origin" not in peer.headers
    assert (client.connected, client.connection_id, client._expected) == (True, "c1", 1)
    assert ear.connected == ["first"] and counts == SocketCounts(opened=1)
    assert ear.events[0].event == "hello"


def test_frames_right_behind_the_upgrade_are_heard(clients: Clients) -> None:
    """They come in the same packet as the headers when the server is quick."""
    ear = Ear()
    client, _ = clients.new(ear)
    opening = gevent.spawn(client.open)
    peer = clients.server.accept()
    frames = [event_text("hello", 0, connection_id="c1"), event_text("status_change", 1), event_text("posted", 2)]
    data = b"".join(server_frame(TEXT, frame) for frame in frames)
    peer.upgrade(behind=data[:-5])
    opening.get(timeout=60)
    assert ear.numbers() == [0, 1]

    peer.send_bytes(data[-5:])
    eventually(lambda: ear.numbers() == [0, 1, 2])


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        ("401 Unauthorized", (), "handshake answered 401"),
        ("404 Not Found", ("Content-Type: text/html",), "handshake answered 404"),
        ("302 Found", ("Location: http://127.0.0.1:9/login",), "handshake answered 302"),
        ("200 OK", ("Content-Type: text/html",), "handshake answered 200"),
        ("502 Bad Gateway", (), "handshake answered 502"),
    ],
)
def test_a_refused_upgrade_tells_the_status(
    clients: Clients, status: str, headers: tuple[str, ...], reason: str
) -> None:
    """Constant texts: they are keys of tables. A redirect is not followed: it would take the token along."""
    client, _ = clients.new(Ear())
    opening = gevent.spawn(client.open)
    clients.server.accept().answer(status, b"<html>" + b"x" * 300_000, *headers)

    with pytest.raises(WebSocketFailed) as caught:
        opening.get(timeout=60)
    assert (caught.value.reason, caught.value.status) == (reason, int(status[:3]))
    assert not client.connected


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 10", b"220 smtp ready\r\n", b"HTTP/1.1 101 Fine\r\n\r\n"])
def test_a_server_that_is_no_websocket_server_fails_the_opening(clients: Clients, said: bytes) -> None:
    """Hung up, cut off, another protocol, no accept key."""
    client, _ = clients.new(Ear())
    opening = gevent.spawn(client.open)
    peer = clients.server.accept()
    peer.send_bytes(said)
    peer.hang_up()

    with pytest.raises(WebSocketFailed):
        opening.get(timeout=60)
    assert not client.connected


def test_a_server_that_never_answers_is_given_up_in_time(clients: Clients) -> None:
    """Accepted by the system, read by nobody: TLS or HTTP, whichever waits."""
    client, _ = clients.new(Ear(), replace(QUICK, handshake_timeout_seconds=0.1))
    opening = gevent.spawn(client.open)
    clients.server.accept_bare()

    with pytest.raises(WebSocketFailed, match="timed out"):
        opening.get(timeout=60)


def test_an_upgrade_without_a_hello_is_no_opening(clients: Clients) -> None:
    """The server hangs after the upgrade. Afterwards another try is possible."""
    client, _ = clients.new(Ear(), replace(QUICK, handshake_timeout_seconds=0.2))
    opening = gevent.spawn(client.open)
    peer = returned(clients)
    with pytest.raises(WebSocketFailed, match="no hello"):
        opening.get(timeout=60)
    assert peer.ended() and not client.connected

    again = gevent.spawn(client.open)
    returned(clients).greet("c1")
    again.get(timeout=60)
    assert client.connected


def test_a_token_that_is_dropped_in_silence_counts_as_refused(clients: Clients) -> None:
    """11.6 accepts any token at the handshake and hangs up five seconds later; here that is after 0.05 seconds."""
    client, _ = clients.new(Ear())
    opening = gevent.spawn(client.open)
    peer = returned(clients)
    # The time is the client's: a busy machine may let it see the connection later than the server does.
    eventually(lambda: client._connection is not None)
    gevent.sleep(0.1)
    peer.hang_up()

    with pytest.raises(WebSocketFailed) as caught:
        opening.get(timeout=60)
    assert caught.value.status == 401


def test_nobody_listening_is_told_as_such(clients: Clients) -> None:
    """Port 9 of loopback: nobody discards here."""
    client, _ = clients.new(Ear(), url="ws://127.0.0.1:9")

    with pytest.raises(WebSocketFailed, match="connection refused"):
        client.open()


# -- events ------------------------------------------------------------------------------------------------------


def test_events_arrive_in_order_and_whole(clients: Clients) -> None:
    """One at a time, several in one write, big ones, cut ones."""
    ear = Ear()
    _, peer, _ = clients.opened(ear)
    texts = [event_text("posted", seq, post="x" * size) for seq, size in enumerate((10, 300, 80_000, 1_000_000, 5), 1)]
    data = b"".join(server_frame(TEXT, text) for text in texts)
    peer.send_bytes(data[:200])
    gevent.sleep(0.01)
    peer.send_bytes(data[200:])

    eventually(lambda: len(ear.events) == 6)
    assert ear.numbers() == [0, 1, 2, 3, 4, 5]
    assert [len(event.data) > 900_000 for event in ear.events] == [False] * 4 + [True, False]


def test_an_event_that_came_before_is_not_heard_again(clients: Clients) -> None:
    """The server may send more again than was missed."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)
    for number in (1, 2, 1, 2, 3):
        peer.send_event("posted", number)

    eventually(lambda: ear.numbers() == [0, 1, 2, 3])
    assert client.connected and counts.gaps == 0


def test_a_listener_that_raises_harms_nobody(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    """Counted each time, told once with its traceback."""

    class Clumsy(Ear):
        def on_event(self, event: WebSocketEvent) -> None:
            super().on_event(event)
            raise LookupError("clumsy")

    ear = Clumsy()
    # Told once in this process: no other test may have told it.
    kind = f"kind-{next(_numbers)}"
    with caplog.at_level(logging.ERROR, "mmload.websocket"):
        client, peer, counts = clients.opened(ear)
        for number in range(1, 4):
            peer.send_event(kind, number)
        eventually(lambda: len(ear.events) == 4)

    assert client.connected and counts.listener_errors == 4
    assert sum(kind in record.message and record.exc_info is not None for record in caplog.records) == 1


# -- loss and return ---------------------------------------------------------------------------------------------


def test_a_lost_connection_is_resumed_where_it_was(clients: Clients) -> None:
    """With the next number it expects; the server then sends what was missed, without a hello."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)
    peer.send_event("posted", 1)
    eventually(lambda: len(ear.events) == 2)
    # Its ping: with something unread the system would tear the connection instead.
    peer.read_any_frame()
    peer.hang_up()
    again = returned(clients)
    assert again.query == back_to("c1", 2, 1006)
    again.send_event("posted", 2)
    again.send_event("posted", 3)

    eventually(lambda: ear.numbers() == [0, 1, 2, 3])
    assert ear.dropped == [(1006, CLOSED_BY_SERVER)] and ear.connected == ["first", "resumed"]
    assert counts == SocketCounts(opened=1, dropped=1, resumed=1)
    assert client.connected


def test_a_new_connection_id_starts_the_numbers_anew(clients: Clients) -> None:
    """After a restart of the server, or too long an absence."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)
    peer.send_event("posted", 1)
    eventually(lambda: len(ear.events) == 2)
    peer.hang_up()
    again = returned(clients)
    again.greet("c2")
    again.send_event("posted", 1)

    eventually(lambda: ear.numbers() == [0, 1, 0, 1])
    assert ear.connected == ["first", "renewed"] and counts.renewed == 1
    assert (client.connection_id, client._expected) == ("c2", 2)


def test_a_resumed_connection_may_have_nothing_to_tell(clients: Clients) -> None:
    """Nothing was missed and nothing happens: a reply tells it, as a new connection's hello comes before any."""
    ear = Ear()
    _, peer, counts = clients.opened(ear)
    peer.hang_up()
    again = returned(clients)
    eventually(lambda: ear.reopened == 1)
    assert ear.connected == ["first"]
    again.reply(1)

    eventually(lambda: ear.connected == ["first", "resumed"])
    assert counts.resumed == 1


def test_a_listener_speaks_first_on_a_connection_that_is_back(clients: Clients) -> None:
    """As recorded: presence, then the ping, before anything came."""

    class Speaking(Ear):
        client: WebSocket

        def on_reopened(self) -> None:
            self.client.send("presence", {"channel_id": "c"})

    ear = Speaking()
    ear.client, peer, _ = clients.opened(ear)
    peer.hang_up()
    again = returned(clients)

    assert again.read_message() == {"seq": 1, "action": "presence", "data": {"channel_id": "c"}}
    assert again.read_any_frame() == (TEXT, b'{"action":"ping","seq":2}')


def test_a_gap_makes_the_client_ask_for_what_is_missing(clients: Clients) -> None:
    """As the web application, with its own close code: from the number that is missing; what came behind the gap is
    not heard."""
    ear = Ear()
    _, peer, counts = clients.opened(ear)
    peer.send_event("posted", 2)
    again = returned(clients)
    assert again.query == back_to("c1", 1, 4001)
    again.send_event("posted", 1)
    again.send_event("posted", 2)

    eventually(lambda: ear.numbers() == [0, 1, 2])
    assert counts.gaps == 1 and peer.ended()


def test_a_gap_right_after_a_resumption_starts_afresh(clients: Clients) -> None:
    """A server that cannot fill the gap would leave it open for ever."""
    ear = Ear()
    _, peer, counts = clients.opened(ear)
    peer.send_event("posted", 2)
    returned(clients).send_event("posted", 2)
    fresh = returned(clients)
    assert fresh.query == back_to("", 0, 4001)
    fresh.greet("c3")

    eventually(lambda: ear.connected == ["first", "renewed"])
    assert counts.gaps == 2 and ear.numbers() == [0, 0]


def test_a_drop_on_purpose_says_no_goodbye_and_comes_back(clients: Clients) -> None:
    """The action ReconnectWebSocket: a network that blinks."""
    ear = Ear()
    client, peer, _ = clients.opened(ear)
    client.drop()
    with pytest.raises(AssertionError, match="hung up"):
        peer.read_frame()
    assert not client.connected
    again = returned(clients)
    assert again.query == back_to("c1", 1, 1006)
    eventually(lambda: client.connected)
    assert ear.dropped == [(1006, "dropped on purpose")]


def test_retries_go_on_until_the_server_is_back(clients: Clients) -> None:
    """Refused, cut off, then well: counted as one loss, and each try tells how that came about."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)
    peer.send_frame(CLOSE, (1001).to_bytes(2, "big"))
    for _ in range(3):
        refused = clients.server.accept()
        assert refused.query == back_to("c1", 1, 1001)
        refused.answer("502 Bad Gateway")
    returned(clients).greet("c2")

    eventually(lambda: client.connected and ear.connected == ["first", "renewed"])
    assert counts.dropped == 1


def test_an_expired_token_is_replaced(clients: Clients) -> None:
    """The listener logs in again; the fresh token is used at once."""
    ear = Ear("token-2")
    client, peer, _ = clients.opened(ear)
    peer.hang_up()
    clients.server.accept().answer("401 Unauthorized")
    again = clients.server.accept()
    assert again.headers["authorization"] == "Bearer token-2"
    again.upgrade()
    again.send_event("posted", 1)

    eventually(lambda: ear.connected == ["first", "resumed"])
    assert client.token == "token-2" and ear.asked == 1


def test_a_token_renewed_meanwhile_is_used_without_another_log_in(clients: Clients) -> None:
    """One expiry is one log-in: a request may have renewed the session while the handshake was under way."""
    ear = Ear("token-3")
    client, peer, _ = clients.opened(ear)
    peer.hang_up()
    refused = clients.server.accept()
    client.token = "token-2"
    refused.answer("401 Unauthorized")
    again = clients.server.accept()
    assert again.headers["authorization"] == "Bearer token-2"
    again.upgrade()
    again.send_event("posted", 1)

    eventually(lambda: ear.connected == ["first", "resumed"])
    assert ear.asked == 0


def test_a_token_that_dies_in_silence_is_replaced_too(clients: Clients) -> None:
    """What 11.6 does with an expired token: no 401, but an early end without a word."""
    ear = Ear("token-2")
    _, peer, counts = clients.opened(ear)
    peer.hang_up()
    silent = returned(clients)
    eventually(lambda: ear.reopened == 1)
    gevent.sleep(0.1)
    silent.hang_up()
    again = clients.server.accept()

    assert again.headers["authorization"] == "Bearer token-2"
    assert counts.dropped == len(ear.dropped) == 1, "it was never back: still the same loss"


def test_without_a_fresh_token_the_socket_is_given_up(clients: Clients) -> None:
    """Nothing is tried for ever with a token that is known to be bad."""
    ear = Ear(None)
    client, peer, counts = clients.opened(ear)
    peer.hang_up()
    clients.server.accept().answer("401 Unauthorized")

    eventually(lambda: counts.given_up == 1)
    assert not client.connected


@pytest.mark.parametrize("text", [b"no json", b'{"event":1}', b'{"event":"hello","seq":0,"data":7}'])
def test_unreadable_text_ends_the_connection_and_it_comes_back(clients: Clients, text: bytes) -> None:
    """Code 1007 is told to the server."""
    ear = Ear()
    client, peer, _ = clients.opened(ear)
    peer.send_frame(TEXT, text)

    assert peer.read_frame() == (CLOSE, (1007).to_bytes(2, "big"))
    returned(clients)
    eventually(lambda: client.connected)
    assert ear.dropped[0][0] == 1007


def test_a_broken_protocol_ends_the_connection(clients: Clients) -> None:
    """What was good before it is heard."""
    ear = Ear()
    _, peer, _ = clients.opened(ear)
    peer.send_bytes(server_frame(TEXT, event_text("posted", 1)) + b"\x83\x00")

    assert peer.read_frame() == (CLOSE, (1002).to_bytes(2, "big"))
    eventually(lambda: ear.dropped)
    assert ear.numbers() == [0, 1]


def test_an_end_in_the_middle_of_a_frame_is_a_loss(clients: Clients) -> None:
    """The half frame is forgotten; the resumption brings it whole."""
    ear = Ear()
    _, peer, _ = clients.opened(ear)
    peer.send_bytes(server_frame(TEXT, event_text("posted", 1))[:-3])
    gevent.sleep(0.01)
    peer.hang_up()
    returned(clients).send_event("posted", 1)

    eventually(lambda: ear.numbers() == [0, 1])


def test_a_reset_is_a_loss(clients: Clients) -> None:
    """A server that was killed."""
    ear = Ear()
    client, peer, _ = clients.opened(ear)
    peer.reset()
    returned(clients)

    eventually(lambda: client.connected)
    assert ear.dropped[0][0] == 1006


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), ((1001).to_bytes(2, "big") + b"bye", 1001)])
def test_a_close_by_the_server_is_answered_and_come_back_from(clients: Clients, payload: bytes, code: int) -> None:
    """Mattermost closes with an empty frame."""
    ear = Ear()
    _, peer, _ = clients.opened(ear)
    peer.send_frame(CLOSE, payload)

    assert peer.read_frame() == (CLOSE, payload[:2])
    returned(clients)
    eventually(lambda: ear.dropped == [(code, "bye" if payload else "closed by the server")])


# -- signs of life -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"12345", b"x" * 125])
def test_a_ping_is_answered_at_once(clients: Clients, payload: bytes) -> None:
    """The server gives up who is silent for 100 seconds."""
    _, peer, _ = clients.opened(Ear())
    peer.send_frame(PING, payload)

    assert peer.read_frame() == (PONG, payload)


def test_the_first_frame_is_the_applications_ping(clients: Clients) -> None:
    """As recorded: an action, not a ping of the protocol."""
    _, peer, _ = clients.opened(Ear())

    assert peer.read_any_frame() == (TEXT, b'{"action":"ping","seq":1}')


def test_a_silent_server_that_answers_pings_is_kept(clients: Clients) -> None:
    """Nothing happens at night; the connection is fine."""
    client, peer, counts = clients.opened(Ear(), replace(QUICK, ping_interval_seconds=0.5))
    living = gevent.spawn(peer.live)
    eventually(lambda: len(peer.pings) >= 3)

    assert client.connected and counts.dropped == 0
    assert peer.pings[:3] == [1, 2, 3]
    client.close()
    living.get(timeout=60)


def test_a_dead_server_is_noticed_when_the_next_ping_is_due(clients: Clients) -> None:
    """Cable pulled: nothing comes, not even an end."""
    ear = Ear()
    clients.opened(ear, replace(QUICK, ping_interval_seconds=1.0))

    eventually(lambda: ear.dropped == [(4000, "the server fell silent")])
    assert returned(clients).query == back_to("c1", 1, 4000)


def test_who_answers_no_ping_is_left_even_if_events_come(clients: Clients) -> None:
    """As the application does; what came meanwhile is told apart from silence, as nothing was lost in it."""
    ear = Ear()
    _, peer, _ = clients.opened(ear, replace(QUICK, ping_interval_seconds=0.5))

    def talk() -> None:
        with suppress(OSError):
            for number in itertools.count(1):
                peer.send_event("posted", number)
                gevent.sleep(0.005)

    talking = gevent.spawn(talk)
    eventually(lambda: ear.dropped)
    talking.kill()
    assert ear.dropped[0] == (4000, "a ping was not answered")


# -- actions -----------------------------------------------------------------------------------------------------


def test_actions_are_numbered_from_one_on_each_connection(clients: Clients) -> None:
    """As the web application does; the first is its ping."""
    client, peer, _ = clients.opened(Ear())
    assert client.send("user_typing", {"channel_id": "c"}) == 2
    assert client.send("presence", {}) == 3
    assert peer.read_message() == {"action": "user_typing", "seq": 2, "data": {"channel_id": "c"}}
    assert peer.read_message() == {"action": "presence", "seq": 3, "data": {}}

    client.drop()
    again = returned(clients)
    eventually(lambda: client.connected)
    assert client.send("presence", {}) == 2
    assert again.read_message()["seq"] == 2


def test_sending_while_down_fails(clients: Clients) -> None:
    """A web client drops what it cannot send; the caller decides."""
    client, _, _ = clients.opened(Ear())
    client.drop()

    with pytest.raises(WebSocketFailed, match="down"):
        client.send("presence", {})


def test_what_a_full_socket_does_not_take_is_queued_in_order(clients: Clients) -> None:
    """Sending never waits, and frames never interleave: the pong goes behind."""
    client, peer, _ = clients.opened(Ear())
    count, filler = 400, "x" * 2000
    for _ in range(count):
        client.send("presence", {"filler": filler})
    peer.send_frame(PING, b"behind")
    with gevent.Timeout(60):
        numbers = [peer.read_message()["seq"] for _ in range(count)]
        assert peer.read_frame() == (PONG, b"behind")

    assert numbers == list(range(2, count + 2))
    assert client.connected


def test_a_server_that_reads_nothing_more_is_given_up(clients: Clients) -> None:
    """The queue is bounded: so much unsent is a dead page."""
    client, _, _ = clients.opened(Ear())

    def flood() -> None:
        for _ in range(4 * LONGEST_BACKLOG_BYTES // 65536 + 200):
            client.send("presence", {"filler": "x" * 65536})

    with pytest.raises(WebSocketFailed, match="connection lost"):
        flood()
    assert not client.connected


# -- closing -----------------------------------------------------------------------------------------------------


def test_a_close_says_goodbye_and_is_final(clients: Clients) -> None:
    """Code 1000; not a loss; nothing comes back; twice is once."""
    ear = Ear()
    client, peer, counts = clients.opened(ear)
    client.close()
    client.close()
    assert peer.read_frame() == (CLOSE, (1000).to_bytes(2, "big"))
    gevent.sleep(0.05)

    assert not client.connected and ear.dropped == []
    assert counts == SocketCounts(opened=1, closed=1)
    with pytest.raises(WebSocketFailed):
        client.open()


def test_nothing_stays_behind(clients: Clients) -> None:
    """No descriptor, no watcher, no greenlet: users come and go all day. Closed while up, down and returning."""

    def come_and_go() -> None:
        up, _, _ = clients.opened(Ear())
        down, peer, _ = clients.opened(Ear(), replace(QUICK, first_retry_seconds=30.0))
        returning, other, _ = clients.opened(Ear(), replace(QUICK, first_retry_seconds=0.001))
        other.hang_up()
        clients.server.accept_bare()
        peer.hang_up()
        eventually(lambda: not down.connected)
        for client in (up, down, returning):
            client.close()
        clients.made.clear()
        clients.server.forget()
        gevent.sleep(0.05)

    come_and_go()
    before = _left_open()
    come_and_go()

    assert _left_open() == before


def _left_open() -> tuple[int, int, int]:
    """Open descriptors, active watchers of the loop, living greenlets and sockets of ours."""
    gc.collect()
    ours = [thing for thing in gc.get_objects() if isinstance(thing, WebSocket) or _lives(thing)]
    return len(os.listdir("/proc/self/fd")), get_hub().loop.activecnt, len(ours)


def _lives(thing: object) -> bool:
    return isinstance(thing, gevent.Greenlet) and not thing.dead


def test_a_close_is_safe_in_a_dying_greenlet(clients: Clients) -> None:
    """Locust kills users; their farewell runs in the dying greenlet and must not wait."""
    client, peer, counts = clients.opened(Ear())

    def user() -> None:
        try:
            gevent.sleep(60)
        finally:
            client.close()

    living = gevent.spawn(user)
    gevent.sleep(0.01)
    living.kill(timeout=1)

    assert living.dead and counts.closed == 1
    assert peer.read_frame()[0] == CLOSE


def test_a_user_killed_while_opening_leaves_no_connection(clients: Clients) -> None:
    """In the handshake, and when waiting for the hello."""
    client, _ = clients.new(Ear())
    for upgraded in (False, True):
        opening = gevent.spawn(client.open)
        peer = clients.server.accept()
        if upgraded:
            peer.upgrade()
            eventually(lambda: client.connected)
        opening.kill(timeout=1)

        assert peer.ended() and not client.connected


def test_a_close_while_opening_ends_the_opening(clients: Clients) -> None:
    """From another greenlet: the opener is told."""
    client, _ = clients.new(Ear())
    opening = gevent.spawn(client.open)
    peer = returned(clients)
    eventually(lambda: client.connected)
    client.close()

    with pytest.raises(WebSocketFailed, match="closed"):
        opening.get(timeout=60)
    assert peer.ended()


def test_a_listener_may_close_from_an_event(clients: Clients) -> None:
    """Re-entrance: what comes behind that event is not heard any more."""

    class Leaving(Ear):
        client: WebSocket

        def on_event(self, event: WebSocketEvent) -> None:
            super().on_event(event)
            if event.event == "leave":
                self.client.close()

    ear = Leaving()
    ear.client, peer, _ = clients.opened(ear)
    frames = [event_text("leave", 1), event_text("posted", 2)]
    peer.send_bytes(b"".join(server_frame(TEXT, frame) for frame in frames))

    assert peer.ended()
    assert ear.numbers() == [0, 1]


def test_a_listener_may_close_when_asked_for_a_token(clients: Clients) -> None:
    """It runs in the very greenlet that a close ends."""

    class Leaving(Ear):
        client: WebSocket

        def on_unauthorised(self) -> str | None:
            self.asked += 1
            self.client.close()
            return "token-2"

    ear = Leaving()
    ear.client, peer, counts = clients.opened(ear)
    peer.hang_up()
    clients.server.accept().answer("401 Unauthorized")

    eventually(lambda: ear.asked == 1)
    gevent.sleep(0.05)
    assert not ear.client.connected and counts.given_up == 0


# -- a hostile server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [b'{"event":"posted","data":{},"seq":1,"x":"\xff\xfe"', b'{"event":"\xc3\x28","seq":1}', b'{"event":' * 100_000],
    ids=["cut off", "bad UTF-8", "nested 100,000 deep"],
)
def test_a_frame_that_can_not_be_read_ends_the_connection_in_order(
    clients: Clients, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    """As one that is no JSON: the socket comes back, and nothing is called a fault of mmload."""
    ear = Ear()
    with caplog.at_level(logging.ERROR):
        client, peer, counts = clients.opened(ear)
        peer.send_frame(TEXT, payload)
        back = clients.server.accept()
        back.upgrade()
        back.greet("c2")
        eventually(lambda: ear.connected == ["first", "renewed"])

    assert client.connected and (counts.dropped, counts.listener_errors) == (1, 0)
    assert caplog.records == []


def test_endless_fragments_end_the_connection(clients: Clients) -> None:
    """Also where each is empty: what is kept of them is bounded."""
    ear = Ear()
    _, peer, counts = clients.opened(ear)
    peer.send_bytes(server_frame(TEXT, b"", fin=False))
    with suppress(OSError):
        for _ in range(100):
            peer.send_bytes(server_frame(0, b"", fin=False) * 1000)

    eventually(lambda: counts.dropped == 1)
