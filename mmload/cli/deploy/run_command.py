"""`mmload deploy run`: a command of mmload whose workers are on the hosts."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from mmload.cli.common import say
from mmload.cli.deploy.hosts import add_part
from mmload.cli.locust_process import free_port
from mmload.deploy import state
from mmload.errors import UsageError
from mmload.report.wording import plural

COMMANDS = ("run", "storm", "capacity")


def add_parser(parts: Any) -> None:
    """`mmload deploy run -- COMMAND …`."""
    part = add_part(parts, "run", "run a command on the hosts: mmload deploy run -- run --users 2000 --server …", run)
    part.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="-- COMMAND", help=f"one of {', '.join(COMMANDS)}, with its options"
    )


def run(args: argparse.Namespace) -> int:
    """A command of mmload whose workers are on the hosts."""
    from mmload.deploy.fleet import Fleet

    inner, command = _parsed(args.rest)
    with state.at_work(args.state):
        deployment = state.existing(args.state)
        if missing := [host.name for host in deployment.hosts if not host.environment]:
            names = ",".join(missing)
            raise UsageError(
                f"{names}: not set up: run `mmload deploy up`, or drop with `mmload deploy down --hosts {names}`"
            )
        fleet = Fleet(deployment, free_port(), lambda text: say(inner.command, text))
        inner.fleet, inner.processes = fleet, fleet.workers
        with closing(fleet):
            say("deploy", f"{plural(fleet.workers, 'worker')} on {', '.join(host.name for host in deployment.hosts)}")
            return int(command.run(inner))


def _parsed(rest: Sequence[str]) -> tuple[argparse.Namespace, Any]:
    """The options of the command, and its module. UsageError: it can't run on hosts."""
    from mmload.cli import _parser

    rest = list(rest)[1:] if rest[:1] == ["--"] else list(rest)
    if not rest or rest[0] not in COMMANDS:
        raise UsageError(f"expected -- and one of {', '.join(COMMANDS)}: mmload deploy run -- run --users 2000")
    inner = _parser().parse_args(rest)
    if inner.sandbox:
        raise UsageError("--sandbox: the hosts cannot reach a sandbox on this machine's loopback; use --server")
    if getattr(inner, "processes", 1) != 1:
        raise UsageError("--processes: set the number of workers with `mmload deploy up --workers`")
    return inner, importlib.import_module(f"mmload.cli.{inner.command}")
