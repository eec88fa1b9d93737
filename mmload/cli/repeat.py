"""`mmload repeat N -- run …`: the same load test several times, on one server or in turn on two."""

from __future__ import annotations

import argparse
import glob
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmload.cli import run as run_command
from mmload.cli.common import runs_folder, say
from mmload.errors import ExitCode, UsageError
from mmload.printable import harmless_line
from mmload.results.model import without_credentials
from mmload.signals import start_child

# Ends of a run after which the others would come to the same.
_ENDING = (
    ExitCode.INTERNAL_ERROR,
    ExitCode.USAGE,
    ExitCode.CONFIGURATION_REFUSED,
    ExitCode.SERVER_NOT_READY,
    ExitCode.INTERRUPTED,
)
_GOING_ON = (ExitCode.PASSED, ExitCode.THRESHOLD_FAILED, ExitCode.INCONCLUSIVE)
_LONGEST_PAUSE_SECONDS = 86_400
USAGE = "mmload repeat [options] N [options] -- run [options of run]"


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that is to be made: `server` is the number of the server, `number` that of the run on it, from 1."""

    server: int
    number: int


@dataclass(frozen=True, slots=True)
class Made:
    """One run that was made; `folder` is None if it didn't come so far."""

    planned: Planned
    code: int
    folder: Path | None


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "repeat",
        description="Repeat the same run N times on each server. Two servers take turns (A B B A A B …), so that a "
        "drift of the load generator affects both alike.",
        usage=USAGE,
    )
    parser.add_argument("times", metavar="N", type=int, help="number of runs (with --servers: on each)")
    add_options(parser)
    parser.add_argument("rest", metavar="run …", nargs=argparse.REMAINDER, help="the command to repeat")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--servers", metavar="URL", nargs=2, help="the base, and the server to compare with it")
    parser.add_argument(
        "--pause", metavar="SECONDS", type=_pause, default=0.0, help="wait between two runs (default: 0)"
    )


def _pause(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := float(text)) <= _LONGEST_PAUSE_SECONDS:
            return seconds
    raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to {_LONGEST_PAUSE_SECONDS}")


def run(args: argparse.Namespace) -> int:
    """All runs, one after the other; their folders, and how to compare them, are printed."""
    own, words = divided(args.rest)
    args = _own_options(own, args)
    options = checked(args.times, words, several=args.servers is not None)
    servers = args.servers or [""]
    # Each server's address is looked at before the first run.
    given, *_ = [_parsed([*options, *_target(server)]) for server in servers]
    seed = given.seed or secrets.randbelow(2**31 - 1000) + 1
    folder = runs_folder({**os.environ, **run_command.overrides(given)})
    made = _made(RepeatedRuns(servers, options, given, folder, seed), args.times, args.pause)
    for line in conclusion(made, len(servers)):
        print(harmless_line(line), flush=True)
    return worst([each.code for each in made])


def divided(rest: Sequence[str]) -> tuple[list[str], list[str]]:
    """What follows N: options of `repeat`, and the command that is repeated (after `--`, or from `run` on). Pure."""
    for mark, skipped in (("--", 1), ("run", 0)):
        if mark in rest:
            at = list(rest).index(mark)
            return list(rest[:at]), list(rest[at + skipped :])
    return [], list(rest)


def _own_options(own: Sequence[str], args: argparse.Namespace) -> argparse.Namespace:
    """Options after N, which argparse leaves alone; the same before N hold, too."""
    parser = argparse.ArgumentParser(prog="mmload repeat", usage=USAGE)
    add_options(parser)
    return parser.parse_args(own, argparse.Namespace(**vars(args)))


def _made(series: RepeatedRuns, times: int, pause_seconds: float) -> list[Made]:
    """The runs in their order, up to the first after which the others would come to the same."""
    made: list[Made] = []
    for planned in plan(times, len(series.servers)):
        if made and pause_seconds:
            time.sleep(pause_seconds)
        server = series.servers[planned.server]
        on = f" on {without_credentials(server)}" if server else ""
        say("repeat", f"run {len(made) + 1} of {times * len(series.servers)}{on}")
        made.append(series.make(planned))
        if made[-1].code not in _GOING_ON:
            say("repeat", f"stopped early: the exit code of that run was {made[-1].code}")
            break
    return made


def _target(server: str) -> tuple[str, ...]:
    return ("--server", server) if server else ()


def checked(times: int, words: Sequence[str], *, several: bool) -> list[str]:
    """The options of the run that is repeated; `UsageError` for what can't be. Pure."""
    if times < 1:
        raise UsageError(f"N {times}: expected 1 or more")
    if words[:1] != ["run"]:
        raise UsageError("the command to repeat is missing: `mmload repeat 3 -- run --users 50 --run-time 5m`")
    targets = [word for word in words if word.partition("=")[0] in ("--server", "--sandbox")]
    if several and targets:
        raise UsageError(f"{targets[0]} and --servers exclude each other: leave {targets[0]} out")
    return list(words[1:])


def plan(times: int, servers: int) -> list[Planned]:
    """The order of the runs: A B B A A B B A …; what drifts steadily hits both servers alike. Pure."""
    order = []
    for round_number in range(times):
        turn = list(range(servers)) if round_number % 2 == 0 else list(reversed(range(servers)))
        order += [Planned(server, round_number + 1) for server in turn]
    return order


def worst(codes: Sequence[int]) -> int:
    """The exit code of the series: of the run that ended it; else 3 if any failed, 6 if any tells nothing. Pure."""
    for code in (*_ENDING, *(ExitCode.THRESHOLD_FAILED, ExitCode.INCONCLUSIVE)):
        if code in codes:
            return int(code)
    # A code that nobody foresaw (a signal): our bug.
    return int(ExitCode.PASSED if all(code == ExitCode.PASSED for code in codes) else ExitCode.INTERNAL_ERROR)


def run_name(given: str, planned: Planned, servers: int) -> str:
    """`name-2`; with two servers `name-a2` and `name-b2`. Pure."""
    letter = "ab"[planned.server] if servers > 1 else ""
    return f"{given or 'repeat'}-{letter}{planned.number}"


def conclusion(made: Sequence[Made], servers: int) -> list[str]:
    """The folders, and how to compare them. Pure."""
    sides = [
        [str(each.folder) for each in made if each.planned.server == server and each.folder is not None]
        for server in range(servers)
    ]
    folders = [str(each.folder) for each in made if each.folder is not None]
    if not all(sides):
        return folders
    if servers == 1:
        return [*folders, "", f"mmload compare --base {shlex.join(sides[0])} --new RUN [RUN…]"]
    return [*folders, "", f"mmload compare --base {shlex.join(sides[0])} --new {shlex.join(sides[1])}"]


def _parsed(options: Sequence[str]) -> argparse.Namespace:
    """The options of the run as `mmload run` understands them; faults in them end here, before the first run."""
    parser = argparse.ArgumentParser(prog="mmload repeat N -- run")
    run_command.add_parser(parser.add_subparsers())
    given = parser.parse_args(["run", *options])
    run_command.overrides(given)
    return given


@dataclass(frozen=True, slots=True)
class RepeatedRuns:
    """Makes the runs. Run k has the seed `seed` + k - 1 on every server: the same people, the same chance."""

    servers: Sequence[str]
    options: Sequence[str]
    given: argparse.Namespace
    runs: Path
    seed: int

    def make(self, planned: Planned) -> Made:
        """One run; its talk and its report go to stderr."""
        name = run_name(self.given.name or "", planned, len(self.servers))
        before = self._folders(name)
        code = _wait(_started(self.command(planned, name)))
        new = sorted(self._folders(name) - before)
        return Made(planned, code, new[-1] if new else None)

    def command(self, planned: Planned, name: str) -> list[str]:
        """The command line of one run. Options that come last win."""
        server = self.servers[planned.server]
        return [
            *(sys.executable, "-m", "mmload", "run", *self.options),
            *_target(server),
            *("--name", name, "--seed", str(self.seed + planned.number - 1)),
        ]

    def _folders(self, name: str) -> set[Path]:
        return set(self.runs.glob(f"*-{glob.escape(name)}*"))


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """In its own session: a Ctrl-C at the terminal reaches only us, and we pass it on."""
    return start_child(command, is_ours=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Until it ends; a signal to us is one to it: the first stops it in order, the second kills its load."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
