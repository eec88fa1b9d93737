"""Coming back to a connection: what was missed comes again, numbers go on, and what is lost is told by a new id."""

from __future__ import annotations

import pytest

from tests.contract.listener import Listener
from tests.sandbox.conftest import Client, SandboxProcess, direct_channel


def _settled(client: Client, person: Client, query: str = "") -> tuple[Listener, str]:
    """A socket that has heard its first two events, and its connection id."""
    listener = Listener(client.address, person.token, query)
    connection = listener.wait_for_event("hello")["data"]["connection_id"]
    listener.wait_for_event("status_change")
    return listener, connection


def test_sent_events_come_again_from_the_number_asked_for(sandbox_process: SandboxProcess) -> None:
    """The server can't know what got lost on the way: the client says where it stands."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener, connection = _settled(client, ann)
    for number in range(3):
        admin("POST", "/posts", {"channel_id": channel, "message": f"post {number}"})
    listener.wait_for_event("posted", 3)
    listener.close()

    again = Listener(client.address, ann.token, f"?connection_id={connection}&sequence_number=3")
    again.wait_for_event("status_change", 2)

    assert [frame["seq"] for frame in again.events("posted")] == [3, 4]
    assert [frame["seq"] for frame in again.events()] == [3, 4, 5, 6]
    assert client.counts()["sockets_resumed"] == 1
    again.close()


def test_an_unknown_number_gives_a_new_id_and_what_waited(sandbox_process: SandboxProcess) -> None:
    """As recorded: hello with another id, numbers from 0, then what came meanwhile."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener, connection = _settled(client, ann)
    listener.close()
    admin("POST", "/posts", {"channel_id": channel, "message": "missed"})

    again = Listener(client.address, ann.token, f"?connection_id={connection}&sequence_number=9999")
    again.wait_for_event("status_change", 2)

    assert again.wait_for_event("hello")["data"]["connection_id"] != connection
    assert [frame["event"] for frame in again.events()] == ["hello", "status_change", "posted", "status_change"]
    assert [frame["seq"] for frame in again.events()] == [0, 1, 2, 3]
    again.close()


def test_more_missed_events_than_are_kept_end_the_connection(sandbox_process: SandboxProcess) -> None:
    """256 wait; then the server gives up on the absent reader, who starts afresh."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener, connection = _settled(client, ann)
    listener.close()
    for number in range(300):
        admin("POST", "/posts", {"channel_id": channel, "message": f"post {number}"})

    again, renewed = _settled(client, ann, f"?connection_id={connection}&sequence_number=2")

    assert renewed != connection
    assert not again.events("posted")
    again.close()


@pytest.mark.parametrize("query", ["?connection_id=short&sequence_number=1", "?connection_id=" + "a" * 26])
def test_who_asks_wrongly_is_cut_off(sandbox_process: SandboxProcess, query: str) -> None:
    """Seen on 11.6: a connection id without a number, or none at all, ends the socket without a word."""
    client = sandbox_process()
    listener = Listener(client.address, client.admin().token, query)

    assert listener.ended.wait(5)
    assert listener.frames == []


def test_a_wrong_token_in_the_challenge_is_cut_off(sandbox_process: SandboxProcess) -> None:
    """No reply, no close frame: as the real one."""
    listener = Listener(sandbox_process().address)
    listener.send("authentication_challenge", {"token": "nonsense"})

    assert listener.ended.wait(5)
    assert listener.frames == []


def test_after_logging_out_a_socket_hears_nothing_more(sandbox_process: SandboxProcess) -> None:
    """Seen on 11.6: it stays open, but silent."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener, _ = _settled(client, ann)
    ann("POST", "/users/logout")
    admin("POST", "/posts", {"channel_id": channel, "message": "unheard"})
    witness = Listener(client.address, admin.token)
    witness.ask("ping")

    assert not listener.events("posted")
    assert not listener.ended.is_set()
    for socket in (listener, witness):
        socket.close()


def test_what_was_sent_is_what_arrived(sandbox_process: SandboxProcess) -> None:
    """The counts are the truth that a client's report is held against."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    listener, _ = _settled(client, ann)
    for number in range(5):
        admin("POST", "/posts", {"channel_id": channel, "message": f"post {number}"})
    listener.wait_for_event("posted", 5)

    counts = client.counts()

    assert counts["posts"] == 5
    assert counts["users"] == 2
    assert counts["sockets_open"] == 1
    assert counts["events_sent"]["posted"] == 5
    assert counts["requests"]["POST /api/v4/posts"] == {"201": 5}
    listener.close()
