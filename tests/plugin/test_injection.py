"""Actions on demand, in the middle of a test."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from mmload.cli.common import within_seconds
from mmload.errors import UsageError
from mmload.plugin.runner.injection import action_named, new_orders, shares
from mmload.results.folder import ORDERS, Order, add_order
from tests.run.processes import mmload, wait_for_figure
from tests.support import Admin


@given(st.integers(0, 500), st.dictionaries(st.text(min_size=1), st.integers(0, 100), max_size=6))
def test_workers_take_part_in_proportion_and_add_up(users: int, present: dict[str, int]) -> None:
    taken = shares(users, present)

    everybody = sum(present.values())
    wanted = everybody if users == 0 else min(users, everybody)
    assert sum(taken.values()) == wanted
    assert all(0 <= taken[worker] <= present[worker] for worker in present)
    for worker, count in present.items():
        assert abs(taken[worker] - wanted * count / max(1, everybody)) <= len(present)


def test_names_are_found_whatever_their_case_and_as_the_peer_misspells_them() -> None:
    assert action_named("reconnectwebsocket").name == "ReconnectWebSocket"
    assert action_named("DeleteChannelBookark").name == "DeleteChannelBookmark"
    assert action_named("Reload").frequency == 0


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="FullReload"):
        action_named("FullReloda")


def test_only_whole_new_lines_are_orders(tmp_path: pathlib.Path) -> None:
    """The file is read while it is written."""
    read: dict[pathlib.Path, int] = {}
    assert new_orders(tmp_path / ORDERS, read) == []
    add_order(tmp_path, Order("Reload", 3))
    with (tmp_path / ORDERS).open("a") as file:
        file.write('nonsense\n{"action":"Full')

    assert new_orders(tmp_path / ORDERS, read) == [Order("Reload", 3)]
    with (tmp_path / ORDERS).open("a") as file:
        file.write('Reload"}\n')
    assert new_orders(tmp_path / ORDERS, read) == [Order("FullReload")]
    assert new_orders(tmp_path / ORDERS, read) == []


def test_times_are_those_of_mmload_run() -> None:
    assert (within_seconds("0"), within_seconds("10"), within_seconds("1m")) == (0.0, 10.0, 60.0)
    with pytest.raises(UsageError, match="--within"):
        within_seconds("soon")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_storm_of_reconnects_on_demand_reaches_the_server(
    fresh_sandbox: str, tmp_path: pathlib.Path, workers: int
) -> None:
    """In one process, and shared among two workers."""
    Admin(fresh_sandbox).team()
    counts_url = f"{fresh_sandbox}/sandbox/counts"
    command = [sys.executable, "-m", "locust", "-f", str(pathlib.Path(__file__).parents[2] / "locustfile.py")]
    options = ["--headless", "-u", "6", "-r", "6", "-t", "300s", "--host", fresh_sandbox, "--only-summary"]
    options += ["--processes", str(workers)] if workers > 1 else []
    test = subprocess.Popen([*command, *options], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        wait_for_figure(tmp_path, "active", 6)
        said = mmload(tmp_path, "inject", "ReconnectWebSocket", "--within", "1s")
        assert said.returncode == 0, said.stderr
        assert said.stdout.strip() == "ReconnectWebSocket by 6 users within 1 s"
        deadline = time.monotonic() + 60
        while requests.get(counts_url, timeout=10).json()["sockets_resumed"] < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        # A person may reconnect by itself, too.
        assert requests.get(counts_url, timeout=10).json()["sockets_resumed"] >= 6
    finally:
        test.terminate()
        test.communicate(timeout=180)


def test_without_a_running_test_the_command_says_so(tmp_path: pathlib.Path) -> None:
    said = mmload(tmp_path, "inject", "Reload")

    assert said.returncode == 2
    assert "no test is running" in said.stderr
