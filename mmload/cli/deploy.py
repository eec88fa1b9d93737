"""`mmload deploy`: load from other machines, by SSH. Sets them up, runs a command on them, leaves nothing there."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from mmload.cli.common import print_json, say, whole_number
from mmload.cli.locust_process import free_port
from mmload.deploy import state
from mmload.deploy.checks import description, server_address, shortcomings
from mmload.deploy.state import DeployedHost, Deployment
from mmload.errors import ExitCode, MmloadError, UsageError

COMMANDS = ("run", "storm", "capacity")
AUTO = "auto"
LOG_LINES = 40
_MAKING_WHEELS = threading.Lock()
_WHEELS: dict[Any, Any] = {}


def add_parser(subparsers: Any) -> None:
    """`mmload deploy …`."""
    parser = subparsers.add_parser(
        "deploy",
        help="load from other machines: set them up by SSH, run on them, leave nothing there",
        description="Load from other machines, reached by OpenSSH's own ssh (docs/deploy.md). What is deployed is "
        f"kept in one file, {state.STATE}, in the current folder.",
    )
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    _add_up(parts)
    run_part = _part(parts, "run", "run a command on the hosts: mmload deploy run -- run --users 2000 --server …")
    run_part.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="-- COMMAND", help=f"one of {', '.join(COMMANDS)}, with its options"
    )
    status = _part(parts, "status", "what is on the hosts, and whether they answer")
    status.add_argument("--json", action="store_true", help="as JSON")
    logs = _part(parts, "logs", "the end of the workers' logs of the last run")
    logs.add_argument("host", metavar="HOST", nargs="*", help="of these hosts only")
    logs.add_argument("--lines", metavar="N", type=whole_number(1), default=LOG_LINES, help=f"default: {LOG_LINES}")
    shell = _part(parts, "shell", "a shell on a host, in the folder of the deployment")
    shell.add_argument("host", metavar="HOST")
    down = _part(parts, "down", "end what runs on the hosts, and remove all files there")
    down.add_argument("--hosts", metavar="NAMES", default="", help="of these hosts only")
    down.add_argument("--forget", action="store_true", help="forget hosts that can't be reached, too")


def _part(parts: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = parts.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:])
    part.add_argument("--state", metavar="FILE", type=Path, default=state.STATE, help=f"default: {state.STATE}")
    return part


def _add_up(parts: Any) -> None:
    up = _part(parts, "up", "set up hosts; again: what has changed")
    up.add_argument("--hosts", metavar="NAMES", default="", help="names as ssh knows them: load1,user@load2")
    up.add_argument("--workers", metavar="N", help="worker processes on each host (default: auto, one per CPU)")
    up.add_argument("--server", metavar="URL", help="check that the hosts reach this server, and how far it is")
    up.add_argument("--python", metavar="PATH", help="the hosts' Python (default: the first of 3.11 or newer)")
    up.add_argument("--ssh-config", metavar="FILE", help="for ssh -F (default: your own ~/.ssh/config)")


def run(args: argparse.Namespace) -> int:
    """One part."""
    parts: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": _up, "run": _run, "status": _status, "logs": _logs, "shell": _shell, "down": _down,
    }  # fmt: skip
    return parts[args.part](args)


def _up(args: argparse.Namespace) -> int:
    from mmload.deploy.ssh import host_names

    wanted = _workers(args.workers)
    server = server_address(args.server) if args.server else None
    named = host_names(args.hosts) if args.hosts else []
    with state.at_work(args.state):
        deployment = state.read(args.state) or state.new_deployment()
        _take_in(deployment, args, named)
        # Before anything is done there: whatever happens, `down` knows where to look.
        state.write(args.state, deployment)
        problems = _set_up(deployment, named, wanted, server, lambda: state.write(args.state, deployment))
        state.write(args.state, deployment)
    if problems:
        for problem in problems:
            say("deploy", problem)
        say(
            "deploy", "after mending that, `mmload deploy up` goes on; `mmload deploy down --hosts NAME` leaves one out"
        )
        return int(ExitCode.CONFIGURATION_REFUSED)
    total = sum(host.workers for host in deployment.hosts)
    say("deploy", f"{total} workers on {len(deployment.hosts)} hosts: mmload deploy run -- run --users … --server …")
    return int(ExitCode.PASSED)


def _workers(text: str | None) -> int | None:
    """0: one per CPU; None: as before. UsageError: no number."""
    if text is None:
        return None
    if text != AUTO and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"--workers {text}: expected {AUTO}, or a number of 1 or more")
    return 0 if text == AUTO else int(text)


def _take_in(deployment: Deployment, args: argparse.Namespace, named: Sequence[str]) -> None:
    """What was said, into the deployment; what was said before holds otherwise. UsageError: no host."""
    if args.ssh_config is not None:
        deployment.ssh_config = str(Path(args.ssh_config).resolve())
    if args.python is not None:
        deployment.python = args.python
    deployment.hosts += [DeployedHost(name) for name in named if deployment.host(name) is None]
    if not deployment.hosts:
        raise UsageError("--hosts: which machines are to be set up? (load1,load2: names as ssh knows them)")
    others = [host.name for host in deployment.hosts if named and host.name not in named]
    if others:
        removal = f"mmload deploy down --hosts {','.join(others)}"
        say("deploy", f"{', '.join(others)}: still part of the deployment ({removal} leaves them out)")


def _set_up(
    deployment: Deployment,
    names: Iterable[str],
    wanted: int | None,
    server: tuple[str, int] | None,
    keep: Callable[[], None],
) -> list[str]:
    """Examine the hosts and install what is missing; what is wrong, in words."""
    hosts = state.chosen(deployment, names)

    def prepare(session: Any) -> str:
        host = deployment.host(session.name)
        assert host is not None
        return _prepared(host, session, wanted, server)

    # Nobody listens at that port: that there is a tunnel is what counts.
    with _sessions(deployment, hosts, tunnel_to=free_port()) as sessions:
        told = _on_all(sessions, prepare)
    keep()
    for host in hosts:
        if host.name not in told.problems:
            print(f"{host.name}: {told.answers[host.name]}", flush=True)
    return [f"{name}: {why}" for name, why in told.problems.items()]


def _prepared(host: DeployedHost, session: Any, wanted: int | None, server: tuple[str, int] | None) -> str:
    """One host, made ready; what it is, in words. Raises HostFailed."""
    from mmload.deploy import wheels
    from mmload.deploy.ssh import INSTALL_SECONDS, HostFailed

    session.wait_for_tunnel()
    found = session.ask("examine", server=server)
    session.measure_clock()
    if problem := "; ".join(shortcomings(found, session.offset_seconds)):
        raise HostFailed(host.name, problem)
    target = wheels.target_of(found)
    needed = _wheels_for(target)
    copied = [wheel for wheel in needed if wheel.sha256 not in found["wheels"]]
    environment = wheels.environment_name(needed, target)
    if environment not in found["environments"] and copied:
        size = sum(wheel.path.stat().st_size for wheel in copied)
        say("deploy", f"{host.name}: copying {len(copied)} packages, {size / 1e6:.1f} MB")
        for wheel in copied:
            session.ask("wheel", sha256=wheel.sha256, payload=wheel.path.read_bytes(), seconds=INSTALL_SECONDS)
    host.environment = ""
    digests = [wheel.sha256 for wheel in needed]
    versions = session.ask("install", environment=environment, wheels=digests, seconds=INSTALL_SECONDS)
    host.environment, host.open_files = environment, found["open_files"]
    host.workers = (host.workers if wanted is None else wanted) or found["cpus"]
    return description(host, found, versions, session.offset_seconds, session.round_trip_seconds)


def _wheels_for(target: Any) -> Any:
    """Made once for all hosts that are alike."""
    from mmload.deploy import wheels

    with _MAKING_WHEELS:
        if target not in _WHEELS:
            _WHEELS[target] = wheels.wheels_for(target, wheels.cache_folder())
        return _WHEELS[target]


def _run(args: argparse.Namespace) -> int:
    """A command of mmload whose workers are on the hosts."""
    from mmload.deploy.fleet import Fleet

    inner, command = _parsed(args.rest)
    with state.at_work(args.state):
        deployment = state.existing(args.state)
        if missing := [host.name for host in deployment.hosts if not host.environment]:
            names = ",".join(missing)
            raise UsageError(f"{names}: not set up: `mmload deploy up`, or `mmload deploy down --hosts {names}`")
        fleet = Fleet(deployment, free_port(), lambda text: say(inner.command, text))
        inner.fleet, inner.processes = fleet, fleet.workers
        with closing(fleet):
            say("deploy", f"{fleet.workers} workers on {', '.join(host.name for host in deployment.hosts)}")
            return int(command.run(inner))


def _parsed(rest: Sequence[str]) -> tuple[argparse.Namespace, Any]:
    """The options of the command, and its module. UsageError: it can't run on hosts."""
    import importlib

    from mmload.cli import _parser

    rest = list(rest)[1:] if rest[:1] == ["--"] else list(rest)
    if not rest or rest[0] not in COMMANDS:
        raise UsageError(f"expected -- and one of {', '.join(COMMANDS)}: mmload deploy run -- run --users 2000")
    inner = _parser().parse_args(rest)
    if inner.sandbox:
        raise UsageError("--sandbox: that is on this machine's loopback, where the hosts don't reach it; use --server")
    if getattr(inner, "processes", 1) != 1:
        raise UsageError("--processes: the workers are those of `mmload deploy up --workers`")
    return inner, importlib.import_module(f"mmload.cli.{inner.command}")


def _status(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)

    def look(session: Any) -> dict[str, Any]:
        found: dict[str, Any] = session.ask("examine")
        session.measure_clock()
        return {
            "ready": (deployment.host(session.name) or DeployedHost("")).environment in found["environments"],
            "processes": found["processes"],
            "clock_offset_seconds": round(session.offset_seconds, 4),
            "free_mb": found["free_bytes"] >> 20,
        }

    with _sessions(deployment, deployment.hosts) as sessions:
        told = _on_all(sessions, look)
    rows = [
        {"host": host.name, "workers": host.workers, **told.answers.get(host.name, {})}
        | ({"problem": told.problems[host.name]} if host.name in told.problems else {})
        for host in deployment.hosts
    ]
    if args.json:
        print_json(rows)
    else:
        for row in rows:
            print(f"{row['host']}: {status_words(row)}")
    healthy = all(row.get("ready") for row in rows)
    return int(ExitCode.PASSED if healthy else ExitCode.CONFIGURATION_REFUSED)


def status_words(row: dict[str, Any]) -> str:
    """One host's state. Pure."""
    if problem := row.get("problem"):
        return f"can't be looked at: {problem}"
    if not row["ready"]:
        return "not set up (any more): mmload deploy up"
    doing = f"{row['processes']} processes run" if row["processes"] else "nothing runs"
    clock = f"clock {row['clock_offset_seconds']:+.3f} s"
    return f"ready for {row['workers']} workers; {doing}; {clock}; {row['free_mb']} MB free"


def _logs(args: argparse.Namespace) -> int:
    from mmload.printable import harmless

    deployment = state.existing(args.state)
    with _sessions(deployment, state.chosen(deployment, args.host)) as sessions:
        told = _on_all(sessions, lambda session: session.ask("logs", lines=args.lines)["lines"])
    for name, lines in told.answers.items():
        print(harmless("\n".join([f"== {name}", *(lines or ["(no run yet)"])])))
    return _told_problems(told.problems)


def _shell(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)
    [host] = state.chosen(deployment, [args.host])
    inside = shlex.quote(f'cd "$HOME"/{deployment.folder(host.name)} && exec "${{SHELL:-sh}}" -i')
    config = ("-F", deployment.ssh_config) if deployment.ssh_config else ()
    sys.stdout.flush()
    os.execvp("ssh", ["ssh", *config, "-t", host.name, f"exec sh -c {inside}"])


def _down(args: argparse.Namespace) -> int:
    from mmload.deploy.ssh import host_names

    with state.at_work(args.state):
        deployment = state.read(args.state)
        if deployment is None:
            say("deploy", f"nothing is deployed (there is no {args.state})")
            return int(ExitCode.PASSED)
        hosts = state.chosen(deployment, host_names(args.hosts) if args.hosts else [])
        with _sessions(deployment, hosts) as sessions:
            told = _on_all(sessions, lambda session: session.ask("clean"))
        gone = {*told.answers, *(told.problems if args.forget else ())}
        deployment.hosts = [host for host in deployment.hosts if host.name not in gone]
        state.write(args.state, deployment)
    for name, answer in told.answers.items():
        ended = f"{answer['processes']} processes ended, " if answer["processes"] else ""
        print(f"{name}: {ended}{'its folder is removed, ' if answer['existed'] else ''}nothing is left there")
    return _told_problems(told.problems, forgotten=args.forget)


def _told_problems(problems: dict[str, str], *, forgotten: bool = False) -> int:
    for name, why in problems.items():
        end = " (forgotten: its workers have ended by themselves, its files are still there)" if forgotten else ""
        say("deploy", f"{name}: {why}{end}")
    return int(ExitCode.CONFIGURATION_REFUSED if problems and not forgotten else ExitCode.PASSED)


class ToldByHosts:
    """What hosts answered, and why others did not."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.problems: dict[str, str] = {}


@contextmanager
def _sessions(deployment: Deployment, hosts: Iterable[DeployedHost], tunnel_to: int = 0) -> Iterator[list[Any]]:
    """A connection to each of these hosts."""
    from mmload.deploy.fleet import session_with

    with ExitStack() as stack:
        made = (session_with(deployment, host, tunnel_to) for host in hosts)
        yield [stack.enter_context(session) for session in made]


def _on_all(sessions: Sequence[Any], do: Callable[[Any], Any]) -> ToldByHosts:
    """The same on all hosts at once. In the end all of them have answered, or it is known why not."""
    told = ToldByHosts()
    pool = ThreadPoolExecutor(max_workers=max(1, len(sessions)))
    try:
        for session, future in [(each, pool.submit(do, each)) for each in sessions]:
            try:
                told.answers[session.name] = future.result()
            except MmloadError as error:
                told.problems[session.name] = getattr(error, "why", str(error))
    finally:
        # Interrupted: what waits in it ends when the connections are closed.
        pool.shutdown(wait=False, cancel_futures=True)
    return told
