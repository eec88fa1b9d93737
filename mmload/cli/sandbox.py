"""`mmload sandbox`: a stand-in Mattermost server to try mmload on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    from mmload.sandbox.options import add_options

    parser = subparsers.add_parser(
        "sandbox",
        help="run a stand-in Mattermost server",
        description="A stand-in Mattermost server in one process: for trying and testing, "
        "never a measure of Mattermost. Its address is printed on stdout when it answers; SIGTERM or Ctrl-C end it.",
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    from mmload.sandbox import app
    from mmload.sandbox.options import options_from

    return app.run(options_from(args), args.host, args.port)
