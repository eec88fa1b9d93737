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
        help="run a simulated Mattermost server, for trying mmload out",
        description="A simulated Mattermost server in one process, for demonstrations and tests: "
        "its performance says nothing about Mattermost. It prints its address on stdout when it is ready; SIGTERM or "
        "Ctrl-C stop it.",
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    from mmload.sandbox import app
    from mmload.sandbox.options import options_from

    return app.run(options_from(args), args.host, args.port)
