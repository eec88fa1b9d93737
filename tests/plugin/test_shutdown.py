"""A Locust process that is told to end before Locust itself heeds signals."""

from __future__ import annotations

import subprocess
import sys

from mmload.errors import ExitCode

HALF_MADE = """
import os, signal
from mmload.plugin.shutdown import heed_signals

class Socket:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        self.events = []

    def __del__(self):
        self.events.clear()

heed_signals()
Socket()
"""


def test_a_signal_while_something_is_half_made_brings_no_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", HALF_MADE], capture_output=True, text=True, timeout=180, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")
