"""The connections: finds the recipients of an event, keeps what a dropped connection missed, and lets it resume.

Queues as on the real server: up to 256 events wait for a slow or dropped client, the last 128 sent ones can be sent
again, and a connection not resumed within five minutes is discarded.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mmload.sandbox.events import ServerEvent
from mmload.sandbox.faults import EventFaults

WAITING_EVENTS = 256
SENT_EVENTS = 128
DROPPED_KEPT_SECONDS = 300.0
# Of a newer server, for those only who look at the channel, or at a thread in it (its event scope).
SCOPED_EVENTS = frozenset({"typing", "reaction_added", "reaction_removed"})


class FrameSink(Protocol):
    """The open socket of a connection."""

    def send_text(self, payload: bytes) -> bool:
        """Write one text frame now; False when the client is too slow to take more."""

    def close(self) -> None:
        """Drop the socket without a close frame."""


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One client's stream of events; it outlives its socket for a while."""

    id: str
    user_id: str
    token: str
    wire: FrameSink | None
    wants_acks: bool = False
    sequence: int = 0
    sent: deque[tuple[int, ServerEvent]] = field(default_factory=lambda: deque(maxlen=SENT_EVENTS))
    waiting: deque[ServerEvent] = field(default_factory=deque)
    left_at: float = 0.0
    muted: bool = False
    # Where its page is, as it said: channel, thread beside the channel, thread in the list of threads. None: it did
    # not say, as mobile clients do not.
    channel_id: str | None = None
    thread_channel_id: str | None = None
    listed_thread_channel_id: str | None = None

    @property
    def is_active(self) -> bool:
        return self.wire is not None

    def looks_elsewhere(self, channel_id: str) -> bool:
        """Whether it said that it is neither in the channel nor in a thread of it; of threads it must have said both.

        As the real server does: a page that never opened a thread is told everything.
        """
        told = (self.channel_id, self.thread_channel_id, self.listed_thread_channel_id)
        return None not in told and channel_id not in told

    def forget_presence(self) -> None:
        """A connection that is back has to say again where it is."""
        self.channel_id = self.thread_channel_id = self.listed_thread_channel_id = None


class Hub:
    """All connections. `channel_members` and `team_members` give the user ids behind an id."""

    def __init__(
        self,
        channel_members: Callable[[str], Iterable[str]],
        team_members: Callable[[str], Iterable[str]],
        is_admin: Callable[[str], bool],
    ) -> None:
        self._channel_members = channel_members
        self._team_members = team_members
        self._is_admin = is_admin
        self._by_user: defaultdict[str, list[ClientConnection]] = defaultdict(list)
        # Clients that read too slowly: retried often, so kept apart.
        self._slow: set[ClientConnection] = set()
        self.sent_by_name: Counter[str] = Counter()
        self.swallow = 0
        self.faults = EventFaults()

    def connections(self, user_id: str) -> list[ClientConnection]:
        return self._by_user.get(user_id, [])

    def all_connections(self) -> list[ClientConnection]:
        return [connection for group in self._by_user.values() for connection in group]

    @property
    def open_sockets(self) -> int:
        return sum(connection.is_active for connection in self.all_connections())

    def add(self, connection: ClientConnection) -> None:
        self._by_user[connection.user_id].append(connection)

    def remove(self, connection: ClientConnection) -> None:
        group = self._by_user.get(connection.user_id)
        if group is None or connection not in group:
            return
        group.remove(connection)
        if not group:
            del self._by_user[connection.user_id]

    def take_absent(self, user_id: str, connection_id: str) -> ClientConnection | None:
        """Remove and return the dropped connection of that id: whoever resumes it owns its queues."""
        for connection in self.connections(user_id):
            if connection.id == connection_id and not connection.is_active:
                self.remove(connection)
                return connection
        return None

    def publish(self, event: ServerEvent) -> None:
        """Send the event to everyone in its audience."""
        omitted = event.audience.omit_users
        scope = event.audience.channel_id if event.modern and event.name in SCOPED_EVENTS else ""
        for user_id in self._readers(event):
            if user_id in omitted:
                continue
            # A copy: `offer` may remove a connection that is too slow.
            for connection in tuple(self._by_user.get(user_id, ())):
                if scope and connection.looks_elsewhere(scope):
                    continue
                # Of a dropped connection nobody may ever hear: what is done to its events could not be accounted for.
                if self.faults and connection.is_active:
                    self.faults.offer(connection, event, partial(self.offer, connection, event))
                else:
                    self.offer(connection, event)

    def _readers(self, event: ServerEvent) -> Iterable[str]:
        audience = event.audience
        if audience.user_id:
            readers: Iterable[str] = (audience.user_id,)
        elif audience.channel_id:
            readers = self._channel_members(audience.channel_id)
        elif audience.team_id:
            readers = self._team_members(audience.team_id)
        else:
            readers = tuple(self._by_user)
        if audience.sanitised:
            return [user_id for user_id in readers if not self._is_admin(user_id)]
        if audience.sensitive:
            return [user_id for user_id in readers if self._is_admin(user_id)]
        return readers

    def offer_first(self, connection: ClientConnection, event: ServerEvent) -> None:
        """Send it before everything queued: the hello of a connection."""
        if not self._send(connection, event):
            connection.waiting.appendleft(event)

    def flush_slow(self) -> None:
        """Retry the clients that were too slow."""
        for connection in tuple(self._slow):
            self.flush(connection)
            if not connection.waiting or not connection.is_active:
                self._slow.discard(connection)

    def offer(self, connection: ClientConnection, event: ServerEvent) -> None:
        """Send it now if nothing is queued before it, else queue it; a full queue ends the connection."""
        if connection.muted:
            return
        if connection.wire is None or connection.waiting or not self._send(connection, event):
            if len(connection.waiting) >= WAITING_EVENTS:
                self.cut(connection)
                return
            connection.waiting.append(event)

    def _send(self, connection: ClientConnection, event: ServerEvent) -> bool:
        # A fault swallows the frame but not its number, so that the client can notice the gap.
        if self.swallow > 0 and event.name != "hello":
            self.swallow -= 1
        elif connection.wire is None:
            return False
        elif not connection.wire.send_text(event.frame(connection.user_id, connection.sequence)):
            self._slow.add(connection)
            return False
        else:
            self.sent_by_name[event.name] += 1
        # The event, not the frame: all connections share it.
        connection.sent.append((connection.sequence, event))
        connection.sequence += 1
        return True

    def flush(self, connection: ClientConnection) -> None:
        """Send what is queued, as far as the client takes it."""
        while connection.waiting and self._send(connection, connection.waiting[0]):
            connection.waiting.popleft()

    def send_again(self, connection: ClientConnection, sequence: int) -> None:
        """Resend the events already sent, from that sequence number on."""
        for number, event in connection.sent:
            if number >= sequence and connection.wire is not None:
                connection.wire.send_text(event.frame(connection.user_id, number))

    def cut(self, connection: ClientConnection) -> None:
        """End the connection for good: it cannot be resumed."""
        self.remove(connection)
        if connection.wire is not None:
            connection.wire.close()
            connection.wire = None

    def absent(self, connection: ClientConnection, now: float) -> bool:
        """Its socket is gone. True when its user has no other open one and is therefore offline."""
        connection.wire = None
        connection.left_at = now
        return not any(other.is_active for other in self.connections(connection.user_id))

    def mute(self, user_id: str, token: str) -> None:
        """The session ended: the socket stays open but gets no more events (seen on 11.6)."""
        for connection in self.connections(user_id):
            if connection.token == token:
                connection.muted = True

    def forget_absent(self, now: float) -> None:
        """Discard connections that were dropped too long ago."""
        limit = now - DROPPED_KEPT_SECONDS
        for connection in self.all_connections():
            if not connection.is_active and connection.left_at < limit:
                self.remove(connection)
