"""`mmload config`: check configuration files, create new ones, show and describe the settings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmload.cli.common import print_json, refuse_existing, say, write_files
from mmload.config.documents import OURS, check_file, default_document, load
from mmload.config.printing import description, shown
from mmload.errors import ConfigurationError, ExitCode

_COPIES = {f"{document.name}.json": f"{document.name}.default.json" for document in OURS}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("config", description="Check, create, show and describe configuration documents.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="report errors in files, or print their values without secrets")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path)
    new = actions.add_parser("new", help="copy the default documents into a folder")
    new.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path("config"))
    new.add_argument("--force", action="store_true", help="overwrite existing documents")
    actions.add_parser("show", help="print the effective settings, without secrets, and where they come from")
    actions.add_parser("describe", help="print every key with its default, range and meaning (docs/configuration.md)")


def run(args: argparse.Namespace) -> int:
    if args.action == "check":
        _check(args.files)
    elif args.action == "new":
        _new(args.folder, force=args.force)
    elif args.action == "show":
        _show()
    else:
        print(description(), end="")
    return int(ExitCode.PASSED)


def _check(files: list[Path]) -> None:
    """One JSON document on stdout for each valid file; the errors of all others are raised together."""
    problems: list[str] = []
    for file in files:
        try:
            checked = check_file(file)
        except ConfigurationError as error:
            problems += error.problems
            continue
        problems += checked.problems
        for notice in checked.notices:
            say("config", notice)
        if not checked.problems:
            print_json(shown(checked.value))
    if problems:
        raise ConfigurationError(*problems)


def _new(folder: Path, *, force: bool) -> None:
    refuse_existing([folder / name for name in _COPIES], force=force)
    write_files(folder, {copy: default_document(default) for copy, default in _COPIES.items()}, print)


def _show() -> None:
    loaded = load()
    for line in (*(f"{name}: {source}" for name, source in loaded.sources.items()), *loaded.notices):
        say("config", line)
    print_json(shown(loaded.settings))
