"""When the generator is to be believed, and in which seconds it was not."""

from __future__ import annotations

from typing import Any

import pytest

from mmload.metrics.delta import ProcessHealth
from mmload.results.generator_health import (
    LIMITS,
    MOST_BACKLOG,
    MOST_CPU,
    MOST_GC_MS,
    MOST_LAG_MS,
    MOST_STEAL,
    MOST_THROTTLED_MS,
    trust_in,
    with_aftermath,
)
from mmload.results.model import RunPhase, Second
from tests.results.records import second

GOOD = ProcessHealth(cpu=0.4, lag_ms=5.0, backlog=10, gc_ms=2.0, rss_bytes=10**8, steal=0.01, throttled_ms=0.0)


def health(**changes: Any) -> ProcessHealth:
    values = {name: getattr(GOOD, name) for name in ProcessHealth.__struct_fields__}
    return ProcessHealth(**(values | changes))


def told(number: int, bad: dict[int, ProcessHealth] | None = None, name: str = "local") -> list[Second]:
    """So many steady seconds with good health, but for the `bad` ones."""
    return [second(at, health={name: (bad or {}).get(at, GOOD)}) for at in range(number)]


def test_a_generator_that_keeps_up_is_believed() -> None:
    trust = trust_in(told(100))

    assert (trust.saturated, trust.sentences, trust.saturated_seconds) == (False, (), frozenset())


@pytest.mark.parametrize(
    ("figure", "limit", "sentence"),
    [
        ("cpu", MOST_CPU, "the generator was short of CPU: it used up to 90% of a core"),
        ("lag_ms", MOST_LAG_MS, "the generator had an event-loop lag of up to 100 ms"),
        ("backlog", MOST_BACKLOG, "the generator fell behind: up to 2,000 sockets were readable at once"),
        ("gc_ms", MOST_GC_MS, "the generator paused for garbage collection: up to 100 ms in a second"),
        ("steal", MOST_STEAL, "the generator ran on a machine that lost up to 10% of its CPU time to its host (steal)"),
        (
            "throttled_ms",
            MOST_THROTTLED_MS,
            "the generator was throttled by its CPU quota: up to 100 ms in a second",
        ),
    ],
)
def test_each_limit_saturates_by_itself_and_says_so(figure: str, limit: float, sentence: str) -> None:
    """At the limit it does, just below it does not."""
    at_it = trust_in(told(100, dict.fromkeys(range(10), health(**{figure: limit}))))
    below = trust_in(told(100, dict.fromkeys(range(10), health(**{figure: limit * 0.999}))))

    assert at_it.saturated
    assert at_it.sentences == (f"{sentence} (10 of 100 s)",)
    assert at_it.saturated_seconds == frozenset(range(10))
    assert not below.saturated_seconds


def test_every_figure_of_health_but_memory_has_a_limit() -> None:
    """Memory by itself makes nothing late."""
    assert {limit.figure for limit in LIMITS} == set(ProcessHealth.__struct_fields__) - {"rss_bytes"}


def test_single_seconds_happen_and_are_told_without_doubting_the_run() -> None:
    """Five of a hundred touch only the highest percentiles; six are too many."""
    five = trust_in(told(100, dict.fromkeys(range(5), health(lag_ms=500.0))))
    six = trust_in(told(100, dict.fromkeys(range(6), health(lag_ms=500.0))))

    assert not five.saturated
    assert len(five.sentences) == 1
    assert six.saturated


def test_in_a_short_run_three_seconds_are_needed() -> None:
    """Of ten seconds one is ten per cent already."""
    assert not trust_in(told(10, dict.fromkeys(range(2), health(cpu=1.0)))).saturated
    assert trust_in(told(10, dict.fromkeys(range(3), health(cpu=1.0)))).saturated


def test_what_the_system_does_not_tell_is_no_trouble() -> None:
    assert not trust_in(told(10, dict.fromkeys(range(10), health(steal=None, throttled_ms=None)))).saturated


def test_the_ramp_does_not_count_where_there_is_a_steady_window() -> None:
    """Log-ins are dear; the figures are not from there. The seconds are marked all the same."""
    ramp = [second(at, phase=RunPhase.RAMP, health={"local": health(cpu=1.0)}) for at in range(10)]
    steady = [second(at, health={"local": GOOD}) for at in range(10, 40)]
    trust = trust_in([*ramp, *steady])

    assert not trust.saturated
    assert trust.sentences == ()
    assert trust.saturated_seconds == frozenset(range(10))
    assert trust_in(ramp).saturated, "without a steady window all figures are from the ramp"


def test_the_farewell_never_counts() -> None:
    """All log out at once, and nobody measures that."""
    seconds = [second(at, phase=RunPhase.STOPPING, health={"local": health(cpu=1.0)}) for at in range(30, 40)]

    assert not trust_in([*told(30), *seconds]).saturated
    assert not trust_in(seconds).saturated


def test_a_master_makes_no_load_and_is_not_counted() -> None:
    """Its lateness is in no figure; also in a second of which its workers told nothing yet."""
    seconds = [second(0, health={"local": health(cpu=1.0)})]
    seconds += [second(at, health={"local": health(cpu=1.0), "worker 0": GOOD}) for at in range(1, 30)]

    assert not trust_in(seconds).saturated_seconds


def test_one_worker_that_is_late_makes_its_seconds_doubtful() -> None:
    """Its answers are among everybody's, and it is named."""
    seconds = [
        second(at, health={"local": GOOD, "worker 0": GOOD, "worker 1": health(lag_ms=250.0)}) for at in range(20)
    ]
    trust = trust_in(seconds)

    assert trust.saturated
    assert trust.sentences == ("worker 1 had an event-loop lag of up to 250 ms (20 of 20 s)",)


def test_a_loop_that_stands_still_for_seconds_is_not_taken_for_a_good_one() -> None:
    """It can't look at itself meanwhile: one late look stands for all of the silence."""
    seconds = told(30, {10: health(lag_ms=4500.0)})
    for at in range(11, 15):
        seconds[at] = second(at)
    trust = trust_in(seconds)

    assert trust.saturated_seconds == frozenset(range(10, 15))
    assert trust.saturated
    assert trust.sentences == (
        "the generator had an event-loop lag of up to 4,500 ms (1 of 26 s)",
        "the generator stalled: it reported nothing in 4 of 30 s",
    )


def test_a_worker_that_came_later_or_left_earlier_was_not_silent() -> None:
    seconds = [second(at, health={"worker 0": GOOD}) for at in range(30)]
    seconds[10:20] = [second(at, health={"worker 0": GOOD, "worker 1": GOOD}) for at in range(10, 20)]

    assert not trust_in(seconds).saturated_seconds


def test_a_record_of_an_older_form_tells_nothing_and_is_believed() -> None:
    assert not trust_in([second(at) for at in range(20)]).saturated


def test_what_waited_in_a_second_may_end_in_the_next() -> None:
    assert with_aftermath(frozenset({3, 4, 9})) == {3, 4, 5, 9, 10}
