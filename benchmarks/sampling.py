"""Where a process's CPU time goes: the running stack, noted every few milliseconds of CPU time.

Loaded by Locust beside our locustfile (`-f …/locustfile.py,…/sampling.py`). cProfile would be of no use: greenlets
switch under it. SIGUSR1 begins the sampling, SIGUSR2 ends it and writes the counts to the file named by the variable.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

FILE_VARIABLE = "BENCHMARKS_PROFILE"
# Of CPU time. A prime, so that it does not beat with timers.
_EVERY_SECONDS = 0.00197
_DEEPEST = 80

_alone: Counter[str] = Counter()
_with_callees: Counter[str] = Counter()


def place(frame: FrameType) -> str:
    """A function as its file and name: `mmload/client/http/client.py call`. Pure."""
    code = frame.f_code
    parts = Path(code.co_filename).parts
    return f"{'/'.join(parts[-3:])} {code.co_qualname}"


def _sample(_signal: int, frame: FrameType | None) -> None:
    if frame is None:
        return
    _alone[place(frame)] += 1
    seen = set()
    depth = 0
    while frame is not None and depth < _DEEPEST:
        seen.add(place(frame))
        frame = frame.f_back
        depth += 1
    _with_callees.update(seen)


def _begin(_signal: int, _frame: FrameType | None) -> None:
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)


def _end(_signal: int, _frame: FrameType | None) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    found = {"alone": _alone.most_common(), "with_callees": _with_callees.most_common()}
    file = Path(os.environ[FILE_VARIABLE])
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(file)


if FILE_VARIABLE in os.environ:
    signal.signal(signal.SIGPROF, _sample)
    signal.signal(signal.SIGUSR1, _begin)
    signal.signal(signal.SIGUSR2, _end)
