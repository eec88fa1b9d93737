"""`python -m benchmarks NAME [--json]`: runs one benchmark and prints its tables, or its figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from typing import Any

from benchmarks.measuring import drawn, machine
from mmload.errors import ExitCode, MmloadError

# Each module has `add_options(parser)` and `measure(args) -> Report`; it is imported only when asked for.
BENCHMARKS = {
    "frames": "CPU and memory of the WebSocket's reading side",
    "requests": "CPU of a REST call",
    "person": "CPU and memory of a simulated person, in a real Locust process",
    "delivery": "memory and CPU of the delivery account",
    "truth": "how far reported latencies are from the true ones, by how busy the core is",
    "compare": "how often `mmload compare` says the truth of two runs",
    "simulated": "how often `mmload compare` says the truth, on many simulated runs",
    "browser": "what a browser user costs, and what niced ones change for the simulated users beside them",
    "soak": "memory over half an hour",
    "ramp": "how fast people come in by password and with kept sessions, and what that costs the server",
    "start": "import time and memory of a worker",
    "capacity": "how near the coordinator comes to the known capacity of simulated servers",
    "looks": "CPU of the coordinator's look each second",
    "causes": "how often the right cause is named, of a server that is made to break in each way",
    "sweep": "how many people the sandbox with a capacity holds, measured the long way",
    "handlers": "how many requests of each handler an action sends: the table of `mmload learn`",
    "learning": "how near `mmload learn` comes to a known mix, behind a real nginx",
    "others": "what a client sends because others write, with few people and with many",
    "logs": "how many lines of an access log `mmload learn` reads in a second",
    "mutation": "how many small faults put into a module its tests notice",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark named first; the exit code."""
    if not arguments or arguments[0] not in BENCHMARKS:
        return _usage(asked_for_help=bool(arguments) and arguments[0] in ("-h", "--help"))
    name, *rest = arguments
    module: Any = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=module.__doc__)
    parser.add_argument("--json", action="store_true", help="the figures as JSON, for scripts")
    module.add_options(parser)
    args = parser.parse_args(rest)
    # What was started for it is ended in order, whoever ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = module.measure(args)
    except KeyboardInterrupt:
        print(f"benchmarks {name}: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except MmloadError as error:
        print(f"benchmarks {name}: {error}", file=sys.stderr)
        return int(error.exit_code)
    if args.json:
        print(json.dumps({"benchmark": name, "machine": machine(), **report.figures}, indent=2))
    else:
        print("\n\n".join(drawn(table) for table in report.tables))
    return 0


def _usage(*, asked_for_help: bool) -> int:
    lines = ["usage: python -m benchmarks NAME [--json] [options of NAME]", ""]
    lines += [f"  {name:<10} {meaning}" for name, meaning in BENCHMARKS.items()]
    print("\n".join(lines), file=sys.stdout if asked_for_help else sys.stderr)
    return 0 if asked_for_help else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
