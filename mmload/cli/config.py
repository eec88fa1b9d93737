"""`mmload config`: check configuration files, make new ones, show and describe the settings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from mmload.config.documents import OURS, default_document
from mmload.config.loading import check_file, load
from mmload.config.printing import description, shown
from mmload.errors import ConfigurationError, ExitCode, UsageError

_COPIES = {f"{document.name}.json": f"{document.name}.default.json" for document in OURS}


def add_parser(subparsers: Any) -> None:
    """`mmload config …`."""
    parser = subparsers.add_parser("config", help="check, make, show and describe configuration documents")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="say what is wrong with files, or print their values without secrets")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path)
    new = actions.add_parser("new", help="copy the default documents into a folder")
    new.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path("config"))
    new.add_argument("--force", action="store_true", help="overwrite documents that are there")
    actions.add_parser("show", help="print the settings in force here, without secrets, and where they come from")
    actions.add_parser("describe", help="print every key with its default, range and meaning (docs/configuration.md)")


def run(args: argparse.Namespace) -> int:
    """Do what the sub-command says; the answer is the exit code."""
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
    """One JSON document on stdout for each good file; the problems of all bad ones are raised together."""
    problems: list[str] = []
    for file in files:
        try:
            checked = check_file(file)
        except ConfigurationError as error:
            problems += error.problems
            continue
        problems += checked.problems
        _tell(checked.notices)
        if not checked.problems:
            _print_json(shown(checked.value))
    if problems:
        raise ConfigurationError(*problems)


def _new(folder: Path, *, force: bool) -> None:
    documents = {folder / copy: default_document(default) for copy, default in _COPIES.items()}
    there = [str(path) for path in documents if path.exists() or path.is_symlink()]
    if there and not force:
        raise UsageError(f"already there: {', '.join(there)} (--force overwrites)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in documents.items():
            path.write_bytes(text)
            print(path)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: can't be written: {error.strerror}") from None


def _show() -> None:
    loaded = load()
    _tell([*(f"{name}: {source}" for name, source in loaded.sources.items()), *loaded.notices])
    _print_json(shown(loaded.settings))


def _tell(notices: Any) -> None:
    for notice in notices:
        print(f"mmload config: {notice}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
