"""A Locust process that is told to end: before there are users, and when there may be some."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmload.errors import ExitCode

EARLY = """
import os, signal, sys
from mmload.plugin.shutdown import heed_signals

class Socket:
    def __init__(self):
        told()
        self.events = []

    def __del__(self):
        self.events.clear()

class Dropped:
    def __del__(self):
        told()

def told():
    os.kill(os.getpid(), signal.{number})

def fork(**moment):
    os.register_at_fork(**moment)
    if not os.fork():
        os._exit(0)

heed_signals()
{how}
print("goes on")
"""
MOMENTS = {
    "half-made": "Socket()",
    "being dropped": "Dropped()",
    "forking, before": "fork(before=told)",
    "forking, after": "fork(after_in_parent=told)",
}


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("how", MOMENTS.values(), ids=MOMENTS)
def test_a_signal_before_there_are_users_ends_the_process_at_once_whatever_it_does(how: str, number: str) -> None:
    """Python drops what a handler raises in a destructor and while a process forks."""
    ended = run(EARLY.format(how=how, number=number))

    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")


WORKERS = """
import os, signal, sys, time
from mmload.plugin.shutdown import heed_signals

def told():
    if len(workers) == {already}:
        os.kill(os.getpid(), signal.SIGTERM)

heed_signals()
sys.argv = ["locust", "--worker", "--processes", "3"]
workers = []
os.register_at_fork({moment}=told)
for _ in range(3):
    worker = os.fork()
    if not worker:
        while True:
            time.sleep(600)
    workers.append(worker)
for worker in workers:
    print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
"""


@pytest.mark.parametrize("already", [1, 2])
@pytest.mark.parametrize("moment", ["before", "after_in_parent"])
def test_a_signal_while_workers_are_forked_ends_those_too_that_come_after_it(moment: str, already: int) -> None:
    """Their parent waits for them, for as long as they go on."""
    ended = run(WORKERS.format(already=already, moment=moment))

    assert (ended.stdout.split(), ended.stderr) == ([str(int(ExitCode.INTERRUPTED))] * 3, "")


LATE = """
import os, signal, time
import gevent
from mmload.plugin.shutdown import SAME_SECONDS, heed_signals, let_users_leave

class Dropped:
    def __del__(self):
        interrupt()

def interrupt():
    os.kill(os.getpid(), signal.{number})
    print("goes on")

def interrupt_twice():
    interrupt()
    interrupt()

def hold_on():
    os.kill(os.getpid(), signal.{number})
    time.sleep(SAME_SECONDS)
    os.kill(os.getpid(), signal.{number})
    while True:
        pass

heed_signals()
let_users_leave()
try:
    {how}
    gevent.sleep(600)
except {heeded}:
    print("main is interrupted")
    gevent.sleep(0.1)
    print("and shuts down")
"""
SHUT_DOWN = "main is interrupted\nand shuts down\n"


def interrupted(how: str, number: str, heeded: str = "KeyboardInterrupt") -> subprocess.CompletedProcess[str]:
    return run(LATE.format(how=how, number=number, heeded=heeded))


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "how", ["gevent.spawn(interrupt)", "gevent.get_hub().loop.run_callback(interrupt)", "interrupt()", "Dropped()"]
)
def test_a_signal_interrupts_neither_a_user_nor_what_its_socket_does_but_main(how: str, number: str) -> None:
    """Who is in the middle of a request logs out, as all others do."""
    ended = interrupted(how, number)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "goes on\n" + SHUT_DOWN, "")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_twice_at_once_is_one(number: str) -> None:
    """A terminal tells workers and their parent, which tells them, too."""
    ended = interrupted("gevent.spawn(interrupt_twice)", number)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "goes on\ngoes on\n" + SHUT_DOWN, "")


def test_where_locust_does_not_heed_ctrl_c_the_process_ends_without_a_traceback() -> None:
    ended = interrupted("gevent.spawn(interrupt)", "SIGINT", heeded="OSError")

    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "goes on\n", "")


def test_a_second_ctrl_c_ends_what_does_not_let_go() -> None:
    ended = interrupted("gevent.spawn(hold_on)", "SIGINT")

    assert (ended.stdout, ended.stderr) == (SHUT_DOWN, "")


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=False)
