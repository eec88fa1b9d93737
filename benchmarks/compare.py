"""How often a comparison of two runs is right: on the same server, and on one that takes longer by a known share.

Each round makes three runs on stand-in servers: two on the base, one on the slower, in turning order. The first run of
the base is compared with the second (nothing should be seen) and with that of the slower (it should be found), by
`mmload compare` as anybody would. `--at-once` rounds go on side by side, each with servers of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.commands import mmload, populated_sandbox
from benchmarks.measuring import Report, Table, positive, tell, whole
from mmload.errors import ExitCode, MmloadError

# Never used up: what is compared is the service time itself, not a queue.
SLOTS = 256
RAMP_SECONDS = 6
# A run that says of itself that its numbers can't be trusted is made again so often.
_TRIES = 4
_ORDERS = (("base", "again", "slower"), ("slower", "base", "again"), ("again", "slower", "base"))


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=whole, default=10, help="pairs of each kind (default: %(default)s)")
    add("--slower", type=positive, default=10.0, help="by how many per cent the other server is (default: %(default)g)")
    add("--service-ms", type=positive, default=20.0, help="service time of the base (default: %(default)g)")
    add("--users", type=whole, default=20, help="(default: %(default)s)")
    add("--idle-ms", type=whole, default=1500, help="mean pause of a user (default: %(default)s)")
    add("--seconds", type=whole, default=45, help="steady seconds of a run (default: %(default)s)")
    add("--at-once", type=whole, default=1, help="rounds side by side (default: %(default)s)")
    add("--folder", type=Path, help="keep the runs here; those that are here are only compared, not made again")


@dataclass(frozen=True, slots=True)
class Said:
    """What a comparison said: its outcome, and the difference of the typical time with its interval, as shares."""

    outcome: str
    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Round:
    """Both comparisons of a round, and how many of its runs had to be made again."""

    same: Said
    slower: Said
    repeated: int


def measure(args: argparse.Namespace) -> Report:
    """All rounds; lanes take every so many-th."""
    with ThreadPoolExecutor(args.at_once) as lanes:
        numbers = [range(lane, args.rounds, args.at_once) for lane in range(args.at_once)]
        found = [each for rounds in lanes.map(lambda lane: list(_lane(lane, args)), numbers) for each in rounds]
    return report(found, args.slower / 100)


def _lane(numbers: Sequence[int], args: argparse.Namespace) -> Iterator[Round]:
    """Some of the rounds, one after the other, on servers of their own."""
    slower_ms = args.service_ms * (1 + args.slower / 100)
    with _server(args.service_ms) as base, _server(slower_ms) as slower, _folder(args.folder) as folder:
        for number in numbers:
            made = _round({"base": base, "again": base, "slower": slower}, number, folder, args)
            tell(f"round {number + 1} of {args.rounds}: {made.same.outcome} · {made.slower.outcome}")
            yield made


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Where the runs are: the given one, or one that is gone afterwards."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def _server(service_ms: float) -> AbstractContextManager[str]:
    """A populated stand-in server."""
    return populated_sandbox("--slots", str(SLOTS), "--service-ms", str(service_ms))


def _round(servers: dict[str, str], number: int, folder: Path, args: argparse.Namespace) -> Round:
    """The three runs and the two comparisons."""
    runs: dict[str, Path] = {}
    repeated = 0
    for name in _ORDERS[number % len(_ORDERS)]:
        runs[name], tries = _run(servers[name], f"{number}-{name}", folder, args)
        repeated += max(0, tries - 1)
    return Round(_compared(runs["base"], runs["again"]), _compared(runs["base"], runs["slower"]), repeated)


def _run(server: str, name: str, folder: Path, args: argparse.Namespace) -> tuple[Path, int]:
    """The folder of a run that can be used, and how many it took (0: it was there)."""
    usable = folder / "usable" / name
    if usable.is_dir():
        return usable, 0
    usable.parent.mkdir(exist_ok=True)
    for attempt in range(1, _TRIES + 1):
        ended = mmload(folder, "run", *_options(server, f"{name}-{attempt}", args), idle_ms=args.idle_ms)
        if ended.returncode == ExitCode.PASSED:
            [found] = folder.glob(f"runs/*-{name}-{attempt}")
            return found.rename(usable), attempt
        if ended.returncode != ExitCode.INCONCLUSIVE:
            last = ended.stderr.strip().splitlines()[-1:]
            raise MmloadError(f"a run on {server} ended with exit code {ended.returncode}: {''.join(last)}")
    raise MmloadError(f"{_TRIES} runs in turn were inconclusive: this machine is too busy")


def _options(server: str, name: str, args: argparse.Namespace) -> list[str]:
    options = {
        "--server": server,
        "--users": args.users,
        "--spawn-rate": max(1.0, args.users / RAMP_SECONDS),
        "--run-time": f"{args.seconds + RAMP_SECONDS}s",
        "--name": name,
    }
    return [str(word) for pair in options.items() for word in pair]


def _compared(base: Path, new: Path) -> Said:
    """What `mmload compare` says."""
    ended = mmload(base.parents[1], "compare", base, new, "--json")
    if not ended.stdout:
        raise MmloadError(f"the runs could not be compared: {ended.stderr.strip()}")
    [comparison] = json.loads(ended.stdout)["comparisons"]
    typical: dict[str, Any] = next((each for each in comparison["figures"] if each["leading"]), {})
    return Said(comparison["outcome"], *(typical.get(name, float("nan")) for name in ("change", "low", "high")))


def report(found: Sequence[Round], truth: float) -> Report:
    """How many of each kind were right. Pure."""
    kinds = (
        ("the same server", [each.same for each in found], "no difference seen", 0.0),
        (f"slower by {truth:.0%}", [each.slower for each in found], "worse", truth),
    )
    rows = tuple(_row(kind, said, right, true) for kind, said, right, true in kinds)
    columns = ("compared", "pairs", "right", "said", "difference %", "interval ± %", "truth in the interval")
    figures = {
        "rounds": [{"same": _figures(each.same), "slower": _figures(each.slower)} for each in found],
        "repeated_runs": sum(each.repeated for each in found),
        "same_right": rows[0][2],
        "slower_right": rows[1][2],
    }
    return Report(figures, (Table("Comparisons that said the truth", columns, rows),))


def _row(kind: str, said: Sequence[Said], right: str, truth: float) -> tuple[Any, ...]:
    outcomes = sorted({each.outcome for each in said})
    tally = ", ".join(f"{outcome}: {sum(each.outcome == outcome for each in said)}" for outcome in outcomes)
    changes = [each.change * 100 for each in said]
    return (
        kind,
        len(said),
        sum(each.outcome == right for each in said),
        tally,
        f"{min(changes):+.1f} to {max(changes):+.1f}",
        sum((each.high - each.low) * 50 for each in said) / len(said),
        sum(each.low <= truth <= each.high for each in said),
    )


def _figures(said: Said) -> dict[str, Any]:
    return {name: getattr(said, name) for name in Said.__slots__}
