"""The master's view of its workers, without a network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from locust.runners import STATE_MISSING, STATE_RUNNING

from mmload.plugin.runner.workers import Workers


def runner(*names: str) -> Any:
    """A master with these workers."""
    clients = SimpleNamespace(all=[SimpleNamespace(id=name, state=STATE_RUNNING) for name in names])
    return SimpleNamespace(clients=clients, get_worker_index=lambda name: "abc".index(name))


def test_comers_and_goers_are_told_once() -> None:
    """By the number that Locust's log gives them."""
    master = runner("a", "b")
    workers = Workers(master)
    assert workers.changes() == ([], [])
    master.clients.all[0].state = STATE_MISSING
    master.clients.all.append(SimpleNamespace(id="c", state=STATE_RUNNING))

    assert workers.changes() == (["worker 2"], ["worker 0"])
    assert workers.changes() == ([], [])


def test_a_worker_that_heals_itself_has_come_again() -> None:
    """A starved one looks lost for a while."""
    master = runner("a")
    workers = Workers(master)
    master.clients.all[0].state = STATE_MISSING
    workers.changes()
    master.clients.all[0].state = STATE_RUNNING

    assert workers.changes() == (["worker 0"], [])


def test_a_report_that_never_came_is_noticed_by_its_number() -> None:
    """The next one shows the gap."""
    workers = Workers(runner("a"))

    assert [workers.skipped("a", number) for number in (1, 2, 5, 6)] == [0, 0, 2, 0]


def test_only_living_workers_are_waited_for() -> None:
    """And not for ever."""
    master = runner("a", "b", "c")
    workers = Workers(master)
    workers.finished.add("a")
    master.clients.all[1].state = STATE_MISSING

    assert workers.wait_for(workers.finished, 0.1) == ["worker 2"]
    workers.finished.add("c")
    assert workers.wait_for(workers.finished, 0.1) == []
