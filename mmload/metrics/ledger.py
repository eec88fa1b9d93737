"""The books of deliveries: each one that is due is entered once, and ends as delivered, missing or withdrawn.

Counts go to the recorder at once, so that `expected = delivered + missing + withdrawn` holds when nothing is open.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable

from mmload.metrics.channels import Channel, Doings
from mmload.metrics.delta import Loss
from mmload.metrics.message import (
    DELIVERED,
    EARLY,
    EXPECTED,
    EXTRA,
    HERE,
    MISSING,
    NEVER_CAME,
    NONE,
    SOCKET_DOWN,
    WITHDRAWN,
    Message,
    State,
)
from mmload.metrics.recorder import (
    DELIVERIES,
    DELIVERIES_EXPECTED,
    DELIVERIES_EXTRA,
    DELIVERIES_LATE,
    DELIVERIES_MISSING,
    DELIVERIES_OUT_OF_ORDER,
    DELIVERIES_RESUMED,
    DELIVERIES_TWICE,
    DELIVERIES_WITHDRAWN,
    DELIVERY,
    MISSING_BECAUSE,
    Recorder,
)

# Bounds the memory (one byte per socket each) at some 100 posts a second.
MOST_MESSAGES = 33_000
# A user that leaves waits so long for what is due; what has not come by then is missing, not withdrawn.
DRAIN_SECONDS = 2.0


class Ledger:
    """The messages that are remembered. `back_at`: since when each seat's connection stands."""

    def __init__(
        self,
        recorder: Recorder,
        doings: Doings,
        late_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.back_at = array("d")
        self.messages: dict[str, Message] = {}
        # Those with deliveries that are due.
        self.open: dict[str, Message] = {}
        # When those that are forgotten were sent, and where: the channels still hold them.
        self._past: deque[tuple[float, Channel]] = deque()
        self._recorder = recorder
        self._doings = doings
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
        """Enter what is due of a message."""
        message.open = message.row.count(EXPECTED)
        self._recorder.counters[DELIVERIES_EXPECTED] += message.open
        if message.open:
            self.open[message.pending_id] = message

    def take_back(self, message: Message) -> None:
        """Nothing was to be delivered after all."""
        counters, row = self._recorder.counters, message.row
        missing, withdrawn = row.count(MISSING), row.count(WITHDRAWN)
        counters[DELIVERIES_EXPECTED] -= message.open + missing + withdrawn
        counters[DELIVERIES_MISSING] -= missing
        counters[DELIVERIES_WITHDRAWN] -= withdrawn
        for reason, number in message.reasons.items():
            counters[MISSING_BECAUSE + reason] -= number
        self.open.pop(message.pending_id, None)
        del self.messages[message.pending_id]

    def forget(self, message: Message) -> None:
        """Close the account of a post; name it if it did not reach all."""
        if message.state in (State.SENDING, State.UNCERTAIN):
            self.take_back(message)
            return
        self.miss(message)
        del self.messages[message.pending_id]
        self._past.append((message.sent_at, message.channel))
        if message.reasons:
            sent_ms = int((self._wall() - (self._clock() - message.sent_at)) * 1000)
            reasons = dict(message.reasons)
            self._recorder.loss(Loss(message.post_id, message.channel.id, sent_ms, message.expected, reasons))

    def clear_channels(self, moment: float) -> None:
        """Let go of the posts that were sent until then: none that still comes is older, so none is out of order
        because of them. Measured: 1 KB each, with 500 sockets; a hundred channels kept 2 MB more in half an hour."""
        while self._past and self._past[0][0] <= moment:
            _, channel = self._past.popleft()
            channel.forget_before(moment)

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
        counters = self._recorder.counters
        state = message.row[seat]
        if state in HERE:
            counters[DELIVERIES_TWICE] += 1
        elif message.state is State.FOREIGN:
            message.row[seat] = EARLY
            message.early.append((seat, now))
        elif state == MISSING:
            self._found(message, seat, now)
        else:
            # Whoever left (withdrawn) and hears it all the same is no longer accounted for.
            message.row[seat] = EXTRA
            if state == NONE:
                counters[DELIVERIES_EXTRA] += 1
                counters[DELIVERIES_RESUMED] += self._is_resumed(message, seat, now)

    def came_early(self, message: Message, seat: int, moment: float) -> None:
        """It was here before we knew what it was."""
        if message.row[seat] == EXPECTED:
            self.came(message, seat, moment)
        else:
            message.row[seat] = EXTRA
            self._recorder.counters[DELIVERIES_EXTRA] += 1
            self._recorder.counters[DELIVERIES_RESUMED] += self._is_resumed(message, seat, moment)

    def check_order(self, message: Message, seat: int) -> None:
        """Whether a later post of the channel is already here, by the server's time. Posts of one instant have none."""
        for other in reversed(message.channel.recent):
            if other.create_at > message.create_at and seat < len(other.row) and other.row[seat] in HERE:
                self._recorder.counters[DELIVERIES_OUT_OF_ORDER] += 1
                return

    def _found(self, message: Message, seat: int, now: float) -> None:
        """It was given up, and came."""
        counters = self._recorder.counters
        message.row[seat] = DELIVERED
        reason = NEVER_CAME if NEVER_CAME in message.reasons else next(iter(message.reasons))
        message.reasons[reason] -= 1
        if not message.reasons[reason]:
            del message.reasons[reason]
        counters[DELIVERIES_MISSING] -= 1
        counters[MISSING_BECAUSE + reason] -= 1
        self._deliver(message, seat, now)

    def _deliver(self, message: Message, seat: int, now: float) -> None:
        counters = self._recorder.counters
        seconds = now - message.sent_at
        self._recorder.span(DELIVERY, seconds)
        counters[DELIVERIES] += 1
        if seconds > self._late_seconds:
            counters[DELIVERIES_LATE] += 1
        if self._is_resumed(message, seat, now):
            counters[DELIVERIES_RESUMED] += 1

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
        self._recorder.counters[DELIVERIES_WITHDRAWN] += 1

    def lose(self, message: Message, seat: int, reason: str) -> None:
        """A delivery that is due will not come."""
        counters = self._recorder.counters
        self._settle(message, seat, MISSING)
        counters[DELIVERIES_MISSING] += 1
        counters[MISSING_BECAUSE + reason] += 1
        message.reasons[reason] = message.reasons.get(reason, 0) + 1

    def _settle(self, message: Message, seat: int, state: int) -> None:
        message.row[seat] = state
        message.open -= 1
        if not message.open:
            self.open.pop(message.pending_id, None)

    def let_go(self, message: Message, seat: int, now: float, *, was_up: bool) -> None:
        """A receiver closes its socket, or gives a lost one up."""
        if message.state is State.ACCEPTED and now - message.settled_at >= DRAIN_SECONDS:
            self.lose(message, seat, NEVER_CAME if was_up else SOCKET_DOWN)
        else:
            self.withdraw(message, seat)

    def miss(self, message: Message, *, only_connected: bool = False) -> None:
        """What is due of a message will not come any more."""
        for seat in list(message.due()):
            if self._doings.is_up(seat):
                self.lose(message, seat, NEVER_CAME)
            elif not only_connected:
                self.lose(message, seat, SOCKET_DOWN)
