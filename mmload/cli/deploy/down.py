"""`mmload deploy down`: what runs on the hosts is ended, and all files there are removed."""

from __future__ import annotations

import argparse
from typing import Any

from mmload.cli.common import say
from mmload.cli.deploy.hosts import add_part, on_all
from mmload.deploy import state
from mmload.errors import ExitCode


def add_parser(parts: Any) -> None:
    """`mmload deploy down`."""
    part = add_part(parts, "down", "stop everything that runs on the hosts, and remove all files there", run)
    part.add_argument("--hosts", metavar="NAMES", default="", help="only on these hosts")
    part.add_argument("--forget", action="store_true", help="also drop hosts that cannot be reached")


def run(args: argparse.Namespace) -> int:
    from mmload.deploy.ssh import host_names

    with state.at_work(args.state):
        deployment = state.read(args.state)
        if deployment is None:
            say("deploy", f"nothing is deployed (there is no {args.state})")
            return int(ExitCode.PASSED)
        hosts = state.chosen(deployment, host_names(args.hosts) if args.hosts else [])
        # One that was never reached, say a mistyped name: there is nothing to look for.
        untouched = {host.name for host in hosts if host.untouched}
        touched = [host for host in hosts if not host.untouched]
        told = on_all(deployment, touched, lambda session: session.ask("clean"))
        gone = {*untouched, *told.answers, *(told.problems if args.forget else ())}
        deployment.hosts = [host for host in deployment.hosts if host.name not in gone]
        state.write(args.state, deployment)
    for name in sorted(untouched):
        print(f"{name}: nothing was copied there")
    for name, answer in told.answers.items():
        stopped = f"processes stopped: {answer['processes']}; " if answer["processes"] else ""
        print(f"{name}: {stopped}{'folder removed, ' if answer['existed'] else ''}nothing left")
    for name, why in told.problems.items():
        left = f" (dropped; ~/{deployment.folder(name)} may still be there)" if args.forget else ""
        say("deploy", f"{name}: {why}{left}")
    if not told.problems or args.forget:
        return int(ExitCode.PASSED)
    say("deploy", "fix this and run `mmload deploy down` again, or drop these hosts with `mmload deploy down --forget`")
    return int(ExitCode.CONFIGURATION_REFUSED)
