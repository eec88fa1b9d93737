"""How a process watches itself: on a clock and a timer of the test's own, and on the texts that systems give."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from mmload.metrics.health import (
    WAKE_SECONDS,
    Pauses,
    Probe,
    SocketLoad,
    Usage,
    condition,
    machine_ticks,
    quota_file,
    throttled_seconds,
    usage,
)
from mmload.metrics.recorder import HANDLING_DELAY, LOOP_LAG, Recorder

STAT = "cpu  100 5 50 800 10 3 2 30 0 0\ncpu0 50 2 25 400 5 1 1 15 0 0\nintr 12345\n"
V2 = "usage_usec 500\nuser_usec 300\nnr_periods 7\nnr_throttled 2\nthrottled_usec 250000\nnr_bursts 0\n"
V1 = "nr_periods 7\nnr_throttled 2\nthrottled_time 250000000\n"


def test_stolen_time_is_the_eighth_figure_of_the_machine() -> None:
    """user nice system idle iowait irq softirq steal; guest time is part of user."""
    assert machine_ticks(STAT) == (30, 1000)


@pytest.mark.parametrize("text", ["", "cpu 1 2 3\n", "intr 5 6 7 8 9 10 11 12\n"])
def test_a_system_that_does_not_tell_of_stolen_time_is_none(text: str) -> None:
    """An old kernel, another system, no /proc."""
    assert machine_ticks(text) == (None, 0)


@pytest.mark.parametrize("text", [V1, V2])
def test_both_versions_of_control_groups_tell_how_long_a_quota_held_back(text: str) -> None:
    """In nanoseconds the older one, in microseconds the newer."""
    assert throttled_seconds(text) == 0.25


def test_a_group_without_a_quota_tells_nothing() -> None:
    assert throttled_seconds("usage_usec 500\nuser_usec 300\n") is None


@pytest.mark.parametrize(
    ("groups", "there", "found"),
    [
        ("0::/user.slice/a.scope\n", "/sys/fs/cgroup/user.slice/a.scope/cpu.stat", True),
        ("0::/docker/0123\n", "/sys/fs/cgroup/cpu.stat", True),
        ("4:cpu,cpuacct:/docker/0123\n1:name=x:/\n", "/sys/fs/cgroup/cpu/docker/0123/cpu.stat", True),
        ("4:cpuacct,cpu:/\n", "/sys/fs/cgroup/cpu/cpu.stat", True),
        ("3:cpuset:/\n2:cpuacct:/\n", "/sys/fs/cgroup/cpu/cpu.stat", False),
        ("", "/sys/fs/cgroup/cpu.stat", False),
    ],
)
def test_the_file_of_the_quota_is_found_in_either_version_and_in_a_container(
    monkeypatch: pytest.MonkeyPatch, groups: str, there: str, found: bool
) -> None:
    """There the path is often the host's, and the group is mounted at the root."""
    quota_file.cache_clear()
    monkeypatch.setattr("mmload.metrics.health.os.access", lambda path, mode: path == there)

    assert quota_file(groups) == (there if found else "")
    quota_file.cache_clear()


def test_this_machine_is_read_without_complaint() -> None:
    """Whatever it tells."""
    found = usage()

    assert found.cpu_seconds > 0
    assert found.rss_bytes > 10_000_000 or not Path("/proc/self/statm").exists()


def test_a_span_between_two_looks_becomes_shares_and_milliseconds() -> None:
    before = Usage(cpu_seconds=10.0, rss_bytes=5, stolen=100, all_ticks=1000, throttled_seconds=1.0)
    after = Usage(cpu_seconds=11.5, rss_bytes=7, stolen=140, all_ticks=1400, throttled_seconds=1.5)

    found = condition(before, after, 2.0, longest_seconds=0.0301, backlog=9, gc=0.004)

    assert (found.cpu, found.lag_ms, found.backlog, found.gc_ms, found.rss_bytes) == (0.75, 30.1, 9, 4.0, 7)
    assert (found.steal, found.throttled_ms) == (0.1, 250.0)


@pytest.mark.parametrize("before", [Usage(1.0), Usage(1.0, 0, 5, 100)])
def test_what_is_not_told_twice_is_unknown(before: Usage) -> None:
    """Also where the clock of the machine stood still between the looks."""
    found = condition(before, before, 1.0, longest_seconds=0.0, backlog=0, gc=0.0)

    assert (found.steal, found.throttled_ms) == (None, None)


def test_the_machine_of_a_moved_guest_may_count_backwards() -> None:
    """Steal is never negative."""
    assert condition(Usage(0, 0, 9, 100), Usage(0, 0, 8, 200), 1.0, longest_seconds=0, backlog=0, gc=0).steal == 0.0


class Stage:
    """A probe on a clock and a timer that the test moves."""

    def __init__(self) -> None:
        self.now, self.cpu = 100.0, 5.0
        self.callback: Callable[[], None] = lambda: None
        self.closed = 0
        self.recorder, self.sockets = Recorder(), SocketLoad()
        self.probe = Probe(
            self.recorder,
            self.sockets,
            read=lambda: Usage(self.cpu),
            clock=lambda: self.now,
            timer=lambda: self,
        )

    def start(self, callback: Callable[[], None]) -> None:
        """As the timer: it begins."""
        self.callback = callback

    def close(self) -> None:
        """As the timer: it ends."""
        self.closed += 1

    def wake(self, after: float = WAKE_SECONDS) -> None:
        """So many seconds go by, and the loop comes round."""
        self.now += after
        self.callback()


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.probe.start()
    return made


def test_a_loop_that_keeps_its_beat_is_not_late(stage: Stage) -> None:
    for _ in range(20):
        stage.wake()
    stage.cpu += 0.25
    found = stage.probe.look()

    assert found is not None
    assert (found.cpu, found.lag_ms) == (0.25, 0.0)
    assert stage.recorder.take().spans[LOOP_LAG].count == 20


def test_the_longest_lateness_since_the_last_look_is_told(stage: Stage) -> None:
    """And forgotten with the look."""
    for after in (0.05, 0.35, 0.0, 0.05, 0.15, 0.0, 0.5):
        stage.wake(after)
    found = stage.probe.look()
    stage.wake(0.0)
    for _ in range(20):
        stage.wake()
    again = stage.probe.look()

    assert found is not None and again is not None
    assert (found.lag_ms, again.lag_ms) == (450.0, 0.0)


def test_a_missed_beat_is_made_up_for_once(stage: Stage) -> None:
    """As libev does: after 0.35 s the next wake-up comes at once, and the beat goes on from there."""
    stage.wake(0.35)
    stage.wake(0.0)
    stage.wake(0.05)
    stage.wake(0.05)
    stage.now += 0.2
    stage.probe.look()

    times = stage.recorder.take().spans[LOOP_LAG]
    assert (times.count, times.minimum, times.maximum) == (4, 0.0, 0.3)


def test_a_wake_up_that_is_due_and_does_not_come_is_late_already(stage: Stage) -> None:
    """The look itself may come first after a long blockade."""
    stage.now += 2.0
    found = stage.probe.look()

    assert found is not None
    assert found.lag_ms == pytest.approx(1950.0)


def test_a_look_that_comes_too_soon_is_left_to_the_next_one(stage: Stage) -> None:
    """Over a tenth of a second a share of CPU time says nothing; nothing of it is lost."""
    stage.wake(0.3)
    assert stage.probe.look() is None
    stage.cpu += 0.5
    stage.wake(0.7)
    found = stage.probe.look()

    assert found is not None
    assert found.cpu == 0.5
    assert found.lag_ms == pytest.approx(700.0)


def test_the_backlog_and_the_wait_in_it_are_told(stage: Stage) -> None:
    """Sockets ready at once; the last of them waited longer than the loop was late."""
    stage.sockets.begin(stage.now)
    stage.sockets.end(300, 500, stage.now + 0.2, more=False)
    for _ in range(20):
        stage.wake()
    found = stage.probe.look()

    assert found is not None
    assert found.backlog == 300
    assert found.lag_ms == pytest.approx(200.0)
    assert stage.recorder.take().spans[HANDLING_DELAY].count == 1


def test_a_stopped_probe_says_nothing_and_lets_go_of_its_timer(stage: Stage) -> None:
    """It may be stopped again, and started again."""
    stage.probe.stop()
    stage.probe.stop()
    stage.now += 5
    assert stage.probe.look() is None
    assert stage.closed == 1
    stage.probe.start()
    stage.wake(1.0)
    assert stage.probe.look() is not None


def test_sockets_served_over_several_turns_are_one_backlog() -> None:
    """As long as there were always more; the system reports them in turn, so a full round is one."""
    load = SocketLoad()
    load.begin(10.0)
    load.end(256, 1000, 10.1, more=True)
    load.begin(10.1)
    load.end(200, 1000, 10.25, more=False)

    most, longest = load.take()
    assert most == 456
    assert longest == pytest.approx(0.25)
    assert load.take() == (0, 0.0)


def test_a_backlog_is_never_larger_than_the_number_of_sockets() -> None:
    load = SocketLoad()
    for turn in range(5):
        load.begin(float(turn))
        load.end(256, 500, turn + 1.0, more=True)

    assert load.take() == (500, 2.0)


def test_pauses_of_garbage_collection_are_counted() -> None:
    """From beginning to end of each; what comes after the stop is not."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.010
        return now

    pauses = Pauses(clock)
    pauses.start()
    pauses.start()
    gc.collect()
    pauses.stop()
    counted = pauses.seconds
    gc.collect()

    assert counted == pytest.approx(0.010)
    assert pauses.seconds == counted


def test_a_real_loop_that_is_blocked_is_seen_to_be_late() -> None:
    """The same on gevent's own loop: whatever else the machine does, it is late by at least the blockade."""

    probe = Probe(None)
    probe.start()
    gevent.sleep(0.2)
    until = time.perf_counter() + 0.6
    while time.perf_counter() < until:
        pass
    gevent.sleep(0.1)
    found = probe.look()
    probe.stop()

    assert found is not None
    assert found.lag_ms >= 500
    assert found.cpu > 0
