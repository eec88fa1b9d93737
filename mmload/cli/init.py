"""`mmload init`: create accounts, teams, channels and posts on a server for a load test."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mmload.cli.common import (
    add_document_options,
    add_server_option,
    add_unsupported_server_option,
    print_json,
    settings_of,
    whole_number,
)
from mmload.config import Settings
from mmload.errors import ConfigurationError, ExitCode, UsageError
from mmload.population.create import InitSummary, carry_out, planned
from mmload.population.progress import progress_for
from mmload.printable import harmless
from mmload.session_file import SessionFile, session_file


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "init",
        description="Create the data that a load test needs: accounts, teams, channels of all four types with their "
        "members, and a history of posts. Existing data is kept, so it can be run again at any time: after an "
        "interruption it creates what is missing. The same seed gives the same data. At the end every account logs in "
        "once, and its session is kept, so that the users of load tests need no password login.",
    )
    add_server_option(parser)
    add_document_options(parser, ["config"])
    for name, what in (("users", "accounts"), ("teams", "teams"), ("channels", "channels"), ("posts", "posts")):
        parser.add_argument(
            f"--{name}",
            metavar="N",
            type=whole_number(0),
            help=f"total number of {what} (InstanceConfiguration.Num{name.capitalize()})",
        )
    parser.add_argument(
        "--seed", metavar="N", type=whole_number(0), help="random seed (default: RunConfiguration.Seed, or 1)"
    )
    parser.add_argument(
        "--sessions", action="store_true", help="create nothing: log in accounts without a valid session, and keep it"
    )
    add_unsupported_server_option(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace) -> int:
    settings = settings_of("init", args, "users", "teams", "channels", "posts")
    sessions = _session_file(settings, needed=args.sessions)
    progress = progress_for(sys.stderr, quiet=args.quiet)
    summary = carry_out(planned(settings), settings, progress, sessions=sessions, only_sessions=args.sessions)
    if args.json:
        print_json(summary.to_document() | {"sessions_file": str(sessions.path) if sessions else ""})
    else:
        print(harmless(text_of(summary)))
        if sessions is not None:
            about = f"Sessions are kept in {sessions.path}. They are as good as passwords; only you can read them."
            print(harmless(about))
    return int(ExitCode.PASSED)


def _session_file(settings: Settings, *, needed: bool) -> SessionFile | None:
    """Where sessions are to be kept, if they are. Refused before anything is created."""
    if settings.config.users.login_share >= 1:
        if needed:
            raise UsageError("--sessions: UsersConfiguration.LoginShare is 1, so no user would use a kept session")
        return None
    file = session_file(settings.config, settings.config.connection.server_url)
    if file is not None:
        file.read()
    elif needed:
        raise ConfigurationError("there is no home folder to keep sessions in: set RunConfiguration.SessionsFolder")
    return file


def text_of(summary: InitSummary) -> str:
    """The summary for a terminal. Pure."""
    lines = [f"Data on {summary.server} (Mattermost {summary.version}), seed {summary.seed}", ""]
    lines.append(f"  {'':<18}{'total':>10}{'existing':>12}{'created':>10}")
    lines += [f"  {row.sort:<18}{row.exist:>10,}{row.there:>12,}{row.made:>10,}" for row in summary.rows if row.exist]
    lines += ["", *(f"Note: {notice}" for notice in summary.notices)]
    if summary.made:
        lines.append(f"Created {summary.made:,} objects in {summary.seconds:.1f} seconds.")
    else:
        lines.append("Everything exists already; nothing was created.")
    return "\n".join(lines)
