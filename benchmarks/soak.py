"""Whether memory stays bounded: the RSS of a Locust process with many users, minute by minute, for half an hour.

The minutes count from the moment when all users are in. What grows without bound shows between the first look, when
page loads and first look-ups are over, and the last.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

from benchmarks.crowd import SANDBOX_RATE, SERVER_RATE, Crowd, crowd, served
from benchmarks.measuring import Report, Table, cpu_seconds, nonnegative, positive, rss_kb, tell, whole


@dataclass(frozen=True, slots=True)
class Look:
    """The process at the end of a minute."""

    minute: float
    rss_kb: int
    cpu_seconds: float
    requests: int
    users: int
    failures: int


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", default=os.environ.get("SERVER", ""), help="a populated server (default: $SERVER, else a sandbox)")
    add("--users", type=whole, default=500, help="(default: %(default)s)")
    add("--minutes", type=positive, default=30.0, help="of the steady phase (default: %(default)g)")
    add(
        "--first",
        type=nonnegative,
        default=5.0,
        help="the minute held against later ones (default: %(default)g)",
    )
    add("--every", type=positive, default=1.0, help="minutes between two looks (default: %(default)g)")
    add(
        "--spawn-rate",
        type=nonnegative,
        default=0.0,
        help="arrivals a second (default: 40 on a sandbox, 1.3 on a server)",
    )


def measure(args: argparse.Namespace) -> Report:
    """One run."""
    rate = args.spawn_rate or (SERVER_RATE if args.server else SANDBOX_RATE)
    with served(args.server, args.users) as server, crowd(server, args.users, rate) as here:
        here.wait_for_start()
        tell(f"{args.users} users are coming in")
        here.wait_for_steady()
        return report(looks(here, args.minutes, args.every), args.first)


def looks(here: Crowd, minutes: float, every: float) -> list[Look]:
    """At the end of each span of `every` minutes, and told as they come."""
    found = []
    minute = 0.0
    while minute < minutes:
        here.pause(min(every, minutes - minute) * 60)
        minute = min(minute + every, minutes)
        seconds = here.seconds()
        found.append(
            Look(
                minute,
                rss_kb(here.pid),
                cpu_seconds(here.pid),
                sum(second.requests for second in seconds),
                seconds[-1].active,
                sum(second.failures for second in seconds),
            )
        )
        tell(f"minute {minute:g}: RSS {found[-1].rss_kb:,} KB")
    return found


def report(found: list[Look], first_minute: float) -> Report:
    """Table and figures; `growth` is the share by which the last RSS exceeds that of the first minute. Pure."""
    first = next((look for look in found if look.minute >= first_minute), found[-1])
    last = found[-1]
    figures: dict[str, Any] = {
        "users": min(look.users for look in found),
        "first_minute": first.minute,
        "last_minute": last.minute,
        "rss_kb_first": first.rss_kb,
        "rss_kb_last": last.rss_kb,
        "rss_kb_highest": max(look.rss_kb for look in found),
        "growth": last.rss_kb / first.rss_kb - 1,
        "requests": last.requests,
        "failures": last.failures,
        "cpu_ms_per_request": (last.cpu_seconds - first.cpu_seconds) * 1000 / max(1, last.requests - first.requests),
        "looks": [[look.minute, look.rss_kb] for look in found],
    }
    rows = tuple((look.minute, look.rss_kb, look.rss_kb / first.rss_kb, look.users, look.requests) for look in found)
    columns = ("minute", "RSS KB", f"x minute {first.minute:g}", "users", "requests")
    return Report(figures, (Table("Memory over time", columns, rows),))
