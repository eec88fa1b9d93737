"""`mmload deploy`: load from other machines. Sets them up, runs a command on them, leaves nothing there."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from mmload.deploy import state

# Each module has add_parser(parts), which says what carries it out. They import their heavy parts when they do it.
PARTS = ("up", "run_command", "status", "logs", "shell", "down", "aws", "k8s", "plan")


def add_parser(subparsers: Any) -> None:
    """`mmload deploy …`."""
    parser = subparsers.add_parser(
        "deploy",
        help="load from other machines: set them up by SSH, run on them, leave nothing there",
        description="Load from other machines, reached by OpenSSH's own ssh (docs/deploy.md). What is deployed is "
        f"kept in one file, {state.STATE}, in the current folder.",
    )
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    for name in PARTS:
        importlib.import_module(f"mmload.cli.deploy.{name}").add_parser(parts)


def run(args: argparse.Namespace) -> int:
    """One part."""
    return int(args.run(args))
