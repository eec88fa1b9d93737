"""Licensed features: scheduled posts, bookmarks, profile attributes, acknowledgements.

Without a licence each is refused in its own way, as recorded; with one they follow the OpenAPI description.
"""

from __future__ import annotations

from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import ApiError, bad_body, forbidden
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes
from mmload.sandbox.state import Document, StoredChannel

scheduling = Routes(
    modern_only=True,
    unlicensed=(400, "api.scheduled_posts.license_error", "Scheduled posts feature requires a license"),
)
bookmarks = Routes(
    modern_only=True,
    unlicensed=(
        501,
        "api.channel.bookmark.channel_bookmark.license.error",
        "Your license does not support channel bookmarks.",
    ),
)
attributes = Routes(
    modern_only=True,
    unlicensed=(
        403,
        "api.custom_profile_attributes.license_error",
        "Your license does not support Custom Profile Attributes.",
    ),
)
acknowledgements = Routes(modern_only=True)


@scheduling.add("POST", "/posts/schedule")
def create_schedule_post(call: Call) -> ApiAnswer:
    body = call.document("scheduled_post")
    if str(body.get("channel_id", "")) not in call.user.channels:
        raise forbidden(call.user.id, "create_post")
    if not isinstance(body.get("scheduled_at"), int) or body["scheduled_at"] <= call.world.now():
        raise bad_body("scheduled_at")
    now = call.world.now()
    scheduled: Document = {
        "create_at": now,
        "update_at": now,
        "user_id": call.user.id,
        "channel_id": body["channel_id"],
        "root_id": str(body.get("root_id") or ""),
        "message": str(body.get("message", "")),
        "props": {},
        "file_ids": body.get("file_ids") or [],
        "id": call.world.new_id(),
        "scheduled_at": body["scheduled_at"],
        "processed_at": 0,
        "error_code": "",
    }
    call.user.scheduled[scheduled["id"]] = scheduled
    _tell_scheduled(call, "scheduled_post_created", scheduled)
    return ApiAnswer(scheduled, 201)


def _tell_scheduled(call: Call, name: str, scheduled: Document) -> None:
    call.world.publish(name, {"scheduledPost": text(scheduled)}, Audience(user_id=call.user.id))


def _scheduled(call: Call) -> Document:
    scheduled = call.user.scheduled.get(call.params["scheduled_post_id"])
    if scheduled is None:
        raise ApiError(404, "app.update_scheduled_post.existing_scheduled_post.not_exist", "Scheduled post not found.")
    return scheduled


@scheduling.add("PUT", "/posts/schedule/{scheduled_post_id}")
def update_scheduled_post(call: Call) -> ApiAnswer:
    scheduled = _scheduled(call)
    body = call.document("scheduled_post")
    scheduled |= {key: body[key] for key in ("message", "scheduled_at") if key in body}
    scheduled["update_at"] = call.world.now()
    _tell_scheduled(call, "scheduled_post_updated", scheduled)
    return ApiAnswer(scheduled)


@scheduling.add("DELETE", "/posts/schedule/{scheduled_post_id}")
def delete_scheduled_post(call: Call) -> ApiAnswer:
    scheduled = _scheduled(call)
    del call.user.scheduled[scheduled["id"]]
    _tell_scheduled(call, "scheduled_post_deleted", scheduled)
    return ApiAnswer(scheduled)


@scheduling.add("GET", "/posts/scheduled/team/{team_id}")
def get_team_scheduled_posts(call: Call) -> ApiAnswer:
    team = call.team()
    channels = call.world.state.channels
    answer: dict[str, list[Document]] = {team.id: []}
    if call.flag("includeDirectChannels"):
        answer["directChannels"] = []
    for scheduled in call.user.scheduled.values():
        team_id = channels[scheduled["channel_id"]].team_id
        place = team.id if team_id == team.id else "directChannels" if not team_id else ""
        if place in answer:
            answer[place].append(scheduled)
    return ApiAnswer(answer)


def _bookmarked_channel(call: Call) -> StoredChannel:
    channel = call.channel()
    require_readable(call.world, channel, call.user)
    return channel


@bookmarks.add("GET", "/channels/{channel_id}/bookmarks")
def list_channel_bookmarks_for_channel(call: Call) -> ApiAnswer:
    since = call.number("bookmarks_since")
    known = _bookmarked_channel(call).bookmarks.values()
    shown = [each for each in known if each["update_at"] >= since and (since or not each["delete_at"])]
    return ApiAnswer(sorted(shown, key=lambda bookmark: bookmark["sort_order"]))


@bookmarks.add("POST", "/channels/{channel_id}/bookmarks")
def create_channel_bookmark(call: Call) -> ApiAnswer:
    channel = _bookmarked_channel(call)
    body = call.document("channelBookmark")
    if body.get("type") not in {"link", "file"} or not body.get("display_name"):
        raise bad_body("channelBookmark")
    now = call.world.now()
    bookmark: Document = {
        "id": call.world.new_id(),
        "create_at": now,
        "update_at": now,
        "delete_at": 0,
        "channel_id": channel.id,
        "owner_id": call.user.id,
        "file_id": str(body.get("file_id", "")),
        "display_name": str(body["display_name"]),
        "sort_order": len(channel.bookmarks),
        "link_url": str(body.get("link_url", "")),
        "image_url": "",
        "emoji": str(body.get("emoji", "")),
        "type": body["type"],
        "original_id": "",
        "parent_id": "",
    }
    channel.bookmarks[bookmark["id"]] = bookmark
    _tell_bookmark(call, "channel_bookmark_created", {"bookmark": text(bookmark)})
    return ApiAnswer(bookmark, 201)


def _tell_bookmark(call: Call, name: str, data: Document) -> None:
    call.world.publish(name, data, Audience(channel_id=call.params["channel_id"]))


def _bookmark(call: Call) -> Document:
    bookmark = _bookmarked_channel(call).bookmarks.get(call.params["bookmark_id"])
    if bookmark is None or bookmark["delete_at"]:
        raise ApiError(404, "app.channel.bookmark.get.app_error", "Could not get the bookmark.")
    return bookmark


@bookmarks.add("PATCH", "/channels/{channel_id}/bookmarks/{bookmark_id}")
def update_channel_bookmark(call: Call) -> ApiAnswer:
    bookmark = _bookmark(call)
    body = call.document("channelBookmarkPatch")
    bookmark |= {key: body[key] for key in ("display_name", "link_url", "file_id", "emoji") if key in body}
    bookmark["update_at"] = call.world.now()
    changed = {"updated": bookmark}
    _tell_bookmark(call, "channel_bookmark_updated", {"bookmarks": text(changed)})
    return ApiAnswer(changed)


@bookmarks.add("POST", "/channels/{channel_id}/bookmarks/{bookmark_id}/sort_order")
def update_channel_bookmark_sort_order(call: Call) -> ApiAnswer:
    bookmark = _bookmark(call)
    wanted = call.json("channelBookmarkSortOrder")
    others = sorted(call.channel().bookmarks.values(), key=lambda item: item["sort_order"])
    if not isinstance(wanted, int) or not 0 <= wanted < len(others):
        raise bad_body("channelBookmarkSortOrder")
    others.remove(bookmark)
    others.insert(wanted, bookmark)
    for number, item in enumerate(others):
        item["sort_order"] = number
    _tell_bookmark(call, "channel_bookmark_sorted", {"bookmarks": text(others)})
    return ApiAnswer(others)


@bookmarks.add("DELETE", "/channels/{channel_id}/bookmarks/{bookmark_id}")
def delete_channel_bookmark(call: Call) -> ApiAnswer:
    bookmark = _bookmark(call)
    bookmark["delete_at"] = bookmark["update_at"] = call.world.now()
    _tell_bookmark(call, "channel_bookmark_deleted", {"bookmark": text(bookmark)})
    return ApiAnswer(bookmark)


@attributes.add("GET", "/custom_profile_attributes/fields")
def list_cpa_fields(call: Call) -> ApiAnswer:
    return ApiAnswer(list(call.world.state.profile_fields.values()))


@attributes.add("POST", "/custom_profile_attributes/fields")
def create_cpa_field(call: Call) -> ApiAnswer:
    call.require(False, "manage_system")
    body = call.document("property_field")
    now = call.world.now()
    field: Document = {
        "id": call.world.new_id(),
        "group_id": "",
        "name": str(body.get("name", "")),
        "type": str(body.get("type", "text")),
        "attrs": body.get("attrs") or {},
        "target_id": "",
        "target_type": "",
        "create_at": now,
        "update_at": now,
        "delete_at": 0,
    }
    call.world.state.profile_fields[field["id"]] = field
    call.world.publish("custom_profile_attributes_field_created", {"field": field}, Audience())
    return ApiAnswer(field, 201)


@attributes.add("PATCH", "/custom_profile_attributes/values")
def patch_cpa_values(call: Call) -> ApiAnswer:
    values = call.document("values")
    if not values.keys() <= call.world.state.profile_fields.keys():
        raise bad_body("values")
    call.user.attributes |= values
    about = {"user_id": call.user.id, "values": values}
    call.world.publish("custom_profile_attributes_values_updated", about, Audience())
    return ApiAnswer(values)


@attributes.add("GET", "/users/{user_id}/custom_profile_attributes")
def list_cpa_values(call: Call) -> ApiAnswer:
    return ApiAnswer(call.any_user().attributes)


@acknowledgements.add("POST", "/users/{user_id}/posts/{post_id}/ack")
def acknowledge_post(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    if not call.world.options.licensed:
        raise ApiError(501, "<untranslated>", "<untranslated>", "feature is not available for the current license")
    post = call.post()
    require_readable(call.world, call.channel(post.channel_id), user, "read_channel_content")
    at = post.acknowledgements.setdefault(user.id, call.world.now())
    document = {"user_id": user.id, "post_id": post.id, "acknowledged_at": at, "channel_id": post.channel_id}
    told = Audience(channel_id=post.channel_id)
    call.world.publish("post_acknowledgement_added", {"acknowledgement": text(document)}, told)
    return ApiAnswer(document)


@acknowledgements.add("DELETE", "/users/{user_id}/posts/{post_id}/ack")
def unacknowledge_post(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    call.post().acknowledgements.pop(user.id, None)
    return ApiAnswer(OK)
