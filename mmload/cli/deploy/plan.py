"""`mmload deploy plan`: how many machines for how many people."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from mmload.cli.common import print_json, whole_number
from mmload.cli.deploy.parts import add_part
from mmload.deploy.aws_prices import prices
from mmload.deploy.plan import HIGHEST_LOAD, MEASURED, LoadPlan, PersonCost, duration, plan, types_of
from mmload.errors import ExitCode, UsageError

SERVER_CPUS = 8
FAMILY = "c7i"


def add_parser(parts: Any) -> None:
    meaning = "estimate the machines that a number of users needs, their cost, and how long the logins take"
    part = add_part(parts, "plan", meaning, run)
    part.description = f"{meaning.capitalize()}. Creates nothing."
    add = part.add_argument
    add("--people", metavar="N", type=whole_number(1), required=True, help="number of simulated users")
    add(
        "--server-cpus",
        metavar="N",
        type=whole_number(1),
        default=SERVER_CPUS,
        help=f"the server's CPUs ({SERVER_CPUS})",
    )
    add("--family", metavar="NAME", default=FAMILY, help=f"family of AWS machine types: c7i, c7g, m7i, … ({FAMILY})")
    add("--cpu-ms", metavar="MS", type=_positive, help="CPU time of a user per second, as measured on your machines")
    add("--memory-kb", metavar="KB", type=_positive, help="memory of a user, as measured on your machines")
    add("--json", action="store_true", help="as JSON")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def run(args: argparse.Namespace) -> int:
    table = prices()
    kinds = [kind for kind in types_of(args.family) if kind in table["instance"]]
    if not kinds:
        raise UsageError(f"--family {args.family}: its prices are not known; try c7i, c7a, c7g, c8g, m7i")
    given = {"cpu_ms": args.cpu_ms, "memory_kb": args.memory_kb}
    cost: PersonCost = replace(MEASURED, **{name: value for name, value in given.items() if value is not None})
    found = plan(args.people, args.server_cpus, kinds, table["instance"], cost)
    if args.json:
        print_json(asdict(found) | {"prices": {name: table[name] for name in ("date", "region")}})
    else:
        print(told(found, cost, args.server_cpus, f"{table['region']} on {table['date']}"))
    return int(ExitCode.PASSED)


def told(found: LoadPlan, cost: PersonCost, server_cpus: int, priced: str) -> str:
    """The plan in words. Pure."""
    lines = [
        f"{found.people:,} users: {found.workers} workers with {found.people_each:,} users each, a CPU that is at most "
        f"{HIGHEST_LOAD:.0%} busy, {found.memory_mb} MB and {found.open_files:,} open files",
        "",
        "Rent one of these:",
        *(
            f"  {each.count:>4} × {each.kind:<13} {each.workers_each:>3} workers, {each.memory_gb:>3g} GB"
            f"  {'?' if each.hourly is None else format(each.hourly, '8.2f')} USD per hour"
            for each in found.machines
        ),
        f"or use your own machines with {found.workers} CPUs in total, or pods:",
        f"  mmload deploy k8s up --workers {found.workers} --worker-memory {found.memory_mb}Mi",
        "",
        f"All users are logged in after {duration(found.password_seconds)} by password, or after "
        f"{duration(found.kept_seconds)} with the sessions that `mmload init` keeps, if the server's {server_cpus} "
        "CPUs do nothing else.",
        f"Prices: {priced}, on demand. A user needs {cost.cpu_ms:g} ms of CPU per second and {cost.memory_kb:g} KB "
        "(docs/performance.md); to measure this on your machines: python -m benchmarks person",
    ]
    return "\n".join(lines)
