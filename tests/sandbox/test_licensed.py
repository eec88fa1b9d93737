"""With a licence the licensed routes work; without one each refuses in its own recorded way."""

from __future__ import annotations

import time

import pytest

from tests.contract.listener import Listener
from tests.sandbox.conftest import Client, SandboxProcess


def _meeting(client: Client) -> tuple[Client, Client, str, str]:
    """An admin and a newcomer in one channel: both, its team and the channel."""
    admin, ann = client.admin(), client.newcomer("ann")
    body = {"name": "team-a", "display_name": "A", "type": "O", "allow_open_invite": True}
    team = admin("POST", "/teams", body).json()["id"]
    ann("POST", f"/teams/{team}/members", {"team_id": team, "user_id": ann.id}).raise_for_status()
    channels = ann("GET", f"/users/me/teams/{team}/channels").json()
    return admin, ann, team, next(channel["id"] for channel in channels if channel["name"] == "off-topic")


def test_a_scheduled_post_can_be_made_moved_listed_and_taken_back(sandbox_process: SandboxProcess) -> None:
    """The whole life of one, as a person has it."""
    _, ann, team, channel = _meeting(sandbox_process("--licensed"))
    at = int(time.time() * 1000) + 86_400_000
    body = {"channel_id": channel, "user_id": ann.id, "message": "later", "scheduled_at": at}

    made = ann("POST", "/posts/schedule", body).json()
    assert ann("PUT", f"/posts/schedule/{made['id']}", {**made, "message": "changed"}).json()["message"] == "changed"
    listed = ann("GET", f"/posts/scheduled/team/{team}?includeDirectChannels=true").json()
    assert [post["id"] for post in listed[team]] == [made["id"]]
    assert ann("DELETE", f"/posts/schedule/{made['id']}").status_code == 200
    assert ann("GET", f"/posts/scheduled/team/{team}").json() == {team: []}


def test_a_bookmark_can_be_made_changed_sorted_and_deleted(sandbox_process: SandboxProcess) -> None:
    """The whole life of one."""
    _, ann, _, channel = _meeting(sandbox_process("--licensed"))
    path = f"/channels/{channel}/bookmarks"
    names = ("docs", "blog")
    made = [
        ann("POST", path, {"display_name": name, "link_url": "https://example.com", "type": "link"}) for name in names
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    first, second = (answer.json()["id"] for answer in made)

    assert ann("PATCH", f"{path}/{first}", {"display_name": "new"}).json()["updated"]["display_name"] == "new"
    ann("POST", f"{path}/{second}/sort_order", 0).raise_for_status()
    assert [item["id"] for item in ann("GET", path).json()] == [second, first]
    ann("DELETE", f"{path}/{first}").raise_for_status()
    assert [item["id"] for item in ann("GET", path).json()] == [second]


def test_an_urgent_post_can_be_acknowledged(sandbox_process: SandboxProcess) -> None:
    """The reader is told to acknowledge by `should_ack`, if its socket said that it can."""
    client = sandbox_process("--licensed")
    admin, ann, _, channel = _meeting(client)
    listener = Listener(client.address, ann.token, "?posted_ack=true")
    listener.wait_for_event("status_change")
    priority = {"priority": "urgent", "requested_ack": True, "persistent_notifications": False}
    body = {"channel_id": channel, "message": "hurry @ann", "metadata": {"priority": priority}}

    post = admin("POST", "/posts", body).json()
    heard = listener.wait_for_event("posted")
    acknowledged = ann("POST", f"/users/{ann.id}/posts/{post['id']}/ack")

    assert post["metadata"]["priority"] == priority
    assert heard["data"]["should_ack"] is True
    assert acknowledged.json()["user_id"] == ann.id
    listener.close()


def test_profile_attributes_can_be_defined_and_filled(sandbox_process: SandboxProcess) -> None:
    """Fields by an admin, values by each person."""
    admin, ann, _, _ = _meeting(sandbox_process("--licensed"))
    field = admin("POST", "/custom_profile_attributes/fields", {"name": "team_name", "type": "text"}).json()["id"]

    ann("PATCH", "/custom_profile_attributes/values", {field: "blue"}).raise_for_status()

    assert admin("GET", f"/users/{ann.id}/custom_profile_attributes").json() == {field: "blue"}


@pytest.mark.parametrize(
    ("version", "urgent", "schedule"),
    [("11.6", (501, "license_error.feature_unavailable"), 400), ("6.7", (201, ""), 404)],
)
def test_without_a_licence_each_version_refuses_in_its_own_way(
    sandbox_process: SandboxProcess, version: str, urgent: tuple[int, str], schedule: int
) -> None:
    """6.7 takes an urgent post for a plain one, and has never heard of scheduled ones."""
    admin, ann, _, channel = _meeting(sandbox_process("--version", version))
    body = {"channel_id": channel, "message": "hurry", "metadata": {"priority": {"priority": "urgent"}}}

    answer = admin("POST", "/posts", body)

    error_id = answer.json()["id"] if answer.status_code >= 400 else ""
    assert (answer.status_code, error_id) == urgent
    assert ann("POST", "/posts/schedule", {"channel_id": channel}).status_code == schedule
