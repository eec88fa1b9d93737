"""The account of messages in one process: which sockets should get a post, which did, and why the others did not.

A post is due at every other socket of this test that is connected, in the post's channel, when it is sent. Each of
these deliveries ends in one of three ways: delivered, missing (with the reason), or withdrawn (the user left first).
Each socket has a number, its seat; a post keeps one byte per seat. Not for threads. `clock` is monotonic, in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mmload.metrics.channels import Doings, Happening
from mmload.metrics.ledger import DRAIN_SECONDS, Ledger
from mmload.metrics.message import EXPECTED, HERE, OWN, SOCKET_LOST, Announcement, Message, State
from mmload.metrics.recorder import POSTS_SENT, POSTS_UNCERTAIN, Recorder
from mmload.models import Post

# What did not come within this time over a connection that stood all the while is missing; if it comes all the same,
# it is taken off again, and counted as late.
MISSING_AFTER_SECONDS = 30.0
# For so long a post is remembered whose account is closed, to recognise events that come once more.
CLOSED_KEPT_SECONDS = 60.0
# And so long one that some sockets still wait for: a server keeps a lost connection for up to five minutes.
KEPT_SECONDS = 330.0
# The server puts a new member of a channel on its list of receivers a moment after it said yes.
JOINING_SECONDS = 2.0

_SENDING, _UNCERTAIN = State.SENDING, State.UNCERTAIN  # for the hot path: members are looked up slowly


class Deliveries:
    """The account of one process. `shared`: other processes send posts, too, and will announce them."""

    def __init__(
        self,
        recorder: Recorder,
        late_seconds: float = 5.0,
        *,
        shared: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.shared = shared
        self._recorder = recorder
        self._clock = clock
        self._wall = wall
        self._doings = Doings(KEPT_SECONDS)
        self._ledger = Ledger(recorder, self._doings, late_seconds, clock, wall)
        self._messages = self._ledger.messages
        self._joining: dict[tuple[int, str], float] = {}
        self._announcements: list[Announcement] = []

    # -- sockets ---------------------------------------------------------------------------------------------------

    def seat(self) -> Seat:
        """A place for one more socket, not connected yet."""
        number = self._doings.take_seat(self._clock())
        while len(self._ledger.back_at) <= number:
            self._ledger.back_at.append(0.0)
        return Seat(self, number)

    def connected(self, seat: int, *, renewed: bool) -> None:
        """A socket stands. `renewed`: what it missed meanwhile will not come."""
        now = self._clock()
        self._ledger.back_at[seat] = now
        self._doings.note(now, Happening.RENEWED if renewed else Happening.UP, seat)
        if renewed:
            for message in self._ledger.waiting_at(seat):
                self._ledger.lose(message, seat, SOCKET_LOST)

    def dropped(self, seat: int) -> None:
        """A socket was lost; it may be taken up again."""
        self._doings.note(self._clock(), Happening.DOWN, seat)

    def closed(self, seat: int) -> None:
        """A socket was closed in order: what was not yet due is withdrawn."""
        now, was_up = self._clock(), self._doings.is_up(seat)
        self._doings.note(now, Happening.CLOSED, seat)
        for message in self._ledger.waiting_at(seat):
            self._ledger.let_go(message, seat, now, was_up=was_up)

    def free(self, seat: int) -> None:
        """Nobody sits here any more."""
        self.left_all(seat)
        self._doings.free_seat(self._clock(), seat)

    def outstanding(self, seat: int) -> bool:
        """Whether a delivery may still come that a user about to leave should wait for."""
        since = self._clock() - DRAIN_SECONDS
        return any(message.settled_at > since for message in self._ledger.waiting_at(seat))

    # -- channels --------------------------------------------------------------------------------------------------

    def joined(self, seat: int, channel_id: str) -> None:
        """A user belongs to a channel; posts are due there after a moment."""
        if not self._doings.channel(channel_id).has(seat):
            self._joining.setdefault((seat, channel_id), self._clock() + JOINING_SECONDS)

    def left(self, seat: int, channel_id: str) -> None:
        """A user belongs to a channel no longer."""
        self._joining.pop((seat, channel_id), None)
        channel = self._doings.channel(channel_id)
        if channel.has(seat):
            self._doings.note(self._clock(), Happening.LEFT, seat, channel)
            for message in self._ledger.waiting_at(seat):
                if message.channel is channel:
                    self._ledger.withdraw(message, seat)

    def left_all(self, seat: int) -> None:
        """A user's channels are not known any more."""
        for channel in self._doings.channels_of(seat):
            self.left(seat, channel.id)
        for key in [key for key in self._joining if key[0] == seat]:
            del self._joining[key]

    # -- messages of our own users -----------------------------------------------------------------------------------

    def sending(self, pending_id: str, channel_id: str, seat: int | None) -> None:
        """A post is about to be sent by the user of a seat, or by somebody without one."""
        channel = self._doings.channel(channel_id)
        row = self._doings.listeners(channel)
        if seat is not None:
            row[seat] = OWN
        message = Message(pending_id, channel, self._clock(), State.SENDING, row)
        self._ledger.remember(message)
        self._ledger.expect(message)

    def accepted(self, pending_id: str, post_id: str, create_at: int) -> None:
        """The server has the post."""
        message = self._messages.get(pending_id)
        if message is not None:
            message.settled_at = self._clock()
            self._accept(message, post_id, create_at)

    def refused(self, pending_id: str) -> None:
        """The server does not want the post."""
        message = self._messages.get(pending_id)
        if message is not None and message.state is State.SENDING:
            self._ledger.take_back(message)

    def unanswered(self, pending_id: str) -> None:
        """Whether the server has the post is not known, unless somebody has seen it."""
        message = self._messages.get(pending_id)
        if message is not None and message.state is State.SENDING:
            message.state = State.UNCERTAIN
            message.settled_at = self._clock()
            self._recorder.counters[POSTS_UNCERTAIN] += 1

    def _accept(self, message: Message, post_id: str, create_at: int) -> None:
        """The server has it: by its answer, or because an event of it came first."""
        if message.state in (State.ACCEPTED, State.FOREIGN):
            return
        if message.state is State.UNCERTAIN:
            self._recorder.counters[POSTS_UNCERTAIN] -= 1
        self._recorder.counters[POSTS_SENT] += 1
        message.state = State.ACCEPTED
        message.post_id, message.create_at = post_id, create_at
        message.channel.recent.append(message)
        if self.shared:
            sent = self._wall() - (self._clock() - message.sent_at)
            told = Announcement(message.pending_id, message.channel.id, post_id, sent, create_at)
            self._announcements.append(told)

    # -- events ------------------------------------------------------------------------------------------------------

    def received(self, seat: int, post: Post) -> None:
        """A `posted` event has come to a seat. Hot path: most of what a load generator hears are these."""
        message = self._messages.get(post.pending_post_id)
        if message is None:
            if not self.shared or not post.pending_post_id:
                return  # nobody of this test wrote it
            message = self._heard_of(post)
        if message.state is _SENDING or message.state is _UNCERTAIN:
            self._accept(message, post.id, post.create_at)
        row = message.row
        if seat >= len(row):
            row.extend(bytes(seat + 1 - len(row)))
        state = row[seat]
        if state == EXPECTED:
            self._ledger.came(message, seat, self._clock())
        elif state == OWN:
            return
        else:
            self._ledger.surprise(message, seat, self._clock())
        channel = message.channel
        if post.create_at >= channel.newest:
            channel.newest = post.create_at
        elif state not in HERE:
            self._ledger.check_order(message, seat)

    # -- messages of other processes ---------------------------------------------------------------------------------

    def _heard_of(self, post: Post) -> Message:
        channel = self._doings.channel(post.channel_id)
        row = bytearray(self._doings.seats)
        message = Message(post.pending_post_id, channel, self._clock(), State.FOREIGN, row)
        message.post_id, message.create_at = post.id, post.create_at
        channel.recent.append(message)
        self._ledger.remember(message)
        return message

    def take_announcements(self) -> list[Announcement]:
        """The posts of our users that the others have not been told of."""
        taken, self._announcements = self._announcements, []
        return taken

    def announced(self, posts: Sequence[Announcement]) -> None:
        """Other processes' posts; `sent` is by the wall clock of this host."""
        ahead = self._wall() - self._clock()
        for post in posts:
            self._announced(post, post.sent - ahead)

    def _announced(self, post: Announcement, sent_at: float) -> None:
        message = self._messages.get(post.pending_id)
        if message is not None and message.state is not State.FOREIGN:
            return
        channel = self._doings.channel(post.channel_id)
        if message is None:
            message = Message(post.pending_id, channel, sent_at, State.FOREIGN, bytearray(self._doings.seats))
            self._ledger.remember(message)
        message.post_id, message.create_at = post.post_id, post.create_at
        message.sent_at = message.settled_at = sent_at
        message.state = State.ACCEPTED
        message.row = self._doings.listeners_at(channel, sent_at, len(message.row))
        self._ledger.expect(message)
        for seat, moment in message.early:
            self._ledger.came_early(message, seat, moment)
        message.early = []
        self._catch_up(message)

    def _catch_up(self, message: Message) -> None:
        """What happened to receivers between the sending of a post and our hearing of it."""
        down: set[int] = set()
        for moment, happening, seat in self._doings.since(message.channel, message.sent_at):
            if not message.is_due(seat):
                continue
            if happening is Happening.DOWN:
                down.add(seat)
            elif happening is Happening.UP:
                down.discard(seat)
            elif happening is Happening.RENEWED:
                self._ledger.lose(message, seat, SOCKET_LOST)
            elif happening is Happening.CLOSED:
                self._ledger.let_go(message, seat, moment, was_up=seat not in down)
            elif happening is Happening.LEFT:
                self._ledger.withdraw(message, seat)

    # -- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a second: see who has settled in a channel, what is overdue, and forget what is long past."""
        now = self._clock()
        self._doings.forget_before(now)
        self._settle_in(now)
        for message in list(self._ledger.open.values()):
            if message.state is State.ACCEPTED and now - message.settled_at > MISSING_AFTER_SECONDS:
                self._ledger.miss(message, only_connected=True)
        for message in list(self._messages.values()):
            age = now - message.sent_at
            if age <= CLOSED_KEPT_SECONDS:
                break
            if age > KEPT_SECONDS or message.pending_id not in self._ledger.open:
                self._ledger.forget(message)
        self._ledger.clear_channels(now - KEPT_SECONDS)

    def _settle_in(self, now: float) -> None:
        for (seat, channel_id), due in list(self._joining.items()):
            if due > now:
                break
            del self._joining[seat, channel_id]
            self._doings.note(now, Happening.JOINED, seat, self._doings.channel(channel_id))

    def finish(self) -> None:
        """The test is over: nothing more will come."""
        for message in list(self._messages.values()):
            self._ledger.forget(message)


class Seat:
    """One user's socket in the account."""

    __slots__ = ("deliveries", "number")

    def __init__(self, deliveries: Deliveries, number: int) -> None:
        self.deliveries = deliveries
        self.number = number

    def connected(self, *, renewed: bool) -> None:
        """The socket stands."""
        self.deliveries.connected(self.number, renewed=renewed)

    def dropped(self) -> None:
        """The socket was lost; it may be taken up again."""
        self.deliveries.dropped(self.number)

    def closed(self) -> None:
        """The socket was closed in order."""
        self.deliveries.closed(self.number)

    def free(self) -> None:
        """The user is gone."""
        self.deliveries.free(self.number)

    def joined(self, channel_id: str) -> None:
        """The user belongs to a channel."""
        self.deliveries.joined(self.number, channel_id)

    def left(self, channel_id: str) -> None:
        """The user belongs to a channel no longer."""
        self.deliveries.left(self.number, channel_id)

    def left_all(self) -> None:
        """The user's channels are not known any more."""
        self.deliveries.left_all(self.number)

    def outstanding(self) -> bool:
        """Whether something may still come that the user should wait for before it leaves."""
        return self.deliveries.outstanding(self.number)
