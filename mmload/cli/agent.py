"""`mmload agent`: Locust with its web page and the agent's HTTP API, told at run time how many users to run."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from mmload.cli.locust_process import LOOPBACK, STOP_TIMEOUT_SECONDS, free_port, locustfile
from mmload.config import environment_name, load_settings
from mmload.errors import UsageError

PORT = 4000  # the peer's
MEETING_PORT = 5557  # Locust's
LARGEST_PORT = 65535
_DOCUMENTS = {
    "MMLOAD_CONFIG": "config",
    "MMLOAD_SIMULCONTROLLER": "simulcontroller",
    "MMLOAD_SIMPLECONTROLLER": "simplecontroller",
    "MMLOAD_GENCONTROLLER": "gencontroller",
}


def add_parser(subparsers: Any) -> None:
    """`mmload agent …`."""
    parser = subparsers.add_parser(
        "agent",
        help="start an agent: Locust's web page and an HTTP API that change the load at run time",
        description="Start an agent: Locust's web page and the /loadagent API on one port. It runs no users before it "
        "is told to. On another interface than loopback it wants a token in MMLOAD_AGENT_TOKEN (docs/distributed.md).",
    )
    parser.add_argument("--server", metavar="URL", help="the Mattermost server")
    parser.add_argument("--host", metavar="ADDRESS", default=LOOPBACK, help=f"listen here (default: {LOOPBACK})")
    parser.add_argument("--port", metavar="N", type=int, default=PORT, help=f"and at this port (default: {PORT})")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--master", action="store_true", help="run no users here: workers on other machines join")
    kind.add_argument("--worker-of", metavar="HOST", help="be a worker of the master on this machine")
    parser.add_argument("--workers", metavar="N", type=int, help="so many worker processes on this machine")
    parser.add_argument(
        "--master-port", metavar="N", type=int, help=f"the port where they meet (default: {MEETING_PORT})"
    )
    for name in _DOCUMENTS.values():
        parser.add_argument(f"--{name}", metavar="FILE", help=f"the {name} document (JSON or TOML)")
    parser.add_argument("locust", nargs="*", metavar="OPTION", help="further options of Locust, after --")


def run(args: argparse.Namespace) -> int:
    """Become Locust. Returns only by an error."""
    environ = {**os.environ, **variables(args)}
    arguments = command(args, load_settings(environ=environ)[0].config.connection.server_url)
    for option, host, port in addresses(args):
        check_free(option, host, port)
    sys.stdout.flush()
    sys.stderr.flush()
    # In place of this process, not below it: signals, terminal and exit code are Locust's.
    os.execve(sys.executable, arguments, environ)


def variables(args: argparse.Namespace) -> dict[str, str]:
    """The options that reach all processes as environment variables. Pure."""
    given = {variable: getattr(args, name) for variable, name in _DOCUMENTS.items() if getattr(args, name)}
    if args.server is not None:
        if not args.server.startswith(("http://", "https://")):
            raise UsageError(f"--server {args.server!r}: expected a URL such as http://localhost:8065")
        given[environment_name("ConnectionConfiguration", "ServerURL")] = args.server
        given[environment_name("ConnectionConfiguration", "WebSocketURL")] = "ws" + args.server.removeprefix("http")
    return given


def addresses(args: argparse.Namespace) -> list[tuple[str, str, int]]:
    """Where this process is going to listen, with the options that say so. Pure."""
    if args.worker_of is not None:
        return []
    web = [(f"--port {args.port}", args.host, args.port)]
    if not args.master and not args.workers:
        return web
    meeting = ("*" if args.master else LOOPBACK, args.master_port or (MEETING_PORT if args.master else 0))
    return [*web, (f"--master-port {meeting[1]}", *meeting)]


def check_free(option: str, host: str, port: int) -> None:
    """`UsageError` where this address can't be had. Locust would end with a traceback, or wait for ever."""
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
        raise UsageError(f"{option}: {host}:{port} can't be had: {error.strerror}; choose another") from None


def command(args: argparse.Namespace, server: str) -> list[str]:
    """Locust's command line."""
    if args.worker_of == "":
        raise UsageError("--worker-of: expected the name or address of the master's machine")
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: expected one or more")
    if args.workers and args.master:
        raise UsageError(
            "--workers and --master: a master for other machines runs no workers; start them by --worker-of"
        )
    return [
        *(sys.executable, "-m", "locust", "-f", str(locustfile()), "--stop-timeout", str(STOP_TIMEOUT_SECONDS)),
        *(_worker(args) if args.worker_of else _driven(args, server)),
        *(("--processes", str(args.workers)) if args.workers else ()),
        *args.locust,
    ]


def _worker(args: argparse.Namespace) -> Sequence[str]:
    port = ("--master-port", str(args.master_port)) if args.master_port else ()
    return ("--worker", "--master-host", args.worker_of, *port)


def _driven(args: argparse.Namespace, server: str) -> Sequence[str]:
    """A master, or a single process: the one that is spoken to. Workers of this machine meet it on loopback.

    Where no port is named they take a free one: at Locust's own, workers of another agent would join this one.
    """
    web = ("--host", server, "--web-host", args.host, "--web-port", str(args.port))
    port = ("--master-bind-port", str(args.master_port)) if args.master_port else ()
    if args.master:
        return (*web, "--master", *port)
    if args.workers:
        meeting = str(args.master_port or free_port())
        return (*web, "--master-bind-host", LOOPBACK, "--master-bind-port", meeting, "--master-port", meeting)
    return web
