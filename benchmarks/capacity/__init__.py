"""How well the coordinator finds a known capacity: simulated servers, their truths, and the tables.

Kinds of servers, twenty of each that no rule was tuned on, ten seeds; both rules on all of them. With `--ablate`, the
search as it is against the search without one of its parts.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from benchmarks.capacity.pairs import compared, pair_tasks, pairs_by_kind, pairs_table
from benchmarks.capacity.parts import PARTS
from benchmarks.capacity.runs import Run, limits, searched
from benchmarks.capacity.servers import WITH_LOG_INS, Kind, Server
from benchmarks.capacity.tables import ablations, by_kind, changed, ratio_of_medians, table
from benchmarks.capacity.truths import proof_servers, stored, tuning_servers
from benchmarks.measuring import Report, Table, nonnegative, positive, tell, whole
from coordinator.answer import Limits, Mode
from coordinator.search.tuning import DEFAULT

SETS = {"proof": proof_servers, "tuning": tuning_servers}
# Seeds of the runs. Constants were tuned with seeds from 1000 on; the proof's are from 500,000 on.
FIRST_SEED = {"proof": 500_000, "tuning": 1_000}
_CHUNK = 8
T = TypeVar("T")
R = TypeVar("R")


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seeds", type=whole, default=10, help="runs of each server (default: %(default)s)")
    add("--first-seed", type=whole, help="the first seed (default: by the set)")
    add("--set", choices=tuple(SETS), default="proof", help="servers that the rule has not seen, or those of tuning")
    add("--kind", choices=tuple(Kind), action="append", help="only servers of this kind (may be repeated)")
    ablate = "the search without this part, in place of the classic rule (may be repeated); list: their names"
    add("--ablate", choices=("list", *PARTS), metavar="NAME", action="append", default=[], help=ablate)
    add("--precision", type=positive, metavar="PERCENT", action="append", default=[], help="also with this half width")
    add("--no-classic", action="store_true", help="leave the classic rule out")
    add(
        "--log-in-seconds",
        type=nonnegative,
        default=0.0,
        help="a log-in costs as much as so many seconds of a user (default: nothing)",
    )
    add("--pairs", action="store_true", help="two servers that are compared, in turns, beside two searches")
    add("--neighbour", action="store_true", help="with --pairs: a neighbour takes from both at the same time")
    add("--processes", type=whole, default=1, help="processes at a time (default: %(default)s)")


def tasks(args: argparse.Namespace, told: Limits) -> Iterator[tuple[Server, float, int, Limits]]:
    """Every server with every seed."""
    truths = stored()
    first = FIRST_SEED[args.set] if args.first_seed is None else args.first_seed
    for kind in _kinds(args):
        for server in SETS[args.set](kind):
            for seed in range(first, first + args.seeds):
                yield server, truths[server.name], seed, told


def _kinds(args: argparse.Namespace) -> list[Kind]:
    return [kind for kind in map(Kind, args.kind or Kind) if args.log_in_seconds or kind not in WITH_LOG_INS]


def _one(task: tuple[Server, float, int, Limits]) -> Run:
    return searched(*task)


def all_runs(args: argparse.Namespace, told: Limits) -> list[Run]:
    """All runs with these limits."""
    return _each(args, _one, tasks(args, told))


def _each(args: argparse.Namespace, run: Callable[[T], R], wanted: Iterable[T]) -> list[R]:
    if args.processes <= 1:
        return [run(task) for task in wanted]
    # Each process does one thing at a time: numpy's own threads would only be in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(args.processes) as pool:
        return list(pool.map(run, wanted, chunksize=_CHUNK))


def _pairs(args: argparse.Namespace) -> Report:
    """Two servers that are compared."""
    first = FIRST_SEED[args.set] if args.first_seed is None else args.first_seed
    wanted = [
        task
        for kind in _kinds(args)
        for task in pair_tasks(
            SETS[args.set](kind),
            stored(),
            range(first, first + args.seeds),
            neighbour=args.neighbour,
            log_ins=args.log_in_seconds,
        )
    ]
    tell(f"comparing {len(wanted)} pairs of the {args.set} servers")
    found = pairs_by_kind(_each(args, compared, wanted))
    beside = ", with a neighbour" if args.neighbour else ""
    return Report({"set": args.set, "pairs": found}, (pairs_table(f"pairs of {args.set} servers{beside}", found),))


def measure(args: argparse.Namespace) -> Report:
    if "list" in args.ablate:
        return Report({}, (Table("parts", ("name", "what it does"), tuple((n, p.meaning) for n, p in PARTS.items())),))
    if args.pairs:
        return _pairs(args)
    cost = args.log_in_seconds
    tell(f"searching on the {args.set} servers")
    runs = all_runs(args, limits(Mode.SEARCH, None, cost))
    if args.ablate:
        return _ablated(args, runs)
    found = by_kind(runs)
    told: dict[str, Any] = {"set": args.set, "search": found}
    tables = [table(f"search, {args.set} servers", found)]
    if not args.no_classic:
        tell("the classic rule on the same servers")
        classic = by_kind(all_runs(args, limits(Mode.CLASSIC, None, cost)))
        told |= {"classic": classic, "time_ratio": ratio_of_medians(found, classic)}
        tables += [table(f"classic, {args.set} servers", classic), _ratios(told["time_ratio"])]
    precise = {wanted: by_kind(all_runs(args, limits(Mode.SEARCH, wanted / 100.0, cost))) for wanted in args.precision}
    told["precision"] = {f"{wanted:g}": each for wanted, each in precise.items()}
    tables += [table(f"search --precision {wanted:g}%", each) for wanted, each in precise.items()]
    return Report(told, tuple(tables))


def _ablated(args: argparse.Namespace, whole: list[Run]) -> Report:
    """The search without each of these parts, run by run against the whole search."""
    found = {"nothing": whole}
    for name in args.ablate:
        tell(f"without {name}")
        tuning = replace(DEFAULT, **PARTS[name].without)
        found[name] = all_runs(args, limits(Mode.SEARCH, None, args.log_in_seconds, tuning))
    told = {name: {**by_kind(runs), "other_runs": changed(runs, whole)} for name, runs in found.items()}
    by_kinds = [table(f"search without {name}", by_kind(runs)) for name, runs in found.items()]
    return Report({"without": told}, (*by_kinds, ablations(found)))


def _ratios(ratios: dict[str, float]) -> Table:
    rows = tuple((kind, f"{ratio:.3f}") for kind, ratio in ratios.items())
    return Table("median time of the search / of the classic rule", ("kind", "ratio"), rows)
