"""What belongs to one user: preferences, statuses, reminders, the sidebar's categories, drafts."""

from __future__ import annotations

import datetime

from mmload.sandbox import accounts, channels, posting, shapes
from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import ApiError, bad_body, forbidden
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes
from mmload.sandbox.state import Document, StoredCategory, StoredPost, StoredUser, is_id

api = Routes()
_STATUSES = frozenset({"online", "away", "dnd", "offline"})


@api.add("GET", "/users/{user_id}/preferences")
def get_preferences(call: Call) -> ApiAnswer:
    return ApiAnswer(accounts.preferences(call.self_or_admin()))


@api.add("PUT", "/users/{user_id}/preferences")
def update_preferences(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    entries = call.json("preferences")
    keys = ("category", "name", "value")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in keys) for entry in entries
    ):
        raise bad_body("preferences", "json: cannot unmarshal object into Go value of type model.Preferences")
    accounts.save_preferences(call.world, user, entries)
    return ApiAnswer(OK)


@api.add("GET", "/users/{user_id}/status")
def get_user_status(call: Call) -> ApiAnswer:
    if not _statuses_on(call):
        raise ApiError(404, "api.status.user_not_found.app_error", "User not found.")
    return ApiAnswer(_status(call, call.params["user_id"]))


def _statuses_on(call: Call) -> bool:
    return call.world.setting("ServiceSettings", "EnableUserStatuses") is not False


def _status(call: Call, user_id: str) -> Document:
    """An unknown user is offline, as on the real server."""
    user = call.world.state.users.get(user_id)
    if user is not None:
        return shapes.status(user)
    return {"user_id": user_id, "status": "offline", "manual": False, "last_activity_at": 0, "dnd_end_time": 0}


@api.add("POST", "/users/status/ids")
def get_user_statuses_by_ids(call: Call) -> ApiAnswer:
    wanted = call.texts("user_ids")
    if not wanted or not all(is_id(user_id) for user_id in wanted):
        raise bad_body("user_ids")
    wanted = wanted if _statuses_on(call) else []
    return ApiAnswer([_status(call, user_id) for user_id in sorted(set(wanted))])


@api.add("PUT", "/users/{user_id}/status")
def update_user_status(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    status = call.document("status").get("status")
    if status not in _STATUSES:
        raise bad_body("status")
    accounts.set_status(call.world, user, str(status))
    return ApiAnswer(shapes.status(user))


@api.add("PUT", "/users/{user_id}/status/custom")
def update_user_custom_status(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    status = call.document("custom_status")
    if not (status.get("emoji") or status.get("text")):
        raise bad_body("custom_status")
    accounts.set_custom_status(call.world, user, status)
    return ApiAnswer(OK)


@api.add("DELETE", "/users/{user_id}/status/custom")
def remove_user_custom_status(call: Call) -> ApiAnswer:
    accounts.change_custom_status(call.world, call.self_or_admin(), "")
    return ApiAnswer(OK)


@api.add("POST", "/users/{user_id}/posts/{post_id}/reminder", modern_only=True)
def set_post_reminder(call: Call) -> ApiAnswer:
    user, post = call.self_or_admin(), call.world.state.posts.get(call.params["post_id"])
    if post is None or post.delete_at:
        raise forbidden(call.user.id, "read_channel_content")
    channel = call.channel(post.channel_id)
    require_readable(call.world, channel, user, "read_channel_content")
    target = call.document("target_time").get("target_time")
    if not isinstance(target, int):
        raise bad_body("target_time")
    told = Audience(user_id=user.id, channel_id=post.channel_id)
    call.world.publish("ephemeral_message", {"post": text(_reminder(call, user, post, target))}, told)
    return ApiAnswer(OK)


def _reminder(call: Call, user: StoredUser, post: StoredPost, target: int) -> Document:
    """The post, shown to this user only, that confirms the reminder."""
    world = call.world
    channel = world.state.channels[post.channel_id]
    team = world.state.teams.get(world.team_id_of(channel, user.id))
    team_name = team.name if team is not None else ""
    author = world.state.users[post.user_id]
    when = datetime.datetime.fromtimestamp(target, datetime.UTC).strftime("%d %b %y %H:%M UTC")
    link = f"{world.site_url}/{team_name}/pl/{post.id}"
    note = StoredPost(
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


_CATEGORIES_PATH = "/users/{user_id}/teams/{team_id}/channels/categories"


@api.add("GET", _CATEGORIES_PATH)
def get_categories_for_team_for_user(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    items = channels.categories(call.world, user, team)
    documents = [shapes.category(item, user.id, team.id) for item in items]
    return ApiAnswer({"categories": documents, "order": [item.id for item in items]})


@api.add("POST", _CATEGORIES_PATH)
def create_category_for_team_for_user(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    body = call.document("category")
    if body.get("user_id") != user.id or body.get("team_id") != team.id or not body.get("display_name"):
        raise bad_body("category")
    items = channels.categories(call.world, user, team)
    # A new one comes right below the favourites.
    for item in items[1:]:
        item.sort_order += 10
    wanted = [str(channel_id) for channel_id in body.get("channel_ids") or []]
    category = StoredCategory(call.world.new_id(), "custom", str(body["display_name"]), 10)
    user.categories[team.id].append(category)
    _move_channels(user.categories[team.id], category, wanted)
    told = Audience(user_id=user.id, team_id=team.id)
    call.world.publish("sidebar_category_created", {"category_id": category.id}, told)
    return ApiAnswer(shapes.category(category, user.id, team.id))


def _move_channels(items: list[StoredCategory], target: StoredCategory, channel_ids: list[str]) -> None:
    """These channels, in this order, are in the target and nowhere else."""
    moved = set(channel_ids)
    for item in items:
        item.channel_ids = [channel_id for channel_id in item.channel_ids if channel_id not in moved]
    target.channel_ids = channel_ids


@api.add("PUT", _CATEGORIES_PATH)
def update_categories_for_team_for_user(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    bodies = call.json("category")
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise bad_body("category")
    by_id = {item.id: item for item in channels.categories(call.world, user, team)}
    changed = []
    for body in bodies:
        category = by_id.get(str(body.get("id", "")))
        if category is None:
            raise bad_body("category")
        wanted = [str(channel_id) for channel_id in body.get("channel_ids") or [] if channel_id in user.channels]
        _move_channels(user.categories[team.id], category, wanted)
        if category.type == "custom":
            category.display_name = str(body.get("display_name", category.display_name))
        category.muted, category.collapsed = bool(body.get("muted")), bool(body.get("collapsed"))
        category.sorting = str(body.get("sorting", category.sorting))
        changed.append(shapes.category(category, user.id, team.id))
    told = Audience(user_id=user.id, team_id=team.id)
    call.world.publish("sidebar_category_updated", {"updatedCategories": text(changed)}, told)
    return ApiAnswer(changed)


@api.add("POST", "/drafts", modern_only=True)
def upsert_draft(call: Call) -> ApiAnswer:
    body = call.document("draft")
    channel_id, root_id = str(body.get("channel_id", "")), str(body.get("root_id") or "")
    if channel_id not in call.user.channels:
        raise forbidden(call.user.id, "create_post")
    if not isinstance(body.get("message"), str):
        raise bad_body("draft")
    now = call.world.now()
    key = (channel_id, root_id)
    is_new = key not in call.user.drafts
    draft: Document = {
        "create_at": int(body.get("create_at") or now),
        "update_at": now,
        "delete_at": 0,
        "user_id": call.user.id,
        "channel_id": channel_id,
        "root_id": root_id,
        "message": body["message"],
        "type": "",
        "props": body.get("props") or {},
        "metadata": {},
    }
    call.user.drafts[key] = draft
    _tell_draft(call, "draft_created" if is_new else "draft_updated", draft)
    return ApiAnswer(draft, 201)


def _tell_draft(call: Call, name: str, draft: Document) -> None:
    told = Audience(user_id=call.user.id, channel_id=draft["channel_id"])
    call.world.publish(name, {"draft": text(draft)}, told)


@api.add("GET", "/users/{user_id}/teams/{team_id}/drafts", modern_only=True)
def get_drafts(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    channels = call.world.state.channels
    shown = [draft for (channel_id, _), draft in user.drafts.items() if channels[channel_id].team_id in ("", team.id)]
    return ApiAnswer(sorted(shown, key=lambda draft: draft["update_at"], reverse=True))


@api.add("DELETE", "/users/{user_id}/channels/{channel_id}/drafts", modern_only=True)
def delete_draft(call: Call) -> ApiAnswer:
    return _delete_draft(call, "")


@api.add("DELETE", "/users/{user_id}/channels/{channel_id}/drafts/{thread_id}", modern_only=True)
def delete_thread_draft(call: Call) -> ApiAnswer:
    return _delete_draft(call, call.params["thread_id"])


def _delete_draft(call: Call, root_id: str) -> ApiAnswer:
    user = call.self_or_admin()
    draft = user.drafts.pop((call.params["channel_id"], root_id), None)
    # Deleting a draft that does not exist is not an error.
    if draft is not None:
        _tell_draft(call, "draft_deleted", {key: value for key, value in draft.items() if key != "metadata"})
    return ApiAnswer(OK)
