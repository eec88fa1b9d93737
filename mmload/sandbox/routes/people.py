"""What belongs to one person: preferences, statuses, custom status, reminders."""

from __future__ import annotations

import datetime

from mmload.sandbox import accounts, posting, shapes
from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import bad_body, forbidden
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import OK, Answer, Call, Routes
from mmload.sandbox.ids import is_id
from mmload.sandbox.state import Document, Post, User

api = Routes()
_STATUSES = frozenset({"online", "away", "dnd", "offline"})


@api.add("GET", "/users/{user_id}/preferences")
def get_preferences(call: Call) -> Answer:
    return Answer(accounts.preferences(call.self_or_admin()))


@api.add("PUT", "/users/{user_id}/preferences")
def update_preferences(call: Call) -> Answer:
    user = call.self_or_admin()
    entries = call.json("preferences")
    if not isinstance(entries, list) or not all(_is_preference(entry) for entry in entries):
        raise bad_body("preferences", "json: cannot unmarshal object into Go value of type model.Preferences")
    accounts.save_preferences(call.world, user, entries)
    return Answer(OK)


def _is_preference(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("category", "name", "value"))


@api.add("GET", "/users/{user_id}/status")
def get_user_status(call: Call) -> Answer:
    return Answer(_status(call, call.params["user_id"]))


def _status(call: Call, user_id: str) -> Document:
    """Who is unknown is offline, as on the real server."""
    user = call.world.state.users.get(user_id)
    if user is not None:
        return shapes.status(user)
    return {"user_id": user_id, "status": "offline", "manual": False, "last_activity_at": 0, "dnd_end_time": 0}


@api.add("POST", "/users/status/ids")
def get_user_statuses_by_ids(call: Call) -> Answer:
    wanted = call.texts("user_ids")
    if not wanted:
        raise bad_body("user_ids")
    if not all(is_id(user_id) for user_id in wanted):
        raise bad_body("user_ids")
    return Answer([_status(call, user_id) for user_id in sorted(set(wanted))])


@api.add("PUT", "/users/{user_id}/status")
def update_user_status(call: Call) -> Answer:
    user = call.self_or_admin()
    status = call.document("status").get("status")
    if status not in _STATUSES:
        raise bad_body("status")
    accounts.set_status(call.world, user, str(status))
    return Answer(shapes.status(user))


@api.add("PUT", "/users/{user_id}/status/custom")
def update_user_custom_status(call: Call) -> Answer:
    user = call.self_or_admin()
    status = call.document("custom_status")
    if not (status.get("emoji") or status.get("text")):
        raise bad_body("custom_status")
    accounts.set_custom_status(call.world, user, status)
    return Answer(OK)


@api.add("DELETE", "/users/{user_id}/status/custom")
def remove_user_custom_status(call: Call) -> Answer:
    accounts.remove_custom_status(call.world, call.self_or_admin())
    return Answer(OK)


@api.add("POST", "/users/{user_id}/posts/{post_id}/reminder", modern_only=True)
def set_post_reminder(call: Call) -> Answer:
    user, post = call.self_or_admin(), call.world.state.posts.get(call.params["post_id"])
    if post is None or post.delete_at:
        raise forbidden(call.user.id, "read_channel_content")
    channel = call.channel(post.channel_id)
    require_readable(call.world, channel, user, "read_channel_content")
    target = call.document("target_time").get("target_time")
    if not isinstance(target, int):
        raise bad_body("target_time")
    ephemeral = _reminder(call, user, post, target)
    world = call.world
    told = Audience(user_id=user.id, channel_id=post.channel_id)
    world.publish("ephemeral_message", {"post": text(ephemeral)}, told)
    return Answer(OK)


def _reminder(call: Call, user: User, post: Post, target: int) -> Document:
    """The note, shown to this user alone, that they will be reminded."""
    world = call.world
    channel = world.state.channels[post.channel_id]
    team = world.state.teams.get(world.team_id_of(channel, user.id))
    team_name = team.name if team is not None else ""
    author = world.state.users[post.user_id]
    when = datetime.datetime.fromtimestamp(target, datetime.UTC).strftime("%d %b %y %H:%M UTC")
    link = f"{world.site_url}/{team_name}/pl/{post.id}"
    note = Post(
        world.new_id(),
        world.now(),
        0,
        user.id,
        post.channel_id,
        f"You will be reminded about {link} by @{author.username} at {when}",
        root_id=post.root_id or post.id,
        type="system_ephemeral",
        remote_id=None,
        props={
            "post_id": post.id,
            "target_time": target,
            "team_name": team_name,
            "type": "reminder",
            "username": author.username,
        },
    )
    preview = {
        "post_id": post.id,
        "post": posting.post_document(world, post),
        "team_name": team_name,
        "channel_display_name": channel.display_name,
        "channel_type": channel.type,
        "channel_id": channel.id,
    }
    embeds = [{"type": "permalink", "data": preview}]
    return shapes.post(note, world.modern, metadata={"embeds": embeds}) | {"file_ids": None}
