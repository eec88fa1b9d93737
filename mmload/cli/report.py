"""`mmload report FOLDER`: the report of a run, from its folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from mmload.errors import ExitCode
from mmload.results.model import Run


def add_parser(subparsers: Any) -> None:
    """`mmload report …`."""
    parser = subparsers.add_parser("report", help="print the report of a run again, from its folder")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the folder of the run, as its report names it")


def run(args: argparse.Namespace) -> int:
    """Print the report; a torn folder is reported as far as it goes."""
    from mmload.results.folder import read_run

    print_report(read_run(args.folder))
    return int(ExitCode.PASSED)


def print_report(run: Run) -> None:
    """The report on stdout, in colour where it is a terminal that wants it."""
    from mmload.report.terminal import terminal_report

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(terminal_report(run, colour=colour), end="", flush=True)
