"""Posts: create, edit, delete; mentions, thread followers, and the events that clients get."""

from __future__ import annotations

import re
from typing import Any

from mmload.sandbox import shapes
from mmload.sandbox.errors import ApiError, bad_body, forbidden, no_licence, not_found
from mmload.sandbox.events import Audience, ids_text, text
from mmload.sandbox.state import Document, StoredChannel, StoredPost, StoredUser, ThreadMember
from mmload.sandbox.world import World

MAX_MESSAGE_RUNES = 16383
_MENTION = re.compile(r"@([a-z0-9_.\-]+)", re.IGNORECASE)
_EVERYBODY = frozenset({"all", "channel", "here"})


def metadata(world: World, post: StoredPost) -> Document:
    """What a client needs to render the post: files, reactions, priority."""
    document: Document = {}
    if post.file_ids:
        files = [world.state.files[file_id] for file_id in post.file_ids if file_id in world.state.files]
        document["files"] = [shapes.file_info(file, world.modern) for file in files]
    if post.reactions:
        document["reactions"] = list(post.reactions.values())
    if post.priority is not None:
        document["priority"] = post.priority
    if post.acknowledgements:
        document["acknowledgements"] = [
            {"user_id": user_id, "post_id": post.id, "acknowledged_at": at, "channel_id": post.channel_id}
            for user_id, at in post.acknowledgements.items()
        ]
    return document


def post_document(world: World, post: StoredPost, *, reply_count: int | None = None, pending: bool = False) -> Document:
    """A post as returned by itself. A reply has the reply count of its thread."""
    if reply_count is None:
        root = world.state.posts.get(post.root_id, post)
        reply_count = len(root.replies)
    document = shapes.post(post, world.modern, reply_count=reply_count, metadata=metadata(world, post))
    if pending:
        document["pending_post_id"] = post.pending_post_id
    return document


def mentioned_users(world: World, channel: StoredChannel, message: str, author_id: str) -> frozenset[str]:
    """Users the text mentions; in a direct channel (on newer servers in a group channel, too) everybody else in it."""
    if channel.type == "D" or (channel.type == "G" and world.modern):
        return frozenset(channel.members) - {author_id}
    found: set[str] = set()
    for match in _MENTION.finditer(message):
        name = match.group(1).lower().rstrip(".-_")
        user = world.state.users_by_name.get(name)
        if user is not None and user.id in channel.members:
            found.add(user.id)
        elif name in _EVERYBODY:
            found |= channel.members.keys()
    return frozenset(found - {author_id})


def _check_message(world: World, message: str, post_id: str) -> None:
    if len(message) <= MAX_MESSAGE_RUNES:
        return
    if world.modern:
        text = "Post Message property is longer than the maximum permitted length."
        raise ApiError(400, "model.post.is_valid.message_length.app_error", text, f"id={post_id}")
    raise ApiError(400, "model.post.is_valid.msg.app_error", "Invalid message.")


def _priority_of(world: World, body: Document) -> Document | None:
    """The requested priority. It needs a licence on newer servers; the older one ignores it."""
    metadata = body.get("metadata")
    asked = metadata.get("priority") if isinstance(metadata, dict) else None
    if not isinstance(asked, dict) or not asked.get("priority") or not world.modern:
        return None
    if not world.options.licensed:
        raise no_licence()
    return {
        "priority": asked["priority"],
        "requested_ack": bool(asked.get("requested_ack", False)),
        "persistent_notifications": bool(asked.get("persistent_notifications", False)),
    }


def _root_of(world: World, channel: StoredChannel, root_id: str) -> StoredPost | None:
    if not root_id:
        return None
    root = world.state.posts.get(root_id)
    if root is not None and root.channel_id != channel.id:
        message = "Invalid ChannelId for RootId parameter."
        raise ApiError(400, "api.post.create_post.channel_root_id.app_error", message)
    if root is None or root.delete_at or root.root_id:
        error_id = "api.post.create_post.root_id.app_error"
        raise not_found("Post", error_id, "Invalid RootId parameter.", root_id, status=400)
    return root


def create_post(world: World, author: StoredUser, body: Document) -> tuple[StoredPost, bool]:
    """A user's post, and whether it is new (a repeated `pending_post_id` returns the first one)."""
    channel = world.state.channels.get(str(body.get("channel_id", "")))
    if channel is None or author.id not in channel.members:
        raise forbidden(author.id, "create_post")
    pending = str(body.get("pending_post_id") or "")
    if pending and pending in author.pending:
        return world.state.posts[author.pending[pending]], False
    root = _root_of(world, channel, str(body.get("root_id") or ""))
    message = body.get("message") or ""
    file_ids = body.get("file_ids") or []
    if not isinstance(message, str) or not isinstance(file_ids, list):
        raise bad_body("post")
    post = _new_post(world, channel, author.id, message)
    _check_message(world, message, post.id)
    post.priority = _priority_of(world, body)
    post.root_id = root.id if root is not None else ""
    post.pending_post_id = pending
    post.props = body["props"] if isinstance(body.get("props"), dict) else {}
    post.mentioned = mentioned_users(world, channel, message, author.id)
    post.file_ids = _attach(world, author, post, file_ids)
    if pending:
        author.pending[pending] = post.id
    _store(world, channel, post, root)
    _tell_posted(world, channel, post, root, author)
    return post, True


def _new_post(world: World, channel: StoredChannel, author_id: str, message: str) -> StoredPost:
    now = world.now()
    return StoredPost(world.new_id(), now, now, author_id, channel.id, message)


def _attach(world: World, author: StoredUser, post: StoredPost, file_ids: list[Any]) -> list[str]:
    attached = []
    for file_id in file_ids:
        file = world.state.files.get(str(file_id))
        if file is not None and file.user_id == author.id and not file.post_id:
            file.post_id = post.id
            attached.append(file.id)
    return attached


_JOINS_AND_LEAVES = frozenset(
    f"system_{what}"
    for what in (
        *("join_leave", "add_remove", "join_channel", "leave_channel", "join_team", "leave_team"),
        *("add_to_channel", "remove_from_channel", "add_to_team", "remove_from_team"),
    )
)


def _store(world: World, channel: StoredChannel, post: StoredPost, root: StoredPost | None) -> None:
    """Updates counters and threads; the author of a post outside a thread has read the channel up to it."""
    world.state.add_post(post)
    channel.last_post_at = post.create_at
    # Who joins and leaves makes no channel unread.
    counts = post.type not in _JOINS_AND_LEAVES
    channel.total_msg_count += counts
    if root is None:
        channel.last_root_post_at = post.create_at
        channel.total_msg_count_root += counts
    for user_id in post.mentioned:
        member = channel.members[user_id]
        member.mention_count += 1
        if root is None:
            member.mention_count_root += 1
        if post.priority is not None:
            member.urgent_mention_count += 1
    if root is not None:
        root.replies.append(post)
        root.last_reply_at = post.create_at
        channel.touch(root, post.create_at)
        world.state.threads_by_channel[channel.id][root.id] = root
        _follow_by_reply(world, channel, post, root)


def _follow_by_reply(world: World, channel: StoredChannel, reply: StoredPost, root: StoredPost) -> None:
    """Users who wrote in a thread or are mentioned in it follow it."""
    called = {reply.user_id, root.user_id, *root.mentioned, *reply.mentioned}
    for user_id in called:
        if user_id in channel.members and user_id not in root.followers:
            follow(world, root, world.state.users[user_id])
    root.followers[reply.user_id].following = True


def follow(world: World, root: StoredPost, user: StoredUser) -> ThreadMember:
    thread = root.followers.get(user.id)
    if thread is None:
        thread = ThreadMember(user.id)
        root.followers[user.id] = thread
        user.threads[root.id] = thread
    thread.following = True
    return thread


def _tell_posted(
    world: World, channel: StoredChannel, post: StoredPost, root: StoredPost | None, author: StoredUser
) -> None:
    followers: frozenset[str] = frozenset()
    if root is not None:
        followers = frozenset(uid for uid, thread in root.followers.items() if thread.following and uid != author.id)
    _publish_posted(world, channel, post, f"@{author.username}", author, followers)
    if root is not None:
        _tell_thread(world, channel, post, root)
        return
    member = channel.members[author.id]
    member.msg_count, member.msg_count_root = channel.total_msg_count, channel.total_msg_count_root
    member.last_viewed_at = member.last_update_at = post.create_at
    tell_viewed(world, author, {channel.id: post.create_at})


def tell_viewed(world: World, user: StoredUser, times: dict[str, int]) -> None:
    """Tells the user's other clients what was read; the older server sends one event per channel."""
    if world.modern and times:
        world.publish("multiple_channels_viewed", {"channel_times": times}, Audience(user_id=user.id))
    if not world.modern:
        for channel_id in times:
            world.publish("channel_viewed", {"channel_id": channel_id}, Audience(user_id=user.id))


def _publish_posted(
    world: World, channel: StoredChannel, post: StoredPost, sender: str, author: StoredUser, followers: frozenset[str]
) -> None:
    data: dict[str, Any] = {
        "channel_display_name": f"@{author.username}" if channel.type == "D" else channel.display_name,
        "channel_name": channel.name,
        "channel_type": channel.type,
        "post": text(post_document(world, post, pending=True)),
        "sender_name": sender,
        "set_online": True,
        "team_id": channel.team_id,
    }
    if post.file_ids:
        data["otherFile"] = "true"
        if any(world.state.files[file_id].is_image for file_id in post.file_ids):
            data["image"] = "true"
    personal: dict[str, dict[str, Any]] = {}
    if world.modern:
        for user_id in post.mentioned:
            personal[user_id] = {"mentions": ids_text((user_id,))}
        for user_id in followers:
            personal.setdefault(user_id, {})["followers"] = ids_text((user_id,))
        for user_id, addition in personal.items():
            if any(connection.wants_acks for connection in world.hub.connections(user_id)):
                addition["should_ack"] = True
    else:
        if post.mentioned:
            data["mentions"] = ids_text(post.mentioned)
        if followers:
            data["followers"] = ids_text(followers)
    world.publish("posted", data, Audience(channel_id=channel.id), personal)


def _tell_thread(world: World, channel: StoredChannel, reply: StoredPost, root: StoredPost) -> None:
    """Every follower gets the thread with their own unread counts."""
    for user_id, thread in root.followers.items():
        if not thread.following:
            continue
        mentions, replies = thread.unread_mentions, thread.unread_replies
        before = {"previous_unread_mentions": mentions, "previous_unread_replies": replies}
        if user_id != reply.user_id:
            thread.unread_replies += 1
            thread.unread_mentions += user_id in reply.mentioned
        team_id = world.team_id_of(channel, user_id)
        document = thread_document(world, root, thread, extended=True)
        world.publish(
            "thread_updated", {**before, "thread": text(document)}, Audience(user_id=user_id, team_id=team_id)
        )


def thread_document(world: World, root: StoredPost, thread: ThreadMember, *, extended: bool = False) -> Document:
    """A thread as its follower sees it; `extended`: with the participants' full profiles."""
    document: Document = {
        "id": root.id,
        "reply_count": len(root.replies),
        "last_reply_at": root.last_reply_at,
        "last_viewed_at": thread.last_viewed_at,
        "participants": participants(world, root, auth_data=True, extended=extended),
        "post": shapes.post(root, world.modern),
        "unread_replies": thread.unread_replies,
        "unread_mentions": thread.unread_mentions,
    }
    if world.modern:
        document |= {"is_urgent": root.priority is not None, "delete_at": root.delete_at}
    return document


def participants(world: World, root: StoredPost, *, auth_data: bool, extended: bool = False) -> list[Document]:
    """The authors of replies, latest first, once each."""
    authors = [world.state.users[each] for each in dict.fromkeys(reply.user_id for reply in reversed(root.replies))]
    if extended:
        return [shapes.profile(author, world.modern) for author in authors]
    return [shapes.participant(author, auth_data=auth_data) for author in authors]


def system_post(
    world: World,
    channel: StoredChannel,
    user: StoredUser,
    kind: str,
    message: str,
    props: Document,
    mentioned: frozenset[str] = frozenset(),
) -> StoredPost:
    """The server's own post about a joining or leaving user. It changes the channel's last-post time only."""
    post = _new_post(world, channel, user.id, message)
    post.type, post.props, post.mentioned = kind, props, mentioned
    post.remote_id = None
    world.state.add_post(post)
    channel.last_post_at = channel.last_root_post_at = post.create_at
    _publish_posted(world, channel, post, "System", user, frozenset())
    return post


def edit_post(world: World, post: StoredPost, editor: StoredUser, message: str | None, is_pinned: bool | None) -> None:
    if message is not None:
        _check_message(world, message, post.id)
        if message != post.message:
            post.message = message
            post.edit_at = world.now()
    channel = world.state.channels[post.channel_id]
    if is_pinned is not None:
        channel.pinned += is_pinned - post.is_pinned
        post.is_pinned = is_pinned
    channel.touch(post, world.now())
    document = post_document(world, post)
    world.publish("post_edited", {"post": text(document)}, Audience(channel_id=post.channel_id))


def delete_post(world: World, post: StoredPost, by: StoredUser) -> None:
    """Marks the post deleted, with its thread if it is a root. System admins are told who did it."""
    told = shapes.post(post, world.modern)
    channel = world.state.channels[post.channel_id]
    now = world.now()
    root = world.state.posts.get(post.root_id)
    if root is not None:
        root.replies.remove(post)
        channel.touch(root, now)
    for gone in (post, *post.replies):
        gone.delete_at = now
        channel.pinned -= gone.is_pinned
        channel.touch(gone, now)
    for user_id in post.followers:
        world.state.users[user_id].threads.pop(post.id, None)
    world.state.threads_by_channel[channel.id].pop(post.id, None)
    if not world.modern:
        world.publish("post_deleted", {"post": text(told)}, Audience(channel_id=channel.id))
        return
    world.publish("post_deleted", {"post": text(told)}, Audience(channel_id=channel.id, sanitised=True))
    full = {"delete_by": by.id, "post": text(told)}
    world.publish("post_deleted", full, Audience(channel_id=channel.id, sensitive=True))
