"""`mmload storm KIND`: a steady load, an event that hits all of it at once, and how long until all is as before."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from mmload.cli import run as run_command
from mmload.cli.common import settings_in_force, within_seconds
from mmload.cli.locust_process import kill
from mmload.cli.progress import Tail
from mmload.config.fields import seconds_of
from mmload.errors import UsageError
from mmload.results.folder import SECONDS, STORMS, Order, add_order, lines, place_of
from mmload.results.model import RunPhase, Second, Storm, StormKind, StormRecovery
from mmload.results.storms import QUIET_SECONDS, recovery, storm_sentence
from mmload.signals import start_child

COMMAND_LOG = "storm-command.log"
# How long the users may take to come, besides what their spawn rate makes of it.
COMING_SECONDS = 900
SHORTEST_BEFORE_SECONDS = 10
# The run looks for orders twice a second.
LONGEST_RAISING_SECONDS = 60.0
# What people take part within, where it is not said.
_WITHIN = {StormKind.LOGIN: "10s", StormKind.MENTION_ALL: "10s", StormKind.CHANNEL_FLOOD: "10s"}
_MEANINGS: Mapping[StormKind, str] = {
    StormKind.RECONNECT: "all users lose their WebSockets at once",
    StormKind.RESTART: "--command restarts the server",
    StormKind.LOGIN: "all users log out and log in again",
    StormKind.SPIKE: "more users arrive at once, and stay (--more; by default the number of users doubles)",
    StormKind.MENTION_ALL: "a post mentions everybody, and all users open its channel",
    StormKind.CHANNEL_FLOOD: "all users post to one channel",
}


def add_parser(subparsers: Any) -> None:
    kinds = "\n".join(f"  {kind:14} {meaning}" for kind, meaning in _MEANINGS.items())
    parser = subparsers.add_parser(
        "storm",
        description="Put a steady load on the server, trigger an event, and measure how long it takes until all "
        f"WebSockets are back and p99 is back to normal (docs/storms.md).\n\n{kinds}",
        # A command must be known for one: it is left out of the record.
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", choices=list(StormKind), type=_kind, help=", ".join(StormKind))
    run_command.add_target(parser)
    run_command.add_load(parser)
    add = parser.add_argument
    add("--before", metavar="TIME", default="60s", help="steady load before the event (default: 60s)")
    add("--after", metavar="TIME", default="30s", help="load after the recovery (default: 30s)")
    add("--patience", metavar="TIME", default="5m", help="how long to wait for the recovery (default: 5m)")
    add("--within", metavar="TIME", help="spread the users' actions over this time (default: 10s; reconnect, spike: 0)")
    add("--more", metavar="N", type=int, help="spike: number of additional users (default: as many as before)")
    add(
        "--command",
        metavar="CMD",
        dest="shell_command",
        help="restart: the shell command that restarts the server, or switches the load balancer",
    )
    add("--outage", metavar="TIME", help="restart with --sandbox: how long it is down (default: 5s)")
    run_command.add_record(parser)
    parser.set_defaults(stages=None, profile=None, scale=None, day_in=None, run_time=None)


def _kind(text: str) -> StormKind:
    try:
        return StormKind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(StormKind)}") from None


def run(args: argparse.Namespace) -> int:
    """A run with the storm in its middle."""
    course = _course(args)
    settings = settings_in_force("storm", {**os.environ, **run_command.overrides(args)}).config
    if settings.run.stages:
        raise UsageError("a storm needs a steady load: leave RunConfiguration.Stages out")
    users = settings.users.initial_active_users if args.users is None else args.users
    if course.order.storm is not None and args.kind is StormKind.SPIKE:
        course.more_users = args.more or users
        course.order = replace(course.order, users=course.more_users)
    coming = COMING_SECONDS + (round(users / settings.run.spawn_rate) if settings.run.spawn_rate else 0)
    course.coming_seconds = coming
    args.run_time = str(coming + course.before_seconds + round(course.patience_seconds) + course.after_seconds)
    return run_command.run(args, course)


def _course(args: argparse.Namespace) -> StormCourse:
    """What the options ask for. UsageError: they do not fit the kind."""
    _check(args)
    before = seconds_of("--before", args.before)
    if before < SHORTEST_BEFORE_SECONDS:
        raise UsageError(f"--before {args.before}: expected at least {SHORTEST_BEFORE_SECONDS}s, for the baseline")
    patience = seconds_of("--patience", args.patience)
    if patience < QUIET_SECONDS:
        raise UsageError(f"--patience {args.patience}: expected at least {QUIET_SECONDS}s, to see a recovery")
    within = within_seconds(args.within or _WITHIN.get(args.kind, "0"))
    order = Order(within_seconds=within, storm=Storm(args.kind, patience_seconds=float(patience)))
    raiser: Callable[[Path, str], StormRaiser] | None = None
    if args.kind is StormKind.RESTART and not args.sandbox:
        raiser = lambda folder, _: CommandRun(args.shell_command, folder / COMMAND_LOG)  # noqa: E731
    elif args.sandbox and args.kind in (StormKind.RESTART, StormKind.RECONNECT):
        away = seconds_of("--outage", args.outage or "5s") if args.kind is StormKind.RESTART else 0
        raiser = lambda _, url: SandboxFault(url, away)  # noqa: E731
    return StormCourse(order, before, seconds_of("--after", args.after), raiser)


def _check(args: argparse.Namespace) -> None:
    restart = args.kind is StormKind.RESTART
    if restart and not args.sandbox and not (args.shell_command or "").strip():
        raise UsageError(
            "restart: give the command that restarts the server: --command 'ssh mm1 systemctl restart mattermost'"
        )
    if args.shell_command is not None and (not restart or args.sandbox):
        raise UsageError("--command works only with restart, on a server of your own")
    if args.outage is not None and not (restart and args.sandbox):
        raise UsageError("--outage works only with restart and --sandbox")
    if args.more is not None and (args.kind is not StormKind.SPIKE or args.more < 1):
        raise UsageError("--more works only with spike, and needs a number of users of 1 or more")


class StormRaiser:
    """Something outside of Locust that makes the storm. `over`: whether it is done; `problem`: why it is no storm."""

    problem = ""

    def over(self) -> bool:
        return True

    def close(self) -> None:
        """Leave nothing behind."""


class CommandRun(StormRaiser):
    """The user's command, in a shell of its own session; its output goes into a file."""

    def __init__(self, command: str, log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = start_child(
                ["/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def over(self) -> bool:
        code = self._process.poll()
        if code:
            how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
            self.problem = f"the command failed ({how}); its output is in {self._log}"
        return code is not None

    def wait(self) -> None:
        self._process.wait()

    def close(self) -> None:
        # Of one that has ended what it left behind stays: it may be the server.
        if self._process.poll() is None:
            kill(self._process)
            self.wait()


class SandboxFault(StormRaiser):
    """The sandbox loses all its sockets, or is away for so many seconds."""

    def __init__(self, url: str, away_seconds: int) -> None:
        self._back = time.monotonic() + away_seconds
        fault = {"restart_seconds": away_seconds} if away_seconds else {"drop_sockets": True}
        request = urllib.request.Request(f"{url}/sandbox/faults", msgspec.json.encode(fault), method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def over(self) -> bool:
        return time.monotonic() >= self._back


class StormCourse(run_command.Course):
    """Waits for the steady load, raises the storm, and ends the run when the server has recovered, or will not."""

    def __init__(
        self, order: Order, before: int, after: int, raiser: Callable[[Path, str], StormRaiser] | None
    ) -> None:
        assert order.storm is not None
        self.order = order
        self.storm = str(order.storm.kind)
        self.before_seconds, self.after_seconds = before, after
        self.patience_seconds = order.storm.patience_seconds
        self._new_raiser = raiser
        self._raiser: StormRaiser | None = None
        self._outside: Storm | None = None  # what the raiser does, until it is over
        self._seconds: list[Second] = []
        self.coming_seconds = COMING_SECONDS
        self._raised_at: float | None = None
        self._told = self._ended = False

    def told(self, arguments: Sequence[str]) -> Sequence[str]:
        """Without the command, which may hold a secret."""
        return [
            "…" if before == "--command" else "--command=…" if each.startswith("--command=") else each
            for before, each in zip(("", *arguments), arguments, strict=False)
        ]

    def begin(self, folder: Path, server_url: str, tell: Callable[[str], None]) -> None:
        self._folder, self._server_url = folder, server_url
        self._tell: Callable[[str], None] = lambda text: tell(f"mmload storm: {text}")
        self._tail = Tail(folder / SECONDS)

    def look(self) -> None:
        new = self._tail.new()
        self._seconds += new
        if self._ended:
            return
        if self._raised_at is None:
            self._wait_for_steady_load()
            return
        self._look_after_raiser()
        if new and (told := self._recovery()) is not None:
            self._look_at(told)
        elif new and told is None and time.monotonic() - self._raised_at > LONGEST_RAISING_SECONDS:
            self._end("the storm was not triggered; the notes of the run may say why")

    def _wait_for_steady_load(self) -> None:
        if sum(each.phase is RunPhase.STEADY for each in self._seconds) >= self.before_seconds:
            self._raise()
        elif len(self._seconds) > self.coming_seconds + self.before_seconds:
            self._end(f"the load was not steady for {self.before_seconds} s, so the storm was not triggered")

    def _raise(self) -> None:
        self._raised_at = time.monotonic()
        order = self.order
        if self._new_raiser is not None and order.storm is not None:
            self._outside = replace(order.storm, ms=int(time.time() * 1000))
            order = Order(storm=self._outside)
            self._raiser = self._new_raiser(self._folder, self._server_url)
        add_order(self._folder, order)
        self._tell(f"{self.storm} storm triggered")

    def _look_after_raiser(self) -> None:
        if self._raiser is None or self._outside is None:
            return
        over, now = self._raiser.over(), int(time.time() * 1000)
        problem = self._raiser.problem
        if not over and now - self._outside.ms > self.patience_seconds * 1000:
            problem = f"the command had not finished after {self.patience_seconds:.0f} s"
        if over or problem:
            add_order(self._folder, Order(storm=replace(self._outside, over_ms=now, problem=problem)))
            self._outside = None
        if problem:
            self._end(problem)

    def _recovery(self) -> StormRecovery | None:
        """As far as the record goes."""
        storms = lines(place_of(self._folder) / STORMS, Storm, [], required=False)
        return recovery(storms[-1], self._seconds) if storms else None

    def _look_at(self, told: StormRecovery) -> None:
        if told.recovered_seconds is not None:
            if not self._told:
                self._told = True
                self._tell(storm_sentence(told))
            if told.watched_seconds - told.recovered_seconds >= max(QUIET_SECONDS, self.after_seconds):
                self._end()
        elif told.watched_seconds >= self.patience_seconds:
            self._end(storm_sentence(told))

    def _end(self, text: str = "") -> None:
        self._ended = True
        if text:
            self._tell(text)
        add_order(self._folder, Order(ends=True))

    def close(self) -> None:
        if self._raiser is not None:
            with suppress(OSError):
                self._raiser.close()
