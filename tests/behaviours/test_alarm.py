"""Sleeping until something rings, or the time is over."""

from __future__ import annotations

import time

import gevent
import pytest

from mmload.behaviours.person import WakeableSleep

LONG, SHORT = 30.0, 0.01


def test_a_sleep_ends_when_its_time_is_over() -> None:
    began = time.monotonic()

    WakeableSleep().sleep(SHORT)

    assert time.monotonic() - began >= SHORT * 0.9


def test_a_ring_ends_it_earlier() -> None:
    """From another greenlet, as an order is given; from the hub, as an event comes."""
    for ring in (gevent.spawn, lambda do: gevent.get_hub().loop.run_callback(do)):
        alarm = WakeableSleep()
        sleeper = gevent.spawn(alarm.sleep, LONG)
        gevent.sleep(0)
        ring(alarm.ring)

        sleeper.get(timeout=5)


def test_what_rang_before_wakes_at_once_until_it_is_cleared() -> None:
    """A note that comes while the person is busy must not wait for the next one."""
    alarm = WakeableSleep()
    alarm.ring()
    gevent.spawn(alarm.sleep, LONG).get(timeout=5)
    alarm.clear()

    with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT):
        alarm.sleep(LONG)


def test_ringing_twice_wakes_once() -> None:
    """The second ring must not end a sleep that begins later."""
    alarm = WakeableSleep()
    sleeper = gevent.spawn(alarm.sleep, LONG)
    gevent.sleep(0)
    alarm.ring()
    alarm.ring()
    sleeper.get(timeout=5)
    alarm.clear()

    with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT):
        alarm.sleep(LONG)


def test_a_killed_sleeper_leaves_an_alarm_for_the_next() -> None:
    """Locust stops users while they rest."""
    alarm = WakeableSleep()
    sleeper = gevent.spawn(alarm.sleep, LONG)
    gevent.sleep(0)
    sleeper.kill()
    alarm.ring()

    gevent.spawn(alarm.sleep, LONG).get(timeout=5)
