"""`mmload init`: fill a server with accounts, teams, channels and history for a load test."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.errors import ExitCode

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from mmload.config import Settings
    from mmload.population.create import Summary

DEFAULT_SEED = 1


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """`mmload init …`."""
    parser = subparsers.add_parser(
        "init",
        help="make accounts, teams, channels and history on the server",
        description="Make what a load test needs on the server: accounts, teams, channels of the four kinds with their "
        "members, some history. What is there already is left as it is, so it can be run again at any time: after an "
        "interruption it finishes what is missing. The same seed makes the same population.",
    )
    parser.add_argument("--server", metavar="URL", help="the server's address (ConnectionConfiguration.ServerURL)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration (default: config/config.json)")
    for name, what in (("users", "accounts"), ("teams", "teams"), ("channels", "channels"), ("posts", "messages")):
        parser.add_argument(f"--{name}", metavar="N", type=_count, help=f"how many {what} there are to be")
    parser.add_argument("--seed", metavar="N", type=_count, help="the seed of all chance (RunConfiguration.Seed, or 1)")
    parser.add_argument(
        "--allow-unsupported-server", action="store_true", help="go on with a server outside Mattermost 6.7 to 11.x"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _count(text: str) -> int:
    """A number of things, as argparse wants it."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Make the population; the answer is the exit code."""
    from mmload.config import read_credentials
    from mmload.population.arguments import settings_for
    from mmload.population.create import carry_out
    from mmload.population.plan import plan
    from mmload.population.progress import progress_for

    settings = _settings(settings_for(args), args)
    users_file = settings.config.users.users_file_path
    credentials = read_credentials(users_file) if users_file else ()
    seed = next(seed for seed in (args.seed, settings.config.run.seed, DEFAULT_SEED) if seed)
    planned = plan(settings, seed, credentials)
    summary = carry_out(planned, settings, progress_for(sys.stderr, quiet=args.quiet))
    if args.json:
        print(json.dumps(summary.to_document(), indent=2))
    else:
        print(text_of(summary))
    return int(ExitCode.PASSED)


def _settings(settings: Settings, args: argparse.Namespace) -> Settings:
    """The settings with the numbers of the command line. Pure."""
    from msgspec.structs import replace

    given: Mapping[str, Any] = {
        "num_users": args.users,
        "num_teams": args.teams,
        "num_channels": args.channels,
        "num_posts": args.posts,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    instance = replace(settings.config.instance, **wanted)
    return replace(settings, config=replace(settings.config, instance=instance))


def text_of(summary: Summary) -> str:
    """The summary as people read it. Pure."""
    lines = [f"Population of {summary.server} (Mattermost {summary.version}), seed {summary.seed}", ""]
    lines.append(f"  {'':<18}{'exist now':>10}{'were there':>12}{'made now':>10}")
    lines += [f"  {row.sort:<18}{row.exist:>10,}{row.there:>12,}{row.made:>10,}" for row in summary.rows if row.exist]
    lines += ["", *(f"Note: {notice}" for notice in summary.notices)]
    if summary.made:
        lines.append(f"Made {summary.made:,} things in {summary.seconds:.1f} seconds.")
    else:
        lines.append("Everything was there already: nothing was made.")
    return "\n".join(lines)
