"""What /proc tells of the server: parsed purely, and looked at on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.observe import processes
from coordinator.observe.processes import (
    MachineTimes,
    Processes,
    ProcessTimes,
    family,
    is_here,
    listening,
    machine_state,
    machine_times,
    process,
    quota_cores,
    roots,
    throttled_share,
    used,
)

PATIENCE_SECONDS = 60


def test_a_process_is_read_whatever_its_name_is() -> None:
    text = "42 (a) (b c) S 7 42 42 0 -1 4194560 1 2 3 4 250 150 9 9 20 0 1 0 5 6 7"

    assert process(text) == ProcessTimes(42, "a) (b c", 7, 400 / processes._TICKS)


def test_who_listens_is_known_by_the_socket() -> None:
    text = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F81 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 111 1 0
   1: 0100007F:1F81 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0
"""
    assert listening(text, 0x1F81) == {"111": 7}


def test_all_below_a_process_is_its_family() -> None:
    found = {pid: ProcessTimes(pid, name, parent, 0.0) for pid, name, parent in FAMILIES}

    assert family(found, 10) == {10, 11, 12}
    assert roots(found, "postgres") == [20]


FAMILIES = [(1, "init", 0), (10, "mattermost", 1), (11, "plugin", 10), (12, "plugin", 11)]
FAMILIES += [(20, "postgres", 1), (21, "postgres", 20), (22, "postgres", 20)]


def test_a_process_that_ends_takes_nothing_back_and_a_new_one_counts_from_its_start() -> None:
    assert used({1: 5.0, 2: 9.0}, {1: 5.5, 3: 0.25}) == 0.75


@pytest.mark.parametrize(
    ("limit", "period", "cores"),
    [
        ("40000 100000", "", 0.4),
        ("max 100000", "", None),
        ("-1", "100000", None),
        ("200000", "100000", 2),
        ("", "", None),
    ],
)
def test_a_quota_of_either_version_is_a_number_of_cores(limit: str, period: str, cores: float | None) -> None:
    assert quota_cores(limit, period) == cores


def test_how_often_a_quota_was_used_up() -> None:
    before, after = "nr_periods 10\nnr_throttled 4\nthrottled_usec 5\n", "nr_periods 20\nnr_throttled 13\n"

    assert throttled_share(before, after) == 0.9
    assert throttled_share(after, after) == 0.0
    assert throttled_share("", after) is None


def test_the_machines_times_are_shares_of_all_cores_and_of_the_busiest_disk() -> None:
    rows = "   8  0 sda 1 1 1 1 1 1 1 1 0 {} 9\n   8  1 sda1 1 1 1 1 1 1 1 1 0 999999 9\n"
    before = machine_times("cpu  100 0 100 700 100 0 0 0 0 0\n", rows.format(1000))
    after = machine_times("cpu  180 0 180 720 120 0 0 0 0 0\n", rows.format(1900))
    told = machine_state(before, after, 1.0, 2)

    assert [told.machine_cpu, told.machine_io_wait, told.machine_disk] == pytest.approx([0.8, 0.1, 0.9])
    assert machine_state(after, after, 1.0, 2).machine_cpu is None
    assert isinstance(before, MachineTimes)


def test_a_machine_that_never_idles_is_at_one_and_not_a_rounding_error_more() -> None:
    before, after = MachineTimes(0.1, 0.0, 0.2), MachineTimes(0.2, 0.0, 0.3)
    assert (after.busy - before.busy) / (after.all - before.all) > 1

    assert machine_state(before, after, 1.0, 2).machine_cpu == 1


def test_only_the_quota_of_a_cgroup_above_counts_where_its_own_has_none(tmp_path: Path) -> None:
    cgroups, proc = tmp_path / "cgroup", tmp_path / "proc"
    (cgroups / "limited" / "app").mkdir(parents=True)
    (cgroups / "limited" / "cpu.max").write_text("40000 100000\n")
    (cgroups / "limited" / "app" / "cpu.max").write_text("max 100000\n")
    watched = Processes("http://127.0.0.1:1", proc=proc, cgroups=cgroups)
    found = watched._quota("0::/limited/app\n")

    assert found is not None and (found.cores, found.folder) == (0.4, cgroups / "limited")
    assert watched._quota("3:cpuset:/limited\n") is None


def test_an_address_of_another_machine_is_not_here() -> None:
    assert is_here("127.0.0.1") and is_here("localhost")
    assert not is_here("192.0.2.1") and not is_here("no.such.host.invalid")


BUSY = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        sum(range(10000))
"""


@contextmanager
def busy_server() -> Iterator[int]:
    """The port of a process that takes all the CPU that it gets."""
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_the_cpu_of_whoever_listens_at_the_servers_address_is_seen() -> None:
    """How much it gets is up to a busy machine: more than nothing, and never more than it may."""
    with busy_server() as port:
        watched = Processes(f"http://127.0.0.1:{port}")
        assert "python" in watched.found()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (state := watched.look()).server_cpu:
            assert time.monotonic() < deadline, "its CPU was never seen"
            time.sleep(2)

    assert state.server_cores is not None and 0 < state.server_cpu <= state.server_cores + 0.5
    assert state.machine_cpu is not None and 0 < state.machine_cpu <= 1
    assert state.shared_machine


def test_a_process_of_the_server_counts_from_its_start_and_others_are_read_once(tmp_path: Path) -> None:
    """A machine has hundreds of processes, and they are looked at each second."""
    now, ticks = 0.0, processes._TICKS
    written = {"stat": "cpu  1 0 1 7 1 0 0 0 0 0\n", "diskstats": ""}

    def stat(pid: int, name: str, parent: int, seconds: float) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        text = f"{pid} ({name}) S {parent} 0 0 0 -1 0 0 0 0 0 {int(seconds * ticks)} 0 0 0 20 0 1 0 5 6 7"
        (tmp_path / str(pid) / "stat").write_text(text)

    def looked(seconds: float) -> float | None:
        nonlocal now
        now += seconds
        return watched.look().server_cpu

    for name, text in written.items():
        (tmp_path / name).write_text(text)
    watched = Processes("http://127.0.0.1:1", proc=tmp_path, cgroups=tmp_path, clock=lambda: now)
    # Numbers that no process of a machine has.
    server, plugin, other = 9_000_001, 9_000_002, 9_000_003
    stat(server, "mattermost", 1, 5.0)
    stat(other, "cron", 1, 5.0)
    first = looked(0.0)
    stat(server, "mattermost", 1, 6.0)
    stat(plugin, "plugin", server, 0.5)
    # Were it read once more, it would be the server's.
    stat(other, "cron", server, 9.0)
    second = looked(2.0)
    stat(plugin, "plugin", server, 1.0)
    third = looked(1.0)
    fourth = looked(processes._FIND_EVERY_SECONDS)

    assert (first, second, third) == (None, 0.75, 0.5)
    assert fourth == pytest.approx(9.0 / processes._FIND_EVERY_SECONDS, abs=0.01)


def test_a_server_elsewhere_tells_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    for url in (f"http://192.0.2.1:{port}", "http://no.such.host.invalid"):
        assert Processes(url).look().server_cpu is None
        assert Processes(url).found() == ""
