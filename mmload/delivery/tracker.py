"""Which seats (sockets) of a process are connected, and in which channels they sit: now, and a short while ago.

One byte per seat, 1 or 0, so that the receivers of a post are found by a single AND over all seats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any


class Happening(Enum):
    """What changes who receives a post."""

    UP = auto()
    DOWN = auto()
    RENEWED = auto()  # up again, as another connection
    CLOSED = auto()
    JOINED = auto()
    LEFT = auto()


_CONNECTS = (Happening.UP, Happening.RENEWED)
# Later posts against which the order of an event is judged.
RECENT_POSTS = 64


class Channel:
    """A channel's members among the seats; `newest` and `recent`: its posts, by the server's time."""

    __slots__ = ("id", "members", "newest", "recent")

    def __init__(self, channel_id: str) -> None:
        self.id = channel_id
        self.members = bytearray()
        self.newest = 0
        self.recent: deque[Any] = deque(maxlen=RECENT_POSTS)

    def has(self, seat: int) -> bool:
        """Whether the seat belongs to it."""
        return seat < len(self.members) and self.members[seat] == 1

    def put(self, seat: int, value: int) -> None:
        """Let a seat belong to it (1) or not (0)."""
        if seat >= len(self.members):
            self.members.extend(bytes(seat + 1 - len(self.members)))
        self.members[seat] = value

    def forget_before(self, moment: float) -> None:
        """Drop the posts that were sent until then."""
        while self.recent and self.recent[0].sent_at <= moment:
            self.recent.popleft()


class Doings:
    """The seats of a process. What happened to them is remembered for `kept_seconds`."""

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._up = bytearray()
        self._channels: dict[str, Channel] = {}
        # When, what, whose seat, in which channel, and the byte before.
        self._log: deque[tuple[float, Happening, int, Channel | None, int]] = deque()
        # A seat is not given to another user while posts remember who sat there.
        self._free: deque[tuple[float, int]] = deque()

    @property
    def seats(self) -> int:
        """How many seats there are."""
        return len(self._up)

    def take_seat(self, now: float) -> int:
        """A free seat."""
        if self._free and self._free[0][0] + self._kept_seconds < now:
            return self._free.popleft()[1]
        self._up.append(0)
        return len(self._up) - 1

    def free_seat(self, now: float, seat: int) -> None:
        """Give a seat back."""
        self._up[seat] = 0
        self._free.append((now, seat))

    def channel(self, channel_id: str) -> Channel:
        """The channel of an id, made if new."""
        found = self._channels.get(channel_id)
        if found is None:
            found = self._channels[channel_id] = Channel(channel_id)
        return found

    def channels_of(self, seat: int) -> list[Channel]:
        """Where a seat belongs."""
        return [channel for channel in self._channels.values() if channel.has(seat)]

    def is_up(self, seat: int) -> bool:
        """Whether the seat's socket stands."""
        return self._up[seat] == 1

    def note(self, now: float, happening: Happening, seat: int, channel: Channel | None = None) -> None:
        """Something happened to a seat, in a channel or to its socket."""
        if channel is not None:
            before = int(channel.has(seat))
            channel.put(seat, int(happening is Happening.JOINED))
        else:
            before = self._up[seat]
            self._up[seat] = int(happening in _CONNECTS)
        self._log.append((now, happening, seat, channel, before))

    def forget_before(self, now: float) -> None:
        """Drop from the memory what is too old to matter."""
        while self._log and self._log[0][0] + self._kept_seconds < now:
            self._log.popleft()

    def listeners(self, channel: Channel) -> bytearray:
        """A byte for each seat: 1 where a post of the channel is due now."""
        return _both(channel.members, self._up, len(self._up))

    def listeners_at(self, channel: Channel, moment: float, seats: int) -> bytearray:
        """The same as of a moment in the past: what happened since is undone. At least `seats` bytes."""
        members, up = bytearray(channel.members), bytearray(self._up)
        members.extend(bytes(max(0, len(up) - len(members))))
        for when, _, seat, where, before in reversed(self._log):
            if when <= moment:
                break
            if where is None:
                up[seat] = before
            elif where is channel:
                members[seat] = before
        return _both(members, up, max(seats, len(up)))

    def since(self, channel: Channel, moment: float) -> Iterator[tuple[float, Happening, int]]:
        """What happened after a moment to sockets, and in one channel; in order."""
        later = []
        for when, happening, seat, where, _ in reversed(self._log):
            if when <= moment:
                break
            if where is None or where is channel:
                later.append((when, happening, seat))
        return reversed(later)


def _both(one: bytearray, other: bytearray, size: int) -> bytearray:
    """1 where both are 1. As numbers: a thousand seats take a microsecond."""
    both = int.from_bytes(one, "little") & int.from_bytes(other, "little")
    return bytearray(both.to_bytes(size, "little"))
