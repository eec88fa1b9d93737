"""`mmload init`: create accounts, teams, channels and posts on a server for a load test."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from mmload.cli.common import (
    add_document_options,
    add_server_option,
    add_unsupported_server_option,
    overrides,
    print_json,
    settings_in_force,
    whole_number,
)
from mmload.errors import ExitCode
from mmload.printable import harmless

if TYPE_CHECKING:
    from mmload.population.create import InitSummary


def add_parser(subparsers: Any) -> None:
    """`mmload init …`."""
    parser = subparsers.add_parser(
        "init",
        help="create accounts, teams, channels and posts on the server",
        description="Create the data that a load test needs: accounts, teams, channels of all four types with their "
        "members, and a history of posts. Existing data is kept, so it can be run again at any time: after an "
        "interruption it creates what is missing. The same seed gives the same data.",
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
    add_unsupported_server_option(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace) -> int:
    """Create the data; returns the exit code."""
    from mmload.population.create import carry_out, planned
    from mmload.population.progress import progress_for

    typed = overrides(args, "users", "teams", "channels", "posts")
    settings = settings_in_force("init", {**os.environ, **typed}, typed)
    summary = carry_out(planned(settings), settings, progress_for(sys.stderr, quiet=args.quiet))
    if args.json:
        print_json(summary.to_document())
    else:
        print(harmless(text_of(summary)))
    return int(ExitCode.PASSED)


def text_of(summary: InitSummary) -> str:
    """The summary for a terminal. Pure."""
    lines = [f"Data on {summary.server} (Mattermost {summary.version}), seed {summary.seed}", ""]
    lines.append(f"  {'':<18}{'total':>10}{'existing':>12}{'created':>10}")
    lines += [f"  {row.sort:<18}{row.exist:>10,}{row.there:>12,}{row.made:>10,}" for row in summary.rows if row.exist]
    lines += ["", *(f"Note: {notice}" for notice in summary.notices)]
    if summary.made:
        lines.append(f"Created {summary.made:,} objects in {summary.seconds:.1f} seconds.")
    else:
        lines.append("Everything exists already: nothing was created.")
    return "\n".join(lines)
