"""The way up where log-ins cost the server as much as minutes of a user's usual work."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.capacity.runs import Run, limits, searched
from benchmarks.capacity.servers import Kind
from benchmarks.capacity.truths import proof_servers, stored
from coordinator.answer import Limits, Mode
from coordinator.search.climb import Ascent, Pace
from coordinator.search.phases import LoginBreaches, Sight
from coordinator.search.sample import Sample, Window
from coordinator.search.tuning import DEFAULT

LOG_IN_SECONDS = 40.0
TOLD = Limits(lowest_users=1, spawn_rate=8.0, arrival_seconds=LOG_IN_SECONDS)


def sight(users: int, *, ratio: float = -2.0, window: Window | None = None) -> Sight:
    sample = Sample(0.0, users, ratio, "p99", 0.0, 1.0, "")
    return Sight(sample, window or Window(30.0, LOG_IN_SECONDS), 1.0)


def runs(kind: Kind) -> list[Run]:
    """A search on each of these servers, whose log-ins cost about as much as it is told."""
    told, truths = limits(Mode.SEARCH, None, LOG_IN_SECONDS), stored()
    return [searched(server, truths[server.name], 7, told) for server in proof_servers(kind)]


@pytest.mark.parametrize("kind", [Kind.QUEUE, Kind.CLIFF, Kind.LEAK])
def test_the_capacity_is_found_and_the_server_seldom_overloaded(kind: Kind) -> None:
    found = runs(kind)

    assert sum(run.error <= 0.05 for run in found) >= 18
    assert sum(run.covered for run in found) >= 18
    # In simulated time, so on any machine the same. With flights of log-ins that were waited for it took 1,300 s.
    assert statistics.median(run.seconds for run in found) <= 900
    assert statistics.median(run.breached_seconds for run in found) <= 300


def test_log_ins_make_no_more_than_their_share_of_the_load() -> None:
    """Of 100 users at a tenth: 10 users' load, which is one log-in each four seconds."""
    pace, users, asked = Pace(TOLD), 100, []

    for _ in range(40):
        asked.append(pace.towards(200, sight(users), 0.1))
        users = asked[-1]

    assert 8 <= asked[-1] - 100 <= 11
    assert asked == sorted(asked)


def test_users_who_do_not_come_are_not_asked_for_in_ever_greater_numbers() -> None:
    pace = Pace(TOLD)

    asked = [pace.towards(1000, sight(100), 2.0) for _ in range(200)]

    assert max(asked) <= 100 + 50


def test_nobody_comes_faster_than_the_spawn_rate() -> None:
    pace, users = Pace(TOLD), 1000

    for _ in range(10):
        users = pace.towards(5000, sight(users), 2.0)

    assert users <= 1000 + 10 * 8


def test_on_hold_those_on_their_way_may_come_in_and_nobody_else() -> None:
    pace = Pace(TOLD)
    asked = [pace.towards(1000, sight(100), 1.0) for _ in range(4)][-1]

    assert pace.held(sight(100)) == asked > 100
    assert pace.held(sight(asked)) == asked


def test_a_target_below_the_users_is_asked_for_at_once() -> None:
    assert Pace(TOLD).towards(80, sight(100), 0.1) == 80


def windows(*log_ins: int, users: int = 100) -> Window:
    """A full window, then these log-ins, one second each."""
    window = Window(30.0, LOG_IN_SECONDS)
    for second in range(31):
        window.add(float(second), users, users)
    for second, came in enumerate(log_ins, 31):
        users += came
        window.add(float(second), users, users)
    return window


def log_ins_alone(*breaches_and_rests: tuple[float, int]) -> bool:
    """Whether log-ins alone cross the limit, after looks of (ratio, log-ins in the window)."""
    breaches = LoginBreaches(DEFAULT)
    for ratio, log_ins in breaches_and_rests:
        breaches.see(sight(101, ratio=ratio, window=windows(log_ins)))
    return breaches.proven


def test_log_ins_alone_cross_the_limit_when_each_breach_goes_with_the_last_of_them() -> None:
    assert log_ins_alone((1.0, 1), (-1.5, 0), (1.2, 1), (-1.4, 0))


def test_once_is_chance() -> None:
    assert not log_ins_alone((1.0, 1), (-1.5, 0))


def test_a_breach_without_any_log_in_rules_that_out() -> None:
    assert not log_ins_alone((1.0, 1), (-1.5, 0), (0.1, 0), (1.2, 1), (-1.4, 0))


def test_a_measure_that_stays_near_the_limit_rules_that_out_too() -> None:
    """A little less load, a little below the limit."""
    assert not log_ins_alone((0.3, 1), (-0.4, 0), (0.2, 1), (-0.5, 0))


def test_the_queue_of_the_first_page_loads_is_no_bound_for_those_who_come_at_a_pace() -> None:
    """30 who come at once are nearly too many for a server that holds hundreds."""
    ascent, window = Ascent(TOLD, lambda onset, slow: ascent), Window(30.0, LOG_IN_SECONDS)
    users = target = 0
    for second in range(240):
        users = min(target, users + 8)
        window.add(float(second), users, target)
        target = ascent.next(sight(users, ratio=-0.1 if second < 34 else -2.0, window=window)).users

    assert users > 200
