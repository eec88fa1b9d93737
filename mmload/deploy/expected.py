"""Workers that others start, on other machines or in other containers, and that come to our port."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Mapping, Sequence

from mmload.errors import ConfigurationError, UsageError

TOKEN = "MMLOAD_AGENT_TOKEN"
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5557  # Locust's
# Machines or pods may still be made; a worker looks for its master as long.
WAIT_SECONDS = 300


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of the commands that can have such workers."""
    parser.add_argument(
        "--expect-workers",
        metavar="N",
        type=int,
        help="run no users here: wait for N workers (`mmload agent --worker-of THIS_MACHINE`), up to 5 minutes",
    )
    parser.add_argument(
        "--master-bind-host",
        metavar="ADDRESS",
        help=f"with --expect-workers: listen address for them (default: {LOOPBACK}; others need {TOKEN})",
    )
    parser.add_argument("--master-port", metavar="N", type=int, help=f"and the port (default: {DEFAULT_PORT})")


class ExpectedWorkers:
    """In the place of a fleet of hosts; nothing is started, and the master itself tells of those that are lost."""

    wait_seconds = WAIT_SECONDS
    # They have read their settings before: the master can't give them ranges of accounts.
    sets_accounts = False

    def __init__(self, workers: int, host: str, port: int) -> None:
        self.workers, self.host, self.port = workers, host, port
        self.variables: dict[str, str] = {}

    def check(self, users_each: int) -> None:
        """Each worker looks at its own limits."""

    def connect(self, server_url: str) -> None:
        """They come by themselves."""

    def start(
        self, master: subprocess.Popen[bytes], environ: Mapping[str, str], user_classes: Sequence[str] = ()
    ) -> None:
        """They were started by others."""

    def look(self, tell: Callable[[str], None] | None = None, *, has_begun: bool = True) -> None:
        """Locust's master does."""

    def watch(self) -> None:
        """Locust's master does."""


def expected_workers(args: argparse.Namespace, environ: Mapping[str, str]) -> ExpectedWorkers | None:
    """What the options ask for, or None. UsageError, ConfigurationError: they can't be had."""
    if args.expect_workers is None:
        if not (args.master_bind_host is None and args.master_port is None):
            raise UsageError("--master-bind-host and --master-port need --expect-workers")
        return None
    if args.expect_workers < 1:
        raise UsageError(f"--expect-workers {args.expect_workers}: expected 1 or more")
    if args.sandbox:
        raise UsageError("--sandbox: other machines cannot reach a sandbox on this machine's loopback; use --server")
    if getattr(args, "processes", 1) != 1:
        raise UsageError(
            "--processes and --expect-workers exclude each other: workers are started either here or by you"
        )
    host = args.master_bind_host or LOOPBACK
    if host != LOOPBACK and not environ.get(TOKEN):
        raise ConfigurationError(
            f"--master-bind-host {host}: anybody who reaches this address could join as a worker; set {TOKEN} to a "
            "secret, here and for the workers"
        )
    return ExpectedWorkers(args.expect_workers, host, args.master_port or DEFAULT_PORT)
