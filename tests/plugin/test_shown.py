"""What the tabs show follows from the record."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.metrics.counts import MISSING_REASONS, DeliveryCounts
from mmload.metrics.delta import Delta, ProcessHealth
from mmload.metrics.recorder import DELIVERY, ActionOutcome, Recorder
from mmload.plugin.web.run_view import View
from mmload.plugin.web.tabs import SERIES_SECONDS, actions, delivery, health
from mmload.results.generator_health import MOST_CPU
from mmload.results.model import RunPhase, Second, Totals

EMPTY: dict[str, Any] = {
    name: 0 for name in Second.__struct_fields__ if name not in ("ms", "elapsed", "phase", "health", "p50_ms")
}


def second(number: int, **figures: Any) -> Second:
    given = {**EMPTY, "ms": number * 1000, "elapsed": number, "phase": RunPhase.STEADY, "p50_ms": None, **figures}
    return Second(**given)


def view(whole: Delta | None = None, *seconds: Second) -> View:
    return View(totals=Totals(whole=whole or Delta()), recent=seconds, running=True, target=9, spawned=8)


def test_before_the_first_test_all_tabs_are_there_and_empty() -> None:
    """And can be told as JSON."""
    found = (delivery(View()), health(View(), {"local": ("ready", 0)}), actions(View(), "stopped", 7, ["CreatePost"]))

    assert found[0].times.count == 0 and found[0].series == []
    assert [each.name for each in found[1].processes] == ["local"] and found[1].processes[0].health is None
    assert found[2].actions == [] and found[2].most_users == 7
    assert b"NaN" not in msgspec.json.encode(found)


def test_deliveries_are_told_with_what_is_missing_and_why() -> None:
    recorder = Recorder()
    recorder.deliveries = DeliveryCounts(sent=4, expected=9, delivered=6, never_came=3)
    for seconds in (0.010, 0.020, 0.900):
        recorder.span(DELIVERY, seconds)

    found = delivery(view(recorder.take(), second(1, delivery_p50_ms=20.0, delivery_p95_ms=900.0)))

    assert found.account == {"expected": 9, "delivered": 6, "missing": 3, "withdrawn": 0}
    assert (found.posts, found.missing) == (4, {MISSING_REASONS["never_came"]: 3})
    assert found.times.p50 is not None and abs(found.times.p50 - 20) < 0.1
    assert found.times.longest is not None and abs(found.times.longest - 900) < 2
    assert found.series == [(1000, 20.0, 900.0)]


def test_a_chart_is_no_longer_than_five_minutes() -> None:
    whole = tuple(second(number) for number in range(SERIES_SECONDS + 50))

    assert len(delivery(view(None, *whole)).series) == len(health(view(None, *whole), {}).series) == SERIES_SECONDS
    assert delivery(view(None, *whole)).series[0][0] == 50_000


def test_a_process_is_shown_at_its_worst_and_told_where_it_is_too_much() -> None:
    fared = [ProcessHealth(cpu=MOST_CPU + 0.05, lag_ms=3.0), ProcessHealth(cpu=0.2, lag_ms=9.0, steal=0.01)]
    seconds = [second(number, health={"local": ProcessHealth(), "worker 0": each}) for number, each in enumerate(fared)]

    found = health(view(None, *seconds), {"local": ("running", None), "worker 0": ("running", 8)})

    [master, worker] = found.processes
    assert (master.users, master.crossed) == (None, ())
    assert worker.health == ProcessHealth(cpu=MOST_CPU + 0.05, lag_ms=9.0, steal=0.01)
    assert worker.crossed == ("cpu",)


def test_the_charts_of_health_leave_the_master_out_where_there_are_workers() -> None:
    """It makes no load."""
    idle = {"worker 0": ProcessHealth(cpu=0.1, lag_ms=1.0), "worker 1": ProcessHealth(cpu=0.3, lag_ms=0.5)}
    busy = {"local": ProcessHealth(cpu=0.9, lag_ms=50.0)}

    found = health(view(None, second(1, health=busy | idle), second(2, health=busy), second(3)), {})

    assert found.series == [(1000, 0.3, 1.0), (2000, 0.9, 50.0), (3000, None, None)]


def test_a_worker_that_is_gone_is_not_shown() -> None:
    found = health(view(None, second(1, health={"worker 0": ProcessHealth(cpu=0.1)})), {"local": ("running", None)})

    assert [each.name for each in found.processes] == ["local"]


def test_the_most_frequent_action_comes_first() -> None:
    recorder = Recorder()
    for name, outcome, times in (
        ("Rare", ActionOutcome.OK, 1),
        ("Often", ActionOutcome.OK, 3),
        ("Often", ActionOutcome.FAILED, 1),
    ):
        for _ in range(times):
            recorder.action(name, 0.004, outcome)

    rows = actions(view(recorder.take()), "running", 9, []).actions

    assert [(row.name, row.done, row.failed) for row in rows] == [("Often", 3, 1), ("Rare", 1, 0)]
    assert rows[1].p50 is not None and abs(rows[1].p50 - 4) < 0.01
