"""Threads as one user follows them."""

from __future__ import annotations

from mmload.sandbox import posting, reading
from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import ApiError, bad_url_param, forbidden
from mmload.sandbox.events import Audience
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes
from mmload.sandbox.state import Document, StoredPost, StoredUser, ThreadMember

api = Routes()
_THREADS = "/users/{user_id}/teams/{team_id}/threads"
_THREAD = _THREADS + "/{thread_id}"


@api.add("GET", _THREADS)
def get_threads_for_user(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    totals: Document = reading.thread_totals(call.world, user, team.id)
    if call.flag("threadsOnly"):
        totals = dict.fromkeys(totals, 0)
    if call.flag("totalsOnly"):
        return ApiAnswer({**totals, "threads": None})
    found = reading.threads_of(call.world, user, team.id, unread_only=call.flag("unread"))
    before = call.query.get("before", "")
    if before:
        anchor = call.post(before)
        found = [entry for entry in found if entry[0].last_reply_at < anchor.last_reply_at]
    size = call.number("per_page", 30)
    documents = [document for _, document in found[:size]]
    for document in documents:
        # The older server says so in this list alone.
        document["post"].setdefault("remote_id", "")
    return ApiAnswer({**totals, "threads": documents})


def _root(call: Call) -> StoredPost:
    """The thread of the path; a reply stands for its root."""
    post = call.world.state.posts.get(call.params["thread_id"])
    if post is None or post.delete_at:
        raise forbidden(call.user.id, "read_channel_content")
    root = call.world.state.posts.get(post.root_id, post)
    require_readable(call.world, call.world.state.channels[root.channel_id], call.user, "read_channel_content")
    return root


def _followed(call: Call, user: StoredUser, root: StoredPost) -> ThreadMember:
    thread = root.followers.get(user.id)
    if not call.world.modern and thread is not None and thread.following and not root.replies:
        raise ApiError(500, "app.user.get_threads_for_user.app_error", "Unable to get user threads")
    # What nobody has replied to is no thread yet.
    if thread is None or not thread.following or not root.replies:
        message = "User thread doesn't exist or is not followed"
        raise ApiError(404, "app.user.get_threads_for_user.not_found", message)
    return thread


@api.add("GET", _THREAD)
def get_thread_for_user(call: Call) -> ApiAnswer:
    user, root = call.self_or_admin(), _root(call)
    thread = _followed(call, user, root)
    return ApiAnswer(posting.thread_document(call.world, root, thread, extended=call.flag("extended")))


@api.add("PUT", _THREAD + "/following")
def follow_thread_by_user(call: Call) -> ApiAnswer:
    user, root = call.self_or_admin(), _root(call)
    thread = posting.follow(call.world, root, user)
    thread.last_viewed_at = call.world.now()
    thread.unread_replies = thread.unread_mentions = 0
    _tell_follow(call, user, root, following=True)
    return ApiAnswer(OK)


@api.add("DELETE", _THREAD + "/following")
def unfollow_thread_by_user(call: Call) -> ApiAnswer:
    user, root = call.self_or_admin(), _root(call)
    thread = root.followers.get(user.id)
    if thread is not None:
        thread.following = False
    _tell_follow(call, user, root, following=False)
    return ApiAnswer(OK)


def _tell_follow(call: Call, user: StoredUser, root: StoredPost, *, following: bool) -> None:
    about = {"reply_count": len(root.replies), "state": following, "thread_id": root.id}
    told = Audience(user_id=user.id, team_id=call.params["team_id"])
    call.world.publish("thread_follow_changed", about, told)


@api.add("PUT", _THREADS + "/read")
def update_read_state_all_threads_by_user(call: Call) -> ApiAnswer:
    user, team = call.self_or_admin(), call.team()
    now = call.world.now()
    for root, _ in reading.threads_of(call.world, user, team.id, unread_only=False):
        thread = user.threads[root.id]
        thread.last_viewed_at, thread.unread_replies, thread.unread_mentions = now, 0, 0
    call.world.publish("thread_read_changed", {}, Audience(user_id=user.id, team_id=team.id))
    return ApiAnswer(OK)


@api.add("PUT", _THREAD + "/read/{timestamp}")
def update_read_state_thread_by_user(call: Call) -> ApiAnswer:
    user, root = call.self_or_admin(), _root(call)
    text = call.params["timestamp"]
    if not (text.isascii() and text.isdigit()):
        raise bad_url_param("timestamp")
    thread = _followed(call, user, root)
    before = (thread.unread_mentions, thread.unread_replies)
    thread.last_viewed_at = int(text)
    unread = [reply for reply in root.replies if reply.create_at > thread.last_viewed_at and reply.user_id != user.id]
    thread.unread_replies = len(unread)
    thread.unread_mentions = sum(user.id in reply.mentioned for reply in unread)
    about = {
        "channel_id": root.channel_id,
        "previous_unread_mentions": before[0],
        "previous_unread_replies": before[1],
        "thread_id": root.id,
        "timestamp": thread.last_viewed_at,
        "unread_mentions": thread.unread_mentions,
        "unread_replies": thread.unread_replies,
    }
    told = Audience(user_id=user.id, team_id=call.params["team_id"])
    call.world.publish("thread_read_changed", about, told)
    return ApiAnswer(posting.thread_document(call.world, root, thread))
