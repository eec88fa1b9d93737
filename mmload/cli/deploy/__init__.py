"""`mmload deploy`: load from other machines. Sets them up, runs a command on them, leaves nothing there."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from mmload.deploy import state

# Each module has add_parser(parts), which says what carries it out.
PARTS = ("up", "run_command", "hosts", "aws", "k8s", "plan")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "deploy",
        description="Generate load from other machines, reached by OpenSSH (docs/deploy.md). The deployment is "
        f"recorded in one file, {state.STATE}, in the current folder.",
    )
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    for name in PARTS:
        importlib.import_module(f"mmload.cli.deploy.{name}").add_parser(parts)


def run(args: argparse.Namespace) -> int:
    return int(args.run(args))
