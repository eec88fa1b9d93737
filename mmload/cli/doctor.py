"""`mmload doctor`: find what stands in the way of a load test before it starts, with the setting to change."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from mmload.population.findings import Examination, Finding, ServerFacts

SIGNS = {"error": "✗", "warning": "!", "info": "✓"}
COLOURS = {"error": "31", "warning": "33", "info": "32"}


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """`mmload doctor …`."""
    parser = subparsers.add_parser(
        "doctor",
        help="examine the server: is it ready for a load test?",
        description="Ask the server everything that decides how a load test will go, and say what to change and where. "
        "Nothing is changed. Exit code: 0 nothing stands in the way, 5 something does, 4 it is our own configuration.",
    )
    parser.add_argument("--server", metavar="URL", help="the server's address (ConnectionConfiguration.ServerURL)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration (default: config/config.json)")
    parser.add_argument(
        "--users", metavar="N", type=_users, help="for so many users (UsersConfiguration.InitialActiveUsers)"
    )
    parser.add_argument(
        "--allow-unsupported-server", action="store_true", help="accept a server outside Mattermost 6.7 to 11.x"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on stdout")


def _users(text: str) -> int:
    """A number of users, as argparse wants it."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Examine the server; the answer is the exit code."""
    from mmload.population.arguments import settings_for
    from mmload.population.readiness import examine, exit_code

    settings = settings_for(args)
    users = args.users if args.users is not None else max(1, settings.config.users.initial_active_users)
    examination = examine(settings, users)
    if args.json:
        print(json.dumps(document(examination, settings.config.connection.server_url, users), indent=2))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(text_of(examination, settings.config.connection.server_url, users, colour=colour))
    return int(exit_code(examination))


def document(examination: Examination, url: str, users: int) -> dict[str, Any]:
    """For `--json`. Pure."""
    return {
        "schema": 1,
        "server": {"url": url} | (asdict(examination.server) if examination.server else {}),
        "users": users,
        "ready": not examination.errors,
        "findings": [asdict(finding) for finding in examination.findings],
    }


def text_of(examination: Examination, url: str, users: int, *, colour: bool = False) -> str:
    """The examination as people read it: good news first, what to mend last, where the eye is. Pure."""
    lines = [_server_line(url, examination.server)] if examination.server else []
    for finding in reversed(examination.findings):
        lines += _finding_lines(finding, colour)
    warnings = sum(finding.level == "warning" for finding in examination.findings)
    noted = f"; {_counted(warnings, 'warning')}" if warnings else ""
    if examination.errors:
        lines.append(f"Not ready for {_counted(users, 'user')}: {_counted(len(examination.errors), 'error')}{noted}.")
    else:
        lines.append(f"Ready for {_counted(users, 'user')}{noted}.")
    return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _server_line(url: str, server: ServerFacts) -> str:
    build = f" (build {server.build})" if server.build and server.build != server.version else ""
    licence = f"licensed{server.sku and ' ' + server.sku}" if server.licensed else "no licence"
    accounts = "" if server.accounts is None else f", {_counted(server.accounts, 'account')}"
    limit = f" of {server.account_limit} at most" if accounts and server.account_limit else ""
    return f"{url}: Mattermost {server.version}{build}, {licence}{accounts}{limit}"


def _finding_lines(finding: Finding, colour: bool) -> list[str]:
    sign = SIGNS[finding.level]
    if colour:
        sign = f"\x1b[{COLOURS[finding.level]}m{sign}\x1b[0m"
    why = f": {finding.why}" if finding.why else ""
    return [f"{sign} {finding.what}{why}", *([f"    → {finding.fix}"] if finding.fix else [])]
