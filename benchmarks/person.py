"""What a simulated person costs: users on the full mix in a real headless Locust process, measured from outside.

Only the steady window counts. The server is another process: a sandbox, or the one given with --server (or SERVER=).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import sampling
from benchmarks.crowd import POLL_SECONDS, SANDBOX_RATE, SERVER_RATE, Crowd, Server, crowd, served
from benchmarks.measuring import Report, Table, cpu_seconds, nonnegative, positive, rss_kb, tell, wholes
from mmload.errors import MmloadError
from mmload.results.model import RunPhase

WINDOWS = 3
# After the last one is in: page loads and first look-ups are over, the mix is what it stays.
SETTLE_SECONDS = 15.0
TOP = 20


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the steady phase: what the process used and what it did in it."""

    seconds: float
    cpu_seconds: float
    requests: int
    events: int
    failures: int
    users: int


@dataclass(frozen=True, slots=True)
class Point:
    """One number of users."""

    users: int
    base_rss_kb: int
    rss_kb: int
    windows: tuple[Window, ...]
    ramp_cpu_seconds: float
    profile: dict[str, list[tuple[str, int]]] | None = None


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", default=os.environ.get("SERVER", ""), help="a populated server (default: $SERVER, else a sandbox)")
    add("--users", type=wholes, default=(200,), help="how many, or several numbers with commas: 100,500,2000")
    add("--seconds", type=positive, default=60.0, help="length of the measured window (default: %(default)g)")
    add("--settle", type=nonnegative, default=SETTLE_SECONDS, help="seconds between the last arrival and the window")
    add(
        "--spawn-rate",
        type=nonnegative,
        default=0.0,
        help="arrivals a second (default: 40 on a sandbox, 1.3 on a server)",
    )
    add("--profile", action="store_true", help="also where the time goes, by function")
    add("--without-images", action="store_true", help="people fetch no profile pictures")


def measure(args: argparse.Namespace) -> Report:
    """Each number of users in a Locust process of its own, on a server of its own where that is a sandbox."""
    points = []
    for users in args.users:
        with served(args.server, users) as server:
            points.append(point(server, users, args.spawn_rate or (SERVER_RATE if args.server else SANDBOX_RATE), args))
    return report(points)


def point(server: Server, users: int, rate: float, args: argparse.Namespace) -> Point:
    """Bring the users in, let them settle, look at the process over the window, end it."""
    with tempfile.TemporaryDirectory(prefix="mmload-profile-") as name:
        file = Path(name) / "profile.json"
        more_files = locustfiles(without_images=args.without_images, profile=args.profile)
        with crowd(server, users, rate, more_files, {sampling.FILE_VARIABLE: str(file)}) as here:
            base = here.wait_for_start()
            tell(f"{users} users are coming in")
            here.wait_for_steady()
            ramp = cpu_seconds(here.pid)
            here.pause(args.settle)
            tell(f"measuring for {args.seconds:g} s")
            with _sampled(here.pid) if args.profile else nullcontext():
                windows = tuple(_window(here, args.seconds / WINDOWS) for _ in range(WINDOWS))
            memory = rss_kb(here.pid)
            return Point(users, base, memory, windows, ramp, _profile(here, file) if args.profile else None)


def _window(here: Crowd, seconds: float) -> Window:
    """From one whole second of the wall clock to another: the run's record counts in these."""
    time.sleep(1 - time.time() % 1)
    began, before = time.time(), cpu_seconds(here.pid)
    here.pause(max(1.0, round(seconds)))
    ended, after = time.time(), cpu_seconds(here.pid)
    # Its last second is written when the next one begins.
    here.pause(1.5)
    inside = [second for second in here.seconds() if began - 0.5 <= second.ms / 1000 < ended - 0.5]
    if not inside or any(second.phase is not RunPhase.STEADY for second in inside):
        raise MmloadError("the run did not stay steady in the measured window")
    return Window(
        seconds=ended - began,
        cpu_seconds=after - before,
        requests=sum(second.requests for second in inside),
        events=sum(second.events for second in inside),
        failures=sum(second.failures for second in inside),
        users=min(second.active for second in inside),
    )


def locustfiles(*, without_images: bool, profile: bool) -> tuple[str, ...]:
    """What Locust loads beside our own locustfile. Pure."""
    wanted = {"faceless.py": without_images, "sampling.py": profile}
    return tuple(str(Path(__file__).with_name(name)) for name, loaded in wanted.items() if loaded)


@contextmanager
def _sampled(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGUSR1)
    yield
    os.kill(pid, signal.SIGUSR2)


def _profile(here: Crowd, file: Path) -> dict[str, list[tuple[str, int]]]:
    for _ in range(200):
        if file.exists():
            found: dict[str, list[tuple[str, int]]] = json.loads(file.read_text())
            return found
        here.pause(POLL_SECONDS)
    raise MmloadError("the profile was not written")


# -- what came out -----------------------------------------------------------------------------------------------


def figures(found: Point) -> dict[str, Any]:
    """One point's figures: the cheapest window is the one that others on the machine disturbed least. Pure."""
    windows = found.windows
    per_request = [window.cpu_seconds * 1000 / max(1, window.requests) for window in windows]
    per_second = [window.cpu_seconds * 1000 / window.users / window.seconds for window in windows]
    seconds = sum(window.seconds for window in windows)
    return {
        "users": min(window.users for window in windows),
        "cpu_ms_per_request": min(per_request),
        "cpu_ms_per_request_median": median(per_request),
        "cpu_ms_per_user_second": min(per_second),
        "cpu_ms_per_user_second_median": median(per_second),
        "rss_kb_per_user": (found.rss_kb - found.base_rss_kb) / found.users,
        "rss_kb": found.rss_kb,
        "base_rss_kb": found.base_rss_kb,
        "requests_per_user_hour": sum(w.requests for w in windows) / found.users / seconds * 3600,
        "events_per_user_hour": sum(w.events for w in windows) / found.users / seconds * 3600,
        "failures": sum(window.failures for window in windows),
        "ramp_cpu_ms_per_user": found.ramp_cpu_seconds * 1000 / found.users,
        "seconds": seconds,
    }


def report(points: list[Point]) -> Report:
    """All points; the first one's figures also stand by themselves. Pure."""
    found = [figures(each) for each in points]
    columns = (
        ("users", "users"),
        ("CPU ms/request", "cpu_ms_per_request"),
        ("median", "cpu_ms_per_request_median"),
        ("CPU ms/user·s", "cpu_ms_per_user_second"),
        ("median", "cpu_ms_per_user_second_median"),
        ("RSS KB/user", "rss_kb_per_user"),
        ("RSS KB", "rss_kb"),
        ("base KB", "base_rss_kb"),
        ("requests/user·h", "requests_per_user_hour"),
        ("events/user·h", "events_per_user_hour"),
        ("failures", "failures"),
    )
    rows = tuple(tuple(each[key] for _, key in columns) for each in found)
    tables = [Table("What a simulated person costs", tuple(title for title, _ in columns), rows)]
    profiles = [each.profile for each in points if each.profile is not None]
    tables += [top for profile in profiles for top in tops(profile)]
    more = _top_figures(profiles[-1]) if profiles else {}
    return Report({**found[0], "points": found, **more}, tuple(tables))


def _top_figures(profile: dict[str, list[tuple[str, int]]]) -> dict[str, Any]:
    """The samples in the functions with most of them, and in all. Pure."""
    return {
        "profile": {key: table[:TOP] for key, table in profile.items()},
        "profile_samples": sum(count for _, count in profile["alone"]),
    }


def tops(profile: dict[str, list[tuple[str, int]]]) -> list[Table]:
    """Where the time goes: by function alone, and with what it calls. Pure."""
    samples = sum(count for _, count in profile["alone"]) or 1
    titles = {"alone": "Time by function", "with_callees": "Time by function, with what it calls"}
    return [
        Table(
            title, ("% of CPU", "function"), tuple((100 * count / samples, name) for name, count in profile[key][:TOP])
        )
        for key, title in titles.items()
    ]
