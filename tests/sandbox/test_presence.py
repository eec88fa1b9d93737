"""What a client says of itself on its socket, and what the server makes of it: presence, acknowledgements."""

from __future__ import annotations

from tests.contract.listener import Listener
from tests.sandbox.conftest import SandboxProcess, direct_channel

ASKS_FOR_ACKS = "?connection_id=&sequence_number=0&posted_ack=true"


def test_who_looks_elsewhere_hears_no_typing(sandbox_process: SandboxProcess) -> None:
    """The scope of events: told by presence frames, forgotten with the connection."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    hears, types = Listener(client.address, ann.token), Listener(client.address, admin.token)
    hears.ask("presence", {"channel_id": "elsewhere"})
    hears.ask("presence", {"thread_channel_id": "", "is_thread_view": False})
    hears.ask("presence", {"thread_channel_id": "", "is_thread_view": True})
    types.ask("user_typing", {"channel_id": channel, "parent_id": ""})
    hears.ask("presence", {"channel_id": channel})
    types.ask("user_typing", {"channel_id": channel, "parent_id": ""})
    hears.wait_for_event("typing")
    hears.ask("ping")

    assert len(hears.events("typing")) == 1
    for socket in (hears, types):
        socket.close()


def test_posts_for_a_person_are_to_be_acknowledged(sandbox_process: SandboxProcess) -> None:
    """Seen on 11.6: where somebody is mentioned or follows the thread, and the socket was opened for it."""
    client = sandbox_process()
    admin, ann = client.admin(), client.newcomer("ann")
    channel = direct_channel(admin, ann)
    asking, plain = Listener(client.address, ann.token, ASKS_FOR_ACKS), Listener(client.address, admin.token)
    root = admin("POST", "/posts", {"channel_id": channel, "message": "for ann"}).json()
    ann("POST", "/posts", {"channel_id": channel, "message": "for the admin"})
    admin("POST", "/posts", {"channel_id": channel, "root_id": root["id"], "message": "a reply"})
    asking.wait_for_event("posted", 3)
    plain.wait_for_event("posted", 3)

    assert [frame["data"].get("should_ack", False) for frame in asking.events("posted")] == [True, False, True]
    assert not any("should_ack" in frame["data"] for frame in plain.events("posted"))
    asking.ask("posted_notify_ack", {"post_id": root["id"], "user_agent": "", "status": "success", "reason": ""})
    assert client.counts()["posts_acknowledged"] == 1
    for socket in (asking, plain):
        socket.close()
