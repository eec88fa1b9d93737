"""`mmload deploy plan`: how many machines for how many people."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mmload.cli.common import print_json, whole_number
from mmload.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from mmload.deploy.plan import LoadPlan, PersonCost

SERVER_CPUS = 8
FAMILY = "c7i"


def add_parser(parts: Any) -> None:
    """`mmload deploy plan`."""
    meaning = "how many machines so many people take, what they cost, and how long all take to log in"
    part = parts.add_parser("plan", help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}. Makes nothing.")
    part.set_defaults(run=run)
    add = part.add_argument
    add("--people", metavar="N", type=whole_number(1), required=True, help="simulated users")
    add("--server-cpus", metavar="N", type=whole_number(1), default=SERVER_CPUS, help=f"of the server ({SERVER_CPUS})")
    add("--family", metavar="NAME", default=FAMILY, help=f"of machines that are rented: c7i, c7g, m7i, … ({FAMILY})")
    add("--cpu-ms", metavar="MS", type=_positive, help="CPU of a person each second, as measured on your machines")
    add("--memory-kb", metavar="KB", type=_positive, help="memory of a person, as measured")
    add("--json", action="store_true", help="as JSON")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def run(args: argparse.Namespace) -> int:
    from mmload.deploy.plan import MEASURED, plan, types_of
    from mmload.deploy.prices import prices

    table = prices()
    kinds = [kind for kind in types_of(args.family) if kind in table["instance"]]
    if not kinds:
        raise UsageError(f"--family {args.family}: no price is known of it; try c7i, c7a, c7g, c8g, m7i")
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
    from mmload.deploy.plan import HIGHEST_LOAD, duration

    lines = [
        f"{found.people:,} people: {found.workers} workers of {found.people_each:,}, each with a CPU that is "
        f"{HIGHEST_LOAD:.0%} busy at most, {found.memory_mb} MB and {found.open_files:,} open files",
        "",
        "One of these:",
        *(
            f"  {each.count:>4} × {each.kind:<13} {each.workers_each:>3} workers, {each.memory_gb:>3g} GB"
            f"  {'?' if each.hourly is None else format(each.hourly, '8.2f')} USD per hour"
            for each in found.machines
        ),
        f"or your own machines with {found.workers} CPUs together, or pods:",
        f"  mmload deploy k8s up --workers {found.workers} --worker-memory {found.memory_mb}Mi",
        "",
        f"All are in after {duration(found.password_seconds)} by password, after {duration(found.kept_seconds)} with "
        f"the sessions that `mmload init` keeps, if the server's {server_cpus} CPUs do nothing else.",
        f"Prices: {priced}, on demand. A person: {cost.cpu_ms:g} ms of CPU each second, {cost.memory_kb:g} KB "
        "(docs/performance.md); measure on your machines: python -m benchmarks person",
    ]
    return "\n".join(lines)
