"""How many lines of an access log `mmload learn` reads in a second of CPU, by format, and how much memory it takes."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import Report, Table, spread, whole
from mmload.behaviours.catalogue import routes
from mmload.learn.reading import counted, examined
from tests.learn.logs import WRITERS, lines, story

_PEOPLE, _SECONDS = 40, 1200


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--copies", type=whole, default=20, help="how often the made-up log is repeated (default: %(default)s)")
    add("--rounds", type=whole, default=5, help="rounds of each; the fastest counts (default: %(default)s)")


def measure(args: argparse.Namespace) -> Report:
    """Lines per second of CPU; the memory is that of the process after the largest log."""
    requests = story(1, people=_PEOPLE, seconds=_SECONDS).requests
    figures, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name in WRITERS:
            path = Path(folder) / f"{name}.log"
            path.write_bytes(lines(requests, WRITERS[name]) * args.copies)
            rates = []
            for _ in range(args.rounds):
                began = time.process_time()
                counted([examined(path)], routes())
                rates.append(len(requests) * args.copies / (time.process_time() - began))
            figures[name] = {"lines_per_s": round(max(rates)), "median": round(spread(rates).median)}
            rows.append((name, len(requests) * args.copies, round(max(rates)), round(spread(rates).median)))
            path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = Table("Reading logs", ("format", "lines", "lines/s of CPU", "median"), tuple(rows))
    return Report({"formats": figures, "peak_rss_kb": peak}, (table,))
