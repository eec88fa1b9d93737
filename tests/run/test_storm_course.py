"""What `mmload storm` does while the run goes on, by the record that the run writes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil
import pytest

from mmload.cli.storm import CommandRun, StormCourse, StormRaiser
from mmload.results.folder import ORDERS, Order, RunFolder
from mmload.results.model import RunPhase, Second, Storm, StormKind
from tests.results.records import START, second

BEFORE, AFTER, PATIENCE = 12, 15, 40


class SomethingOutside(StormRaiser):
    """Over when it is told so."""

    is_over = False

    def over(self) -> bool:
        return self.is_over


class Course:
    """A course over a folder that a made-up run writes."""

    def __init__(self, folder: Path, raiser: StormRaiser | None = None, kind: StormKind = StormKind.LOGIN) -> None:
        order = Order(within_seconds=5.0, storm=Storm(kind, patience_seconds=float(PATIENCE)))
        self.folder = folder
        self.said: list[str] = []
        self.record = RunFolder(folder)
        self.course = StormCourse(order, BEFORE, AFTER, (lambda *_: raiser) if raiser is not None else None)
        self.course.begin(folder, "http://127.0.0.1:9", self.said.append)

    def go_on(self, seconds: Iterable[Second]) -> None:
        for each in seconds:
            self.record.add_second(each)
            self.course.look()

    @property
    def orders(self) -> list[Order]:
        if not (self.folder / ORDERS).exists():
            return []
        return [msgspec.json.decode(line, type=Order) for line in (self.folder / ORDERS).read_bytes().splitlines()]

    def raised(self, at: int) -> None:
        """The run has carried the order out."""
        self.record.add_storm(Storm(StormKind.LOGIN, (START + at) * 1000, (START + at) * 1000, 10, float(PATIENCE)))


def test_the_storm_is_raised_when_the_load_has_been_steady_for_long_enough(tmp_path: Path) -> None:
    course = Course(tmp_path)

    course.go_on(second(at, phase=RunPhase.RAMP) for at in range(20))
    course.go_on(second(at) for at in range(20, 31))
    assert course.orders == []
    course.go_on([second(31)])

    assert course.orders == [Order(within_seconds=5.0, storm=Storm(StormKind.LOGIN, patience_seconds=40.0))]


def test_after_the_recovery_the_load_goes_on_for_a_while(tmp_path: Path) -> None:
    course = Course(tmp_path)
    course.go_on(second(at) for at in range(12))
    course.raised(12)

    course.go_on(second(at, sockets=3) for at in range(12, 20))
    course.go_on(second(at) for at in range(20, 34))
    assert [order.ends for order in course.orders] == [False]
    course.go_on([second(34)])

    assert [order.ends for order in course.orders] == [False, True]
    assert course.said[-1].startswith("mmload storm: recovered in 8 s (sockets 8 s")


def test_who_does_not_recover_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    course = Course(tmp_path)
    course.go_on(second(at) for at in range(12))
    course.raised(12)

    course.go_on(second(at, sockets=3) for at in range(12, 12 + PATIENCE - 1))
    assert not course.orders[-1].ends
    course.go_on([second(12 + PATIENCE - 1, sockets=3)])

    assert course.orders[-1].ends
    assert course.said[-1].startswith("mmload storm: not recovered within 40 s (sockets not back")


def test_a_load_that_is_never_steady_ends_without_a_storm(tmp_path: Path) -> None:
    course = Course(tmp_path)
    course.course.coming_seconds = 30

    course.go_on(second(at, phase=RunPhase.RAMP) for at in range(60))

    assert course.orders == [Order(ends=True)]
    assert "the load was not steady for 12 s" in course.said[-1]


def test_what_is_done_outside_is_put_on_record_when_it_begins_and_when_it_is_over(tmp_path: Path) -> None:
    outside = SomethingOutside()
    course = Course(tmp_path, outside, StormKind.RESTART)
    course.go_on(second(at) for at in range(13))
    outside.is_over = True
    course.go_on([second(13)])

    began, over = (order.storm for order in course.orders)
    assert began is not None and over is not None
    assert (began.over_ms, began.ms) == (0, over.ms)
    assert over.over_ms >= over.ms > 0


def test_a_problem_outside_ends_the_run(tmp_path: Path) -> None:
    outside = SomethingOutside()
    course = Course(tmp_path, outside, StormKind.RESTART)
    course.go_on(second(at) for at in range(12))
    outside.problem, outside.is_over = "the command failed (exit code 5)", True
    course.go_on([second(12)])

    *_, told, ended = course.orders
    assert told.storm is not None and told.storm.problem == "the command failed (exit code 5)"
    assert ended.ends


@pytest.mark.parametrize(
    "given",
    [["storm", "restart", "--command", "token=abc restart"], ["storm", "restart", "--command=token=abc restart"]],
)
def test_the_command_is_left_out_of_the_record(tmp_path: Path, given: list[str]) -> None:
    assert "abc" not in " ".join(Course(tmp_path).course.told(given))


def test_a_command_says_how_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    good, bad = CommandRun("true", log), CommandRun("echo gone; exit 3", log)
    good.wait()
    bad.wait()

    assert (good.over(), good.problem) == (True, "")
    assert bad.over() and bad.problem.startswith("the command failed (exit code 3); its output is in")


def test_what_a_command_left_behind_stays(tmp_path: Path) -> None:
    """It may be the server that it has started."""
    left = CommandRun(f"sleep 600 & echo $! > {tmp_path}/pid", tmp_path / "log")
    left.wait()
    server = psutil.Process(int((tmp_path / "pid").read_text()))
    try:
        left.close()
        assert server.is_running() and server.status() != psutil.STATUS_ZOMBIE
    finally:
        server.kill()


def test_one_that_still_runs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    running = CommandRun(f"sleep 600 & echo $! > {tmp_path}/pid; wait", tmp_path / "log")
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert not running.over()
        time.sleep(0.05)
    child = psutil.Process(int((tmp_path / "pid").read_text()))

    running.close()

    psutil.wait_procs([child], timeout=60)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
