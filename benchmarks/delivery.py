"""The delivery account: memory per user and channel, and CPU per user that leaves, by the number of users.

Each user has the same number of direct channels, with as many other users of this process, and is in one large channel.
Memory is what Python allocates (tracemalloc), without the channel ids: the clients' stores hold them, too.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import Any

from benchmarks.measuring import Report, Table, whole
from mmload.delivery.account import JOINING_SECONDS, Deliveries, Seat
from mmload.metrics.recorder import Recorder

USERS = (2_000, 10_000)
_LEAVING = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channels", type=whole, default=40, help="direct channels of each user (default: %(default)s)"
    )


def measure(args: argparse.Namespace) -> Report:
    return report({users: _measured(users, args.channels) for users in USERS}, args.channels)


def _measured(users: int, channels: int) -> dict[str, float]:
    """The account of one process with so many users."""
    now = 0.0
    account = Deliveries(Recorder(), clock=lambda: now)
    ids = [[f"direct-{user:06}-{place:06}xxxxxx" for place in range(channels // 2)] for user in range(users)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    seats = [account.seat() for _ in range(users)]
    without = tracemalloc.get_traced_memory()[0]
    for user, seat in enumerate(seats):
        seat.connected(f"user-{user:021}", renewed=False)
        _meet(seats, ids, user)
        seat.joined("everybody")
        if user % 100 == 99:
            now += JOINING_SECONDS + 1
            account.tick()
    now += 1000.0  # the log of changes is empty again
    account.tick()
    held = tracemalloc.get_traced_memory()[0] - without
    tracemalloc.stop()
    began = time.process_time()
    for seat in seats[:_LEAVING]:
        seat.closed()
        seat.free()
    return {
        "bytes_per_user_and_channel": held / (users * (channels + 1)),
        "bytes_per_user": (without - before) / users,
        "leave_us": (time.process_time() - began) / _LEAVING * 1e6,
    }


def _meet(seats: list[Seat], ids: list[list[str]], user: int) -> None:
    """A user and, for each of its direct channels, the other one whose it is."""
    for place, channel_id in enumerate(ids[user]):
        seats[user].met(channel_id)
        seats[(user + 1 + place) % len(seats)].met(channel_id)


def report(found: dict[int, dict[str, float]], channels: int) -> Report:
    """Table and figures. Pure."""
    first = found[USERS[0]]
    rows: list[tuple[Any, ...]] = [
        (users, each["bytes_per_user_and_channel"], each["leave_us"], each["leave_us"] / first["leave_us"])
        for users, each in found.items()
    ]
    table = Table(
        f"The delivery account, {channels} direct channels per user",
        ("users", "bytes per user and channel", "CPU µs per user that leaves", "ratio"),
        tuple(rows),
    )
    return Report({str(users): each for users, each in found.items()}, (table,))
