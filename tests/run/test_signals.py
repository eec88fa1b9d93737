"""Signals to a command that is just starting a child."""

from __future__ import annotations

import subprocess
import sys

import pytest

STARTING = """
import os, signal, threading
from mmload.signals import raising_interrupts, start_child

os.register_at_fork({moment}=lambda: os.kill(os.getpid(), signal.{number}))
try:
    with raising_interrupts():
        {start}
        print("goes on")
except KeyboardInterrupt:
    print("interrupted")
"""
NUMBERS = ["SIGINT", "SIGTERM", "SIGHUP"]


def told(start: str, moment: str, number: str) -> subprocess.CompletedProcess[str]:
    program = STARTING.format(start=start, moment=moment, number=number)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("moment", ["before", "after_in_parent"])
@pytest.mark.parametrize("child", ["true", "no-such-command"])
def test_a_signal_while_a_child_is_started_is_not_lost(child: str, moment: str, number: str) -> None:
    """Python drops what a handler raises while a process forks."""
    ended = told(f"start_child(['{child}'])", moment, number)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_while_another_thread_starts_a_child_is_not_lost_either(number: str) -> None:
    start = "; ".join(
        ("thread = threading.Thread(target=lambda: start_child(['true']).wait())", "thread.start()", "thread.join()")
    )

    ended = told(start, "after_in_parent", number)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")
