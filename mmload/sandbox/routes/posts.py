"""Posts and reactions: create, read, edit, search."""

from __future__ import annotations

import re

from mmload.sandbox import accounts, posting, reactions, reading, shapes
from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import ApiError, bad_body, bad_url_param, forbidden, no_such_emoji
from mmload.sandbox.events import Audience
from mmload.sandbox.http import NEVER_STORED, OK, ApiAnswer, Call, Routes, unchanged
from mmload.sandbox.state import Document, StoredChannel, StoredPost, is_id

api = Routes()
_EMOJI_NAME = re.compile(r"[a-zA-Z0-9\-+_]{1,64}")


@api.add("POST", "/posts")
def create_post(call: Call) -> ApiAnswer:
    body = call.document("post")
    if str(body.get("type") or "").startswith("system_"):
        raise ApiError(400, "api.context.invalid_param.app_error", "Invalid post.type parameter.")
    post, is_new = posting.create_post(call.world, call.user, body)
    if is_new and call.query.get("set_online") != "false":
        accounts.come_online(call.world, call.user)
    return ApiAnswer(posting.post_document(call.world, post, pending=is_new), 201)


def _readable_post(call: Call) -> StoredPost:
    post = call.post()
    require_readable(call.world, call.world.state.channels[post.channel_id], call.user, "read_channel_content")
    return post


@api.add("GET", "/posts/{post_id}")
def get_post(call: Call) -> ApiAnswer:
    post = _readable_post(call)
    etag = f"{call.world.version_number}.{post.id}.{post.update_at}"
    return unchanged(call, etag) or ApiAnswer(posting.post_document(call.world, post), headers={"Etag": etag})


@api.add("GET", "/posts/{post_id}/info", modern_only=True)
def get_post_info(call: Call) -> ApiAnswer:
    """Where a linked post is: also for somebody who is not in that channel, but may join it."""
    post = _readable_post(call)
    channel = call.world.state.channels[post.channel_id]
    team = call.world.state.teams.get(channel.team_id)
    return ApiAnswer(
        {
            "channel_id": channel.id,
            "channel_type": channel.type,
            "channel_display_name": channel.display_name,
            "has_joined_channel": call.user.id in channel.members,
            "team_id": channel.team_id,
            "team_type": team.type if team is not None else "",
            "team_display_name": team.display_name if team is not None else "",
            "has_joined_team": team is not None and team.id in call.user.teams,
        }
    )


@api.add("POST", "/users/{user_id}/posts/{post_id}/set_unread")
def set_post_unread(call: Call) -> ApiAnswer:
    user, post = call.self_or_admin(), _readable_post(call)
    channel = call.world.state.channels[post.channel_id]
    member = channel.members.get(user.id)
    if member is None:
        raise forbidden(call.user.id, "read_channel")
    later = [each for each in channel.posts if each.create_at >= post.create_at and not each.delete_at]
    member.last_viewed_at = post.create_at - 1
    member.msg_count = max(0, channel.total_msg_count - len(later))
    member.msg_count_root = max(0, channel.total_msg_count_root - sum(not each.root_id for each in later))
    document: Document = {
        "team_id": channel.team_id,
        "user_id": user.id,
        "channel_id": channel.id,
        "msg_count": member.msg_count,
        "mention_count": member.mention_count,
        "mention_count_root": member.mention_count_root,
        "urgent_mention_count": member.urgent_mention_count,
        "msg_count_root": member.msg_count_root,
        "last_viewed_at": member.last_viewed_at,
    }
    told = {key: document[key] for key in ("msg_count", "msg_count_root", "mention_count", "last_viewed_at")}
    audience = Audience(user_id=user.id, channel_id=channel.id, team_id=channel.team_id)
    call.world.publish("post_unread", {**told, "post_id": post.id}, audience)
    return ApiAnswer(document)


@api.add("POST", "/posts/ids")
def get_posts_by_ids(call: Call) -> ApiAnswer:
    posts = call.world.state.posts
    found = [posts[post_id] for post_id in call.texts("post_ids") if post_id in posts]
    return ApiAnswer(
        [posting.post_document(call.world, post) for post in found if post.channel_id in call.user.channels]
    )


def _own_post(call: Call, permission: str, permission_for_others: str) -> StoredPost:
    """The post of the path, if the caller wrote it (or is a system admin)."""
    post = call.world.state.posts.get(call.params["post_id"])
    if post is None or post.delete_at:
        raise forbidden(call.user.id, permission)
    call.require(post.user_id == call.user.id, permission_for_others)
    return post


@api.add("PUT", "/posts/{post_id}/patch")
def patch_post(call: Call) -> ApiAnswer:
    body = call.document("post")
    post = _own_post(call, "edit_post", "edit_others_posts")
    message, pinned = body.get("message"), body.get("is_pinned")
    if not isinstance(message, str | None) or not isinstance(pinned, bool | None):
        raise bad_body("post")
    limit = call.world.setting("ServiceSettings", "PostEditTimeLimit")
    if limit is not None and 0 <= limit * 1000 < call.world.now() - post.create_at:
        text = f"Post edit is only allowed for {limit} seconds."
        raise ApiError(400, "api.post.update_post.permissions_time_limit.app_error", text)
    posting.edit_post(call.world, post, call.user, message, pinned)
    return ApiAnswer(posting.post_document(call.world, post))


@api.add("POST", "/posts/{post_id}/pin")
def pin_post(call: Call) -> ApiAnswer:
    posting.edit_post(call.world, _readable_post(call), call.user, None, is_pinned=True)
    return ApiAnswer(OK)


@api.add("POST", "/posts/{post_id}/unpin")
def unpin_post(call: Call) -> ApiAnswer:
    posting.edit_post(call.world, _readable_post(call), call.user, None, is_pinned=False)
    return ApiAnswer(OK)


@api.add("DELETE", "/posts/{post_id}")
def delete_post(call: Call) -> ApiAnswer:
    if call.world.modern:
        call.post()  # The older one says 403 of a post that is deleted.
    posting.delete_post(call.world, _own_post(call, "delete_post", "delete_others_posts"), call.user)
    return ApiAnswer(OK)


def _readable_channel(call: Call) -> StoredChannel:
    channel = call.channel()
    if call.world.modern:
        require_readable(call.world, channel, call.user, "read_channel_content")
    else:
        # The older server shows the posts of an open channel to its members only.
        call.require(call.user.id in channel.members, "read_channel")
    return channel


def _etag(call: Call, channel: StoredChannel) -> str:
    return f"{call.world.version_number}.{channel.changed_at}"


@api.add("GET", "/channels/{channel_id}/posts")
def get_posts_for_channel(call: Call) -> ApiAnswer:
    channel = _readable_channel(call)
    collapsed = call.flag("collapsedThreads")
    if not (call.query.get("since") or "0").isdigit():
        raise bad_body("since")
    since = call.number("since")
    if since:
        # No ETag: what has changed since then differs with every request.
        return ApiAnswer(reading.since(call.world, channel, call.user, since, collapsed=collapsed))
    etag = _etag(call, channel)
    return unchanged(call, etag) or ApiAnswer(_page(call, channel, collapsed=collapsed), headers={"Etag": etag})


def _page(call: Call, channel: StoredChannel, *, collapsed: bool) -> Document:
    """Of the whole channel, or of the posts before or after one of them."""
    number, size = call.page()
    side = next((name for name in ("before", "after") if call.query.get(name)), "")
    if not side:
        return reading.page(call.world, channel, call.user, number, size, collapsed=collapsed)
    if not is_id(call.query[side]):
        raise bad_body(side)
    anchor = call.world.state.posts.get(call.query[side])
    if anchor is None:
        return shapes.post_list([], {}, call.world.modern)
    return reading.beside(
        call.world, channel, call.user, anchor, number, size, before=side == "before", collapsed=collapsed
    )


@api.add("GET", "/users/{user_id}/channels/{channel_id}/posts/unread")
def get_posts_for_channel_around_last_unread(call: Call) -> ApiAnswer:
    user, channel = call.self_or_admin(), _readable_channel(call)
    if user.id not in channel.members:
        message = "No channel member found for that user ID and channel ID."
        raise ApiError(404, "app.channel.get_member.missing.app_error", message)
    before, after = call.number("limit_before", 60), call.number("limit_after", 60)
    if after == 0:
        raise bad_url_param("limit_after")
    collapsed = call.flag("collapsedThreads")
    document = reading.around_unread(call.world, channel, user, min(before, 200), min(after, 200), collapsed=collapsed)
    return ApiAnswer(document, headers={"Etag": _etag(call, channel)})


@api.add("GET", "/channels/{channel_id}/pinned")
def get_pinned_posts(call: Call) -> ApiAnswer:
    channel = _readable_channel(call)
    pinned = []
    if channel.pinned:
        pinned = [post for post in reversed(channel.posts) if post.is_pinned and not post.delete_at]
    documents = {post.id: posting.post_document(call.world, post) for post in pinned}
    shown = shapes.post_list([post.id for post in pinned], documents, call.world.modern)
    return ApiAnswer(shown, headers={"Etag": _etag(call, channel)})


@api.add("GET", "/posts/{post_id}/thread")
def get_post_thread(call: Call) -> ApiAnswer:
    post = _readable_post(call)
    root = call.world.state.posts.get(post.root_id, post)
    document = reading.thread(
        call.world,
        root,
        call.user,
        call.number("perPage"),
        collapsed=call.flag("collapsedThreads"),
        from_create_at=call.number("fromCreateAt"),
        updated_after=call.number("fromUpdateAt") if call.flag("updatesOnly") else 0,
    )
    etag = f"{call.world.version_number}.{root.id}.{root.update_at}"
    return unchanged(call, etag) or ApiAnswer(document, headers={"Etag": etag})


@api.add("POST", "/teams/{team_id}/posts/search")
def search_posts_in_team(call: Call) -> ApiAnswer:
    return _search(call, call.own_team("view_team").id)


@api.add("POST", "/posts/search")
def search_posts_in_all_teams(call: Call) -> ApiAnswer:
    return _search(call, "")


def _search(call: Call, team_id: str) -> ApiAnswer:
    if call.world.setting("ServiceSettings", "EnablePostSearch") is False:
        raise ApiError(501, "store.sql_post.search.disabled", "Searching has been disabled on this server.")
    body = call.document("search")
    terms = body.get("terms")
    if not isinstance(terms, str) or not terms:
        raise bad_body("terms")
    any_word = bool(body.get("is_or_search"))
    # A search in the database has one page.
    found = [] if body.get("page") else reading.find_posts(call.world, call.user, terms, team_id, any_word=any_word)
    documents = {post.id: posting.post_document(call.world, post, reply_count=0) for post in found}
    shown = shapes.post_list([post.id for post in found], documents, call.world.modern, matches=None)
    return ApiAnswer(shown, headers=NEVER_STORED)


@api.add("POST", "/reactions")
def save_reaction(call: Call) -> ApiAnswer:
    body = call.document("reaction")
    name = str(body.get("emoji_name", ""))
    if not is_id(body.get("user_id")) or not is_id(body.get("post_id")) or not name:
        raise ApiError(400, "api.reaction.save_reaction.invalid.app_error", "Reaction is not valid.")
    if body["user_id"] != call.user.id:
        message = "You cannot save reaction for the other user."
        raise ApiError(403, "api.reaction.save_reaction.user_id.app_error", message)
    post = call.world.state.posts.get(body["post_id"])
    if post is None or post.channel_id not in call.user.channels:
        raise forbidden(call.user.id, "add_reaction")
    _check_emoji(call, name)
    return ApiAnswer(reactions.add_reaction(call.world, post, call.user, name))


def _check_emoji(call: Call, name: str) -> None:
    """The older server looks at the name's form only, the newer one knows its emoji."""
    if not call.world.modern and not _EMOJI_NAME.fullmatch(name):
        raise ApiError(400, "model.reaction.is_valid.emoji_name.app_error", "Invalid emoji name.")
    if call.world.modern and not reactions.is_known_emoji(name) and name not in call.world.state.emoji:
        raise no_such_emoji(name)


@api.add("GET", "/posts/{post_id}/reactions")
def get_reactions(call: Call) -> ApiAnswer:
    return ApiAnswer(list(_readable_post(call).reactions.values()))


@api.add("DELETE", "/users/{user_id}/posts/{post_id}/reactions/{emoji_name}")
def delete_reaction(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    reactions.remove_reaction(call.world, call.post(), user, call.params["emoji_name"])
    return ApiAnswer(OK)
