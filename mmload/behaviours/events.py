"""What a client does with the events of its socket. Runs in the hub: it counts and takes notes, and never blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from mmload.behaviours.actions.threads import mark_thread_read
from mmload.behaviours.after_reconnect import catch_up, say_where
from mmload.behaviours.channel_view import mark_read
from mmload.behaviours.person import Person, carry_out
from mmload.behaviours.prefetching import became_unread
from mmload.client.http.protocol import USER_AGENT
from mmload.client.websocket.client import FELL_SILENT, Timing
from mmload.client.websocket.frames import WebSocketEvent
from mmload.errors import UNREADABLE_JSON
from mmload.metrics.recorder import RECONNECT
from mmload.models import Post, Reaction

VIEW_ON_ARRIVAL = "ViewOnArrival"
# Requests of one page that wait for an answer beside the person's own.
MOST_JOBS = 50
# From the sixth message on, each less than this after the one before, the application collects them.
BURST_BEGINS_AFTER, BURST_GAP_SECONDS = 5, 0.1
# For so long nothing can have come over a connection that ended by falling silent.
_SILENT_SECONDS = Timing().unnoticed_seconds


class _Posted(msgspec.Struct):
    post: str
    mentions: str = ""
    should_ack: bool = False


class _ThreadUpdated(msgspec.Struct):
    thread: str


class _UnreadThread(msgspec.Struct):
    id: str
    unread_replies: int = 0


class _Reacted(msgspec.Struct):
    reaction: str


class _Typing(msgspec.Struct):
    user_id: str


class _Membership(msgspec.Struct):
    """`user_added`, `user_removed`: the channel is named in the data or in the broadcast."""

    user_id: str = ""
    channel_id: str = ""


class _Viewed(msgspec.Struct):
    """Older servers name one channel, newer ones several, with times."""

    channel_times: dict[str, int] = {}
    channel_id: str = ""


_POSTED = msgspec.json.Decoder(_Posted)
_POST = msgspec.json.Decoder(Post)
_THREAD_UPDATED = msgspec.json.Decoder(_ThreadUpdated)
_UNREAD_THREAD = msgspec.json.Decoder(_UnreadThread)
_REACTED = msgspec.json.Decoder(_Reacted)
_REACTION = msgspec.json.Decoder(Reaction)
_TYPING = msgspec.json.Decoder(_Typing)
_MEMBERSHIP = msgspec.json.Decoder(_Membership)
_VIEWED = msgspec.json.Decoder(_Viewed)


def posted(person: Person, event: WebSocketEvent) -> None:
    """A new message: shown if we look at its channel; its unknown author and channel are looked up."""
    data = _POSTED.decode(event.data)
    post = _POST.decode(data.post)
    context = person.context
    if post.user_id != person.id:
        context.recorder.sockets.posted_of_others += 1
    if post.pending_post_id and person.seat is not None:
        context.deliveries.received(person.seat.number, post)
    store = person.store
    if data.should_ack:
        seen = (store.current_channel_id, store.open_thread_id) if person.window.in_front else ("", "")
        person.tell("posted_notify_ack", acknowledgement(post, *seen))
    if post.channel_id not in store.members:
        person.wants_channels[post.channel_id] = None
        person.wake()
    whole_burst = _comes_in_a_burst(person)
    if post.channel_id == store.current_channel_id:
        person.meet(post.user_id)
        store.remember_posts((post,))
    if post.user_id == person.id or post.type:
        return
    if post.channel_id == store.current_channel_id and person.window.in_front:
        if not whole_burst:
            _read_at_once(person, partial(mark_read, person, post.channel_id))
    elif not (post.root_id and store.collapsed_threads):
        became_unread(person, post.channel_id, mentioned=person.id in data.mentions)


def thread_updated(person: Person, event: WebSocketEvent) -> None:
    """Answers of others in a followed thread: read at once if it is on the screen."""
    opened = person.store.open_thread_id
    if not opened:
        return
    thread = _UNREAD_THREAD.decode(_THREAD_UPDATED.decode(event.data).thread)
    if thread.id == opened and thread.unread_replies and person.window.in_front:
        _read_at_once(person, partial(mark_thread_read, person, opened))


def _comes_in_a_burst(person: Person) -> bool:
    """Whether messages come so fast that the application takes in the rest of them as a whole, marking nothing read."""
    now = person.clock()
    if now - person.last_posted_at > BURST_GAP_SECONDS:
        person.posts_in_a_row = 0
    person.last_posted_at = now
    person.posts_in_a_row += 1
    return person.posts_in_a_row > BURST_BEGINS_AFTER


def _read_at_once(person: Person, read: Callable[[], object]) -> None:
    """One request for each message on the screen, beside whatever the person does.

    A page sends it in the moment in which the message comes, also in the middle of typing or of another request. If it
    waited for the action's end, one request would stand for many, the more, the busier the channel: this is the part
    of the load that grows with the number of people. A server that does not answer does not get ever more of them.
    """
    if len(person.jobs) < MOST_JOBS:
        person.start_job(partial(carry_out, person, VIEW_ON_ARRIVAL, read))


def acknowledgement(post: Post, current_channel_id: str, open_thread_id: str = "") -> dict[str, str]:
    """What the application says it did with a message that is for us: shown a notification, unless it is on the screen.

    Pure.
    """
    status, reason, data = "success", "", ""
    if post.root_id and post.root_id == open_thread_id:
        status, reason, data = "not_sent", "thread_is_open", post.root_id
    elif post.channel_id == current_channel_id and not post.root_id:
        status, reason, data = "not_sent", "channel_is_open", post.channel_id
    return {"post_id": post.id, "user_agent": USER_AGENT, "status": status, "reason": reason, "data": data}


def post_edited(person: Person, event: WebSocketEvent) -> None:
    post = _POST.decode(_POSTED.decode(event.data).post)
    if post.id in person.store.posts:
        person.store.remember_posts((post,))


def post_deleted(person: Person, event: WebSocketEvent) -> None:
    post = _POST.decode(_POSTED.decode(event.data).post)
    person.store.forget_post(post.id)


def reaction_added(person: Person, event: WebSocketEvent) -> None:
    reaction = _REACTION.decode(_REACTED.decode(event.data).reaction)
    if reaction.user_id == person.id:
        person.store.reactions[reaction.post_id, reaction.emoji_name] = None


def reaction_removed(person: Person, event: WebSocketEvent) -> None:
    reaction = _REACTION.decode(_REACTED.decode(event.data).reaction)
    if reaction.user_id == person.id:
        person.store.reactions.pop((reaction.post_id, reaction.emoji_name), None)


def typing(person: Person, event: WebSocketEvent) -> None:
    """Somebody writes: their name and status are shown, so they must be known."""
    person.meet(_TYPING.decode(event.data).user_id)


def user_added(person: Person, event: WebSocketEvent) -> None:
    membership = _MEMBERSHIP.decode(event.data)
    channel_id = membership.channel_id or event.broadcast.channel_id
    if membership.user_id == person.id and channel_id and channel_id not in person.store.members:
        person.wants_channels[channel_id] = None
        person.wake()


def user_removed(person: Person, event: WebSocketEvent) -> None:
    """We were taken out of a channel (then the data name it), or somebody else was."""
    membership = _MEMBERSHIP.decode(event.data)
    if membership.channel_id and membership.user_id in ("", person.id):
        person.store.forget_channel(membership.channel_id)


def channel_opened(person: Person, event: WebSocketEvent) -> None:
    """Somebody opened a direct or group channel with us."""
    channel_id = event.broadcast.channel_id
    if channel_id and channel_id not in person.store.members:
        person.wants_channels[channel_id] = None
        person.wake()


def channels_viewed(person: Person, event: WebSocketEvent) -> None:
    """We read channels, here or on another device: they are unread no more."""
    viewed = _VIEWED.decode(event.data)
    for channel_id in (*viewed.channel_times, viewed.channel_id):
        person.store.unread.pop(channel_id, None)


# Events not named here are counted and left undecoded.
HANDLERS: dict[str, Callable[[Person, WebSocketEvent], None]] = {
    "posted": posted,
    "thread_updated": thread_updated,
    "post_edited": post_edited,
    "post_deleted": post_deleted,
    "reaction_added": reaction_added,
    "reaction_removed": reaction_removed,
    "typing": typing,
    "user_added": user_added,
    "user_removed": user_removed,
    "direct_added": channel_opened,
    "group_added": channel_opened,
    "multiple_channels_viewed": channels_viewed,
    "channel_viewed": channels_viewed,
}


class EventListener:
    """The listener of one person's socket."""

    __slots__ = ("_log_in_again", "_lost_at", "_lost_at_ms", "_person")

    def __init__(self, person: Person, log_in_again: Callable[[str], bool]) -> None:
        self._person = person
        self._log_in_again = log_in_again
        self._lost_at: float | None = None
        self._lost_at_ms = 0

    def on_event(self, event: WebSocketEvent) -> None:
        self._person.context.recorder.events[event.event] += 1
        hear = HANDLERS.get(event.event)
        if hear is not None:
            try:
                hear(self._person, event)
            except UNREADABLE_JSON:
                # The server's doing, as an answer that cannot be read; the next event may be good.
                self._person.context.recorder.sockets.unreadable += 1

    def on_connected(self, resumed: bool, renewed: bool) -> None:
        """After a gap that the server could not fill, the page asks for everything once more."""
        if self._person.seat is not None:
            self._person.seat.connected(self._person.id, renewed=renewed)
        if self._lost_at is not None:
            self._person.context.recorder.span(RECONNECT, self._person.clock() - self._lost_at)
            self._lost_at = None
        if renewed:
            self._catch_up(renewed=True)

    def on_reopened(self) -> None:
        self._catch_up()

    def _catch_up(self, renewed: bool = False) -> None:
        say_where(self._person)
        self._person.start_job(partial(catch_up, self._person, self._lost_at_ms, renewed=renewed))

    def on_dropped(self, code: int, reason: str) -> None:
        """The socket comes back by itself; people do not notice."""
        if self._person.seat is not None:
            self._person.seat.dropped(silent_seconds=_SILENT_SECONDS if reason == FELL_SILENT else 0.0)
        self._person.store.forget_prefetched()
        self._lost_at = self._person.clock()
        self._lost_at_ms = self._person.now_ms()

    def on_unauthorised(self) -> str | None:
        """A new token; the old one after a login that failed for now, so that the socket goes on trying."""
        rest = self._person.api.rest
        self._log_in_again(rest.token)
        return rest.token
