"""A run lasts as long as asked for, however long the process took to start."""

from __future__ import annotations

import subprocess
import sys

# As Locust does: a long start in which the event loop never turns, then the timer of the run time.
STARTING = """
import locust, gevent, time
from gevent.event import Event
from mmload.plugin.record.run_recorder import freshen_timers
busy_until = time.perf_counter() + 0.5
while time.perf_counter() < busy_until:
    pass
freshen_timers()
began, over = time.perf_counter(), Event()
gevent.spawn_later(0.6, over.set)
over.wait()
print(time.perf_counter() - began)
"""


def test_the_time_of_a_long_start_is_not_taken_off_the_run() -> None:
    """A run that ended early for that was taken for an interrupted one."""
    ended = subprocess.run([sys.executable, "-c", STARTING], capture_output=True, text=True, timeout=180, check=True)

    assert float(ended.stdout) >= 0.59
