"""`mmload replay JOURNAL`: make the decisions of a search for the capacity again, with its limits or with others."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from coordinator.journal import changes_of, read, replayed, same, text
from coordinator.search.decide import Search
from mmload import __version__
from mmload.errors import ExitCode
from mmload.printable import harmless, harmless_line


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        description="Repeat the decisions of a capacity search from its journal. With the same limits they must be "
        "the same (exit code 3 if not); with other limits, the output shows where they would have differed. Exit code "
        "2: the journal cannot be read, or was written by a version that is too old.",
    )
    parser.add_argument("journal", metavar="JOURNAL", type=Path, help="journal.jsonl, or its folder")
    parser.add_argument(
        "--limit",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change a limit: a threshold by its name in the journal ('p99 of requests (s)=1.5'), or highest_users=500",
    )
    parser.add_argument("--mode", choices=("search", "classic"), help="use the other search rule")
    parser.add_argument("--json", action="store_true", help="print all differences as JSON")


def run(args: argparse.Namespace) -> int:
    journal = read(args.journal)
    changes = changes_of(journal, args.limit, args.mode)
    replay = replayed(journal, changes, Search)
    print(json.dumps(msgspec.to_builtins(replay), indent=2) if args.json else harmless(text(replay, journal)))
    if same(replay, changes):
        return int(ExitCode.PASSED)
    if journal.head.mmload != __version__:
        print(
            f"mmload replay: the journal was written by version {harmless_line(journal.head.mmload)}", file=sys.stderr
        )
    return int(ExitCode.THRESHOLD_FAILED)
