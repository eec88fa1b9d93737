"""From many runs to figures and tables. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.capacity.runs import Run
from benchmarks.capacity.servers import Kind
from benchmarks.measuring import Table

NEAR = 0.05
COLUMNS = (
    *("kind", "runs", "time p50 s", "time p90 s", "error p50 %", "error p95 %", "bias %", "within 5 %", "covered %"),
    *("half width %", "breached s", "twice s"),
)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(runs: Sequence[Run]) -> dict[str, float]:
    """Shares in percent, times in seconds. `covered` and `half_width` are 0 where a rule gives no interval."""
    errors = [run.error for run in runs]
    seconds = [run.seconds for run in runs]
    widths = [run.half_width for run in runs if run.half_width is not None]
    ratios = [run.ratio for run in runs if run.ratio is not None]
    return {
        "runs": len(runs),
        "seconds_median": statistics.median(seconds),
        "seconds_p90": quantile(seconds, 0.9),
        "error_median": 100.0 * statistics.median(errors),
        "error_p95": 100.0 * quantile(errors, 0.95),
        "bias": 100.0 * (statistics.median(ratios) - 1.0) if ratios else 0.0,
        "within": 100.0 * sum(error <= NEAR for error in errors) / len(runs),
        "covered": 100.0 * sum(run.covered for run in runs) / len(runs),
        "half_width": 100.0 * statistics.median(widths) if widths else 0.0,
        "breached_seconds": statistics.median(run.breached_seconds for run in runs),
        "twice_breached_seconds": statistics.median(run.twice_breached_seconds for run in runs),
    }


def by_kind(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """The figures of each kind, and of all together."""
    found = {str(kind): figures(mine) for kind in Kind if (mine := [run for run in runs if run.kind is kind])}
    return {**found, "all": figures(runs)}


def table(title: str, found: dict[str, dict[str, float]]) -> Table:
    """One row for each kind."""
    rows = tuple((kind, *map(_shown, each.values())) for kind, each in found.items())
    return Table(title, COLUMNS, rows)


def changed(runs: Sequence[Run], whole: Sequence[Run]) -> int:
    """How many runs came out otherwise than those of the whole search, on the same servers with the same seeds."""
    return sum(run != other for run, other in zip(runs, whole, strict=True))


def ablations(found: Mapping[str, Sequence[Run]]) -> Table:
    """One row for each part that was left out: all runs, and those of noisy servers. The first is the whole search."""
    whole = next(iter(found.values()))
    rows = []
    for name, runs in found.items():
        noisy = [run for run in runs if run.kind is Kind.NOISY]
        sets = [figures(each) for each in (runs, noisy) if each]
        cells = [_shown(each[key]) for each in sets for key in ("within", "covered", "seconds_median")]
        rows.append((name, len(runs), changed(runs, whole), *cells))
    columns = ("without", "runs", "other", *("within 5 %", "covered %", "time p50 s") * (len(rows[0]) // 3 - 1))
    return Table("the search without one part (of all runs, then of those on noisy servers)", columns, tuple(rows))


def _shown(value: float) -> Any:
    return value if isinstance(value, int) else f"{value:.1f}" if abs(value) < 100.0 else f"{value:.0f}"


def ratio_of_medians(search: dict[str, dict[str, float]], classic: dict[str, dict[str, float]]) -> dict[str, float]:
    """The search's median time as a share of the classic rule's."""
    return {kind: search[kind]["seconds_median"] / classic[kind]["seconds_median"] for kind in search}
