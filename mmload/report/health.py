"""What the generator's processes came to over a run, each figure at its worst. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mmload.metrics.delta import ProcessHealth
from mmload.results.model import Second
from mmload.results.trust import LOCAL


class ProcessFigures(msgspec.Struct, frozen=True):
    """One process of the generator: means and worst seconds. What the system does not tell is null."""

    cpu_mean: float  # cores
    cpu_max: float
    lag_max_ms: float
    backlog_max: int
    gc_max_ms: float  # garbage collection in one second
    rss_max_bytes: int
    steal_max: float | None
    throttled_max_ms: float | None


def process_names(seconds: Iterable[Second]) -> list[str]:
    """The processes that told of their health, in the order in which they came."""
    return list(dict.fromkeys(name for second in seconds for name in second.health))


def label(name: str, names: Iterable[str]) -> str:
    """What a process is called for people: `local` is the only one, or the master of the workers."""
    if name != LOCAL:
        return name
    return "master" if set(names) - {LOCAL} else "generator"


def process_figures(seconds: Sequence[Second]) -> dict[str, ProcessFigures]:
    """The figures of every process that told of its health."""
    return {
        name: _figures([second.health[name] for second in seconds if name in second.health])
        for name in process_names(seconds)
    }


def _figures(told: Sequence[ProcessHealth]) -> ProcessFigures:
    return ProcessFigures(
        cpu_mean=round(sum(each.cpu for each in told) / len(told), 4),
        cpu_max=max(each.cpu for each in told),
        lag_max_ms=max(each.lag_ms for each in told),
        backlog_max=max(each.backlog for each in told),
        gc_max_ms=max(each.gc_ms for each in told),
        rss_max_bytes=max(each.rss_bytes for each in told),
        steal_max=_worst(each.steal for each in told),
        throttled_max_ms=_worst(each.throttled_ms for each in told),
    )


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
