"""`mmload inject ACTION`: let users of a test that runs do something now."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from mmload.errors import ExitCode, UsageError

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


def add_parser(subparsers: Any) -> None:
    """`mmload inject …`."""
    parser = subparsers.add_parser(
        "inject",
        help="let users of a running test do something now",
        description="Let users of a running test do an action now: a storm of reconnects, reloads or log-ins.",
    )
    parser.add_argument("action", metavar="ACTION", help="the action's name, such as ReconnectWebSocket or FullReload")
    parser.add_argument("--users", metavar="N", type=int, default=0, help="how many users (default: all)")
    parser.add_argument("--within", metavar="TIME", default="0", help="spread over this time: 10, 10s, 1m (default: 0)")
    parser.add_argument("--run", metavar="FOLDER", type=Path, help="the run's folder (default: the newest that runs)")
    parser.add_argument("--runs-folder", metavar="DIR", type=Path, default=Path("runs"), help="where the runs are")


def run(args: argparse.Namespace) -> int:
    """Leave the order in the run's folder, and wait until the run says that it took it."""
    from mmload.plugin.runner.injection import action_named  # imports locust: only this command pays for it
    from mmload.results.folder import Order, add_order

    if args.users < 0:
        raise UsageError(f"--users {args.users}: expected a number of users, or nothing for all of them")
    order = Order(action_named(args.action).name, args.users, within_seconds(args.within))
    folder = args.run if args.run is not None else running_folder(args.runs_folder)
    before = len(injections(folder))
    add_order(folder, order)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        said = injections(folder)
        if len(said) > before:
            print(said[-1])
            return int(ExitCode.PASSED)
        time.sleep(_LOOK_SECONDS)
    print(f"mmload inject: the run in {folder} does not answer: is it still going?", file=sys.stderr)
    return int(ExitCode.USAGE)


def within_seconds(text: str) -> float:
    """Seconds from the forms of `mmload run --run-time`, and 0. Pure."""
    from mmload.cli.run import run_time_seconds

    if text in ("0", "0s"):
        return 0.0
    try:
        return float(run_time_seconds(text))
    except UsageError:
        raise UsageError(f"--within {text!r}: expected a time such as 10, 10s or 1m") from None


def running_folder(runs: Path) -> Path:
    """The newest folder of a run that has not ended."""
    from mmload.results.folder import FACTS, read_facts

    for folder in sorted((path.parent for path in runs.glob(f"*/{FACTS}")), reverse=True):
        if not read_facts(folder).ended_ms:
            return folder
    raise UsageError(f"{runs}: no run is going on here; name its folder with --run, or start one")


def injections(folder: Path) -> list[str]:
    """What the run has said about orders so far."""
    from mmload.results.folder import read_notes
    from mmload.results.model import NoteKind

    return [note.text for note in read_notes(folder) if note.kind is NoteKind.INJECTED]
