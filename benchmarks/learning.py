"""How near `mmload learn` comes to the truth: people with a known, unusual mix on a sandbox behind a real nginx.

Each seed makes a mix of its own (each frequency times a factor of 0.2 to 5). It is played, learned from nginx' log
alone, and what was learned is played again, on a fresh sandbox. `--control` plays the given mix a second time, too: how
far those two runs are apart is chance, and nothing that is learned can be nearer.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.commands import mmload
from benchmarks.crowd import Server, crowd, served
from benchmarks.handlers import HISTORY, read_all
from benchmarks.measuring import Report, Table, tell, whole
from benchmarks.proxy import nginx
from mmload.behaviours.catalogue import SIMULATIVE, routes
from mmload.errors import MmloadError
from mmload.learn.reading import examined
from mmload.learn.routes import HandlerFinder
from mmload.results.folder import TOTALS
from mmload.results.model import RunPhase, Totals

IDLE_SECONDS = 8.0
# Of handlers and actions with fewer events, the difference is mostly chance.
OFTEN = 400
RETURN = "UnreadCheck"
# The first minutes are of people who come in and get to know one another.
COMING_IN_MINUTES = 3
LOG, DONE, LEARNED = "access.log", "done.json", "learned"
# The runs after the first: what was learned, and what was given.
AGAIN, CONTROL = "again", "control"


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seeds", type=whole, nargs="+", default=[1, 2, 3], help="of the mixes (default: 1 2 3)")
    add("--users", type=whole, default=200, help="simulated people (default: %(default)s)")
    add("--minutes", type=whole, default=12, help="of each run (default: %(default)s)")
    add("--no-rerun", action="store_true", help="do not play what was learned")
    add("--control", action="store_true", help="play the given mix a second time, too")
    add("--folder", type=Path, help="keep logs and counts here; those that are here are not made again")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a run really did: actions that found something to do, those that did not, and how many people there were."""

    actions: Mapping[str, int]
    skipped: Mapping[str, int]
    most_users: int
    user_hours: float


def mix_of(seed: int) -> dict[str, float]:
    """The default frequencies, each times a factor of 0.2 to 5. Pure."""
    rng = random.Random(f"mix:{seed}")
    return {
        action.name: action.frequency * math.exp(rng.uniform(math.log(0.2), math.log(5)))
        for action in SIMULATIVE
        if action.frequency
    }


def document(mix: Mapping[str, float]) -> dict[str, Any]:
    """A simulcontroller.json with this mix. Pure."""
    return {
        "MinIdleTimeMs": 1000,
        "AvgIdleTimeMs": int(IDLE_SECONDS * 1000),
        "ActionFrequencies": [{"ActionId": name, "Frequency": value} for name, value in mix.items()],
    }


def play(folder: Path, simulcontroller: Path, users: int, minutes: int) -> Truth:
    """Have people on a fresh sandbox behind nginx for so long; their log and what they did are kept in the folder."""
    if not (folder / DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="mmload-nginx-") as made, served("", users, HISTORY) as server:
            assert server.accounts is not None
            read_all(server.url, server.accounts, users)
            with nginx(server.url, Path(made)) as address:
                done = _played(Server(address, server.accounts), simulcontroller, users, minutes)
            shutil.copy(Path(made) / LOG, folder / LOG)
        (folder / DONE).write_text(json.dumps(done))
    return Truth(**json.loads((folder / DONE).read_text()))


def _played(server: Server, simulcontroller: Path, users: int, minutes: int) -> dict[str, Any]:
    more = {"MMLOAD_SIMULCONTROLLER": str(simulcontroller)}
    with crowd(server, users, users / 10, more=more) as people:
        people.wait_for_steady()
        people.pause(minutes * 60)
        # What is still done then is in the log, too.
        people.end()
        seconds = people.seconds()
        totals = msgspec.json.decode((people.folder / TOTALS).read_bytes(), type=Totals)
    return {
        "actions": {name: figures.done for name, figures in totals.whole.actions.items()},
        "skipped": {name: figures.skipped for name, figures in totals.whole.actions.items() if figures.skipped},
        "most_users": max(each.active for each in seconds),
        "user_hours": sum(each.active for each in seconds if each.phase is not RunPhase.STOPPING) / 3600,
    }


def learn(folder: Path) -> dict[str, Any]:
    """What `mmload learn` says of the log."""
    ended = mmload(folder, "learn", folder / LOG, "--output", folder / LEARNED, "--force", "--anyway")
    if ended.returncode:
        raise MmloadError(f"mmload learn ended with exit code {ended.returncode}: {ended.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads((folder / LEARNED / "learned.json").read_text())
    return found


def judged(seed: int, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One mix: played, learned, and played again."""
    folder.mkdir(parents=True, exist_ok=True)
    mix = mix_of(seed)
    given = folder / "given.json"
    given.write_text(json.dumps(document(mix)))
    tell(f"mix {seed}: {args.users} people for {args.minutes} min")
    truth = play(folder / "first", given, args.users, args.minutes)
    found = learn(folder / "first")
    again: dict[str, dict[str, Any]] = {}
    runs = {} if args.no_rerun else {AGAIN: folder / "first" / LEARNED / "simulcontroller.json"}
    for name, played in {**runs, **({CONTROL: given} if args.control else {})}.items():
        tell(f"mix {seed}: {name}")
        play(folder / name, played, args.users, args.minutes)
        again[name] = learn(folder / name)
    bursts = burstiness([by_minute(folder / name / LOG) for name in ("first", *again)]) if again else {}
    return compared(seed, mix, truth, found, again, bursts)


def by_minute(log: Path) -> dict[str, list[int]]:
    """Requests of each handler in each whole minute of the log, once people are in."""
    found, find = examined(log), HandlerFinder(routes()).find
    minutes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    with log.open("rb") as lines:
        for fields in filter(None, map(found.format.parse, lines)):
            minutes[find(fields[2], fields[3]).name][int(found.format.epoch(fields[1]) // 60)] += 1
    known = [minute for each in minutes.values() for minute in each]
    steady = range(min(known) + COMING_IN_MINUTES, max(known))
    return {name: [each[minute] for minute in steady] for name, each in minutes.items()}


def compared(
    seed: int,
    mix: Mapping[str, float],
    truth: Truth,
    found: dict[str, Any],
    again: Mapping[str, dict[str, Any]],
    bursts: Mapping[str, float],
) -> dict[str, Any]:
    """The differences of what was learned from the truth, in per cent. Pure."""
    fit = found["fit"]
    people = [
        (seed, "people at once", truth.most_users, off(found["people"]["most"], truth.most_users)),
        (seed, "user hours", truth.user_hours, off(found["people"]["user_hours"], truth.user_hours)),
        (seed, "idle time", IDLE_SECONDS, off(fit["idle_s"], IDLE_SECONDS)),
    ]
    actions = [
        (
            seed,
            f"{name}{'' if fit['actions'][name]['told_apart'] else ' (not told apart)'}",
            count,
            off(fit["actions"][name]["count"], count),
            off(fit["actions"][name]["frequency"] * mix["CreatePost"], mix[name]),
            chance(count, truth.actions["CreatePost"]),
            100 * truth.skipped.get(name, 0) / (count + truth.skipped.get(name, 0)),
        )
        for name, count in sorted(done(truth).items(), key=lambda each: -each[1])
        if name in mix and name in fit["actions"] and count >= OFTEN
    ]
    handlers = [
        (seed, *_compared_handler(name, fit, again, bursts.get(name, 1.0)))
        for name, figures in fit["handlers"].items()
        if figures["seen"] >= OFTEN
    ]
    return {"seed": seed, "people": people, "actions": actions, "handlers": handlers, "explained": fit["explained"]}


def _compared_handler(
    name: str, fit: dict[str, Any], again: Mapping[str, dict[str, Any]], bursts: float
) -> tuple[Any, ...]:
    seen, predicted = fit["handlers"][name]["seen"], fit["handlers"][name]["predicted"]
    rate = seen / fit["user_hours"]
    ratios = [off(_rate(again[run]["fit"], name), rate) if run in again else math.nan for run in (AGAIN, CONTROL)]
    # Both runs have about as many.
    return name, seen, off(predicted, seen), *ratios, chance(seen, seen) * math.sqrt(bursts)


def _rate(fit: dict[str, Any], handler: str) -> float:
    """Requests of a handler per user and hour."""
    return float(fit["handlers"].get(handler, {}).get("seen", 0) / fit["user_hours"])


def done(truth: Truth) -> dict[str, int]:
    """How often the server saw each action: who came back to their window anyway sent what an UnreadCheck sends."""
    return {
        name: count + (truth.skipped.get(name, 0) if name == RETURN else 0) for name, count in truth.actions.items()
    }


def chance(*counts: float) -> float:
    """By how many per cent the ratio of such counts differs by chance in one of 20 runs. Pure."""
    return 200 * math.sqrt(sum(1 / count for count in counts if count)) if all(counts) else math.nan


def burstiness(runs: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, float]:
    """How much more the counts scatter from minute to minute than if each request came by itself (at least 1). Pure.

    One post has all who see it ask for something, and a browser with an empty cache asks for a hundred files at once:
    so many requests are much fewer chances.
    """
    names = set.intersection(*(set(run) for run in runs))
    found = {name: [_scatter(run[name]) for run in runs] for name in names}
    return {name: max(1.0, statistics.mean(scatters)) for name, scatters in found.items()}


def _scatter(counts: Sequence[int]) -> float:
    """The variance by the mean; of the steps from one to the next, as rates change slowly, too."""
    if len(counts) < 2 or not any(counts):
        return 1.0
    return statistics.mean((after - before) ** 2 for before, after in pairwise(counts)) / 2 / statistics.mean(counts)


def within(rows: Sequence[tuple[Any, ...]], column: int, limit: float, by_chance: int | None = None) -> str:
    """How many of the rows keep to the limit, or to what chance makes of it where that is more. Pure."""
    told = [row for row in rows if not math.isnan(row[column])]
    good = sum(abs(row[column]) <= limit for row in told)
    excused = "" if by_chance is None else sum(abs(row[column]) <= max(limit, row[by_chance]) for row in told)
    return f"{good} of {len(told)}" + (f" ({excused} by chance)" if by_chance is not None else "")


def _kept(actions: Sequence[tuple[Any, ...]], handlers: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """How many of one mix are within each limit."""
    return (
        within(handlers, 3, 3),
        within(actions, 3, 10, 5),
        within(actions, 4, 10, 5),
        within(handlers, 4, 10, 6),
        within(handlers, 5, 10, 6),
    )


def off(value: float, truth: float) -> float:
    """By how many per cent a value differs from the truth. Pure."""
    return 100 * (value / truth - 1) if truth else math.nan


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def measure(args: argparse.Namespace) -> Report:
    """All mixes, one after the other."""
    with _folder(args.folder) as folder:
        mixes = [judged(seed, folder / str(seed), args) for seed in args.seeds]
    rows = {part: tuple(row for each in mixes for row in each[part]) for part in ("people", "actions", "handlers")}
    return Report(
        {"mixes": mixes},
        (
            Table("People", ("mix", "figure", "truth", "learned, off by %"), rows["people"]),
            Table(
                f"Actions done at least {OFTEN} times",
                ("mix", "action", "done", "learned, off by %", "frequency, off by %", "chance %", "skipped %"),
                rows["actions"],
            ),
            Table(
                f"Handlers with at least {OFTEN} requests",
                (
                    *("mix", "handler", "in the log", "predicted, off by %", "played again, off by %"),
                    *("given mix again, off by %", "chance %"),
                ),
                rows["handlers"],
            ),
            Table(
                "Within the limit (or within what is chance)",
                (
                    *("mix", "predicted within 3 %", "actions within 10 %", "frequencies", "played again within 10 %"),
                    "given mix again within 10 %",
                ),
                tuple((each["seed"], *_kept(each["actions"], each["handlers"])) for each in mixes),
            ),
        ),
    )
