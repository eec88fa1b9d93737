"""Log-ins are let in few at a time, and a struggling server gets pauses."""

from __future__ import annotations

import random

import gevent
import pytest
from gevent.event import Event

from mmload.client.http.rules import retry_seconds
from mmload.client.login_queue import Admission, shows_overload
from mmload.errors import NoAnswer, RateLimited, Refused, ServerFault


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def admission(places: int, clock: Clock) -> Admission:
    return Admission(places, 2.0, 60.0, random.Random(1), clock=clock, sleep=clock.sleep)


def test_no_more_than_the_allowed_number_log_in_at_once() -> None:
    gate = admission(2, Clock())
    inside: list[int] = []
    most: list[int] = []
    release = Event()

    def log_in(number: int) -> None:
        with gate.turn():
            inside.append(number)
            most.append(len(inside))
            release.wait()
            inside.remove(number)

    users = [gevent.spawn(log_in, number) for number in range(10)]
    gevent.idle()
    assert inside == [0, 1]
    release.set()
    gevent.joinall(users, raise_error=True)
    assert max(most) == 2


def test_a_timed_out_log_in_closes_the_queue_for_everybody_longer_each_time() -> None:
    clock = Clock()
    gate = admission(2, clock)

    for _ in range(3):
        with pytest.raises(NoAnswer), gate.turn():
            raise NoAnswer("timed out")
    with gate.turn():
        pass

    first, second, third = clock.slept
    assert 1.0 <= first <= 2.0
    assert 2.0 <= second <= 4.0
    assert 4.0 <= third <= 8.0


def test_a_success_forgets_the_failures() -> None:
    clock = Clock()
    gate = admission(1, clock)
    for _ in range(5):
        with pytest.raises(ServerFault), gate.turn():
            raise ServerFault("500")
    with gate.turn():
        pass
    clock.slept.clear()

    with pytest.raises(ServerFault), gate.turn():
        raise ServerFault("500")
    with gate.turn():
        pass

    assert len(clock.slept) == 1
    assert clock.slept[0] <= 2.0


def test_a_wrong_password_holds_nobody_up() -> None:
    """A refusal says nothing about the server's load."""
    clock = Clock()
    gate = admission(1, clock)

    with pytest.raises(Refused), gate.turn():
        raise Refused("401 wrong password")
    with gate.turn():
        pass

    assert clock.slept == []
    assert shows_overload(RateLimited("429", retry_after_seconds=1))


def test_a_user_stopped_in_the_queue_leaves_its_place() -> None:
    """Users are removed while they wait to log in; nobody must be locked out by the dead."""
    gate = admission(1, Clock())
    release = Event()

    def hold() -> None:
        with gate.turn():
            release.wait()

    def pass_through() -> None:
        with gate.turn():
            return

    holder = gevent.spawn(hold)
    gevent.idle()
    waiting = gevent.spawn(pass_through)
    gevent.idle()
    waiting.kill()
    holder.kill()
    after = gevent.spawn(pass_through)
    after.join(timeout=5)
    assert after.successful()


def test_waits_double_up_to_the_longest_and_never_come_in_step() -> None:
    rng = random.Random(7)
    waits = [retry_seconds(failures, 2.0, 60.0, rng) for failures in range(1, 100)]

    assert all(wait <= 60.0 for wait in waits)
    assert all(wait >= 30.0 for wait in waits[5:])
    assert len(set(waits)) == len(waits)
