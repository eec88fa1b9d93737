"""`mmload run`: one load test. Checks the server, runs Locust as a process of its own, reports what came out."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mmload.cli import locust_process, sandbox_server
from mmload.cli.locust_process import Ended, Load
from mmload.cli.progress import Progress
from mmload.cli.report import print_report
from mmload.config import Settings, environment_name, load_settings
from mmload.config.loading import load
from mmload.errors import ConfigurationError, ExitCode, ServerNotReady, UsageError
from mmload.open_files import open_files_needed, raise_open_files, users_of_one
from mmload.results.folder import LOG, SECONDS, RunFolder, make_folder, read_run
from mmload.results.model import Facts, Server, command, population, server_facts, without_credentials
from mmload.user_classes import CLASSES, for_these_users, weights

# What our Locust process answers when nothing went wrong inside it.
_GOOD_CODES = (
    ExitCode.PASSED,
    ExitCode.THRESHOLD_FAILED,
    ExitCode.SERVER_NOT_READY,
    ExitCode.INCONCLUSIVE,
    ExitCode.INTERRUPTED,
)
_LOG_LINES = 20
# The variables by which options reach the settings of all processes.
OPTIONS = {
    "MMLOAD_CONFIG": "--config",
    "MMLOAD_SIMULCONTROLLER": "--simulcontroller",
    "MMLOAD_SIMPLECONTROLLER": "--simplecontroller",
    "MMLOAD_GENCONTROLLER": "--gencontroller",
    environment_name("RunConfiguration", "RunTimeSec"): "--run-time",
    environment_name("RunConfiguration", "SpawnRate"): "--spawn-rate",
    environment_name("RunConfiguration", "Seed"): "--seed",
    environment_name("RunConfiguration", "Name"): "--name",
    environment_name("RunConfiguration", "RunsFolder"): "--runs-folder",
    environment_name("RunConfiguration", "Thresholds"): "--threshold",
    environment_name("ConnectionConfiguration", "AllowUnsupportedServer"): "--allow-unsupported-server",
}
_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def add_parser(subparsers: Any) -> None:
    """`mmload run …`."""
    parser = subparsers.add_parser(
        "run",
        help="run a load test and report what came out",
        description="Run a load test. Without options: what the configuration says.",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--server", metavar="URL", help="the Mattermost server")
    target.add_argument("--sandbox", action="store_true", help="run on a stand-in server, started for this run")
    _add_load(parser)
    _add_record(parser)


def _add_load(parser: argparse.ArgumentParser) -> None:
    """Who, how many, how long, and what must hold."""
    parser.add_argument("--users", metavar="N", type=int, help="simulated users")
    parser.add_argument(
        "--processes",
        metavar="N",
        type=int,
        default=1,
        help="spread them over so many processes of this machine, for its cores (default: 1)",
    )
    parser.add_argument(
        "--user-class",
        metavar="NAME",
        action="append",
        choices=list(CLASSES),
        default=[],
        help=f"the kind of users, in place of the configured one; several times: mixed ({', '.join(CLASSES)})",
    )
    parser.add_argument("--run-time", metavar="TIME", help="how long: 90, 90s, 5m, 1h30m")
    parser.add_argument("--spawn-rate", metavar="R", type=float, help="new users per second (0: all at once)")
    parser.add_argument(
        "--threshold",
        metavar="TEXT",
        action="append",
        help="what must hold, such as 'p99(CreatePost) < 2s', 'errors < 0.1%%' or 'missing == 0'; several times",
    )


def _add_record(parser: argparse.ArgumentParser) -> None:
    """Names, documents, and what is done before the run."""
    parser.add_argument("--seed", metavar="N", type=int, help="the seed of all that is left to chance")
    parser.add_argument("--name", metavar="NAME", help="a name for this run")
    parser.add_argument("--runs-folder", metavar="DIR", help="where the folder of this run is made")
    parser.add_argument("--config", metavar="FILE", help="the configuration (JSON or TOML)")
    parser.add_argument("--simulcontroller", metavar="FILE", help="the pace of the simulative user")
    parser.add_argument("--simplecontroller", metavar="FILE", help="the cycle of the simple user")
    parser.add_argument("--gencontroller", metavar="FILE", help="the goals of the generative user")
    parser.add_argument("--allow-unsupported-server", action="store_true", help="go on with a server of any version")
    parser.add_argument("--no-checks", action="store_true", help="don't examine the server before the run")
    parser.add_argument("-v", "--verbose", action="store_true", help="more in Locust's log")


def run(args: argparse.Namespace) -> int:
    """The whole of a run; the answer is its exit code."""
    environ = {**os.environ, **overrides(args)}
    settings, notices = _settings(environ)
    for notice in notices:
        _tell(notice)
    _check_thresholds(settings, args.user_class, environ)
    users = _users(args.users, settings, args.processes)
    each = users_of_one(users, args.processes)
    # Before a sandbox starts: it inherits the limit, and has as many sockets.
    raise_open_files(open_files_needed(users if args.sandbox else each))
    if args.processes > 1:
        # The parts follow each other without a gap: the same accounts act as in one process.
        environ |= account_ranges(each)
    with ExitStack() as stack:
        if args.sandbox:
            _tell("starting a sandbox")
            environ |= _server_variables(stack.enter_context(sandbox_server.sandbox()))
            settings, _ = _settings(environ)
            sandbox_server.populate(settings.config.connection.server_url, environ)
        examined = for_these_users(settings, args.user_class or (), environ)
        given = _server(examined, users, args.processes, checked=not args.no_checks)
        given = replace(given, server=replace(given.server, sandbox=args.sandbox))
        return _carry_out(args, settings, environ, users, given)


def overrides(args: argparse.Namespace) -> dict[str, str]:
    """The options as the environment variables that override the configuration. Pure."""
    variables = _server_variables(args.server) if args.server is not None else {}
    for variable, option in OPTIONS.items():
        value = getattr(args, option.removeprefix("--").replace("-", "_"))
        if isinstance(value, list):
            variables[variable] = ";".join(value)
        elif value is not None and value is not False:
            variables[variable] = str(value).lower() if value is True else str(value)
    if args.run_time is not None:
        variables[environment_name("RunConfiguration", "RunTimeSec")] = str(run_time_seconds(args.run_time))
    return variables


def _server_variables(url: str) -> dict[str, str]:
    """Another server has another WebSocket, too."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--server {url!r}: expected a URL such as http://localhost:8065")
    return {
        environment_name("ConnectionConfiguration", "ServerURL"): url,
        environment_name("ConnectionConfiguration", "WebSocketURL"): "ws" + url.removeprefix("http"),
    }


def run_time_seconds(text: str) -> int:
    """Seconds from Locust's forms of a time. Pure."""
    if text.isascii() and text.isdigit():
        seconds = int(text)
    elif text and (match := _TIME.fullmatch(text)) and text.isascii():
        hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    else:
        raise UsageError(f"--run-time {text!r}: expected a time such as 90, 90s, 5m or 1h30m")
    if seconds == 0:
        raise UsageError(f"--run-time {text!r}: a run takes at least a second")
    return seconds


def _settings(environ: dict[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings in force, and notices. A seed that is to be drawn is drawn here, so that everybody knows it."""
    try:
        settings, notices = load_settings(environ=environ)
        if settings.config.run.seed == 0:
            environ[environment_name("RunConfiguration", "Seed")] = str(secrets.randbelow(2**31 - 1) + 1)
            settings, _ = load_settings(environ=environ)
    except ConfigurationError as error:
        raise ConfigurationError(*(_in_words_of_options(problem) for problem in error.problems)) from None
    return settings, notices


def _check_thresholds(settings: Settings, classes: Sequence[str], environ: Mapping[str, str]) -> None:
    """Refuses thresholds about what will never be: else they would be found out after the whole run."""
    if not settings.config.run.thresholds:
        return
    # Imports the actions and the client: only those who have thresholds pay for it.
    from mmload.behaviours.threshold_subjects import refusals

    acting = [name for name, weight in weights(settings.config.controller.type, classes, environ).items() if weight]
    wrong = refusals(settings.config.run.thresholds, acting)
    if wrong:
        variable = environment_name("RunConfiguration", "Thresholds")
        source = variable if environ.get(variable) else load(environ=environ).sources["config"]
        said = [f"{source}: RunConfiguration.Thresholds: {problem}" for problem in wrong]
        raise ConfigurationError(*(_in_words_of_options(problem) for problem in said))


def _in_words_of_options(problem: str) -> str:
    """Options travel as variables; a complaint about one should name what was typed. Pure."""
    for variable, option in OPTIONS.items():
        problem = problem.replace(variable, option)
    return problem


def _users(asked: int | None, settings: Settings, processes: int) -> int:
    """How many users run; refuses what can't be run."""
    if processes < 1:
        raise UsageError(f"--processes {processes}: expected 1 or more")
    users = settings.config.users.initial_active_users if asked is None else asked
    source = "UsersConfiguration.InitialActiveUsers" if asked is None else "--users"
    if users < 1:
        raise UsageError(f"{source} {users}: a load test needs at least one user")
    if users < processes:
        raise UsageError(f"--processes {processes}: more than there are users ({source} {users})")
    most = settings.config.users.max_active_users * processes
    if users > most:
        raise ConfigurationError(
            f"{source} {users}: {processes} x {most // processes} users is the most (--processes times "
            "UsersConfiguration.MaxActiveUsers): raise one of them"
        )
    return users


def account_ranges(users_each: int) -> dict[str, str]:
    """The variables by which worker i has the numbers i·n + 1 … (i + 1)·n for its n users. Pure."""
    names = ("MaxActiveUsers", "InitialActiveUsers")
    return {environment_name("UsersConfiguration", name): str(users_each) for name in names}


def _server(settings: Settings, users: int, processes: int, *, checked: bool) -> Facts:
    """What is known of the server and of what it holds; `ServerNotReady` if it is not ready for a load test."""
    url = settings.config.connection.server_url
    if not checked:
        return Facts(server=Server(url=without_credentials(url)))
    # Imports requests: only those who check pay for it.
    from mmload.population.readiness import examine_quickly, exit_code

    examination = examine_quickly(settings, users, processes)
    if examination.errors:
        refusals = [_said(finding) for finding in examination.errors]
        if exit_code(examination) is ExitCode.CONFIGURATION_REFUSED:
            raise ConfigurationError(*refusals)
        raise ServerNotReady("\n".join(refusals))
    for finding in examination.findings:
        if finding.level == "warning":
            _tell(_said(finding))
    return Facts(server=server_facts(examination.server, url), population=population(examination.server))


def _said(finding: Any) -> str:
    """A finding in one line: what is wrong, why that matters, what to do."""
    why = f" ({finding.why})" if finding.why else ""
    return f"{finding.what}{why}" + (f": {finding.fix}" if finding.fix else "")


def _carry_out(
    args: argparse.Namespace, settings: Settings, environ: Mapping[str, str], users: int, given: Facts
) -> int:
    """Run Locust, show its progress, report."""
    config = settings.config
    load = Load(users, config.run.spawn_rate, config.run.run_time_seconds, config.connection.server_url, args.processes)
    folder = make_folder(Path(config.run.runs_folder), datetime.now(), config.run.name)
    RunFolder(folder).write_facts(replace(given, name=config.run.name, command=command(("mmload", *sys.argv[1:]))))
    _tell(
        f"{users} users on {given.server.url} for {load.run_time_seconds} s, seed {config.run.seed}; "
        f"results in {folder}"
    )
    process = locust_process.start(
        locust_process.command(load, locust_process.locustfile(), args.user_class, verbose=args.verbose),
        {**environ, "MMLOAD_RUN_FOLDER": str(folder), "MMLOAD_CHECKED": "1"},
        folder / LOG,
    )
    try:
        progress = Progress(folder / SECONDS, load.run_time_seconds, sys.stderr)
        ended = locust_process.watch(process, progress, load.run_time_seconds)
    finally:
        # Whatever goes wrong here: no load goes on that nobody watches.
        if process.poll() is None:
            locust_process.kill(process)
    return _conclude(ended, folder, settings)


def _conclude(ended: Ended, folder: Path, settings: Settings) -> int:
    """The report, whatever happened; what Locust said last, if it did not end well by itself."""
    good = ended.code in _GOOD_CODES
    if (not good and not ended.interrupted) or ended.code == ExitCode.SERVER_NOT_READY:
        _tell(f"Locust ended early (exit code {ended.code}). The end of {folder / LOG}:")
        hidden = (settings.config.connection.admin_password, settings.config.users.password)
        for line in locust_process.last_lines(folder / LOG, _LOG_LINES, hidden):
            print(f"  {line}", file=sys.stderr)
    print_report(read_run(folder))
    if ended.interrupted:
        return int(ExitCode.INTERRUPTED)
    return ended.code if good else int(ExitCode.BUG)


def _tell(text: str) -> None:
    print(f"mmload run: {text}", file=sys.stderr, flush=True)
