"""`mmload deploy status`, `logs`, `shell` and `down`: what is on the hosts of a deployment."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from mmload.cli.common import print_json, say, whole_number
from mmload.cli.deploy.parts import add_host_part, on_all
from mmload.deploy import state
from mmload.deploy.ssh import host_names
from mmload.deploy.state import DeployedHost
from mmload.errors import ExitCode
from mmload.printable import harmless
from mmload.report.wording import plural

LOG_LINES = 40


def add_parser(parts: Any) -> None:
    part = add_host_part(
        parts, "status", "show whether each host responds, is set up, and is running something", status
    )
    part.add_argument("--json", action="store_true", help="as JSON")
    part = add_host_part(parts, "logs", "show the end of the workers' logs from the last run", logs)
    part.add_argument("host", metavar="HOST", nargs="*", help="only of these hosts")
    part.add_argument("--lines", metavar="N", type=whole_number(1), default=LOG_LINES, help=f"default: {LOG_LINES}")
    part = add_host_part(parts, "shell", "open a shell on a host, in the folder of the deployment", shell)
    part.add_argument("host", metavar="HOST")
    part = add_host_part(parts, "down", "stop everything that runs on the hosts, and remove all files there", down)
    part.add_argument("--hosts", metavar="NAMES", default="", help="only on these hosts")
    part.add_argument("--forget", action="store_true", help="also drop hosts that cannot be reached")


def status(args: argparse.Namespace) -> int:
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

    told = on_all(deployment, deployment.hosts, look)
    rows = [
        {"host": host.name, "workers": host.workers, **told.answers.get(host.name, {})}
        | ({"problem": told.problems[host.name]} if host.name in told.problems else {})
        for host in deployment.hosts
    ]
    if args.json:
        print_json(rows)
    else:
        for row in rows:
            print(harmless(f"{row['host']}: {status_words(row)}"))
    healthy = all(row.get("ready") for row in rows)
    return int(ExitCode.PASSED if healthy else ExitCode.CONFIGURATION_REFUSED)


def status_words(row: dict[str, Any]) -> str:
    """One host's state. Pure."""
    if problem := row.get("problem"):
        return f"no status: {problem}"
    if not row["ready"]:
        return "not set up: run `mmload deploy up`"
    running = row["processes"]
    doing = {0: "nothing running", 1: "1 process running"}.get(running, f"{running} processes running")
    clock = f"clock {row['clock_offset_seconds']:+.3f} s"
    return f"ready for {plural(row['workers'], 'worker')}; {doing}; {clock}; {row['free_mb']} MB free"


def logs(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)
    hosts = state.chosen(deployment, args.host)
    told = on_all(deployment, hosts, lambda session: session.ask("logs", lines=args.lines)["lines"])
    for name, lines in told.answers.items():
        print(harmless("\n".join([f"== {name}", *(lines or ["(no run yet)"])])))
    for name, why in told.problems.items():
        say("deploy", f"{name}: {why}")
    return int(ExitCode.CONFIGURATION_REFUSED if told.problems else ExitCode.PASSED)


def shell(args: argparse.Namespace) -> int:
    deployment = state.existing(args.state)
    [host] = state.chosen(deployment, [args.host])
    # What is typed is remembered where `down` removes it.
    kept = "HISTFILE=$PWD/.history; export HISTFILE"
    inside = shlex.quote(f'cd "$HOME"/{deployment.folder(host.name)} && {kept} && exec "${{SHELL:-sh}}" -i')
    config = ("-F", deployment.ssh_config) if deployment.ssh_config else ()
    sys.stdout.flush()
    os.execvp("ssh", ["ssh", *config, "-t", host.name, f"exec sh -c {inside}"])


def down(args: argparse.Namespace) -> int:
    with state.at_work(args.state):
        deployment = state.read(args.state)
        if deployment is None:
            say("deploy", f"nothing is deployed (there is no {args.state})")
            return int(ExitCode.PASSED)
        hosts = state.chosen(deployment, host_names(args.hosts) if args.hosts else [])
        # One that was never reached, say a mistyped name: there is nothing to look for.
        untouched = {host.name for host in hosts if host.untouched}
        touched = [host for host in hosts if not host.untouched]
        told = on_all(deployment, touched, lambda session: session.ask("clean"))
        gone = {*untouched, *told.answers, *(told.problems if args.forget else ())}
        deployment.hosts = [host for host in deployment.hosts if host.name not in gone]
        state.write(args.state, deployment)
    for name in sorted(untouched):
        print(f"{name}: nothing was copied there")
    for name, answer in told.answers.items():
        stopped = f"processes stopped: {answer['processes']}; " if answer["processes"] else ""
        print(f"{name}: {stopped}{'folder removed, ' if answer['existed'] else ''}nothing left")
    for name, why in told.problems.items():
        left = f" (dropped; ~/{deployment.folder(name)} may still be there)" if args.forget else ""
        say("deploy", f"{name}: {why}{left}")
    if not told.problems or args.forget:
        return int(ExitCode.PASSED)
    say("deploy", "fix this and run `mmload deploy down` again, or drop these hosts with `mmload deploy down --forget`")
    return int(ExitCode.CONFIGURATION_REFUSED)
