"""The server's own figures of a run's time, where they are in its folder (server.jsonl)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmload.results.folder import SERVER, lines
from mmload.results.model import ServerSample


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure over time."""

    name: str
    unit: str
    values: tuple[tuple[int, float], ...]  # (ms, value), in order of time
    limit: float | None = None


def read_server(folder: Path) -> tuple[Metric, ...]:
    """The server's figures in a run's folder; none where there is no such file."""
    return metrics(lines(folder / SERVER, ServerSample, [], required=False))


def metrics(samples: Iterable[ServerSample]) -> tuple[Metric, ...]:
    """Samples by name, in the order in which the names came. Pure."""
    first: dict[str, ServerSample] = {}
    values: dict[str, list[tuple[int, float]]] = {}
    for sample in samples:
        first.setdefault(sample.name, sample)
        values.setdefault(sample.name, []).append((sample.ms, sample.value))
    return tuple(
        Metric(name, first[name].unit, tuple(sorted(found)), first[name].limit) for name, found in values.items()
    )
