"""Two searches that take turns, on pairs of simulated servers, beside two searches one after the other.

Each server of a kind is compared with itself and with the next one, whose capacity differs by some 15 %. With a
neighbour, both servers lose and gain some percent of their capacity together, over minutes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.capacity.runs import LONGEST_SECONDS, limits, observation
from benchmarks.capacity.servers import Kind, Pressure, Server, Simulation, alone, with_dear_log_ins
from benchmarks.measuring import Table
from coordinator.answer import Answer, Limits, Mode
from coordinator.capacity_difference import judged
from coordinator.search.decide import Search
from coordinator.search.paired import DEFAULT_TURNS, PairedSearch, Ratio
from mmload.results.comparison import Judgement

NEIGHBOUR_SD, NEIGHBOUR_SECONDS = 0.03, 200.0
COLUMNS = (
    *("kind", "pairs", "time p50 s", "p90 s", "of two searches", "error p50 %", "covered %", "half width %"),
    *("of two searches %", "wrong %", "told %"),
)


@dataclass(frozen=True, slots=True)
class PairTask:
    """One comparison. `truth` is the logarithm of the ratio of the capacities; `log_in_seconds` as of `limits`."""

    base: Server
    new: Server
    truth: float
    seed: int
    neighbour: bool
    log_in_seconds: float


@dataclass(frozen=True, slots=True)
class PairRun:
    """How it came out, and how two searches one after the other did. Widths are logarithms of the ratio."""

    kind: Kind
    seconds: float
    separate_seconds: float
    truth: float
    ratio: Ratio | None
    separate_half: float | None

    @property
    def covered(self) -> bool:
        return self.ratio is not None and self.ratio.low <= self.truth <= self.ratio.high

    @property
    def error(self) -> float:
        """No number is as far off as can be."""
        return abs(self.ratio.change - self.truth) if self.ratio is not None else 1.0

    @property
    def outcome(self) -> Judgement:
        return judged(self.ratio, DEFAULT_TURNS.tolerance)

    @property
    def wrong(self) -> bool:
        """A direction was told as sure that is not the true one."""
        direction = {Judgement.BETTER: 1.0, Judgement.WORSE: -1.0}.get(self.outcome)
        return direction is not None and direction * self.truth <= 0.0


def pair_tasks(
    servers: Sequence[Server], truths: dict[str, float], seeds: Sequence[int], *, neighbour: bool, log_ins: float
) -> Iterator[PairTask]:
    """Each server with itself and with the next one, in turns the greater and the smaller one first."""
    for at, server in enumerate(servers):
        others = [server, *servers[at + 1 : at + 2]]
        for seed in seeds:
            for other in others:
                base, new = (server, other) if (at + seed) % 2 else (other, server)
                truth = math.log(truths[new.name] / truths[base.name])
                yield PairTask(base, new, truth, seed, neighbour, log_ins)


def compared(task: PairTask) -> PairRun:
    """Both ways, on the same servers."""
    servers = [task.base, task.new]
    if task.log_in_seconds:
        servers = [with_dear_log_ins(each, task.log_in_seconds) for each in servers]
    told = limits(Mode.SEARCH, None, task.log_in_seconds)
    pressure = wandering(task.seed) if task.neighbour else alone
    ratio, seconds = in_turns(servers, told, task.seed, pressure)
    truth = task.truth + math.log(task.new.leaked(seconds) / task.base.leaked(seconds))
    half, separate_seconds = one_after_the_other(servers, told, task.seed, pressure)
    return PairRun(task.base.kind, seconds, separate_seconds, truth, ratio, half)


def wandering(seed: int) -> Pressure:
    """What a neighbour takes: the same at both servers, at the same time."""
    rng, keep = np.random.default_rng([seed, 4711]), math.exp(-1.0 / NEIGHBOUR_SECONDS)
    noise = NEIGHBOUR_SD * math.sqrt(1.0 - keep * keep) * rng.normal(size=4 * LONGEST_SECONDS)
    levels = np.zeros(4 * LONGEST_SECONDS)
    levels[0] = rng.normal(0.0, NEIGHBOUR_SD)
    for second in range(1, len(levels)):
        levels[second] = keep * levels[second - 1] + noise[second]
    return lambda seconds: math.exp(levels[int(seconds)])


def in_turns(servers: Sequence[Server], told: Limits, seed: int, pressure: Pressure) -> tuple[Ratio | None, float]:
    """The ratio, and how long it took."""
    pair = PairedSearch(told, told)
    simulations = [Simulation(server, seed + 100_000 * at, pressure) for at, server in enumerate(servers)]
    targets: list[int | None] = [told.lowest_users, told.lowest_users]
    while any(target is not None for target in targets):
        for at, side in enumerate(pair.sides):
            target = targets[at]
            if target is None:
                continue
            step = side.observe(observation(simulations[at].second(target), target))
            ordered = step.users if step.ordered is None else step.ordered
            targets[at] = ordered if step.answer is None else None
    return pair.ratio, max(simulation.seconds for simulation in simulations)


def one_after_the_other(
    servers: Sequence[Server], told: Limits, seed: int, pressure: Pressure
) -> tuple[float | None, float]:
    """Half the interval of the ratio of two answers, as independent ones, and how long both took."""
    halves: list[float | None] = []
    seconds = 0.0
    for at, server in enumerate(servers):
        simulation, search = Simulation(server, seed + 100_000 * at, _later(pressure, seconds)), Search(told)
        answer: Answer | None = None
        target = told.lowest_users
        while answer is None:
            step = search.observe(observation(simulation.second(target), target))
            target, answer = step.users, step.answer
        seconds += simulation.seconds
        halves.append(math.log(answer.high / answer.low) / 2.0 if answer.high and answer.low else None)
    first, second = halves
    return math.hypot(first, second) if first is not None and second is not None else None, seconds


def _later(pressure: Pressure, by: float) -> Pressure:
    return lambda seconds: pressure(seconds + by)


def pair_figures(runs: Sequence[PairRun]) -> dict[str, float]:
    """Shares in percent, times in seconds."""
    halves = [(run.ratio.high - run.ratio.low) / 2.0 for run in runs if run.ratio is not None]
    separate = [run.separate_half for run in runs if run.separate_half is not None]
    seconds = sorted(run.seconds for run in runs)
    told = sum(run.outcome is not Judgement.UNKNOWN for run in runs)
    return {
        "pairs": len(runs),
        "seconds_median": statistics.median(seconds),
        "seconds_p90": seconds[int(0.9 * len(seconds))],
        "of_separate": statistics.median(run.seconds / run.separate_seconds for run in runs),
        "error_median": 100.0 * statistics.median(run.error for run in runs),
        "covered": 100.0 * sum(run.covered for run in runs) / len(runs),
        "half_width": 100.0 * statistics.median(halves) if halves else 0.0,
        "separate_half_width": 100.0 * statistics.median(separate) if separate else 0.0,
        "wrong": 100.0 * sum(run.wrong for run in runs) / len(runs),
        "told": 100.0 * told / len(runs),
    }


def pairs_by_kind(runs: Sequence[PairRun]) -> dict[str, dict[str, float]]:
    """The figures of each kind, and of all together."""
    found = {str(kind): pair_figures(mine) for kind in Kind if (mine := [run for run in runs if run.kind is kind])}
    return {**found, "all": pair_figures(runs)}


def pairs_table(title: str, found: dict[str, dict[str, float]]) -> Table:
    """One row for each kind."""
    return Table(title, COLUMNS, tuple((kind, *map(_shown, each.values())) for kind, each in found.items()))


def _shown(value: float) -> Any:
    if isinstance(value, int):
        return value
    return f"{value:.2f}" if value < 2.0 else f"{value:.1f}" if value < 100.0 else f"{value:.0f}"
