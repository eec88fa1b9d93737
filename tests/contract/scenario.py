"""A short visit to a server, told as what was answered and what was heard: the same on the real one and on ours."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.contract.listener import Listener

ADMIN = ("sysadmin@sample.mattermost.com", "Sys@dmin-sample1")
PASSWORD = "testPass123$"
TIMEOUT_SECONDS = 30


@dataclass
class Person:
    """One account, logged in."""

    id: str
    token: str


@dataclass
class Visit:
    """What happened, step by step: (step, status, error id or "", body)."""

    address: str
    steps: list[tuple[str, int, str, Any]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)

    def call(self, step: str, person: Person | None, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {person.token}"} if person is not None else {}
        response = requests.request(
            method, f"{self.address}/api/v4{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS
        )
        is_json = response.headers.get("Content-Type", "").startswith("application/json") and response.content
        document = response.json() if is_json else None
        error_id = document["id"] if response.status_code >= 400 and isinstance(document, dict) else ""
        self.steps.append((step, response.status_code, error_id, document))
        return document

    def enter(self, login_id: str, password: str) -> Person:
        response = requests.post(
            f"{self.address}/api/v4/users/login",
            json={"login_id": login_id, "password": password},
            timeout=TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        return Person(response.json()["id"], response.headers["Token"])

    def newcomer(self) -> Person:
        name = f"visitor-{uuid.uuid4().hex[:12]}"
        account = {"email": f"{name}@example.com", "username": name, "password": PASSWORD}
        self.call("sign up", None, "POST", "/users", account)
        return self.enter(account["email"], PASSWORD)


def visit(address: str) -> Visit:
    """Two newcomers meet in a fresh team, write, react, read, and get some things wrong."""
    seen = Visit(address)
    admin = seen.enter(*ADMIN)
    ann, bob = seen.newcomer(), seen.newcomer()
    unique = uuid.uuid4().hex[:12]
    team = seen.call(
        "create team",
        admin,
        "POST",
        "/teams",
        {"name": f"visit-{unique}", "display_name": "Visit", "type": "O", "allow_open_invite": True},
    )
    for person in (ann, bob):
        member = {"team_id": team["id"], "user_id": person.id}
        seen.call("join team", person, "POST", f"/teams/{team['id']}/members", member)
    listener = Listener(address, ann.token)
    listener.wait_for_event("status_change")
    _talk(seen, team["id"], unique, ann, bob)
    _err(seen, ann, bob, team["id"])
    listener.ask("ping")
    listener.close()
    seen.heard = listener.frames
    return seen


def _talk(seen: Visit, team_id: str, unique: str, ann: Person, bob: Person) -> None:
    body = {"team_id": team_id, "name": f"talk-{unique}", "display_name": "Talk", "type": "O"}
    channel = seen.call("create channel", ann, "POST", "/channels", body)["id"]
    seen.call("join channel", bob, "POST", f"/channels/{channel}/members", {"user_id": bob.id})
    post = seen.call(
        "post", bob, "POST", "/posts", {"channel_id": channel, "message": "hello", "pending_post_id": f"{bob.id}:1"}
    )["id"]
    seen.call("reply", ann, "POST", "/posts", {"channel_id": channel, "message": "hi", "root_id": post})
    reaction = {"user_id": ann.id, "post_id": post, "emoji_name": "smile"}
    seen.call("react", ann, "POST", "/reactions", reaction)
    seen.call("posts", ann, "GET", f"/channels/{channel}/posts?page=0&per_page=60")
    seen.call("posts collapsed", ann, "GET", f"/channels/{channel}/posts?page=0&per_page=60&collapsedThreads=true")
    around = f"/users/{ann.id}/channels/{channel}/posts/unread?limit_before=30&limit_after=30&collapsedThreads=true"
    seen.call("posts around unread", ann, "GET", around)
    seen.call("post again", bob, "GET", f"/posts/{post}")
    seen.call("thread", bob, "GET", f"/posts/{post}/thread")
    seen.call("unread", bob, "GET", f"/users/{bob.id}/channels/{channel}/unread")
    looked = {"channel_id": channel, "prev_channel_id": "", "collapsed_threads_supported": True}
    seen.call("view", ann, "POST", f"/channels/members/{ann.id}/view", looked)
    seen.call("threads", bob, "GET", f"/users/{bob.id}/teams/{team_id}/threads?per_page=25")
    seen.call("teams unread", bob, "GET", f"/users/{bob.id}/teams/unread?include_collapsed_threads=true")
    direct = seen.call("direct channel", ann, "POST", "/channels/direct", [ann.id, bob.id])["id"]
    seen.call("direct post", bob, "POST", "/posts", {"channel_id": direct, "message": "psst"})
    seen.call("channels of mine", ann, "GET", f"/users/me/teams/{team_id}/channels")
    seen.call("members of mine", ann, "GET", f"/users/me/teams/{team_id}/channels/members")
    seen.call("statuses", ann, "POST", "/users/status/ids", [ann.id, bob.id])


def _err(seen: Visit, ann: Person, bob: Person, team_id: str) -> None:
    nowhere = "z" * 26
    seen.call("limits", ann, "GET", "/limits/server")
    seen.call("no such user", ann, "GET", f"/users/{nowhere}")
    seen.call("no such team", ann, "GET", f"/teams/{nowhere}")
    seen.call("no such post", ann, "GET", f"/posts/{nowhere}")
    seen.call("post nowhere", ann, "POST", "/posts", {"channel_id": nowhere, "message": "x"})
    seen.call("somebody else's preferences", ann, "GET", f"/users/{bob.id}/preferences")
    seen.call("view for somebody else", ann, "POST", f"/channels/members/{bob.id}/view", {"channel_id": nowhere})
    seen.call("roles by oneself", ann, "PUT", f"/users/{ann.id}/roles", {"roles": "system_user system_admin"})
    seen.call("taken channel name", ann, "POST", "/channels", _taken(team_id))
    seen.call("blank password", None, "POST", "/users/login", {"login_id": ADMIN[0], "password": ""})
    seen.call("short password", None, "POST", "/users", {"email": "a@b.example", "username": "abc", "password": "x"})
    seen.call("reaction unknown", ann, "POST", "/reactions", {"user_id": bob.id, "post_id": nowhere, "emoji_name": "x"})


def _taken(team_id: str) -> dict[str, str]:
    return {"team_id": team_id, "name": "off-topic", "display_name": "x", "type": "O"}
