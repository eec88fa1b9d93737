"""The command `mmload`: one module per sub-command, errors turned into one line and an exit code here."""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress

from mmload import __version__
from mmload.errors import ExitCode, MmloadError
from mmload.printable import harmless_line
from mmload.signals import raising_interrupts

# Each module has add_parser(subparsers) and run(args) -> exit code. They import their heavy parts in run().
COMMANDS = (
    "init",
    "doctor",
    "run",
    "storm",
    "capacity",
    "replay",
    "report",
    "compare",
    "repeat",
    "agent",
    "deploy",
    "inject",
    "learn",
    "mix",
    "config",
    "sandbox",
    "fidelity",
)
# What writing to a full or broken disk comes to.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmload",
        description="Load tests for Mattermost on Locust: how many users does a server support?",
    )
    parser.add_argument("--version", action="version", version=f"mmload {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"mmload.cli.{name}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see `mmload.errors.ExitCode`)."""
    name = "mmload"
    try:
        # From here on: whatever a command starts is ended by it.
        with raising_interrupts():
            args = _parser().parse_args(arguments)
            name = f"mmload {args.command}"
            code = int(importlib.import_module(f"mmload.cli.{args.command}").run(args))
            sys.stdout.flush()
            return code
    except MmloadError as error:
        for line in str(error).splitlines():
            print(harmless_line(f"{name}: {line}"), file=sys.stderr)
        return int(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`mmload report … | head`).
        sys.stderr.close()
        return int(ExitCode.PASSED)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        print(
            f"{name}: {error.filename or 'the output'} cannot be written: {error.strerror}",
            file=sys.stderr,
        )
        with suppress(OSError):
            sys.stdout.close()
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
