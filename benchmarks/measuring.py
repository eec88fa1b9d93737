"""What all benchmarks share: a process's CPU time and memory as the system counts them, rounds, tables.

CPU time is always that of one process alone; what a server in another process costs is not in it.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ANSWER_SECONDS = 30
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of several rounds. Other programs on the machine only add to it: the minimum is nearest the truth."""

    minimum: float
    median: float
    rounds: int


def spread(values: Sequence[float]) -> Spread:
    """Minimum and median of the rounds. Pure."""
    return Spread(min(values), statistics.median(values), len(values))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as shown: numbers are rounded to three significant digits."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found: `figures` for machines, `tables` for people."""

    figures: dict[str, Any]
    tables: tuple[Table, ...] = field(default=())


def shown(value: Any) -> str:
    """A cell's text. Pure."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def drawn(table: Table) -> str:
    """A table in Markdown, aligned for the terminal. Pure."""
    cells = [table.columns, *(tuple(map(shown, row)) for row in table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([table.title, "", *lines])


def machine() -> dict[str, Any]:
    """Where the figures come from, in general terms."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


# -- options -----------------------------------------------------------------------------------------------------


def whole(text: str) -> int:
    """A whole number of 1 or more, as argparse wants it. Pure."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def wholes(text: str) -> tuple[int, ...]:
    """Such numbers, with commas between them, as argparse wants them. Pure."""
    return tuple(whole(part) for part in text.split(","))


def positive(text: str) -> float:
    """A number above 0, as argparse wants it. Pure."""
    number = _number(text)
    if not (0 < number < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def nonnegative(text: str) -> float:
    """A number of 0 or more, as argparse wants it. Pure."""
    number = _number(text)
    if not (0 <= number < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def part(text: str) -> float:
    """A part of a whole, above 0 and below 1, as argparse wants it. Pure."""
    number = _number(text)
    if not (0 < number < 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.7")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


# -- a process, seen from outside ------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """CPU time of a living process, all threads: to the nanosecond where the kernel tells, else to the tick."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (FileNotFoundError, IndexError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / _CLOCK_TICKS


def kept_waiting_seconds(pid: int | str = "self") -> float:
    """How long a process's main thread could have run but had no core: what others on the machine took from it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, IndexError):
        return 0.0


def rss_kb(pid: int | str = "self") -> int:
    """Memory in use by a process, as `ps` has it."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def private_kb(pid: int | str = "self") -> int:
    """Memory that a process shares with nobody."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Private_Dirty:")


def _kilobytes(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(f"{file} has no {name}")


@contextmanager
def python_process(*arguments: str) -> Iterator[str]:
    """A program of ours in a process of its own; gives the first line that it prints. Stopped in the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=_ANSWER_SECONDS)
        process.stdout.close()


def tell(text: str) -> None:
    """Progress, on stderr."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


def ratios(values: Iterable[tuple[str, float]], base: str) -> dict[str, float]:
    """Each value as a multiple of the one named `base`. Pure."""
    by_name = dict(values)
    return {name: value / by_name[base] for name, value in by_name.items()}
