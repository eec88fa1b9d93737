"""Whether the load generator kept up, second by second: what it reports of a second in which it did not is its own.

Limits with their reasons, and sentences for those that were crossed. The seconds in which neither the generator nor the
server was out of order: to tell whose doing a breach is. Whether the machines of browser users had room. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mmload.metrics.delta import Delta, ProcessHealth
from mmload.results.model import Figures, Part, RunPhase, Second, StormRecovery, Undisturbed
from mmload.results.outages import outages
from mmload.results.storms import unforeseen

# Measured (`python -m benchmarks truth`): up to 70 % of a core the process adds less than a millisecond to what it
# reports; from 90 % on its events wait for each other.
MOST_CPU = 0.90
# A reported time may be wrong by so much: more than most answers of a healthy server take.
MOST_LAG_MS = 100.0
MOST_GC_MS = 100.0
# In a second, the host's or the quota's share: 100 ms and more in which nothing of the process moves.
MOST_STEAL = 0.10
MOST_THROTTLED_MS = 100.0
# Served at 20 to 50 µs each, so many sockets keep the last one of them waiting for a tenth of a second.
MOST_BACKLOG = 2000
# Single seconds happen on every machine (a cron job is enough) and touch only the highest percentiles.
MOST_SHARE = 0.05
FEWEST_SECONDS = 3
# Of more steps of browsers than these done on a busy machine nothing can be told.
MOST_BUSY_STEPS = 0.1
# What waited in one second may end in the next.
_AFTERMATH = 1
# The only process, or the master.
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure of `ProcessHealth`, what is too much of it, and how that is said."""

    figure: str
    most: float
    sentence: str  # {worst}

    def crossed(self, health: ProcessHealth) -> bool:
        """Whether it was too much; what the system does not tell is not."""
        value = getattr(health, self.figure)
        return value is not None and value >= self.most


LIMITS = (
    Limit("cpu", MOST_CPU, "was short of CPU: it used up to {worst:.0%} of a core"),
    Limit("lag_ms", MOST_LAG_MS, "had an event-loop lag of up to {worst:,.0f} ms"),
    Limit("backlog", MOST_BACKLOG, "fell behind: up to {worst:,.0f} sockets were readable at once"),
    Limit("gc_ms", MOST_GC_MS, "paused for garbage collection: up to {worst:,.0f} ms in a second"),
    Limit("steal", MOST_STEAL, "ran on a machine that lost up to {worst:.0%} of its CPU time to its host (steal)"),
    Limit("throttled_ms", MOST_THROTTLED_MS, "was throttled by its CPU quota: up to {worst:,.0f} ms in a second"),
)


class GeneratorTrust(msgspec.Struct, frozen=True):
    """Whether the generator kept up. `saturated_seconds` are those (`elapsed`) in which some limit was crossed.

    `saturated`: there were too many of them in the window that counts to believe its figures.
    """

    saturated: bool = False
    sentences: tuple[str, ...] = ()
    saturated_seconds: frozenset[int] = frozenset()


def trust_in(seconds: Sequence[Second]) -> GeneratorTrust:
    """What the health of the processes comes to. The steady seconds count, or all before the users are stopped."""
    makers = makers_of_load(seconds)
    silent = {name: _silent(seconds, name) for name in makers}
    bad = frozenset(second.elapsed for second in seconds if _is_bad(second, makers)).union(*silent.values())
    counted = window_of(seconds)
    share = sum(second.elapsed in bad for second in counted)
    saturated = share >= FEWEST_SECONDS and share > MOST_SHARE * len(counted)
    return GeneratorTrust(saturated, tuple(_sentences(counted, silent)), bad)


def window_of(seconds: Sequence[Second]) -> Sequence[Second]:
    """The seconds that the figures are from: the steady ones, or all before the users are stopped."""
    steady = [second for second in seconds if second.phase is RunPhase.STEADY]
    return steady or [second for second in seconds if second.phase is not RunPhase.STOPPING]


def with_aftermath(seconds: frozenset[int]) -> frozenset[int]:
    """Those seconds, and the next ones: what waited in a second may end after it."""
    return seconds | {second + _AFTERMATH for second in seconds}


def makers_of_load(seconds: Sequence[Second]) -> tuple[str, ...]:
    """The processes that made load. Where there are workers the master makes none: its lateness is in no figure."""
    names = tuple(dict.fromkeys(name for second in seconds for name in second.health))
    return tuple(name for name in names if name != LOCAL) or names


def _is_bad(second: Second, makers: Sequence[str]) -> bool:
    told = [second.health[name] for name in makers if name in second.health]
    return any(limit.crossed(health) for health in told for limit in LIMITS)


def _silent(seconds: Sequence[Second], name: str) -> frozenset[int]:
    """The seconds in which a process told nothing though it did before and after.

    A loop that stands still for five seconds is one late look, not five: the other four would pass for good ones.
    """
    told = [second.elapsed for second in seconds if name in second.health]
    return frozenset(range(told[0], told[-1])) - frozenset(told) if told else frozenset()


def _sentences(seconds: Sequence[Second], silent: Mapping[str, frozenset[int]]) -> Iterator[str]:
    """One for each limit that a process crossed: how badly, and in how many seconds."""
    told: dict[str, list[ProcessHealth]] = defaultdict(list)
    for second in seconds:
        for name in silent:
            if name in second.health:
                told[name].append(second.health[name])
    for name, missing in silent.items():
        yield from _crossed(_called(name), told[name])
        gone = sum(second.elapsed in missing for second in seconds)
        if gone:
            yield f"{_called(name)} stalled: it reported nothing in {gone} of {len(seconds)} s"


def _crossed(who: str, told: Sequence[ProcessHealth]) -> Iterator[str]:
    for limit in LIMITS:
        values = [getattr(health, limit.figure) for health in told if limit.crossed(health)]
        if values:
            yield f"{who} {limit.sentence.format(worst=max(values))} ({len(values)} of {len(told)} s)"


def _called(name: str) -> str:
    return "the generator" if name == LOCAL else name


def disturbed(seconds: Sequence[Second], storms: Sequence[StormRecovery] = ()) -> frozenset[int]:
    """The moments (`ms`) of the seconds that don't count: of a saturated generator, or of a server that was away.

    What a storm brought about does count.
    A server is not itself again before its sockets are back: they all ask for what they missed.
    """
    bad = with_aftermath(trust_in(seconds).saturated_seconds)
    away = [
        (each.start_ms, each.end_ms + each.back_after_seconds * 1000) for each in unforeseen(outages(seconds), storms)
    ]
    return frozenset(
        each.ms for each in seconds if each.elapsed in bad or any(begin <= each.ms <= end for begin, end in away)
    )


def undisturbed(figures: Iterable[Figures], without: frozenset[int]) -> Undisturbed:
    """The sums of all other seconds, and of the steady ones among them."""
    whole, steady = Delta(), Delta()
    seconds = steady_seconds = 0
    for each in figures:
        if each.ms in without:
            continue
        seconds += 1
        whole.merge(each.figures)
        if each.phase is RunPhase.STEADY:
            steady_seconds += 1
            steady.merge(each.figures)
    return Undisturbed(Part(steady_seconds, steady), Part(seconds, whole))


def untrusted(figures: Delta) -> str:
    """Why the times of browser users say nothing, naming the busy hosts; "" they do."""
    busy = {name: host for name, host in figures.browser_hosts.items() if host.busy > MOST_BUSY_STEPS * host.steps}
    if not busy:
        return ""
    hosts = "; ".join(f"{name} in {host.busy} of {host.steps} steps" for name, host in busy.items())
    return f"the times of browser users cannot be trusted, as their host was busy ({hosts})"
