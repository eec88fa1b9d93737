"""What a process counts beside times: plain numbers by name, incremented in place, merged field by field.

Every field is a sum. A figure that may be taken back (an expected delivery of a post that was refused) goes down again.
"""

from __future__ import annotations

from typing import Self

import msgspec
from msgspec.structs import replace

# Why a delivery is missing: the field that counts it, and what it means.
MISSING_REASONS = {
    "never_came": "never received, although the socket stayed connected",
    "socket_silent": "the socket stayed connected but was dead: no ping was answered",
    "socket_lost": "the socket was lost, and the server did not resume it",
    "socket_down": "the socket was lost, and had not reconnected by the end",
}


class Counts(msgspec.Struct, omit_defaults=True):
    """Numbers that add up, whatever they count."""

    def merge(self, other: Self) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def take(self) -> Self:
        """The numbers so far. They begin anew at 0 in this same object: those who increment it keep it."""
        taken = replace(self)
        for name in self.__struct_fields__:
            setattr(self, name, 0)
        return taken


class DeliveryCounts(Counts):
    """Posts, and their deliveries (mmload.delivery.account). When all is settled, expected = delivered + missing +
    withdrawn."""

    sent: int = 0  # posts that the server accepted
    uncertain: int = 0  # posts without an answer that nobody has seen: stored or not
    expected: int = 0
    delivered: int = 0  # of those expected
    withdrawn: int = 0  # of those expected: the receiver left in order before it was due
    never_came: int = 0  # of those expected: missing, for one of these reasons (MISSING_REASONS)
    socket_silent: int = 0
    socket_lost: int = 0
    socket_down: int = 0
    extra: int = 0  # not expected, and came: to somebody who had just joined, or was not connected
    late: int = 0  # of those delivered: after the limit
    resumed: int = 0  # of those delivered and extra: after a lost socket was taken up again
    duplicated: int = 0  # one that had come before
    out_of_order: int = 0  # after a later post of the same channel

    @property
    def missing(self) -> int:
        return sum(self.reasons.values())

    @property
    def reasons(self) -> dict[str, int]:
        """How many are missing for each reason (names of MISSING_REASONS), without those that did not occur."""
        counts = ((name, getattr(self, name)) for name in MISSING_REASONS)
        return {name: count for name, count in counts if count}


class SocketCounts(Counts):
    """WebSockets, and what came over them."""

    opened: int = 0  # for the first time
    dropped: int = 0
    resumed: int = 0  # back with the same connection id: nothing lost
    renewed: int = 0  # back with a new connection id: events may be lost
    given_up: int = 0  # no fresh token could be got: this user stays without one
    closed: int = 0  # by the user, in order
    gaps: int = 0  # in the sequence numbers
    gaps_filled: int = 0  # by resuming: the server sent the missing events again
    gaps_lost: int = 0  # the socket was renewed: the missing events will not come
    posted_of_others: int = 0  # `posted` events about a post that the receiver did not write
    unreadable: int = 0  # events whose data are no JSON of the form that Mattermost sends
    listener_errors: int = 0  # events that mmload itself could not handle

    @property
    def change(self) -> int:
        """How many more WebSockets are open after what was counted."""
        return self.opened + self.resumed + self.renewed - self.dropped - self.closed


class SessionCounts(Counts):
    """Users' logins and log-outs, and how often they were told to slow down."""

    logins: int = 0
    logins_failed: int = 0
    kept_sessions: int = 0  # came in without a login
    relogins: int = 0  # a 401 in the middle
    sign_ups: int = 0
    logged_out: int = 0
    rate_limited: int = 0  # a 429 obeyed


class UserGauges(Counts):
    """How the users of a process stand now: waiting to log in, active, or given up; and their open WebSockets."""

    waiting: int = 0
    active: int = 0
    gave_up: int = 0
    without_account: int = 0  # of those that gave up: there is no account left for them
    sockets: int = 0
