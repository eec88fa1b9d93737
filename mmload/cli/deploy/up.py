"""`mmload deploy up`: hosts are examined, and what is missing there is installed."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mmload.cli.common import say
from mmload.cli.deploy.parts import add_host_part, on_all
from mmload.cli.locust_process import free_port
from mmload.deploy import state, wheels
from mmload.deploy.checks import description, server_address
from mmload.deploy.fleet import examined
from mmload.deploy.ssh import INSTALL_SECONDS, host_names
from mmload.deploy.state import DeployedHost, Deployment
from mmload.errors import ExitCode, UsageError
from mmload.printable import harmless
from mmload.report.wording import plural

AUTO = "auto"
_MAKING_WHEELS = threading.Lock()
_WHEELS: dict[Any, Any] = {}


def add_parser(parts: Any) -> None:
    up = add_host_part(parts, "up", "set up hosts; run it again to apply changes", run)
    up.add_argument("--hosts", metavar="NAMES", default="", help="names as ssh knows them: load1,user@load2")
    up.add_argument("--workers", metavar="N", help="worker processes on each host (default: auto, one per CPU)")
    up.add_argument("--server", metavar="URL", help="check that the hosts reach this server, and measure the latency")
    up.add_argument("--python", metavar="PATH", help="the hosts' Python (default: the first one that is 3.11 or newer)")
    up.add_argument("--ssh-config", metavar="FILE", help="configuration for ssh (default: your own ~/.ssh/config)")
    # Rented hosts are set up by a command of their own.
    up.set_defaults(way="mmload deploy", or_else=", or drop a host with `mmload deploy down --hosts NAME`")


def run(args: argparse.Namespace) -> int:
    wanted = _workers(args.workers)
    server = server_address(args.server) if args.server else None
    named = host_names(args.hosts) if args.hosts else []
    with state.at_work(args.state):
        deployment = state.read(args.state) or state.new_deployment()
        _take_in(deployment, args, named)
        # Before anything is done there: whatever happens, `down` knows where to look.
        state.write(args.state, deployment)
        writing = threading.Lock()

        def keep() -> None:
            with writing:
                state.write(args.state, deployment)

        problems = _set_up(deployment, named, wanted, server, keep)
        keep()
    if problems:
        for problem in problems:
            say("deploy", problem)
        say("deploy", f"fix this and run `{args.way} up` again{args.or_else}")
        return int(ExitCode.CONFIGURATION_REFUSED)
    total = sum(host.workers for host in deployment.hosts)
    where = f"{plural(total, 'worker')} on {plural(len(deployment.hosts), 'host')}"
    say("deploy", f"{where}: {args.way} run -- run --users … --server …")
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
        if not Path(args.ssh_config).is_file():
            raise UsageError(f"--ssh-config {args.ssh_config}: file not found")
        deployment.ssh_config = str(Path(args.ssh_config).resolve())
    if args.python is not None:
        deployment.python = args.python
    deployment.hosts += [DeployedHost(name, untouched=True) for name in named if deployment.host(name) is None]
    if not deployment.hosts:
        raise UsageError("--hosts is missing: the machines to set up, by the names that ssh knows (load1,load2)")
    others = [host.name for host in deployment.hosts if named and host.name not in named]
    if others:
        removal = f"mmload deploy down --hosts {','.join(others)}"
        say("deploy", f"{', '.join(others)}: still part of the deployment (to drop them: {removal})")


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
        return _prepared(host, session, wanted, server, keep)

    # Nobody listens at that port: that there is a tunnel is what counts.
    told = on_all(deployment, hosts, prepare, tunnel_to=free_port())
    keep()
    for host in hosts:
        if host.name not in told.problems:
            print(harmless(f"{host.name}: {told.answers[host.name]}"), flush=True)
    return [f"{name}: {why}" for name, why in told.problems.items()]


def _prepared(
    host: DeployedHost,
    session: Any,
    wanted: int | None,
    server: tuple[str, int] | None,
    keep: Callable[[], None],
) -> str:
    """One host, made ready; what it is, in words. Raises HostFailed."""
    found = examined(session, server)
    target = wheels.target_of(found)
    needed = _wheels_for(target)
    copied = [wheel for wheel in needed if wheel.sha256 not in found["wheels"]]
    environment = wheels.environment_name(needed, target)
    host.untouched = False
    keep()
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
    with _MAKING_WHEELS:
        if target not in _WHEELS:
            _WHEELS[target] = wheels.wheels_for(target, wheels.cache_folder())
        return _WHEELS[target]
