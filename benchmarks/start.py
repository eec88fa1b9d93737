"""What a worker costs before its first user: time to import, memory, modules; against Locust alone."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from benchmarks.measuring import Report, Table, spread, whole

# What each fresh process imports.
STARTS = {
    "python alone": "",
    "locust": "import locust",
    "locust as a command": "import locust, locust.main, locust.web",
    "worker: locust and mmload": "import locust, locust.main, locust.web, mmload.locustfile",
}
_PROGRAM = """
import sys, time
began, used = time.perf_counter(), time.process_time()
{imports}
wall, cpu = time.perf_counter() - began, time.process_time() - used
import json
from benchmarks.measuring import rss_kb
ours = sorted(name for name in sys.modules if name.partition(".")[0] == "mmload")
print(json.dumps(dict(
    wall_ms=wall * 1000, cpu_ms=cpu * 1000, rss_kb=rss_kb(), modules=len(sys.modules), our_modules=len(ours)
)))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=whole, default=5, help="fresh processes of each kind (default: %(default)s)")


def started(imports: str) -> dict[str, Any]:
    """The figures of one fresh process."""
    program = _PROGRAM.format(imports=imports)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(args: argparse.Namespace) -> Report:
    found = {name: [started(imports) for _ in range(args.rounds)] for name, imports in STARTS.items()}
    return report(found)


def report(found: dict[str, list[dict[str, Any]]]) -> Report:
    """Table and figures. Pure."""
    figures = {}
    rows = []
    for name, rounds in found.items():
        cpu, wall = (spread([each[key] for each in rounds]) for key in ("cpu_ms", "wall_ms"))
        memory = spread([each["rss_kb"] for each in rounds])
        modules, own = rounds[0]["modules"], rounds[0]["our_modules"]
        figures[name] = {
            "import_cpu_ms": cpu.minimum,
            "import_cpu_ms_median": cpu.median,
            "import_ms": wall.minimum,
            "rss_kb": memory.median,
            "modules": modules,
            "our_modules": own,
        }
        rows.append((name, cpu.minimum, cpu.median, wall.minimum, int(memory.median), modules, own))
    columns = ("process", "import CPU ms", "median", "wall ms", "RSS KB", "modules", "of them ours")
    return Report({"starts": figures}, (Table("Before the first user", columns, tuple(rows)),))
