"""Browser users among the others: their fixed number, and the workers that they go to."""

from __future__ import annotations

from typing import Any

import pytest

from mmload.browser_user import BrowserUser
from mmload.locust_internals import by_index
from mmload.user_classes import BROWSER_USER, weights
from mmload.users import IdleUser


class _Worker:
    def __init__(self, identity: str) -> None:
        self.id = identity


def _shares(workers: list[str], with_browser: set[str], browsers: int, users: int, more: list[str]) -> Any:
    """Who runs what after all have come, and after further workers have."""
    place: Any = by_index(
        (workers + more).index, takes_class=lambda worker, kind: kind != BROWSER_USER or worker in with_browser
    )
    dispatcher = place([_Worker(each) for each in workers], [BrowserUser, IdleUser])
    dispatcher.new_dispatch(users, 1000)
    shares = list(dispatcher)[-1]
    for each in more:
        dispatcher.add_worker(_Worker(each))
        shares = dispatcher._users_on_workers
    return shares


@pytest.fixture(autouse=True)
def fixed_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BrowserUser, "fixed_count", 3)
    monkeypatch.setattr(BrowserUser, "weight", 1)
    monkeypatch.setattr(IdleUser, "weight", 1)


def test_browser_users_go_to_workers_with_a_browser_and_the_others_everywhere() -> None:
    shares = _shares(["a", "b", "c"], {"b", "c"}, 3, 12, [])

    assert [shares[each][BROWSER_USER] for each in "abc"] == [0, 2, 1]
    assert sum(shares[each]["IdleUser"] for each in "abc") == 9 and all(shares[each]["IdleUser"] for each in "abc")


def test_they_stay_on_such_workers_when_another_comes() -> None:
    shares = _shares(["a", "b"], {"a"}, 3, 8, ["c"])

    assert [shares[each][BROWSER_USER] for each in "abc"] == [3, 0, 0]
    assert sum(sum(each.values()) for each in shares.values()) == 8


def test_they_run_beside_the_configured_type_or_the_named_classes() -> None:
    def running(*arguments: str, browsers: int = 0) -> set[str]:
        return {name for name, weight in weights("simulative", arguments, {}, browsers).items() if weight}

    assert running() == {"SimulatedUser"}
    assert running(browsers=2) == {"SimulatedUser", BROWSER_USER}
    assert running("IdleUser", browsers=2) == {"IdleUser", BROWSER_USER}
    assert running(BROWSER_USER) == {BROWSER_USER}
    assert BROWSER_USER not in running("--class-picker") and BROWSER_USER in running("--worker")
