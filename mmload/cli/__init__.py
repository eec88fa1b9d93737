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

# Each module has add_parser(subparsers) and run(args) -> exit code. Only that of the command is loaded.
COMMANDS = {
    "init": "create accounts, teams, channels and posts on the server",
    "doctor": "check whether the server is ready for a load test",
    "run": "run a load test and report the result",
    "storm": "measure how the server recovers from a sudden event: restart, reconnect, login storm",
    "capacity": "find out how many users the server holds",
    "replay": "repeat the decisions of a capacity search",
    "report": "show the report of a run again",
    "compare": "compare runs: is the new server slower?",
    "repeat": "repeat the same run, on one server or alternating between two",
    "agent": "start an agent: Locust's web UI and an HTTP API that control the load while it runs",
    "deploy": "generate load from other machines: set them up, run tests on them, leave nothing behind",
    "inject": "trigger an action in a running test",
    "learn": "create a configuration from access logs: what your people do, how often, and how many they are",
    "mix": "show which requests the simulative users cause per post, and which actions cause them",
    "config": "check, create, show and describe configuration documents",
    "sandbox": "run a stand-in Mattermost server, to try mmload out",
    "fidelity": "compare the simulated user's requests with those of Mattermost's web application",
}
# What writing to a full or broken disk comes to.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; argparse ends the process for wrong ones."""
    parser = argparse.ArgumentParser(
        prog="mmload", description="Load tests for Mattermost on Locust: how many users does a server support?"
    )
    parser.add_argument("--version", action="version", version=f"mmload {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    if arguments and arguments[0] in COMMANDS:
        importlib.import_module(f"mmload.cli.{arguments[0]}").add_parser(subparsers)
    else:
        for name, meaning in COMMANDS.items():
            subparsers.add_parser(name, help=meaning)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see `mmload.errors.ExitCode`)."""
    name = "mmload"
    try:
        # From here on: whatever a command starts is ended by it.
        with raising_interrupts():
            args = parsed(sys.argv[1:] if arguments is None else arguments)
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
        print(f"{name}: {error.filename or 'the output'} cannot be written: {error.strerror}", file=sys.stderr)
        with suppress(OSError):
            sys.stdout.close()
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
