"""The account of messages in one process: which sockets should get a post, which did, and why the others did not.

A post is due at every other socket of this test that is connected, in the post's channel, when it is sent. Each of
these deliveries ends in one of three ways: delivered, missing (with the reason), or withdrawn (the user left first).
Each socket has a number, its seat; a post keeps one byte per seat. `clock` is monotonic, in seconds.

For the greenlets of one process, not for threads: no method here waits, so each is one step for all others. What a
greenlet has seen may be gone after its next request, though: `accepted` and `refused` look a message up again, as a
faster event, or the end of the test, may have settled it meanwhile.
"""

from __future__ import annotations

import itertools
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from mmload.delivery.tracker import ChannelSeats, SeatChange, SocketTracker
from mmload.metrics.counts import MISSING_REASONS
from mmload.metrics.delta import Loss
from mmload.metrics.recorder import DELIVERY, Recorder
from mmload.models import Post

# The states of a delivery: one byte for each seat.
NONE, EXPECTED, DELIVERED, EXTRA, WITHDRAWN, OWN, EARLY, MISSING = range(8)
HERE = (DELIVERED, EXTRA, EARLY)

# Why a delivery is missing. A seat's byte is MISSING plus the index of the reason: what comes after all is taken off
# its own reason.
REASONS = tuple(MISSING_REASONS)
NEVER_CAME, SOCKET_SILENT, SOCKET_LOST, SOCKET_DOWN = REASONS


class PostState(Enum):
    """What is known of a post."""

    SENDING = auto()
    ACCEPTED = auto()
    UNCERTAIN = auto()  # the request got no answer
    FOREIGN = auto()  # of another process, which has not told us of it yet


class Announcement(NamedTuple):
    """What other processes must know of a post: `sent` in seconds since 1970."""

    pending_id: str
    channel_id: str
    post_id: str
    sent: float
    create_at: int
    # Whose direct channel it is; nobody's: any other channel, or nobody is due to hear the post.
    user_ids: Sequence[str] = ()


@dataclass(slots=True, eq=False)
class Message:
    """One post and its deliveries to the seats of this process. Times are monotonic, in seconds.

    `open` counts those that are due, `early` holds events that came before we knew what they were.
    """

    pending_id: str
    channel: ChannelSeats
    sent_at: float
    state: PostState
    row: bytearray
    open: int = 0
    post_id: str = ""
    create_at: int = 0
    early: list[tuple[int, float]] = field(default_factory=list)
    settled_at: float = field(init=False)  # when the server's answer came

    def __post_init__(self) -> None:
        self.settled_at = self.sent_at

    def due(self) -> Iterator[int]:
        """The seats that still wait for it."""
        seat = self.row.find(EXPECTED)
        while seat >= 0:
            yield seat
            seat = self.row.find(EXPECTED, seat + 1)

    def is_due(self, seat: int) -> bool:
        return seat < len(self.row) and self.row[seat] == EXPECTED

    def missed(self, seat: int) -> str:
        """Why a seat missed it; "" if it did not."""
        state = self.row[seat] if seat < len(self.row) else NONE
        return REASONS[state - MISSING] if state >= MISSING else ""

    @property
    def expected(self) -> int:
        """At how many seats it was due, when nothing is open any more."""
        return self.row.count(DELIVERED) + self.row.count(WITHDRAWN) + sum(self.reasons.values())

    @property
    def reasons(self) -> dict[str, int]:
        """How many are missing, by reason."""
        counts = ((reason, self.row.count(MISSING + index)) for index, reason in enumerate(REASONS))
        return {reason: number for reason, number in counts if number}


# Bounds the memory (one byte per socket each) at some 100 posts a second.
MOST_MESSAGES = 33_000
# A user that leaves waits so long for what is due; what has not come by then is missing, not withdrawn.
DRAIN_SECONDS = 2.0


class Ledger:
    """The messages that are remembered. `back_at`: since when each seat's connection stands."""

    def __init__(
        self,
        recorder: Recorder,
        tracker: SocketTracker,
        late_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.back_at = array("d")
        self.messages: dict[str, Message] = {}
        # Those with deliveries that are due.
        self.open: dict[str, Message] = {}
        # When those that are forgotten were sent, and where: the channels still hold them.
        self._past: deque[tuple[float, ChannelSeats]] = deque()
        self._recorder = recorder
        self._counts = recorder.deliveries
        self._tracker = tracker
        self._late_seconds = late_seconds
        self._clock = clock
        self._wall = wall

    # -- entries -----------------------------------------------------------------------------------------------------

    def remember(self, message: Message) -> None:
        """One more message; the oldest is forgotten where there are too many."""
        self.messages[message.pending_id] = message
        if len(self.messages) > MOST_MESSAGES:
            self.forget(next(iter(self.messages.values())))

    def expect(self, message: Message) -> None:
        message.open = message.row.count(EXPECTED)
        self._counts.expected += message.open
        if message.open:
            self.open[message.pending_id] = message

    def take_back(self, message: Message) -> None:
        """Nothing was to be delivered after all."""
        reasons, withdrawn = message.reasons, message.row.count(WITHDRAWN)
        self._counts.expected -= message.open + sum(reasons.values()) + withdrawn
        self._counts.withdrawn -= withdrawn
        for reason, number in reasons.items():
            self._count_missing(reason, -number)
        self.open.pop(message.pending_id, None)
        del self.messages[message.pending_id]
        self._tracker.forget_channel(message.channel)

    def forget(self, message: Message) -> None:
        """Close the account of a post; name it if it did not reach all."""
        if message.state in (PostState.SENDING, PostState.UNCERTAIN):
            self.take_back(message)
            return
        self.miss(message)
        del self.messages[message.pending_id]
        self._past.append((message.sent_at, message.channel))
        if reasons := message.reasons:
            sent_ms = int((self._wall() - (self._clock() - message.sent_at)) * 1000)
            self._recorder.loss(Loss(message.post_id, message.channel.id, sent_ms, message.expected, reasons))

    def clear_channels(self, moment: float) -> None:
        """Let go of the posts that were sent until then: none that still comes is older, so none is out of order
        because of them. Measured: 1 KB each, with 500 sockets; a hundred channels kept 2 MB more in half an hour."""
        while self._past and self._past[0][0] <= moment:
            _, channel = self._past.popleft()
            channel.forget_before(moment)
            self._tracker.forget_channel(channel)

    # -- what came ---------------------------------------------------------------------------------------------------

    def came(self, message: Message, seat: int, moment: float) -> None:
        """A delivery that was due is here."""
        message.row[seat] = DELIVERED
        message.open -= 1
        if not message.open:
            self.open.pop(message.pending_id, None)
        self._deliver(message, seat, moment)

    def surprise(self, message: Message, seat: int, now: float) -> None:
        """An event that was not, or no longer, expected."""
        state = message.row[seat]
        if state in HERE:
            self._counts.duplicated += 1
        elif message.state is PostState.FOREIGN:
            message.row[seat] = EARLY
            message.early.append((seat, now))
        elif state >= MISSING:
            self._found(message, seat, now)
        else:
            # Whoever left (withdrawn) and hears it all the same is no longer accounted for.
            message.row[seat] = EXTRA
            if state == NONE:
                self._counts.extra += 1
                self._counts.resumed += self._is_resumed(message, seat, now)

    def came_early(self, message: Message, seat: int, moment: float) -> None:
        """It was here before we knew what it was."""
        if message.row[seat] == EXPECTED:
            self.came(message, seat, moment)
        else:
            message.row[seat] = EXTRA
            self._counts.extra += 1
            self._counts.resumed += self._is_resumed(message, seat, moment)

    def check_order(self, message: Message, seat: int) -> None:
        """Whether a later post of the channel is already here, by the server's time. Posts of one instant have none."""
        for other in reversed(message.channel.recent):
            if other.create_at > message.create_at and seat < len(other.row) and other.row[seat] in HERE:
                self._counts.out_of_order += 1
                return

    def _found(self, message: Message, seat: int, now: float) -> None:
        reason = REASONS[message.row[seat] - MISSING]
        message.row[seat] = DELIVERED
        self._count_missing(reason, -1)
        self._deliver(message, seat, now)

    def _deliver(self, message: Message, seat: int, now: float) -> None:
        seconds = now - message.sent_at
        self._recorder.span(DELIVERY, seconds)
        self._counts.delivered += 1
        if seconds > self._late_seconds:
            self._counts.late += 1
        if self._is_resumed(message, seat, now):
            self._counts.resumed += 1

    def _is_resumed(self, message: Message, seat: int, moment: float) -> bool:
        """Whether what came at a moment came on a connection that was taken up after the post was sent."""
        return message.sent_at < self.back_at[seat] <= moment

    # -- what will not come ------------------------------------------------------------------------------------------

    def waiting_at(self, seat: int) -> list[Message]:
        """What is due at a seat."""
        return [message for message in self.open.values() if message.is_due(seat)]

    def withdraw(self, message: Message, seat: int) -> None:
        """A delivery that is due is none any more."""
        self._settle(message, seat, WITHDRAWN)
        self._counts.withdrawn += 1

    def lose(self, message: Message, seat: int, reason: str) -> None:
        """A delivery that is due will not come."""
        self._settle(message, seat, MISSING + REASONS.index(reason))
        self._count_missing(reason, 1)

    def _count_missing(self, reason: str, number: int) -> None:
        setattr(self._counts, reason, getattr(self._counts, reason) + number)

    def blame_silence(self, seat: int, since: float) -> None:
        """What was sent since then and never came to a seat was lost in its dead socket, and not by the server."""
        for message in self.messages.values():
            if message.sent_at >= since and message.missed(seat) == NEVER_CAME:
                message.row[seat] = MISSING + REASONS.index(SOCKET_SILENT)
                self._count_missing(NEVER_CAME, -1)
                self._count_missing(SOCKET_SILENT, 1)

    def _settle(self, message: Message, seat: int, state: int) -> None:
        message.row[seat] = state
        message.open -= 1
        if not message.open:
            self.open.pop(message.pending_id, None)

    def let_go(self, message: Message, seat: int, now: float, *, was_up: bool) -> None:
        """A receiver closes its socket, or gives a lost one up."""
        if message.state is PostState.ACCEPTED and now - message.settled_at >= DRAIN_SECONDS:
            self.lose(message, seat, NEVER_CAME if was_up else SOCKET_DOWN)
        else:
            self.withdraw(message, seat)

    def miss(self, message: Message, *, only_connected: bool = False) -> None:
        """What is due of a message will not come any more."""
        for seat in list(message.due()):
            if self._tracker.is_up(seat):
                self.lose(message, seat, NEVER_CAME)
            elif not only_connected:
                self.lose(message, seat, SOCKET_DOWN)


# What did not come within this time over a connection that stood all the while is missing; if it comes all the same,
# it is taken off again, and counted as late.
MISSING_AFTER_SECONDS = 30.0
# For so long a post is remembered whose account is closed, to recognise events that come once more.
CLOSED_KEPT_SECONDS = 60.0
# And so long one that some sockets still wait for: a server keeps a lost connection for up to five minutes.
KEPT_SECONDS = 330.0
# The server puts a new member of a channel on its list of receivers a moment after it said yes.
JOINING_SECONDS = 2.0

_SENDING, _UNCERTAIN = PostState.SENDING, PostState.UNCERTAIN  # for the hot path: members are looked up slowly


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
        self._counts = recorder.deliveries
        self._clock = clock
        self._wall = wall
        self._tracker = SocketTracker(KEPT_SECONDS)
        self._ledger = Ledger(recorder, self._tracker, late_seconds, clock, wall)
        self._messages = self._ledger.messages
        # In the order of joining, as all wait for the same time: `_pop_due` ends at the first that is not due.
        self._joining: dict[tuple[int, str], float] = {}
        # Direct channels that a user has just met, and may just have made; likewise in order.
        self._fresh: dict[tuple[int, str], float] = {}
        self._announcements: list[Announcement] = []

    # -- sockets ---------------------------------------------------------------------------------------------------

    def seat(self) -> Seat:
        """A place for one more socket, not connected yet."""
        number = self._tracker.take_seat(self._clock())
        while len(self._ledger.back_at) <= number:
            self._ledger.back_at.append(0.0)
        return Seat(number, self._tracker, self._ledger, self._clock, self._joining, self._fresh)

    # -- messages of our own users -----------------------------------------------------------------------------------

    def sending(self, pending_id: str, channel_id: str, seat: int | None, user_ids: Sequence[str] = ()) -> None:
        """A post is about to be sent by the user of a seat, or by somebody without one.

        `user_ids`: of a direct channel, those whose it is.
        """
        is_fresh = seat is not None and (seat, channel_id) in self._fresh
        channel = self._tracker.channel(channel_id, () if is_fresh else user_ids)
        row = self._tracker.listeners(channel)
        if seat is not None:
            row[seat] = OWN
        message = Message(pending_id, channel, self._clock(), PostState.SENDING, row)
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
        if message is not None and message.state is PostState.SENDING:
            self._ledger.take_back(message)

    def unanswered(self, pending_id: str) -> None:
        """Whether the server has the post is not known, unless somebody has seen it."""
        message = self._messages.get(pending_id)
        if message is not None and message.state is PostState.SENDING:
            message.state = PostState.UNCERTAIN
            message.settled_at = self._clock()
            self._counts.uncertain += 1

    def _accept(self, message: Message, post_id: str, create_at: int) -> None:
        """The server has it: by its answer, or because an event of it came first."""
        if message.state in (PostState.ACCEPTED, PostState.FOREIGN):
            return
        if message.state is PostState.UNCERTAIN:
            self._counts.uncertain -= 1
        self._counts.sent += 1
        message.state = PostState.ACCEPTED
        message.post_id, message.create_at = post_id, create_at
        message.channel.add(message)
        if self.shared:
            sent = self._wall() - (self._clock() - message.sent_at)
            user_ids = tuple(person.id for person in message.channel.people)
            told = Announcement(message.pending_id, message.channel.id, post_id, sent, create_at, user_ids)
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
        channel = self._tracker.channel(post.channel_id)
        message = self._remember_foreign(post.pending_post_id, channel, self._clock())
        message.post_id, message.create_at = post.id, post.create_at
        return message

    def _remember_foreign(self, pending_id: str, channel: ChannelSeats, sent_at: float) -> Message:
        """A post of another process, whichever tells of it first: its event or its announcement."""
        message = Message(pending_id, channel, sent_at, PostState.FOREIGN, bytearray(self._tracker.seats))
        channel.add(message)
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
        if message is not None and message.state is not PostState.FOREIGN:
            return
        channel = self._tracker.channel(post.channel_id, post.user_ids)
        if message is None:
            message = self._remember_foreign(post.pending_id, channel, sent_at)
        message.post_id, message.create_at = post.post_id, post.create_at
        message.sent_at = message.settled_at = sent_at
        message.state = PostState.ACCEPTED
        message.row = self._tracker.listeners_at(channel, sent_at, len(message.row))
        self._ledger.expect(message)
        for seat, moment in message.early:
            self._ledger.came_early(message, seat, moment)
        message.early = []
        self._catch_up(message)

    def _catch_up(self, message: Message) -> None:
        """What happened to receivers between the sending of a post and our hearing of it."""
        down: set[int] = set()
        for moment, change, seat in self._tracker.since(message.channel, message.sent_at):
            if not message.is_due(seat):
                continue
            if change is SeatChange.DOWN:
                down.add(seat)
            elif change is SeatChange.UP:
                down.discard(seat)
            elif change is SeatChange.RENEWED:
                self._ledger.lose(message, seat, SOCKET_LOST)
            elif change is SeatChange.CLOSED:
                self._ledger.let_go(message, seat, moment, was_up=seat not in down)
            elif change is SeatChange.LEFT:
                self._ledger.withdraw(message, seat)

    # -- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a second: see who has settled in a channel, what is overdue, and forget what is long past."""
        now = self._clock()
        self._tracker.forget_before(now)
        for seat, channel_id in _pop_due(self._joining, now):
            self._tracker.note(now, SeatChange.JOINED, seat, self._tracker.channel(channel_id))
        _pop_due(self._fresh, now)
        # A copy: what is settled leaves the table in the middle.
        for message in list(self._ledger.open.values()):
            if message.state is PostState.ACCEPTED and now - message.settled_at > MISSING_AFTER_SECONDS:
                self._ledger.miss(message, only_connected=True)
        for message in list(self._messages.values()):
            age = now - message.sent_at
            if age <= CLOSED_KEPT_SECONDS:
                break
            if age > KEPT_SECONDS or message.pending_id not in self._ledger.open:
                self._ledger.forget(message)
        self._ledger.clear_channels(now - KEPT_SECONDS)

    def finish(self) -> None:
        """The test is over: nothing more will come."""
        for message in list(self._messages.values()):
            self._ledger.forget(message)


def _pop_due(waiting: dict[tuple[int, str], float], now: float) -> list[tuple[int, str]]:
    """Take out those whose time has come. All wait for the same time, so the first that is not due ends it."""
    due = list(itertools.takewhile(lambda key: waiting[key] <= now, waiting))
    for key in due:
        del waiting[key]
    return due


@dataclass(slots=True, eq=False)
class Seat:
    """One user's socket in the account, and the channels that the user belongs to."""

    number: int
    _tracker: SocketTracker
    _ledger: Ledger
    _clock: Callable[[], float]
    _joining: dict[tuple[int, str], float]
    _fresh: dict[tuple[int, str], float]

    def connected(self, user_id: str, *, renewed: bool) -> None:
        """The socket stands, of this user. `renewed`: what it missed meanwhile will not come."""
        now = self._clock()
        self._tracker.seat_person(now, self.number, user_id)
        self._ledger.back_at[self.number] = now
        self._tracker.note(now, SeatChange.RENEWED if renewed else SeatChange.UP, self.number)
        if renewed:
            for message in self._ledger.waiting_at(self.number):
                self._ledger.lose(message, self.number, SOCKET_LOST)

    def dropped(self, *, silent_seconds: float = 0.0) -> None:
        """The socket was lost; it may be taken up again. It has been dead for `silent_seconds` already."""
        now = self._clock()
        self._tracker.note(now, SeatChange.DOWN, self.number)
        if silent_seconds:
            self._ledger.blame_silence(self.number, now - silent_seconds)

    def closed(self) -> None:
        """The socket was closed in order: what was not yet due is withdrawn."""
        now, was_up = self._clock(), self._tracker.is_up(self.number)
        self._tracker.note(now, SeatChange.CLOSED, self.number)
        for message in self._ledger.waiting_at(self.number):
            self._ledger.let_go(message, self.number, now, was_up=was_up)

    def free(self) -> None:
        """Nobody sits here any more."""
        self.left_all()
        for message in self._ledger.waiting_at(self.number):
            self._ledger.withdraw(message, self.number)
        self._tracker.free_seat(self._clock(), self.number)

    def outstanding(self) -> bool:
        """Whether a delivery may still come that a user about to leave should wait for."""
        since = self._clock() - DRAIN_SECONDS
        return any(message.settled_at > since for message in self._ledger.waiting_at(self.number))

    def joined(self, channel_id: str) -> None:
        """The user belongs to a channel; posts are due there after a moment."""
        if not self._tracker.channel(channel_id).has(self.number):
            self._joining.setdefault((self.number, channel_id), self._clock() + JOINING_SECONDS)

    def met(self, channel_id: str) -> None:
        """The user knows a direct channel now, which may be new: nobody is due to hear the user there for a moment.

        Whoever is connected hears its direct channels, known or not, so there is nothing else to remember.
        """
        self._fresh.setdefault((self.number, channel_id), self._clock() + JOINING_SECONDS)

    def left(self, channel_id: str) -> None:
        """The user belongs to a channel no longer."""
        self._joining.pop((self.number, channel_id), None)
        channel = self._tracker.known(channel_id)
        if channel is not None and channel.has(self.number):
            self._tracker.note(self._clock(), SeatChange.LEFT, self.number, channel)
            for message in self._ledger.waiting_at(self.number):
                if message.channel is channel:
                    self._ledger.withdraw(message, self.number)

    def left_all(self) -> None:
        """The user's channels are not known any more, but for direct ones, which nobody can leave.

        Takes as long as that user has channels, and messages are open.
        """
        channels = self._tracker.leave_all(self._clock(), self.number)
        for message in self._ledger.waiting_at(self.number):
            if message.channel in channels:
                self._ledger.withdraw(message, self.number)
        for key in [key for key in self._joining if key[0] == self.number]:
            del self._joining[key]
