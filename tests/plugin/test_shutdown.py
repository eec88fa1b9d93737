"""A Locust process that is told to end: before Locust itself heeds signals, and by Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


INTERRUPTED = """
import os, signal
import gevent
from mmload.plugin.shutdown import heed_signals

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    print("goes on")

def hold_on():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass

heed_signals()
try:
    {how}
    gevent.sleep(600)
except KeyboardInterrupt:
    print("main is interrupted")
"""


def interrupted(how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", INTERRUPTED.format(how=how)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("how", ["gevent.spawn(interrupt)", "gevent.get_hub().loop.run_callback(interrupt)"])
def test_ctrl_c_interrupts_neither_a_user_nor_what_its_socket_does(how: str) -> None:
    """Who is in the middle of a request logs out, as all others do."""
    ended = interrupted(how)

    assert (ended.stdout, ended.stderr) == ("goes on\nmain is interrupted\n", "")


def test_ctrl_c_interrupts_what_comes_before_there_are_users() -> None:
    ended = interrupted("interrupt()")

    assert (ended.stdout, ended.stderr) == ("main is interrupted\n", "")


def test_a_second_ctrl_c_ends_what_does_not_let_go() -> None:
    ended = interrupted("gevent.spawn(hold_on)")

    assert ended.stdout == "main is interrupted\n" and "in hold_on" in ended.stderr
