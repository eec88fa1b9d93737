"""`mmload deploy status`: what is on the hosts, and whether they answer."""

from __future__ import annotations

import argparse
from typing import Any

from mmload.cli.common import print_json
from mmload.cli.deploy.hosts import add_part, on_all
from mmload.deploy import state
from mmload.deploy.state import DeployedHost
from mmload.errors import ExitCode
from mmload.printable import harmless
from mmload.report.wording import plural


def add_parser(parts: Any) -> None:
    """`mmload deploy status`."""
    part = add_part(parts, "status", "show whether each host responds, is set up, and is running something", run)
    part.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
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
