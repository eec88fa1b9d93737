"""Seconds and phases of a run, from figures that come in time, late, or never."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mmload.metrics.counts import SocketCounts, UserGauges
from mmload.metrics.delta import Delta
from mmload.metrics.recorder import Recorder
from mmload.results.model import Figures, RunPhase, Second
from mmload.results.timeline import Load, Timeline, next_phase

START = 1_800_000_000


def delta(requests: int = 0, active: int = 0, waiting: int = 0, failure: str = "") -> Delta:
    """One process's second."""
    recorder = Recorder(clock=lambda: 0.0)
    for _ in range(requests):
        recorder.request("GET /a", 0.25, failure)
    recorder.users = UserGauges(waiting, active)
    return recorder.take()


def records_of(closed: Iterable[tuple[Second, Figures]]) -> list[Second]:
    """The seconds without their histograms."""
    return [second for second, _ in closed]


def local(seconds: list[tuple[Delta, Load]]) -> tuple[Timeline, list[Second]]:
    """A run of one process, closed second by second."""
    timeline = Timeline(START + 0.4)
    records: list[Second] = []
    for index, (figures, load) in enumerate(seconds):
        timeline.add(START + index, "local", figures)
        timeline.observe(START + index, load)
        records += records_of(timeline.closed(START + index + 1.001))
    return timeline, records


def test_each_second_has_its_own_figures() -> None:
    """A record per second of the wall clock, with what ended in it."""
    _, records = local([(delta(3), Load(2, 2)), (delta(0), Load(2, 2)), (delta(5, failure="500 x"), Load(2, 2))])

    assert [(each.elapsed, each.requests, each.failures) for each in records] == [(0, 3, 0), (1, 0, 0), (2, 5, 5)]
    assert [each.p95_ms for each in records] == [pytest.approx(250, rel=0.001), None, None]


def test_the_steady_phase_has_whole_seconds_only() -> None:
    """The second in which the last user came in is half ramp: its rates would be wrong."""
    _, records = local(
        [
            (delta(1, active=1, waiting=1), Load(2, 2)),
            (delta(1, active=2), Load(2, 2)),
            (delta(1, active=2), Load(2)),
        ]
    )

    assert [each.phase for each in records] == [RunPhase.RAMP, RunPhase.RAMP, RunPhase.STEADY]


def test_the_farewell_begins_in_the_second_of_the_stop() -> None:
    """Users already leave in it."""
    timeline, records = local(
        [(delta(1, active=2), Load(2, 2)), (delta(4, active=2), Load(2, 2)), (delta(2), Load(2, 0, stopping=True))]
    )

    assert [each.phase for each in records] == [RunPhase.RAMP, RunPhase.STEADY, RunPhase.STOPPING]
    assert timeline.totals.steady.routes["GET /a"].count == 4
    assert timeline.totals.whole.routes["GET /a"].count == 7
    assert (timeline.totals.seconds, timeline.totals.steady_seconds, timeline.totals.highest_active) == (3, 1, 2)


def test_the_ramp_ends_when_nobody_is_left_who_could_come_in() -> None:
    """Users that never get in must not keep the run in its ramp for ever."""
    users = UserGauges(waiting=0, active=7, gave_up=3)

    assert next_phase(RunPhase.RAMP, 0, Load(10, 10), users) is RunPhase.STEADY
    assert next_phase(RunPhase.RAMP, 0, Load(10, 10), UserGauges(1, 7, 2)) is RunPhase.RAMP


def test_nobody_asked_for_is_no_steady_phase() -> None:
    """Before the first user everything is trivially in."""
    assert next_phase(RunPhase.RAMP, 0, Load(0, 0), UserGauges()) is RunPhase.RAMP


def test_more_users_begin_a_new_ramp() -> None:
    """The coordinator adds users in the middle of a run."""
    assert next_phase(RunPhase.STEADY, 10, Load(20, 12), UserGauges(active=10)) is RunPhase.RAMP


def test_a_user_that_drops_out_does_not() -> None:
    """An outage is part of the steady phase."""
    assert next_phase(RunPhase.STEADY, 10, Load(10, 10), UserGauges(waiting=1, active=9)) is RunPhase.STEADY


def test_fewer_users_and_then_more_is_a_new_ramp() -> None:
    """Compared with the fewest since, not with the most."""
    many, few = (delta(1, active=10), Load(10, 10)), (delta(1, active=4), Load(4, 4))
    _, records = local([many, many, few, few, (delta(1, active=4), Load(8, 8)), (delta(1, active=8), Load(8, 8)), many])

    assert [each.phase for each in records][-3:] == [RunPhase.STEADY, RunPhase.RAMP, RunPhase.STEADY]


def test_a_worker_has_time_to_report() -> None:
    """Workers report every three seconds: a second is not closed before."""
    timeline = Timeline(START, delay_seconds=6)
    for second in range(4):
        timeline.observe(START + second, Load(4, 4))
    timeline.add(START, "one", delta(2, active=2))

    assert list(timeline.closed(START + 6.5)) == []
    timeline.add(START, "two", delta(3, active=2))
    [first] = records_of(timeline.closed(START + 7.5))
    assert (first.requests, first.active) == (5, 4)
    assert timeline.late == 0


def test_figures_that_come_late_still_count() -> None:
    """Never silently left out: in a later second, and noticed."""
    timeline = Timeline(START, delay_seconds=6)
    list(timeline.closed(START + 10))
    timeline.add(START + 1, "one", delta(3))

    records = records_of(timeline.closed(START + 11))

    assert [each.requests for each in records] == [3]
    assert timeline.late == 1
    assert timeline.totals.whole.routes["GET /a"].count == 3


def test_the_end_closes_everything() -> None:
    """Also the second that has just begun."""
    timeline = Timeline(START, delay_seconds=6)
    for second in range(3):
        timeline.add(START + second, "one", delta(1))

    records = records_of(timeline.closed(START + 2.1, all_of_them=True))

    assert [each.requests for each in records] == [1, 1, 1]


def test_a_lost_worker_takes_its_users_along() -> None:
    """They no longer act, whatever it said last."""
    timeline = Timeline(START)
    for process in ("one", "two"):
        timeline.add(START, process, delta(1, active=5))
    [first] = records_of(timeline.closed(START + 1))
    timeline.forget("two")
    [second] = records_of(timeline.closed(START + 2))

    assert (first.active, second.active) == (10, 5)


def test_a_process_that_stalled_leaves_empty_seconds() -> None:
    """No second is missing from the record; how Locust stood is what was seen last."""
    timeline = Timeline(START)
    timeline.add(START, "local", delta(1, active=3))
    timeline.observe(START, Load(3, 3))

    records = records_of(timeline.closed(START + 4.2))

    assert [(each.elapsed, each.requests, each.target, each.active) for each in records] == [
        (0, 1, 3, 3),
        (1, 0, 3, 3),
        (2, 0, 3, 3),
        (3, 0, 3, 3),
    ]


def test_the_sum_of_the_seconds_is_the_total() -> None:
    """Nothing is counted twice or lost on the way."""
    recorder = Recorder()
    timeline = Timeline(START)
    records: list[Second] = []
    for second in range(5):
        recorder.deliveries.sent += second
        timeline.add(START + second, "local", recorder.take())
        records += records_of(timeline.closed(START + second + 1))

    assert sum(each.posts for each in records) == timeline.totals.whole.deliveries.sent == 10


def test_open_sockets_are_those_that_came_less_those_that_went() -> None:
    """Dropped ones come back as resumed or renewed ones."""
    assert SocketCounts(opened=12, resumed=2, renewed=1, dropped=5, closed=3).change == 7
    assert SocketCounts().change == 0


def test_a_lost_worker_takes_all_that_stood_in_it_along() -> None:
    """Users in each state and WebSockets: no gauge of a worker that is gone stays in the record."""
    timeline = Timeline(START)
    for process in ("one", "two"):
        recorder = Recorder()
        recorder.sockets.opened += 3
        recorder.users.waiting, recorder.users.active, recorder.users.gave_up = 1, 3, 2
        timeline.add(START, process, recorder.take())
    [first] = records_of(timeline.closed(START + 1))
    timeline.forget("two")
    [second] = records_of(timeline.closed(START + 2))

    stood = [(each.waiting, each.active, each.gave_up, each.sockets) for each in (first, second)]
    assert stood == [(2, 6, 4, 6), (1, 3, 2, 3)]


def test_a_stage_in_which_the_users_change_is_a_ramp() -> None:
    """Its seconds are none of the steady phase, however quickly everybody came in."""
    up, hold = Load(1, 1, stage="up", is_ramp=True), Load(2, 2, stage="hold")
    down = Load(1, 1, stage="down", is_ramp=True)
    _, records = local(
        [
            (delta(1, active=1), up),
            (delta(1, active=2), hold),
            (delta(1, active=2), hold),
            (delta(1, active=1), down),
            (delta(1, active=1), down),
            (delta(1, active=1), Load(1, 1, stopping=True, stage="down", is_ramp=True)),
        ]
    )

    assert [(each.stage, str(each.phase)) for each in records] == [
        ("up", "ramp"),
        ("hold", "ramp"),
        ("hold", "steady"),
        ("down", "steady"),
        ("down", "ramp"),
        ("", "stopping"),
    ]
