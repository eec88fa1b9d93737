"""Which seats (sockets) of a process are connected, and in which channels they sit: now, and a short while ago.

One byte per seat, 1 or 0, so that the receivers of a post are found by a single AND over all seats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class SeatChange(Enum):
    """What changes who receives a post."""

    UP = auto()
    DOWN = auto()
    RENEWED = auto()  # up again, as another connection
    CLOSED = auto()
    JOINED = auto()
    LEFT = auto()


_CONNECTS = (SeatChange.UP, SeatChange.RENEWED)
# Later posts against which the order of an event is judged.
RECENT_POSTS = 64
FEW_MEMBERS = 8


@dataclass(slots=True, eq=False)
class ChannelSeats:
    """A channel's members among the seats; `newest` and `recent`: its posts, by the server's time.

    Few members are a tuple of seats, many one byte per seat. A direct channel has no members of its own, but the two
    `people` whose it is, each with the seats of its sockets: a process has tens of thousands of direct channels, and
    only those with a post of late are remembered.
    """

    id: str
    members: tuple[int, ...] | bytearray = ()
    people: tuple[ChannelSeats, ...] = ()
    newest: int = 0
    recent: deque[Any] | tuple[()] = ()

    def has(self, seat: int) -> bool:
        members = self.members
        if isinstance(members, bytearray):
            return seat < len(members) and members[seat] == 1
        return seat in members

    def put(self, seat: int, value: int) -> None:
        """Let a seat belong to it (1) or not (0)."""
        if isinstance(self.members, bytearray):
            if seat >= len(self.members):
                self.members.extend(bytes(seat + 1 - len(self.members)))
            self.members[seat] = value
            return
        others = tuple(each for each in self.members if each != seat)
        self.members = (*others, seat) if value else others
        if len(self.members) > FEW_MEMBERS:
            self.members = self.row(max(self.members) + 1)

    def row(self, seats: int) -> bytearray:
        """A byte for each seat, at least so many: 1 for members."""
        if isinstance(self.members, bytearray):
            return self.members + bytes(max(0, seats - len(self.members)))
        row = bytearray(seats)
        for seat in self.few():
            row[seat] = 1
        return row

    def few(self) -> Iterator[int]:
        """The members of one that has few."""
        yield from self.members
        for person in self.people:
            yield from person.members

    def is_at(self, place: ChannelSeats) -> bool:
        """Whether what changes at a place (a channel, a person) changes who its members are."""
        return place is self or place in self.people

    def add(self, post: Any) -> None:
        if not isinstance(self.recent, deque):
            self.recent = deque(maxlen=RECENT_POSTS)
        self.recent.append(post)

    def forget_before(self, moment: float) -> None:
        """Drop the posts that were sent until then."""
        while self.recent and self.recent[0].sent_at <= moment:
            self.recent.popleft()


class SocketTracker:
    """The seats of a process. What happened to them is remembered for `kept_seconds`."""

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._up = bytearray()
        # By seat: so a user that leaves costs as much as it has channels. A list takes 8 bytes for each, a set 56.
        self._channels_of: list[list[ChannelSeats]] = []
        self._channels: dict[str, ChannelSeats] = {}
        # The sockets of each person, and the person of each seat.
        self._people: dict[str, ChannelSeats] = {}
        self._person_of: list[ChannelSeats | None] = []
        # When, what, whose seat, in which channel, and the byte before.
        self._log: deque[tuple[float, SeatChange, int, ChannelSeats | None, int]] = deque()
        # A seat is not given to another user while posts remember who sat there.
        self._free: deque[tuple[float, int]] = deque()

    @property
    def seats(self) -> int:
        return len(self._up)

    def take_seat(self, now: float) -> int:
        if self._free and self._free[0][0] + self._kept_seconds < now:
            return self._free.popleft()[1]
        self._up.append(0)
        self._channels_of.append([])
        self._person_of.append(None)
        return len(self._up) - 1

    def free_seat(self, now: float, seat: int) -> None:
        self._up[seat] = 0
        if person := self._person_of[seat]:
            self._person_of[seat] = None
            person.put(seat, 0)
            self._log.append((now, SeatChange.LEFT, seat, person, 1))
        self._free.append((now, seat))

    def seat_person(self, now: float, seat: int, user_id: str) -> None:
        """Whose socket it is: from now on it hears that person's direct channels."""
        if self._person_of[seat] is None:
            person = self._person_of[seat] = _entry(self._people, user_id)
            person.put(seat, 1)
            self._log.append((now, SeatChange.JOINED, seat, person, 0))

    def channel(self, channel_id: str, user_ids: Sequence[str] = ()) -> ChannelSeats:
        """The channel of an id, made if new. `user_ids`: those whose direct channel it is."""
        found = _entry(self._channels, channel_id)
        if user_ids and not found.people:
            found.people = tuple(_entry(self._people, each) for each in dict.fromkeys(user_ids))
        return found

    def known(self, channel_id: str) -> ChannelSeats | None:
        """The channel of an id, if it is remembered."""
        return self._channels.get(channel_id)

    def forget_channel(self, channel: ChannelSeats) -> None:
        """Nothing is to be known of a channel any more but that it is there, unless it has members or posts."""
        if not channel.members and not channel.recent and self._channels.get(channel.id) is channel:
            del self._channels[channel.id]

    def leave_all(self, now: float, seat: int) -> list[ChannelSeats]:
        """A seat belongs nowhere any more; where it did. O(its channels)."""
        channels, self._channels_of[seat] = self._channels_of[seat], []
        for channel in channels:
            channel.put(seat, 0)
            self._log.append((now, SeatChange.LEFT, seat, channel, 1))
        return channels

    def is_up(self, seat: int) -> bool:
        return self._up[seat] == 1

    def note(self, now: float, change: SeatChange, seat: int, channel: ChannelSeats | None = None) -> None:
        """Something happened to a seat, in a channel or to its socket."""
        if channel is not None:
            before, value = int(channel.has(seat)), int(change is SeatChange.JOINED)
            if before != value:
                channel.put(seat, value)
                (self._channels_of[seat].append if value else self._channels_of[seat].remove)(channel)
        else:
            before = self._up[seat]
            self._up[seat] = int(change in _CONNECTS)
        self._log.append((now, change, seat, channel, before))

    def forget_before(self, now: float) -> None:
        """Drop from the memory what is too old to matter."""
        while self._log and self._log[0][0] + self._kept_seconds < now:
            self._log.popleft()

    def listeners(self, channel: ChannelSeats) -> bytearray:
        """A byte for each seat: 1 where a post of the channel is due now."""
        if isinstance(channel.members, bytearray):
            return _both(channel.members, self._up, len(self._up))
        row = bytearray(len(self._up))
        for seat in channel.few():
            row[seat] = self._up[seat]
        return row

    def listeners_at(self, channel: ChannelSeats, moment: float, seats: int) -> bytearray:
        """The same as of a moment in the past: what happened since is undone. At least `seats` bytes."""
        members, up = channel.row(len(self._up)), bytearray(self._up)
        for when, _, seat, where, before in reversed(self._log):
            if when <= moment:
                break
            if where is None:
                up[seat] = before
            elif channel.is_at(where):
                members[seat] = before
        return _both(members, up, max(seats, len(up)))

    def since(self, channel: ChannelSeats, moment: float) -> Iterator[tuple[float, SeatChange, int]]:
        """What happened after a moment to sockets, and in one channel; in order."""
        later = []
        for when, change, seat, where, _ in reversed(self._log):
            if when <= moment:
                break
            if where is None or channel.is_at(where):
                later.append((when, change, seat))
        return reversed(later)


def _entry(places: dict[str, ChannelSeats], key: str) -> ChannelSeats:
    # One look for each message that arrives.
    found = places.get(key)
    if found is None:
        found = places[key] = ChannelSeats(key)
    return found


def _both(one: bytearray, other: bytearray, size: int) -> bytearray:
    """1 where both are 1. As numbers: a thousand seats take a microsecond."""
    both = int.from_bytes(one, "little") & int.from_bytes(other, "little")
    return bytearray(both.to_bytes(size, "little"))
