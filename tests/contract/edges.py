"""What a server says to requests at the edge: strangers, unknown ids, empty lists, things twice."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tests.contract.scenario import ADMIN, Person, Visit

NOWHERE = "z" * 26


@dataclass
class Place:
    """A team with Ann and Bob in it, a public and a private channel of Ann's, and a post there."""

    admin: Person
    ann: Person
    bob: Person
    eve: Person
    team: str
    closed_team: str
    public: str
    private: str
    post: str


def edges(address: str) -> Visit:
    """All of them, on one server."""
    visit = Visit(address)
    place = _place(visit)
    for subject in (_teams, _channels, _strangers, _posts, _threads, _lists, _people, _personal, _reading, _rest):
        subject(visit, place)
    return visit


def _place(visit: Visit) -> Place:
    admin = visit.enter(*ADMIN)
    ann, bob, eve = visit.newcomer(), visit.newcomer(), visit.newcomer()
    name = uuid.uuid4().hex[:12]
    team_body: dict[str, Any] = {"name": f"o{name}", "display_name": "O", "type": "O", "allow_open_invite": True}
    team = visit.call("open team", admin, "POST", "/teams", team_body)["id"]
    closed_body = team_body | {"name": f"i{name}", "type": "I", "allow_open_invite": False}
    closed = visit.call("closed team", admin, "POST", "/teams", closed_body)["id"]
    for person in (ann, bob):
        visit.call("join", person, "POST", f"/teams/{team}/members", {"team_id": team, "user_id": person.id})
    body = {"team_id": team, "name": f"c{name}", "display_name": "C", "type": "O"}
    public = visit.call("public channel", ann, "POST", "/channels", body)["id"]
    private = visit.call("private channel", ann, "POST", "/channels", body | {"name": f"p{name}", "type": "P"})["id"]
    post = visit.call("post", ann, "POST", "/posts", {"channel_id": public, "message": "x"})["id"]
    return Place(admin, ann, bob, eve, team, closed, public, private, post)


def _teams(visit: Visit, at: Place) -> None:
    call, closed, team = visit.call, at.closed_team, at.team
    call("join closed", at.ann, "POST", f"/teams/{closed}/members", {"team_id": closed, "user_id": at.ann.id})
    call("look at closed", at.ann, "GET", f"/teams/{closed}")
    call("channels of closed", at.ann, "GET", f"/teams/{closed}/channels")
    call("another team in body", at.ann, "POST", f"/teams/{team}/members", {"team_id": closed, "user_id": at.ann.id})
    other = {"team_id": team, "user_id": at.admin.id}
    call("stranger adds", at.eve, "POST", f"/teams/{team}/members", other)
    call("member adds", at.ann, "POST", f"/teams/{team}/members", other)
    call("name unknown", at.ann, "GET", f"/teams/name/none{team}")
    call("members", at.ann, "GET", f"/teams/{team}/members?page=0&per_page=10")
    call("teams of another", at.ann, "GET", f"/users/{at.bob.id}/teams")


def _channels(visit: Visit, at: Place) -> None:
    call, path = visit.call, f"/channels/{at.public}/members"
    body = {"team_id": at.team, "name": "edge", "display_name": "C", "type": "O"}
    call("stranger creates", at.eve, "POST", "/channels", body)
    call("unknown type", at.ann, "POST", "/channels", body | {"type": "X"})
    call("no name", at.ann, "POST", "/channels", body | {"name": ""})
    call("stranger joins", at.eve, "POST", path, {"user_id": at.eve.id})
    call("stranger is added", at.ann, "POST", path, {"user_id": at.eve.id})
    call("nobody is added", at.ann, "POST", path, {"user_id": NOWHERE})
    call("no id is added", at.ann, "POST", path, {"user_id": "x"})
    call("added by no member", at.bob, "POST", path, {"user_id": at.admin.id})
    call("name unknown", at.ann, "GET", f"/teams/{at.team}/channels/name/none")
    call("channels of another", at.ann, "GET", f"/users/{at.bob.id}/teams/{at.team}/channels")


def _strangers(visit: Visit, at: Place) -> None:
    call, bob = visit.call, at.bob
    for what in ("", "/posts", "/members", "/stats"):
        call(f"private{what}", bob, "GET", f"/channels/{at.private}{what}")
    for what in ("/posts", "/stats"):
        call(f"public{what}", bob, "GET", f"/channels/{at.public}{what}")
    call("around unread", bob, "GET", f"/users/{bob.id}/channels/{at.public}/posts/unread")
    call("unread", bob, "GET", f"/users/{bob.id}/channels/{at.public}/unread")
    call("no member", at.ann, "GET", f"/channels/{at.public}/members/{bob.id}")
    call("post", bob, "POST", "/posts", {"channel_id": at.public, "message": "x"})
    call("people of private", bob, "GET", f"/users?in_channel={at.private}")
    call("react", bob, "POST", "/reactions", {"user_id": bob.id, "post_id": at.post, "emoji_name": "smile"})


def _posts(visit: Visit, at: Place) -> None:
    call, ann = visit.call, at.ann
    body = {"channel_id": at.public, "message": "m"}
    call("message is a number", ann, "POST", "/posts", body | {"message": 5})
    call("system post", ann, "POST", "/posts", body | {"type": "system_x"})
    call("unknown file", ann, "POST", "/posts", body | {"file_ids": [NOWHERE]})
    call("root elsewhere", ann, "POST", "/posts", body | {"channel_id": at.private, "root_id": at.post})
    reaction = {"user_id": ann.id, "post_id": at.post, "emoji_name": "+1"}
    call("react to nothing", ann, "POST", "/reactions", reaction | {"post_id": NOWHERE})
    call("react to no id", ann, "POST", "/reactions", reaction | {"post_id": "x"})
    call("react", ann, "POST", "/reactions", reaction)
    call("react twice", ann, "POST", "/reactions", reaction)
    call("take back another", ann, "DELETE", f"/users/{ann.id}/posts/{at.post}/reactions/tada")
    call("take back for another", at.bob, "DELETE", f"/users/{ann.id}/posts/{at.post}/reactions/+1")
    call("remind of nothing", ann, "POST", f"/users/{ann.id}/posts/{NOWHERE}/reminder", {"target_time": 1})


def _threads(visit: Visit, at: Place) -> None:
    call, ann = visit.call, at.ann
    drafts, threads = f"/users/{ann.id}/channels/{at.public}/drafts", f"/users/{ann.id}/teams/{at.team}/threads"
    call("delete no draft", ann, "DELETE", drafts)
    call("delete no draft of a thread", ann, "DELETE", f"{drafts}/{at.post}")
    call("draft nowhere", ann, "POST", "/drafts", {"user_id": ann.id, "channel_id": NOWHERE, "message": "x"})
    call("empty draft", ann, "POST", "/drafts", {"user_id": ann.id, "channel_id": at.public, "message": ""})
    call("drafts", ann, "GET", f"/users/{ann.id}/teams/{at.team}/drafts")
    call("unfollow what is not followed", ann, "DELETE", f"{threads}/{at.post}/following")
    call("read what is not followed", ann, "PUT", f"{threads}/{at.post}/read/1700000000000")
    call("follow", ann, "PUT", f"{threads}/{at.post}/following")
    call("read without a reply", ann, "PUT", f"{threads}/{at.post}/read/1700000000000")
    call("threads without a reply", ann, "GET", f"{threads}?per_page=25")
    call("thread without a reply", ann, "GET", f"{threads}/{at.post}")
    call("follow nothing", ann, "PUT", f"{threads}/{NOWHERE}/following")
    call("thread of nothing", ann, "GET", f"/posts/{NOWHERE}/thread")


def _lists(visit: Visit, at: Place) -> None:
    call, ann = visit.call, at.ann
    call("channels of all teams", ann, "POST", "/channels/search", {"term": "c"})
    call("no term", ann, "POST", "/users/search", {"term": ""})
    call("no terms", ann, "POST", f"/teams/{at.team}/posts/search", {"terms": ""})
    call("nothing found", ann, "POST", f"/teams/{at.team}/posts/search", {"terms": "nosuchword"})
    for path in ("/users/ids", "/users/usernames", "/users/status/ids", "/roles/names"):
        call(f"empty list to {path}", ann, "POST", path, [])
    call("status of nobody in a list", ann, "POST", "/users/status/ids", [NOWHERE])
    call("people of no team", ann, "GET", f"/users?in_team={NOWHERE}")
    call("people of no channel", ann, "GET", f"/users?in_channel={NOWHERE}")
    categories = f"/users/{ann.id}/teams/{at.team}/channels/categories"
    unknown = {"id": NOWHERE, "user_id": ann.id, "team_id": at.team, "display_name": "x", "channel_ids": []}
    call("unknown category", ann, "PUT", categories, [unknown])
    call("categories", ann, "GET", categories)
    call("categories of another", at.bob, "GET", categories)


def _people(visit: Visit, at: Place) -> None:
    call, ann = visit.call, at.ann
    call("status of nobody", ann, "GET", f"/users/{NOWHERE}/status")
    call("unknown status", ann, "PUT", f"/users/{ann.id}/status", {"user_id": ann.id, "status": "sleepy"})
    call("online", ann, "PUT", f"/users/{ann.id}/status", {"user_id": ann.id, "status": "online"})
    call("empty custom status", ann, "PUT", f"/users/{ann.id}/status/custom", {})
    call("unknown emoji", ann, "GET", "/emoji/name/nosuch")
    call("logs", ann, "GET", "/logs")
    call("analytics", ann, "GET", "/analytics/old?name=standard")


def _personal(visit: Visit, at: Place) -> None:
    call, ann, bob, eve = visit.call, at.ann, at.bob, at.eve
    call("too small a group", ann, "POST", "/channels/group", [bob.id])
    call("group with nobody", ann, "POST", "/channels/group", [bob.id, NOWHERE])
    call("with oneself", ann, "POST", "/channels/direct", [ann.id, ann.id])
    call("of others", eve, "POST", "/channels/direct", [ann.id, bob.id])
    call("of one", ann, "POST", "/channels/direct", [ann.id])
    call("with nobody", ann, "POST", "/channels/direct", [ann.id, NOWHERE])
    group = call("group", ann, "POST", "/channels/group", [bob.id, eve.id])["id"]
    call("leave a group", ann, "DELETE", f"/channels/{group}/members/{ann.id}")
    call("join a group", ann, "POST", f"/channels/{group}/members", {"user_id": at.admin.id})


def _reading(visit: Visit, at: Place) -> None:
    call, ann, posts = visit.call, at.ann, f"/channels/{at.public}/posts"
    call("before no id", ann, "GET", f"{posts}?before=x")
    call("before nothing", ann, "GET", f"{posts}?before={NOWHERE}")
    call("since no time", ann, "GET", f"{posts}?since=abc")
    call("beyond the last page", ann, "GET", f"{posts}?page=5&per_page=10")
    call("delete", ann, "DELETE", f"/posts/{at.post}")
    call("read deleted", ann, "GET", f"/posts/{at.post}")
    call("delete deleted", ann, "DELETE", f"/posts/{at.post}")
    call("edit deleted", ann, "PUT", f"/posts/{at.post}/patch", {"message": "x"})
    body = {"channel_id": at.public, "message": "m", "root_id": at.post}
    call("reply to deleted", ann, "POST", "/posts", body)


def _rest(visit: Visit, at: Place) -> None:
    call, ann, members = visit.call, at.ann, f"/channels/{at.public}/members"
    call("remove no member", ann, "DELETE", f"{members}/{at.bob.id}")
    call("leave", ann, "DELETE", f"{members}/{ann.id}")
    call("read after leaving", ann, "GET", f"/channels/{at.public}/posts")
    view = f"/channels/members/{ann.id}/view"
    call("view after leaving", ann, "POST", view, {"channel_id": at.public})
    call("view nothing", ann, "POST", view, {})
    call("view no id", ann, "POST", view, {"channel_id": "x"})
    call("empty figures", ann, "POST", "/client_perf", {})
    call("log out", at.eve, "POST", "/users/logout")
    call("log out twice", at.eve, "POST", "/users/logout")
