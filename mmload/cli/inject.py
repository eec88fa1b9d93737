"""`mmload inject ACTION`: trigger an action in a running test."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from mmload.cli.common import say, within_seconds
from mmload.errors import ExitCode, UsageError
from mmload.plugin.runner.injection import action_named
from mmload.printable import harmless_line
from mmload.results.folder import FACTS, Order, add_order, read_facts, read_notes
from mmload.results.model import NoteKind

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "inject",
        description="Make some or all users of a running test do an action at once, as in a reconnect, reload or login "
        "storm.",
    )
    parser.add_argument("action", metavar="ACTION", help="the action, such as ReconnectWebSocket or FullReload")
    parser.add_argument("--users", metavar="N", type=int, default=0, help="number of users (default: all)")
    parser.add_argument(
        "--within", metavar="TIME", default="0", help="spread the actions over this time: 10, 10s, 1m (default: 0)"
    )
    parser.add_argument(
        "--run", metavar="FOLDER", type=Path, help="folder of the run (default: the latest running test)"
    )
    parser.add_argument(
        "--runs-folder", metavar="DIR", type=Path, default=Path("runs"), help="folder of all runs (default: runs)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the order to the run's folder, and wait until the run confirms it."""
    if args.users < 0:
        raise UsageError(f"--users {args.users}: expected a number of users, or 0 for all of them")
    order = Order(action_named(args.action).name, args.users, within_seconds(args.within))
    folder = args.run if args.run is not None else running_folder(args.runs_folder)
    before = len(injections(folder))
    add_order(folder, order)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        said = injections(folder)
        if len(said) > before:
            print(harmless_line(said[-1]))
            return int(ExitCode.PASSED)
        time.sleep(_LOOK_SECONDS)
    say("inject", f"no confirmation from the run in {folder}: is it still running?")
    return int(ExitCode.USAGE)


def running_folder(runs: Path) -> Path:
    """The newest folder of a run that has not ended."""
    for folder in sorted((path.parent for path in runs.glob(f"*/{FACTS}")), reverse=True):
        if not read_facts(folder).ended_ms:
            return folder
    raise UsageError(f"{runs}: no test is running here; name the run's folder with --run, or start a test")


def injections(folder: Path) -> list[str]:
    """What the run has said about orders so far."""
    return [note.text for note in read_notes(folder) if note.kind is NoteKind.INJECTED]
