"""`mmload run`: one load test. Checks the server, runs Locust as a process of its own, reports the result."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mmload.browser.start_order import find_browser
from mmload.cli import common, locust_process, sandbox
from mmload.cli.common import (
    LOGIN_SHARE,
    OPTION_VARIABLES,
    add_document_options,
    add_server_option,
    add_unsupported_server_option,
    examined_server,
    in_words_of_options,
    say,
    server_variables,
    settings_in_force,
    tell_sessions,
)
from mmload.cli.locust_process import Ended, LocustLoad
from mmload.cli.progress import RunProgress
from mmload.cli.report import print_report
from mmload.client.accounts import connections
from mmload.config import Settings, environment_name, load_settings
from mmload.config.checking import stage_problems
from mmload.config.documents import load
from mmload.config.fields import seconds_of
from mmload.config.files import read_text
from mmload.config.stages import (
    StagesRefused,
    factor,
    most_users,
    of_profile,
    parse_stages,
    profile_points,
    total_seconds,
    written,
)
from mmload.deploy import expected
from mmload.errors import ConfigurationError, ExitCode, UsageError
from mmload.open_files import open_files_needed, raise_open_files, users_of_one
from mmload.printable import harmless_line
from mmload.results.folder import LOG, SECONDS, RunFolder, make_folder, place_of, read_run
from mmload.results.model import Facts, command
from mmload.results.verdict import exit_code
from mmload.user_classes import BROWSER_USER, CLASSES, for_these_users, weights

# What our Locust process answers when nothing went wrong inside it.
_GOOD_CODES = (
    ExitCode.PASSED,
    ExitCode.THRESHOLD_FAILED,
    ExitCode.SERVER_NOT_READY,
    ExitCode.INCONCLUSIVE,
    ExitCode.INTERRUPTED,
)
_LOST_OUTPUT = 120
_LOG_LINES = 20


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "run",
        description="Run a load test and report the result. Options override the configuration.",
    )
    add_target(parser)
    add_load(parser)
    _add_time(parser)
    add_record(parser)


def add_target(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group()
    add_server_option(target)
    target.add_argument("--sandbox", action="store_true", help="test a stand-in server, started for this run")
    # Workers on other machines: `mmload deploy run` gives them.
    parser.set_defaults(fleet=None)


def add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--users", metavar="N", type=int, help="number of simulated users (UsersConfiguration.InitialActiveUsers)"
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=int,
        default=1,
        help="number of worker processes on this machine; one per core (default: 1)",
    )
    expected.add_options(parser)
    parser.add_argument(
        "--user-class",
        metavar="NAME",
        action="append",
        choices=list(CLASSES),
        default=[],
        help="the user class, instead of the configured one; repeatable, for a mix of classes",
    )
    parser.add_argument(
        "--browser-users",
        metavar="N",
        type=int,
        help="users in real browsers, in addition to the others (BrowserConfiguration.Users; docs/browser.md)",
    )
    parser.add_argument("--spawn-rate", metavar="R", type=float, help="users started per second (0: all at once)")
    parser.add_argument(
        "--threshold",
        metavar="TEXT",
        action="append",
        help="a condition for passing, such as 'p99(CreatePost) < 2s', 'errors < 0.1%%' or 'missing == 0'; repeatable",
    )


def _add_time(parser: argparse.ArgumentParser) -> None:
    stages = parser.add_mutually_exclusive_group()
    stages.add_argument(
        "--stages", metavar="TEXT", help="stages of the load: '0>200 in 5m; peak: 200 for 10m; 200>50 in 2m'"
    )
    stages.add_argument("--profile", metavar="FILE", type=Path, help="a load profile: the users over a day (JSON)")
    parser.add_argument("--scale", metavar="N", type=_factor, help="multiply the profile's users by N (default: 1)")
    parser.add_argument("--day-in", metavar="TIME", help="play the profile's day in this time (default: a day)")
    parser.add_argument("--run-time", metavar="TIME", help="duration of the test: 90, 90s, 5m, 1h30m")


def add_record(parser: argparse.ArgumentParser) -> None:
    """Names, documents, and what is checked before the run."""
    parser.add_argument("--seed", metavar="N", type=int, help="random seed (default: drawn, and reported)")
    parser.add_argument("--name", metavar="NAME", help="name of the run, part of its folder's name")
    parser.add_argument("--runs-folder", metavar="DIR", help="parent folder of the run's folder (default: runs)")
    add_document_options(parser)
    add_unsupported_server_option(parser)
    parser.add_argument("--no-checks", action="store_true", help="do not check the server before the run")
    parser.add_argument("-v", "--verbose", action="store_true", help="write debug messages to Locust's log")


class Course:
    """What happens in a run beside its load. In a plain run: nothing.

    `more_users`: that come in its middle. `storm`: what the run is for.
    """

    more_users = 0
    storm = ""

    def told(self, arguments: Sequence[str]) -> Sequence[str]:
        """The command line for the record."""
        return arguments

    def begin(self, folder: Path, server_url: str, tell: Callable[[str], None]) -> None:
        """Locust has been started."""

    def look(self) -> None:
        """Called several times a second while Locust runs."""

    def close(self) -> None:
        """Locust has ended: leave nothing behind."""


def run(args: argparse.Namespace, course: Course | None = None) -> int:
    """The whole of a run; returns its exit code."""
    course = course or Course()
    typed = overrides(args)
    environ = {**os.environ, **typed}
    if args.fleet is None and (workers := expected.expected_workers(args, environ)):
        args.fleet, args.processes = workers, workers.workers
    settings = _settings(environ, typed)
    _check_thresholds(settings, args.user_class, environ, typed)
    users = _users(args.users, settings, args.processes, course.more_users)
    if settings.config.browser.users:
        if args.fleet is None:
            find_browser(settings.config.browser.executable_path)
        users += 0 if parse_stages(settings.config.run.stages) else settings.config.browser.users
    most = users + course.more_users
    environ |= _ready_processes(args, settings, most)
    with ExitStack() as stack:
        if args.sandbox:
            settings = _in_sandbox(stack, args.command, environ)
        examined = for_these_users(settings, args.user_class or (), environ)
        given = examined_server(args.command, examined, most, args.processes, checked=not args.no_checks)
        given = replace(given, server=replace(given.server, sandbox=args.sandbox), storm=course.storm)
        if args.sandbox:
            say(args.command, "the sandbox is new and has no sessions, so all users log in by password")
        else:
            tell_sessions(args.command, settings, most)
        return _carry_out(args, settings, environ, users, given, course)


def _ready_processes(args: argparse.Namespace, settings: Settings, most: int) -> dict[str, str]:
    """Have room for so many users here, or reach the hosts that have; the variables of their processes."""
    variables: dict[str, str] = {}
    each = users_of_one(most, args.processes)
    if args.fleet is None:
        # Before a sandbox starts: it inherits the limit, and has as many sockets.
        raise_open_files(open_files_needed(connections(settings.config.users, most if args.sandbox else each)))
    else:
        variables |= reach_fleet(args.fleet, settings, each)
    if args.processes > 1 and (args.fleet is None or args.fleet.sets_accounts):
        # The parts follow each other without a gap: the same accounts act as in one process.
        variables |= account_ranges(each)
    return variables


def reach_fleet(fleet: Any, settings: Settings, users_each: int) -> dict[str, str]:
    """Check and reach the hosts of a fleet; the variables of the processes."""
    connection = settings.config.connection
    fleet.check(connections(settings.config.users, users_each))
    fleet.connect("" if connection.use_proxy else connection.server_url)
    variables: dict[str, str] = fleet.variables
    return variables


def _in_sandbox(stack: ExitStack, command: str, environ: dict[str, str]) -> Settings:
    """Start a sandbox with accounts for the time of the stack; the settings, with its address."""
    say(command, "starting a sandbox")
    environ |= server_variables(stack.enter_context(sandbox.sandbox()))
    # It knows nobody yet, and is gone afterwards.
    environ[LOGIN_SHARE] = "1"
    settings, _ = load_settings(environ=environ)
    sandbox.populate(settings.config.connection.server_url, environ)
    return settings


def overrides(args: argparse.Namespace) -> dict[str, str]:
    """The options as the environment variables that override the configuration. Pure."""
    variables = common.overrides(args, "spawn_rate", "threshold", "stages", "browser_users")
    if stages := _stages_of(args):
        if not (args.users is None and args.run_time is None):
            raise UsageError("--stages and --profile set the users and the duration: leave out --users and --run-time")
        variables[OPTION_VARIABLES["stages"]] = stages
    if args.run_time is not None:
        variables[OPTION_VARIABLES["run_time"]] = str(seconds_of("--run-time", args.run_time))
    return variables


def _stages_of(args: argparse.Namespace) -> str:
    """The stages that the options ask for; "" for none. UsageError, ConfigurationError: there is something wrong."""
    if args.profile is None and not (args.scale is None and args.day_in is None):
        raise UsageError("--scale and --day-in need --profile")
    if args.profile is None:
        return args.stages or ""
    text, day_seconds = read_text(args.profile), seconds_of("--day-in", args.day_in or "24h")
    try:
        return written(of_profile(profile_points(text), args.scale or 1.0, day_seconds))
    except StagesRefused as error:
        raise ConfigurationError(f"{args.profile}: {error}") from None


def _factor(text: str) -> float:
    try:
        return factor(text)
    except StagesRefused as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _settings(environ: dict[str, str], typed: Collection[str]) -> Settings:
    """The settings in force. A seed that is to be drawn is drawn here, so that every process knows it."""
    settings = settings_in_force("run", environ, typed)
    if settings.config.run.seed:
        return settings
    environ[OPTION_VARIABLES["seed"]] = str(secrets.randbelow(2**31 - 1) + 1)
    return load_settings(environ=environ)[0]


def _check_thresholds(
    settings: Settings, classes: Sequence[str], environ: Mapping[str, str], typed: Collection[str]
) -> None:
    """Refuses thresholds on actions that no user will do: without this they would be found after the whole run."""
    run = settings.config.run
    if not run.thresholds:
        return
    # Imports the actions and the client: only those who have thresholds pay for it.
    from mmload.behaviours.catalogue import unknown_subjects

    acting = [name for name, weight in _weights(settings, classes, environ).items() if weight]
    wrong = [*unknown_subjects(run.thresholds, acting), *stage_problems(run.thresholds, parse_stages(run.stages))]
    if wrong:
        variable = OPTION_VARIABLES["threshold"]
        source = variable if environ.get(variable) else load(environ=environ).sources["config"]
        said = [f"{source}: RunConfiguration.Thresholds: {problem}" for problem in wrong]
        raise ConfigurationError(*in_words_of_options(said, typed))


def _weights(settings: Settings, classes: Sequence[str], environ: Mapping[str, str]) -> dict[str, int]:
    return weights(settings.config.controller.type, classes, environ, settings.config.browser.users)


def _users(option: int | None, settings: Settings, processes: int, more: int) -> int:
    """The number of users, with stages the highest; refuses one that cannot be run (with those that come later)."""
    if processes < 1:
        raise UsageError(f"--processes {processes}: expected 1 or more")
    users = settings.config.users.initial_active_users if option is None else option
    source = "UsersConfiguration.InitialActiveUsers" if option is None else "--users"
    if stages := parse_stages(settings.config.run.stages):
        users, source = most_users(stages), "RunConfiguration.Stages"
    if users < 1:
        raise UsageError(f"{source} {users}: a load test needs at least one user")
    if users < processes:
        raise UsageError(f"--processes {processes}: more processes than users ({source} {users})")
    most = settings.config.users.max_active_users * processes
    if users + more > most:
        raise ConfigurationError(
            f"{source} {users + more}: more than {processes} x {most // processes} users (--processes times "
            "UsersConfiguration.MaxActiveUsers): raise one of them"
        )
    return users


def account_ranges(users_each: int) -> dict[str, str]:
    """The variables by which worker i has the numbers i·n + 1 … (i + 1)·n for its n users. Pure."""
    names = ("MaxActiveUsers", "InitialActiveUsers")
    return {environment_name("UsersConfiguration", name): str(users_each) for name in names}


def _carry_out(
    args: argparse.Namespace, settings: Settings, environ: Mapping[str, str], users: int, given: Facts, course: Course
) -> int:
    """Run Locust, show its progress, report."""
    config = settings.config
    load = _load(args, settings, users)
    folder = make_folder(Path(config.run.runs_folder), datetime.now(), config.run.name)
    typed = command(("mmload", *course.told(sys.argv[1:])))
    RunFolder(folder).write_facts(replace(given, name=config.run.name, command=typed))
    say(args.command, f"{_announced(load, given, config.browser.users)}, seed {config.run.seed}; results in {folder}")
    classes = _classes(args.user_class, config.browser.users)
    process = locust_process.start(
        locust_process.command(load, locust_process.locustfile(), classes, verbose=args.verbose),
        {**environ, "MMLOAD_RUN_FOLDER": str(folder), "MMLOAD_CHECKED": "1"},
        folder / LOG,
    )
    try:
        progress = RunProgress(folder / SECONDS, load.run_time_seconds, sys.stderr, command=args.command)
        course.begin(folder, config.connection.server_url, progress.tell)
        beside = course.look
        if args.fleet is not None:
            args.fleet.start(process, environ, args.user_class)
            beside = _looking_at_hosts(args, folder, progress, course)
        ended = locust_process.watch(process, progress, load.run_time_seconds, beside=beside)
    finally:
        course.close()
        # Whatever goes wrong here: no load goes on that nobody watches.
        if process.poll() is None:
            locust_process.kill(process)
    return _conclude(args.command, ended, folder, settings)


def _load(args: argparse.Namespace, settings: Settings, users: int) -> LocustLoad:
    run, fleet = settings.config.run, args.fleet
    stages = parse_stages(run.stages)
    return LocustLoad(
        users=users,
        spawn_rate=run.spawn_rate,
        run_time_seconds=total_seconds(stages) or run.run_time_seconds,
        server_url=settings.config.connection.server_url,
        processes=args.processes,
        in_stages=bool(stages),
        master_port=fleet.port if fleet is not None else 0,
        master_host=fleet.host if fleet is not None else "",
        workers_wait_seconds=fleet.wait_seconds if fleet is not None else 0,
    )


def _announced(load: LocustLoad, given: Facts, browser_users: int) -> str:
    """How many users, where, and for how long. Pure."""
    many = f"{'up to ' if load.in_stages else ''}{load.users} users on {given.server.url}"
    many += f" ({browser_users} of them in browsers)" if browser_users else ""
    return f"{many} until the {given.storm} storm is over" if given.storm else f"{many} for {load.run_time_seconds} s"


def _looking_at_hosts(
    args: argparse.Namespace, folder: Path, progress: RunProgress, course: Course
) -> Callable[[], None]:
    def look() -> None:
        has_begun = (place_of(folder) / SECONDS).exists()
        args.fleet.look(lambda text: progress.tell(f"mmload {args.command}: {text}"), has_begun=has_begun)
        course.look()

    return look


def _classes(named: Sequence[str], browser_users: int) -> Sequence[str]:
    """The classes that Locust is told to run; none: what the locustfile says. Pure."""
    return [*named, BROWSER_USER] if named and browser_users and BROWSER_USER not in named else named


def _conclude(name: str, ended: Ended, folder: Path, settings: Settings) -> int:
    """The report, whatever happened; what Locust said last, if it did not end well by itself."""
    # Python's own for an output that can't be written, its log's on a full disk.
    good = ended.code in _GOOD_CODES or (ended.code == _LOST_OUTPUT and place_of(folder) != folder)
    if (not good and not ended.interrupted) or ended.code == ExitCode.SERVER_NOT_READY:
        say(name, f"Locust exited early (exit code {ended.code}). The end of {folder / LOG}:")
        hidden = (settings.config.connection.admin_password, settings.config.users.password)
        for line in locust_process.last_lines(folder / LOG, _LOG_LINES, hidden):
            print(harmless_line(f"  {line}"), file=sys.stderr)
    run = read_run(folder)
    print_report(run)
    if (place := place_of(folder)) != folder:
        say(
            name,
            f"the recording is in memory, in {place}: copy its files to {folder} when there is room, then remove it",
        )
        return int(exit_code(run))
    if ended.interrupted:
        return int(ExitCode.INTERRUPTED)
    return ended.code if good else int(ExitCode.INTERNAL_ERROR)
