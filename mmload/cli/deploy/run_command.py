"""`mmload deploy run`: a command of mmload whose workers are on the hosts."""

from __future__ import annotations

import argparse
import importlib
from contextlib import closing
from typing import Any

from mmload.cli.common import say
from mmload.cli.deploy.parts import WITH_WORKERS, add_host_part, inner_command
from mmload.cli.locust_process import free_port
from mmload.deploy import state
from mmload.deploy.fleet import Fleet
from mmload.errors import UsageError
from mmload.report.wording import plural


def add_parser(parts: Any) -> None:
    meaning = "run a command on the hosts: mmload deploy run -- run --users 2000 --server …"
    commands = f"one of {', '.join(WITH_WORKERS)}, with its options"
    part = add_host_part(parts, "run", meaning, run)
    part.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- COMMAND", help=commands)


def run(args: argparse.Namespace) -> int:
    inner, _ = inner_command(args.rest, WITH_WORKERS, "mmload deploy run")
    if inner.sandbox:
        raise UsageError("--sandbox: the hosts cannot reach a sandbox on this machine's loopback; use --server")
    if getattr(inner, "processes", 1) != 1:
        raise UsageError("--processes: set the number of workers with `mmload deploy up --workers`")
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
            return int(importlib.import_module(f"mmload.cli.{inner.command}").run(inner))
