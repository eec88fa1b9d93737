"""`mmload capacity`: how many users does this server hold? Starts an agent and the coordinator, and stops both.

Agent and coordinator are processes of their own: neither takes time from the other, and the coordinator is the same
that drives agents on other machines (`mmload-coordinator`).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from coordinator.agent_apis import SwarmAgent
from coordinator.journal import NAME as JOURNAL
from coordinator.polling import Unanswered
from coordinator.settings import add_search_options, applied, load
from mmload.cli import locust_process, sandbox
from mmload.cli.common import (
    SESSIONS_FOLDER,
    add_document_options,
    add_server_option,
    examined,
    examined_server,
    overrides,
    say,
    server_variables,
    tell_sessions,
)
from mmload.cli.report import HTML_NAME
from mmload.cli.run import account_ranges, reach_fleet
from mmload.cli.sandbox import communities, settle
from mmload.config import Settings, environment_name, load_settings
from mmload.config.coordinator_tables import AgentAddress, Coordinator, SearchSettings
from mmload.config.environment import variables as variables_of
from mmload.config.fields import keys
from mmload.config.tables import Table
from mmload.deploy import expected
from mmload.deploy.expected import ExpectedWorkers
from mmload.deploy.fleet import Fleet
from mmload.errors import ExitCode, MmloadError, ServerNotReady, UsageError
from mmload.open_files import users_of_one
from mmload.report.findings import findings
from mmload.report.page import html_of_folder
from mmload.results.folder import LOG, RunFolder, make_folder, read_run
from mmload.results.model import Facts, Server, command
from mmload.signals import handling, start_child

T = TypeVar("T", bound=Table)
COORDINATOR = "coordinator.json"

# What the sandbox of `--sandbox` can do if nothing else is said, and what is asked of it: some 300 busy users, found
# in minutes. A page load keeps all slots for 0.15 s: with a limit near that, each half minute would be judged by how
# many page loads fell together in it. Users who wait ask nothing: with one far above, a queue never grows so long.
DEMO_SLOTS, DEMO_SERVICE_MS = 4, 10.0
DEMO_IDLE_MS, DEMO_P99_SECONDS = 1200, 0.3
# Users hear of those in their own community alone: else each newcomer would be looked up by all others at once, and
# would look up all of them, and these bursts are what would be measured.
DEMO_COMMUNITY, DEMO_HIGHEST_USERS = 12, 400
# A page load is some 38 requests of a user who makes 1.6 a second: 24 s of a user's. A real server loads what the
# sandbox has at hand.
DEMO_ARRIVAL_ACTIONS = 8
# Locust starts within 3 s on an idle machine; a busy one may need a multiple of that.
START_SECONDS = 60.0
# The agent ends within its stop-timeout and the users' log-outs.
END_SECONDS = 60.0
_POLL_SECONDS = 0.1
_LOG_LINES = 20


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "capacity",
        description="Vary the number of simulated users until it is known how many the server holds, with a confidence "
        "interval. Exit code: 0 a number was found, 5 the server is not ready, 6 no number can be given (the output "
        "says why). With --compare: 0 no difference seen or better, 3 worse, 6 can't tell.",
    )
    target = parser.add_mutually_exclusive_group()
    add_server_option(target)
    target.add_argument("--sandbox", action="store_true", help="a stand-in server with limited capacity")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--compare", metavar="URL", help="a second server: how many more users does it hold?")
    other.add_argument("--compare-slots", metavar="N", type=int, help="a second sandbox with N slots")
    parser.add_argument("--slots", metavar="N", type=int, help=f"sandbox: concurrent requests ({DEMO_SLOTS})")
    parser.add_argument("--service-ms", metavar="MS", type=float, help=f"time for each of these ({DEMO_SERVICE_MS:g})")
    add_search_options(parser)
    parser.add_argument("--coordinator", metavar="FILE", type=Path, help="coordinator.json: queries, limits, search")
    add_document_options(parser)
    expected.add_options(parser)
    parser.add_argument("--seed", metavar="N", type=int, help="random seed (default: drawn, and reported)")
    parser.add_argument("--name", metavar="NAME", help="name of this search, part of its folder's name")
    parser.add_argument("--runs-folder", metavar="DIR", help="parent folder of the search's folder (default: runs)")
    parser.add_argument("--no-checks", action="store_true", help="do not check the server before the search")
    # Workers on other machines: `mmload deploy run` gives them.
    parser.set_defaults(fleet=None)


def run(args: argparse.Namespace) -> int:
    if args.compare is not None or args.compare_slots is not None:
        from mmload.cli.capacity_pair import run_pair

        return run_pair(args)
    environ = {**os.environ, **overrides(args)}
    args.fleet = args.fleet or expected.expected_workers(args, environ)
    with ExitStack() as stack:
        if args.sandbox:
            environ = demonstrating(args, environ)
        document, settings = documents(args, environ)
        if args.sandbox:
            say("capacity", "starting a sandbox")
            environ = in_sandbox(stack, sandbox_options(args), environ, document, ours=not args.config)
            settings, _ = load_settings(environ=environ)
        if args.fleet is not None:
            environ |= account_ranges_of(document, settings, args.fleet.workers) if args.fleet.sets_accounts else {}
            settings, _ = load_settings(environ=environ)
            environ |= reach_fleet(args.fleet, settings, settings.config.users.max_active_users)
        document, server = known(document, settings, args)
        folder = folder_for(settings)
        say("capacity", f"searching for the capacity of {server.url}; results in {folder}")
        ready_to_search(stack, document, settings, environ, server, folder, args.fleet)
        code = coordinated(folder, coordinators(environ), ["-c", str(folder / COORDINATOR), *told(args)])
    search_report(folder)
    return code


def account_ranges_of(document: Coordinator, settings: Settings, workers: int) -> dict[str, str]:
    """The variables by which the accounts of so many workers are those of `mmload init`, without gaps. Pure."""
    each = users_of_one(document.cluster.max_active_users, workers)
    return account_ranges(min(each, settings.config.users.max_active_users))


def in_sandbox(
    stack: ExitStack, options: tuple[str, ...], environ: Mapping[str, str], document: Coordinator, *, ours: bool
) -> dict[str, str]:
    """Start a sandbox with people in it; the environment in which it is the server."""
    url = stack.enter_context(sandbox.sandbox(*options))
    at_it = {**environ, **server_variables(url)}
    return at_it | _with_accounts(stack, url, at_it, document.cluster.max_active_users, ours=ours)


def known(document: Coordinator, settings: Settings, args: argparse.Namespace) -> tuple[Coordinator, Server]:
    """The server, examined, and the document with what is known of it."""
    users, pool = document.search.lowest_users, 0  # connections of the server to its database; 0: not known
    if args.no_checks:
        server = examined_server("capacity", settings, users, checked=False).server
    else:
        facts = examined("capacity", settings, users)
        server, pool = facts.record, facts.max_open_conns
    kept = tell_sessions("capacity", settings, document.cluster.max_active_users)
    document = replace(document, search=arriving(document.search, kept))
    return observing(document, server.url, pool, sandbox=args.sandbox), replace(server, sandbox=args.sandbox)


def arriving(search: SearchSettings, kept: int) -> SearchSettings:
    """Where no session is kept everybody logs in, whatever share was to: arrivals cost more. Pure."""
    if kept or not search.arrival_actions:
        return search
    return replace(search, arrival_actions=search.arrival_actions + search.login_actions, login_actions=0.0)


def ready_to_search(
    stack: ExitStack,
    document: Coordinator,
    settings: Settings,
    environ: Mapping[str, str],
    server: Server,
    folder: Path,
    fleet: Fleet | None = None,
) -> None:
    """What is known of the run, its agent, and the coordinator's document, in the run's folder."""
    name = settings.config.run.name or "capacity"
    RunFolder(folder).write_facts(Facts(name=name, command=command(("mmload", *sys.argv[1:])), server=server))
    port = stack.enter_context(_agent(settings, environ, folder, fleet))
    (folder / COORDINATOR).write_bytes(driving(document, port))


def documents(args: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Coordinator, Settings]:
    """What is configured, checked before anything is started."""
    sandbox_options(args)
    loaded = load(args.coordinator, environ)
    settings, notices = load_settings(environ=environ)
    for notice in (*notices, *loaded.notices):
        say("capacity", notice)
    return applied(loaded.value, args), settings


def demonstrating(args: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the demonstration's own settings where nobody has said otherwise. Pure."""
    idle = environment_name("SimulController", "AvgIdleTimeMs")
    limit = environment_name("MeasuresConfiguration", "RequestP99Sec")
    highest = environment_name("ClusterConfig", "MaxActiveUsers")
    arrival = environment_name("SearchConfiguration", "ArrivalActions")
    login = environment_name("SearchConfiguration", "LoginActions")
    ours = {} if args.simulcontroller else {idle: str(DEMO_IDLE_MS)}
    if args.coordinator is None:
        ours |= {arrival: str(DEMO_ARRIVAL_ACTIONS), login: "0"}
        if args.p99 is None:
            ours[limit] = f"{DEMO_P99_SECONDS:g}"
        if args.compare_slots is not None:
            most = max(args.compare_slots, DEMO_SLOTS if args.slots is None else args.slots)
            ours[highest] = str(DEMO_HIGHEST_USERS // DEMO_SLOTS * most)
        elif (args.slots, args.service_ms) == (None, None):
            ours[highest] = str(DEMO_HIGHEST_USERS)
    return {**ours, **environ}


def _with_accounts(stack: ExitStack, url: str, environ: Mapping[str, str], users: int, *, ours: bool) -> dict[str, str]:
    """Fill the sandbox for so many users; the variables that name their accounts, and where their sessions are.

    Those are kept as long as the sandbox is there.
    """
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmload-accounts-")))
    environ = {**environ, SESSIONS_FOLDER: str(folder / "sessions")}
    keeping = load_settings(environ=environ)[0].config.users.login_share < 1
    if keeping:
        say("capacity", "all users log in to the sandbox once; their sessions are kept until it ends")
    if ours:
        sizes = communities(users, DEMO_COMMUNITY)
        made = settle(url, environ, sizes, folder / "accounts.txt", keeping=keeping)
    else:
        sandbox.populate(url, environ, keeping=keeping)
        made = {}
    return made | {SESSIONS_FOLDER: environ[SESSIONS_FOLDER]}


def sandbox_options(args: argparse.Namespace, other_slots: int | None = None) -> tuple[str, ...]:
    """The sandbox's command line; that of the other one, which differs by its slots. Pure."""
    if not args.sandbox and (args.slots, args.service_ms, args.compare_slots) != (None, None, None):
        raise UsageError("--slots, --compare-slots and --service-ms apply to the sandbox only: add --sandbox")
    slots = DEMO_SLOTS if args.slots is None else args.slots
    slots = slots if other_slots is None else other_slots
    service_ms = DEMO_SERVICE_MS if args.service_ms is None else args.service_ms
    if slots < 1 or not 0 < service_ms < float("inf"):
        raise UsageError("--slots, --compare-slots and --service-ms: expected numbers above 0; with 0, it has no limit")
    return ("--slots", str(slots), "--service-ms", f"{service_ms:g}", "--random-service")


def driving(document: Coordinator, port: int) -> bytes:
    """The coordinator's document for one agent on this machine. Pure."""
    here = AgentAddress(id="here", api_url=f"http://127.0.0.1:{port}", api="swarm")
    cluster = replace(document.cluster, agents=(here,))
    told = replace(
        document,
        cluster=cluster,
        search=replace(document.search, at_end="stop"),
        # Secrets are not written into the run's folder: the coordinator has them from the environment.
        monitor=_without_secrets(document.monitor),
        observe=_without_secrets(document.observe),
    )
    return msgspec.json.format(msgspec.json.encode(told), indent=2)


def _without_secrets(table: T) -> T:
    return replace(table, **{key.attribute: key.default for key in keys(type(table)) if key.says.environment_only})


def coordinators(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would change the document again: its values are in it, but for secrets. Pure."""
    names = {variable.name for variable in variables_of(Coordinator) if not variable.key.says.environment_only}
    return {name: value for name, value in environ.items() if name not in names}


def observing(document: Coordinator, server_url: str, pool: int, *, sandbox: bool = False) -> Coordinator:
    """The document with what is known of the server, where nothing was said. Pure."""
    observe = document.observe
    known = replace(observe, server_url=observe.server_url or server_url, max_open_conns=observe.max_open_conns or pool)
    if sandbox and not observe.metrics_url:
        # A real server has a licence for it, and a port of its own.
        known = replace(known, metrics_url=f"{server_url}/metrics")
    return replace(document, observe=known)


def folder_for(settings: Settings) -> Path:
    """A new one, for this search."""
    run = settings.config.run
    return make_folder(Path(run.runs_folder), datetime.now(), run.name or "capacity")


@contextmanager
def _agent(
    settings: Settings, environ: Mapping[str, str], folder: Path, fleet: Fleet | ExpectedWorkers | None
) -> Iterator[int]:
    """An agent on a free port of the loopback interface, which it gives; in the end it is ended in order."""
    port = locust_process.free_port()
    server = settings.config.connection.server_url
    workers = () if fleet is None else ("--master", "--master-bind-host", fleet.host, "--master-port", str(fleet.port))
    process = locust_process.start(
        [sys.executable, "-m", "mmload", "agent", "--server", server, "--port", str(port), *workers],
        {**environ, "MMLOAD_RUN_FOLDER": str(folder.resolve()), "MMLOAD_CHECKED": "1"},
        folder / LOG,
    )
    secrets = (settings.config.connection.admin_password, settings.config.users.password)
    try:
        if not _answers(process, port):
            raise MmloadError(_ended_early(folder, secrets))
        if fleet is not None:
            fleet.start(process, environ)
            if not _workers_are_there(process, port, fleet, environ.get(expected.TOKEN, "")):
                raise MmloadError(_ended_early(folder, secrets))
            fleet.watch()
        yield port
        if process.poll() is not None:
            say("capacity", _ended_early(folder, secrets))
    finally:
        if not locust_process.end(process, signal.SIGINT, END_SECONDS):
            say("capacity", "the agent did not stop in time and was killed")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it takes connections; False if it ended, or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _workers_are_there(process: subprocess.Popen[bytes], port: int, fleet: Fleet | ExpectedWorkers, token: str) -> bool:
    """Wait for all workers: the coordinator asks once how many users they can have. False: the agent ended.

    Raises ServerNotReady: they don't come; HostFailed: one can't.
    """
    agent = SwarmAgent("here", f"http://127.0.0.1:{port}", spawn_rate=1, users_per_worker=1, token=token)
    deadline, there = time.monotonic() + fleet.wait_seconds, 0
    while process.poll() is None:
        with suppress(Unanswered):
            there = agent.status().most_users
        if there >= fleet.workers:
            return True
        fleet.look(has_begun=False)
        if time.monotonic() > deadline:
            raise ServerNotReady(f"{there} of {fleet.workers} workers connected within {fleet.wait_seconds} s")
        time.sleep(_POLL_SECONDS)
    return False


def _ended_early(folder: Path, secrets: tuple[str, ...]) -> str:
    last = locust_process.last_lines(folder / LOG, _LOG_LINES, secrets)
    return "\n".join([f"the agent exited unexpectedly, or did not start. The end of {folder / LOG}:", *last])


def told(args: argparse.Namespace) -> list[str]:
    """The options that are no part of the coordinator's document. Pure."""
    given = {"--people": args.people, "--peak-factor": args.peak_factor, "--tolerance": args.tolerance}
    more = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    return [*more, "--json"] if args.json else more


def coordinated(folder: Path, environ: Mapping[str, str], options: list[str]) -> int:
    """Run the coordinator; it says what comes out. A signal to us is one to it."""
    command = [sys.executable, "-m", "coordinator", "--folder", str(folder), *options]
    process = start_child(command, is_ours=True, env=dict(environ), stdin=subprocess.DEVNULL)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    with handling(pass_on):
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
    return code if code >= 0 else int(ExitCode.INTERNAL_ERROR)


def search_report(folder: Path) -> None:
    """The page with the search chart, if there was a search. What can't be written costs only the page."""
    if not (folder / JOURNAL).is_file():
        return

    page = folder / HTML_NAME
    try:
        page.write_text(html_of_folder(findings(read_run(folder))), encoding="utf-8")
    except (OSError, UsageError) as error:
        say("capacity", f"cannot write the report: {error}")
    else:
        say("capacity", f"report with a chart of the search: {page}")
