"""One post and what became of its deliveries: a byte for each seat (socket) of this process."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from mmload.metrics.channels import Channel

# The states of a delivery: one byte for each seat.
NONE, EXPECTED, DELIVERED, EXTRA, MISSING, WITHDRAWN, OWN, EARLY = range(8)
HERE = (DELIVERED, EXTRA, EARLY)

# Why a delivery is missing.
NEVER_CAME = "it never came, though the socket stayed connected"
SOCKET_LOST = "the socket was lost, and the server did not take it up again"
SOCKET_DOWN = "the socket was lost, and not back by the end"


class State(Enum):
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


class Message:
    """One post and its deliveries to the seats of this process. Times are monotonic, in seconds.

    `open` counts those that are due, `early` holds events that came before we knew what they were.
    """

    __slots__ = (
        "channel",
        "create_at",
        "early",
        "open",
        "pending_id",
        "post_id",
        "reasons",
        "row",
        "sent_at",
        "settled_at",
        "state",
    )

    def __init__(self, pending_id: str, channel: Channel, sent_at: float, state: State, row: bytearray) -> None:
        self.pending_id = pending_id
        self.channel = channel
        self.sent_at = sent_at
        self.settled_at = sent_at  # when the server's answer came
        self.state = state
        self.row = row
        self.open = 0
        self.post_id = ""
        self.create_at = 0
        self.early: list[tuple[int, float]] = []
        self.reasons: dict[str, int] = {}

    def due(self) -> Iterator[int]:
        """The seats that still wait for it."""
        seat = self.row.find(EXPECTED)
        while seat >= 0:
            yield seat
            seat = self.row.find(EXPECTED, seat + 1)

    def is_due(self, seat: int) -> bool:
        """Whether a seat still waits for it."""
        return seat < len(self.row) and self.row[seat] == EXPECTED

    @property
    def expected(self) -> int:
        """At how many seats it was due, when nothing is open any more."""
        return sum(map(self.row.count, (DELIVERED, MISSING, WITHDRAWN)))
