"""`mmload agent`: Locust with its web UI and the agent's HTTP API, which set the number of users while it runs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from mmload.cli.common import add_document_options, add_server_option, overrides, say
from mmload.cli.locust_process import LOOPBACK, STOP_TIMEOUT_SECONDS, local_workers, locustfile
from mmload.config import load_settings
from mmload.errors import UsageError
from mmload.signals import hold_back

PORT = 4000  # the peer's
MEETING_PORT = 5557  # Locust's
LARGEST_PORT = 65535


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "agent",
        description="Start an agent: Locust's web UI and the /loadagent API on one port. It runs no users until a "
        "test is started. To listen on an interface other than loopback, it needs a token in MMLOAD_AGENT_TOKEN, and "
        "workers on other machines need the same token (docs/distributed.md).",
    )
    add_server_option(parser)
    parser.add_argument("--host", metavar="ADDRESS", default=LOOPBACK, help=f"listen address (default: {LOOPBACK})")
    parser.add_argument("--port", metavar="N", type=int, default=PORT, help=f"listen port (default: {PORT})")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--master", action="store_true", help="run no users here; workers on other machines do")
    kind.add_argument("--worker-of", metavar="HOST", help="run as a worker of the master on HOST")
    parser.add_argument("--workers", metavar="N", type=int, help="number of worker processes on this machine")
    parser.add_argument(
        "--master-port",
        metavar="N",
        type=int,
        help=f"the master's port for its workers (default: {MEETING_PORT}; with --workers: a free port)",
    )
    parser.add_argument(
        "--master-bind-host",
        metavar="ADDRESS",
        help=f"with --master: listen address for workers (default: {LOOPBACK}; others need MMLOAD_AGENT_TOKEN)",
    )
    add_document_options(parser)
    parser.add_argument("locust", nargs="*", metavar="OPTION", help="more options for Locust, after --")


def run(args: argparse.Namespace) -> int:
    """Become Locust. Returns only by an error."""
    environ = {**os.environ, **overrides(args)}
    arguments = command(args, load_settings(environ=environ)[0].config.connection.server_url)
    for option, host, port in addresses(args):
        check_free(option, host, port)
    if args.worker_of:
        say("agent", waiting_for(args.worker_of, args.master_port or MEETING_PORT))
    sys.stdout.flush()
    sys.stderr.flush()
    if not args.locust:
        # Until our locustfile heeds them (`plugin/shutdown.py`), Ctrl-C would end an import with a traceback; and in a
        # container a SIGTERM would be lost. More options may be those of another locustfile, or --help.
        hold_back()
    # In place of this process, not below it: signals, terminal and exit code are Locust's.
    os.execve(sys.executable, arguments, environ)


def waiting_for(host: str, port: int) -> str:
    """What a worker says while Locust says nothing: it looks for its master again and again, for five minutes."""
    try:
        socket.getaddrinfo(host, port)
    except OSError as error:
        return f"waiting up to 5 minutes for the master {host}:{port}; cannot resolve its name yet: {error.strerror}"
    return f"waiting up to 5 minutes for the master {host}:{port}"


def addresses(args: argparse.Namespace) -> list[tuple[str, str, int]]:
    """Where this process is going to listen, with the options that say so. Pure."""
    if args.worker_of is not None:
        return []
    web = [(f"--port {args.port}", args.host, args.port)]
    if not args.master and not args.workers:
        return web
    meeting = (args.master_bind_host or LOOPBACK, args.master_port or (MEETING_PORT if args.master else 0))
    return [*web, (f"--master-port {meeting[1]}", *meeting)]


def check_free(option: str, host: str, port: int) -> None:
    """`UsageError` if nobody can listen there. Locust would end with a traceback, or wait for ever."""
    if not 0 <= port <= LARGEST_PORT:
        raise UsageError(f"{option}: expected a port from 1 to {LARGEST_PORT}")
    try:
        found = socket.getaddrinfo(
            None if host in ("", "*") else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(found[0][0]) as probe:
            # As servers do: what an earlier process has just left is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        raise UsageError(f"{option}: cannot listen on {host}:{port}: {error.strerror}; choose another port") from None


def command(args: argparse.Namespace, server: str) -> list[str]:
    """Locust's command line."""
    if args.worker_of == "":
        raise UsageError("--worker-of: expected the name or address of the master's machine")
    if args.master_bind_host and not args.master:
        raise UsageError("--master-bind-host needs --master: other agents have no workers on other machines")
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: expected one or more")
    if args.workers and args.master:
        raise UsageError("--workers and --master exclude each other: start the workers of this master with --worker-of")
    return [
        *(sys.executable, "-m", "locust", "-f", str(locustfile()), "--stop-timeout", str(STOP_TIMEOUT_SECONDS)),
        *(_worker(args) if args.worker_of else _controlled(args, server)),
        *args.locust,
    ]


def _worker(args: argparse.Namespace) -> Sequence[str]:
    port = ("--master-port", str(args.master_port)) if args.master_port else ()
    processes = ("--processes", str(args.workers)) if args.workers else ()
    return ("--worker", "--master-host", args.worker_of, *port, *processes)


def _controlled(args: argparse.Namespace, server: str) -> Sequence[str]:
    """A master, or a single process: the one with the web UI."""
    web = ("--host", server, "--web-host", args.host, "--web-port", str(args.port))
    if args.master:
        port = ("--master-bind-port", str(args.master_port)) if args.master_port else ()
        return (*web, "--master", "--master-bind-host", args.master_bind_host or LOOPBACK, *port)
    # On a free port: at Locust's default, workers of another agent would connect to this one.
    return (*web, *local_workers(args.workers, args.master_port or 0)) if args.workers else web
