"""One way in: changes are accepted at once, carried out one after the other, the latest first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from locust import User, constant, task
from locust.env import Environment
from locust.event import Events
from locust.runners import STATE_RUNNING

from mmload.plugin.runner.user_count import (
    LONGEST_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    Respawn,
    UserCount,
)
from mmload.plugin.runner.user_stopping import REPORT_KEY, UserStopping, UserTurnover, WorkersUserTurnover

PATIENCE = 15


class Idler(User):
    """Has an account number, and takes a while to say farewell when told to."""

    wait_time = constant(3600)
    farewell = Event()
    numbers = iter(range(10**6))

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.account_number = next(Idler.numbers)

    @task
    def nothing(self) -> None:
        """Waits are all it does."""

    def on_stop(self) -> None:
        Idler.farewell.wait()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    monkeypatch.setattr("sys.argv", ["locust"])
    Idler.farewell.set()
    made = Environment(user_classes=[Idler], events=Events())  # type: ignore[no-untyped-call]
    made.create_local_runner()
    yield made
    Idler.farewell.set()
    assert made.runner is not None
    made.runner.quit()


@pytest.fixture
def stopping(environment: Environment) -> UserStopping:
    return UserStopping(environment.runner)


@pytest.fixture
def user_count(environment: Environment, stopping: UserStopping) -> UserCount:
    return UserCount(environment.runner)


def await_that(condition: Callable[[], bool], what: str) -> None:
    with gevent.Timeout(PATIENCE, AssertionError(f"never came true: {what}")):
        while not condition():
            gevent.sleep(0.01)


def listen(hook: Any, listener: Callable[..., None]) -> None:
    hook.add_listener(listener)


def runner_of(environment: Environment) -> Any:
    return environment.runner


def test_whoever_starts_goes_through_the_one_way_in(environment: Environment, user_count: UserCount) -> None:
    """Locust's own page calls `runner.start`; it comes back at once."""
    runner = runner_of(environment)

    runner.start(5, 100)

    assert (user_count.target, runner.user_count) == (5, 0)
    await_that(lambda: runner.user_count == 5 and user_count.is_settled, "five users")
    assert runner.state == STATE_RUNNING


def test_the_latest_wish_takes_the_place_of_the_one_before(environment: Environment, user_count: UserCount) -> None:
    """A slow ramp is not waited for."""
    runner = runner_of(environment)
    runner.start(1000, 1)
    await_that(lambda: runner.user_count > 0, "the ramp has begun")

    for users in (7, 900, 3):
        runner.start(users, 100)

    await_that(lambda: runner.user_count == 3 and user_count.is_settled, "three users")
    gevent.sleep(1.2)
    assert runner.user_count == 3


def test_changes_are_relative_to_the_target_not_to_the_actual_number(
    environment: Environment, user_count: UserCount
) -> None:
    """Twenty clients that each add one user get twenty, however slowly they come."""
    user_count.start(0, 1)
    assert [user_count.change(1, 2, most=18) for _ in range(20)] == [1] * 18 + [0, 0]
    assert user_count.change(-5, 100, most=18) == -5
    assert user_count.change(-50, 100, most=18) == -13

    await_that(lambda: user_count.is_settled, "all of it is carried out")
    assert runner_of(environment).user_count == 0
    assert (user_count.added, user_count.removed) == (18, 18)


def test_a_wish_beyond_the_limit_is_not_cut_down_by_a_further_one(user_count: UserCount) -> None:
    """/swarm has no limit; adding one more to its users must not remove any."""
    user_count.start(30, 100)

    assert user_count.change(5, 100, most=10) == 0
    assert user_count.target == 30


@pytest.mark.parametrize(("users", "rate"), [(-1, 1.0), (1, 0.0), (1, float("inf")), (1, float("nan"))])
def test_an_impossible_wish_is_refused_and_changes_nothing(user_count: UserCount, users: int, rate: float) -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        user_count.start(users, rate)
    assert user_count.target is None


def test_those_who_leave_are_not_counted_and_not_waited_for(
    environment: Environment, user_count: UserCount, stopping: UserStopping
) -> None:
    """Locust's own way counted them once more at the next change, and stopped too many."""
    runner = runner_of(environment)
    runner.start(10, 100)
    await_that(lambda: runner.user_count == 10, "ten users")
    gevent.sleep(0.05)
    Idler.farewell.clear()

    runner.start(4, 100)
    await_that(lambda: len(stopping.stopping) == 6, "six are saying farewell")
    runner.start(8, 100)
    await_that(lambda: runner.user_count == 8, "eight are there, six are still leaving")

    assert len(stopping.stopping) == 6
    Idler.farewell.set()
    await_that(lambda: len(stopping.stopping) == 0, "they have left")
    assert runner.user_count == 8
    assert stopping.turnover() == UserTurnover(started=14, ended=6)


def test_the_highest_accounts_leave_first(environment: Environment, user_count: UserCount) -> None:
    runner = runner_of(environment)
    runner.start(9, 100)
    await_that(lambda: runner.user_count == 9, "nine users")
    numbers = sorted(each.args[0].account_number for each in runner.user_greenlets)

    runner.start(4, 100)

    await_that(lambda: runner.user_count == 4, "four users")
    assert sorted(each.args[0].account_number for each in runner.user_greenlets) == numbers[:4]


def test_the_end_of_a_test_waits_for_all_farewells(
    environment: Environment, user_count: UserCount, stopping: UserStopping
) -> None:
    """Of those, too, who were asked to leave before."""
    runner = runner_of(environment)
    runner.start(4, 100)
    await_that(lambda: runner.user_count == 4, "four users")
    gevent.sleep(0.05)
    Idler.farewell.clear()
    runner.start(2, 100)
    await_that(lambda: len(stopping.stopping) == 2, "two are leaving")

    end = gevent.spawn(runner.stop)
    await_that(lambda: len(stopping.stopping) == 4, "all are leaving")
    assert user_count.is_ending and user_count.target is None
    Idler.farewell.set()

    end.join(timeout=PATIENCE)
    assert end.ready() and len(stopping.stopping) == 0 and not user_count.is_ending


def test_a_start_during_the_end_of_a_test_begins_the_next(environment: Environment, user_count: UserCount) -> None:
    """It is neither lost nor mixed with the test that ends."""
    begun: list[float] = []
    listen(environment.events.test_start, lambda **_: begun.append(user_count.began))
    runner = runner_of(environment)
    runner.start(3, 100)
    await_that(lambda: runner.user_count == 3, "three users")
    gevent.sleep(0.05)
    Idler.farewell.clear()
    end = gevent.spawn(runner.stop)
    await_that(lambda: user_count.is_ending, "the test is ending")

    runner.start(2, 100)
    gevent.sleep(0.1)
    assert len(begun) == 1
    Idler.farewell.set()

    end.join(timeout=PATIENCE)
    await_that(lambda: runner.user_count == 2 and len(begun) == 2, "the next test has two users")
    assert (user_count.added, user_count.removed) == (2, 0)


def test_many_stops_at_once_end_the_test_once(environment: Environment, user_count: UserCount) -> None:
    ended: list[int] = []
    listen(environment.events.test_stop, lambda **_: ended.append(1))
    runner = runner_of(environment)
    runner.start(3, 100)
    await_that(lambda: runner.user_count == 3, "three users")

    gevent.joinall([gevent.spawn(runner.stop) for _ in range(5)], timeout=PATIENCE)

    assert ended == [1]


def test_a_beginning_is_not_broken_off(environment: Environment, user_count: UserCount) -> None:
    """Listeners of a test's start may take a while (the check of the server): all are called, once a test."""
    called: list[str] = []
    go_on = Event()

    def slow(**_: Any) -> None:
        called.append("slow")
        go_on.wait()

    listen(environment.events.test_start, slow)
    listen(environment.events.test_start, lambda **_: called.append("last"))
    runner = runner_of(environment)
    runner.start(3, 100)
    await_that(lambda: called == ["slow"], "the test begins")
    runner.start(5, 100)
    gevent.sleep(0.1)
    go_on.set()

    await_that(lambda: runner.user_count == 5, "five users")
    assert called == ["slow", "last"]


def test_users_that_died_are_made_anew(environment: Environment, user_count: UserCount) -> None:
    runner = runner_of(environment)
    runner.start(5, 100)
    await_that(lambda: runner.user_count == 5 and user_count.is_settled, "five users")
    for greenlet in list(runner.user_greenlets)[:2]:
        greenlet.kill()
    await_that(lambda: runner.user_count == 3, "two are gone")

    await_that(lambda: runner.user_count == 5, "five users again")


def test_the_missing_are_renewed_after_patience_and_ever_more_rarely() -> None:
    """A user class that cannot start must not hammer the server."""
    respawn = Respawn(distributed=False)

    due = [now for now in range(2000) if respawn.is_due(float(now), actual=3, target=5)]

    assert due[0] == PATIENCE_SECONDS
    pauses = [after - before for before, after in itertools.pairwise(due)]
    assert pauses[0] == SHORTEST_PAUSE_SECONDS
    assert pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE_SECONDS


def test_a_number_that_is_right_again_is_forgotten() -> None:
    """A worker's report may be late for once."""
    respawn = Respawn(distributed=False)
    looks = [(0.0, 3), (1.0, 5), (2.0, 3), (3.0, 3)]

    assert not any(respawn.is_due(now, present, target=5) for now, present in looks)
    assert respawn.is_due(4.5, actual=3, target=5)


def test_a_lost_workers_users_have_ended() -> None:
    workers = WorkersUserTurnover()
    for name, started, ended in (("a", 10, 2), ("b", 7, 0), ("b", 8, 1)):
        workers.take_in(name, {REPORT_KEY: {"started": started, "ended": ended}})
    assert workers.turnover() == UserTurnover(18, 3)

    workers.lost("a")

    assert workers.turnover() == UserTurnover(18, 11)
