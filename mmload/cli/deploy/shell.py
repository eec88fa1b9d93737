"""`mmload deploy shell`: a shell on a host, in the folder of the deployment."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from mmload.cli.deploy.hosts import add_part
from mmload.deploy import state


def add_parser(parts: Any) -> None:
    """`mmload deploy shell HOST`."""
    part = add_part(parts, "shell", "open a shell on a host, in the folder of the deployment", run)
    part.add_argument("host", metavar="HOST")


def run(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)
    [host] = state.chosen(deployment, [args.host])
    # What is typed is remembered where `down` removes it.
    kept = "HISTFILE=$PWD/.history; export HISTFILE"
    inside = shlex.quote(f'cd "$HOME"/{deployment.folder(host.name)} && {kept} && exec "${{SHELL:-sh}}" -i')
    config = ("-F", deployment.ssh_config) if deployment.ssh_config else ()
    sys.stdout.flush()
    os.execvp("ssh", ["ssh", *config, "-t", host.name, f"exec sh -c {inside}"])
