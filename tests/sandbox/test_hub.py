"""Who gets an event, and what becomes of readers that are slow or away. No sockets: the wires are lists."""

from __future__ import annotations

import json

from mmload.sandbox.events import Audience, ServerEvent
from mmload.sandbox.hub import DROPPED_KEPT_SECONDS, WAITING_EVENTS, ClientConnection, Hub


class ListWire:
    """Keeps what is sent; takes nothing while `slow`."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []
        self.slow = False
        self.closed = False

    def send_text(self, payload: bytes) -> bool:
        if not self.slow:
            self.sent.append(json.loads(payload))
        return not self.slow

    def close(self) -> None:
        self.closed = True


def _hub() -> Hub:
    members = {"c1": ["ann", "bob"]}
    teams = {"t1": ["ann", "bob", "eve"]}
    return Hub(lambda channel: members[channel], lambda team: teams[team], lambda user_id: user_id == "eve")


def _connected(hub: Hub, user_id: str) -> tuple[ClientConnection, ListWire]:
    wire = ListWire()
    connection = ClientConnection(f"{user_id}-connection", user_id, "token", wire)
    hub.add(connection)
    return connection, wire


def _event(audience: Audience) -> ServerEvent:
    return ServerEvent("typing", {"user_id": "ann"}, audience, modern=True)


def test_an_event_reaches_those_its_broadcast_names() -> None:
    """A user goes before a channel, a channel before a team; none of them means everybody."""
    hub = _hub()
    wires = {name: _connected(hub, name)[1] for name in ("ann", "bob", "eve")}

    def readers(audience: Audience) -> set[str]:
        for wire in wires.values():
            wire.sent.clear()
        hub.publish(_event(audience))
        return {name for name, wire in wires.items() if wire.sent}

    assert readers(Audience(user_id="eve", channel_id="c1")) == {"eve"}
    assert readers(Audience(channel_id="c1", team_id="t1")) == {"ann", "bob"}
    assert readers(Audience(channel_id="c1", omit_users=("ann",))) == {"bob"}
    assert readers(Audience(team_id="t1")) == {"ann", "bob", "eve"}
    assert readers(Audience()) == {"ann", "bob", "eve"}
    assert readers(Audience(sanitised=True)) == {"ann", "bob"}
    assert readers(Audience(sensitive=True)) == {"eve"}


def test_scoped_events_reach_those_who_look_there_or_never_said_where() -> None:
    """As 11.6: a mobile client says nothing, a page that never opened a thread says too little to be left out."""
    hub = _hub()
    bob, wire = _connected(hub, "bob")

    def reached(name: str, *, modern: bool = True) -> bool:
        wire.sent.clear()
        hub.publish(ServerEvent(name, {}, Audience(channel_id="c1"), modern))
        return bool(wire.sent)

    assert reached("typing")
    bob.channel_id = "c2"
    assert reached("typing")
    bob.thread_channel_id = bob.listed_thread_channel_id = ""
    assert not any(reached(name) for name in ("typing", "reaction_added", "reaction_removed"))
    assert reached("posted") and reached("typing", modern=False)
    bob.thread_channel_id = "c1"
    assert reached("typing")
    bob.thread_channel_id, bob.channel_id = "", "c1"
    assert reached("typing")
    bob.channel_id = ""
    bob.forget_presence()
    assert reached("typing")


def test_a_slow_reader_gets_all_events_later_and_in_order() -> None:
    """Slowness must not lose or reorder anything: the client would see a gap that never was."""
    hub = _hub()
    _, wire = _connected(hub, "ann")
    wire.slow = True
    for _ in range(3):
        hub.publish(_event(Audience(user_id="ann")))
    wire.slow = False
    hub.publish(_event(Audience(user_id="ann")))
    hub.flush_slow()

    assert [frame["seq"] for frame in wire.sent] == [0, 1, 2, 3]


def test_a_reader_too_slow_for_the_queue_is_cut_off() -> None:
    """As on the real server: a client that doesn't read must not hold its memory."""
    hub = _hub()
    _, wire = _connected(hub, "ann")
    wire.slow = True
    for _ in range(WAITING_EVENTS + 1):
        hub.publish(_event(Audience(user_id="ann")))

    assert wire.closed
    assert hub.connections("ann") == []


def test_an_absent_connection_is_forgotten_after_a_while() -> None:
    """Five minutes: who comes later starts afresh."""
    hub = _hub()
    connection, _ = _connected(hub, "ann")
    assert hub.absent(connection, now=1000.0)

    hub.forget_absent(now=1000.0 + DROPPED_KEPT_SECONDS)
    assert hub.connections("ann") == [connection]
    hub.forget_absent(now=1001.0 + DROPPED_KEPT_SECONDS)
    assert hub.connections("ann") == []


def test_only_the_last_socket_to_go_takes_its_user_offline() -> None:
    """A person with two windows stays online when one is shut."""
    hub = _hub()
    first, _ = _connected(hub, "ann")
    second, _ = _connected(hub, "ann")

    assert not hub.absent(first, now=0.0)
    assert hub.absent(second, now=0.0)


def test_a_personal_copy_is_sent_to_its_reader_alone() -> None:
    """Newer servers tell of a mention only to who is mentioned."""
    hub = _hub()
    wires = {name: _connected(hub, name)[1] for name in ("ann", "bob")}
    hub.publish(
        ServerEvent("posted", {"post": "{}"}, Audience(channel_id="c1"), True, {"bob": {"mentions": '["bob"]'}})
    )

    assert wires["ann"].sent[0]["data"] == {"post": "{}"}
    assert wires["bob"].sent[0]["data"] == {"mentions": '["bob"]', "post": "{}"}
