"""`mmload deploy logs`: the end of the workers' logs of the last run."""

from __future__ import annotations

import argparse
from typing import Any

from mmload.cli.common import say, whole_number
from mmload.cli.deploy.hosts import add_part, on_all
from mmload.deploy import state
from mmload.errors import ExitCode
from mmload.printable import harmless

LOG_LINES = 40


def add_parser(parts: Any) -> None:
    """`mmload deploy logs`."""
    part = add_part(parts, "logs", "show the end of the workers' logs from the last run", run)
    part.add_argument("host", metavar="HOST", nargs="*", help="only of these hosts")
    part.add_argument("--lines", metavar="N", type=whole_number(1), default=LOG_LINES, help=f"default: {LOG_LINES}")


def run(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)
    hosts = state.chosen(deployment, args.host)
    told = on_all(deployment, hosts, lambda session: session.ask("logs", lines=args.lines)["lines"])
    for name, lines in told.answers.items():
        print(harmless("\n".join([f"== {name}", *(lines or ["(no run yet)"])])))
    for name, why in told.problems.items():
        say("deploy", f"{name}: {why}")
    return int(ExitCode.CONFIGURATION_REFUSED if told.problems else ExitCode.PASSED)
