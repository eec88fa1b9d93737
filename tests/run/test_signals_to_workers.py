"""Workers that were forked on a machine without the master, and are told to end in the middle of a test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from tests.run.processes import ROOT, end, start, truth, wait_for_figure

USERS = 8
LOCUST = ("-m", "locust", "-f", str(ROOT / "tests/run/signalled.py"), "--stop-timeout", "5")


@pytest.mark.parametrize(
    ("tell", "number"),
    [
        (os.kill, signal.SIGINT),
        (os.killpg, signal.SIGINT),
        (os.killpg, signal.SIGTERM),
        (os.killpg, signal.SIGHUP),
    ],
    ids=["only their parent, SIGINT", "all of them, SIGINT", "all of them, SIGTERM", "all of them, SIGHUP"],
)
def test_their_users_leave_in_order(tmp_path: Path, tell: Callable[[int, int], None], number: signal.Signals) -> None:
    """A terminal, or `timeout`, tells all of them, and their parent tells the workers: they are told twice."""
    port = str(free_port())
    there = tmp_path / "there"
    there.mkdir()
    options = ("--headless", "--only-summary", "--host", "http://127.0.0.1:9", "-u", str(USERS), "-r", str(USERS))
    bound = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", "2")
    master = start([*LOCUST, *options, *bound, "-t", "1h"], tmp_path)
    joined = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, "--processes", "2")
    workers = start([*LOCUST, *joined], there, MADE_UP_FAREWELL_SECONDS="0.5")
    try:
        wait_for_figure(tmp_path, "active", USERS)

        tell(workers.pid, number)

        ended = end(workers)
    finally:
        for each in (master, workers):
            each.kill()
            end(each)
    assert "Traceback" not in ended.err and ended.code == 0, ended.err
    assert len(truth(there)) == USERS
