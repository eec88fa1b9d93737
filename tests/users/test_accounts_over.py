"""More users than accounts: who finds none is counted apart, so that nobody takes it for the server's fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from locust.env import Environment

from mmload import users
from mmload.metrics.recorder import process_recorder
from tests.conftest import running_sandbox
from tests.users.test_users import await_that, locust

__all__ = ["locust"]


@pytest.fixture
def fresh_sandbox() -> Iterator[str]:
    """A server that takes three accounts: the administrator has one."""
    with running_sandbox("--account-limit", "3") as address:
        yield address


def some_come_in(locust: Environment, active: int, without: int) -> None:
    gauges, runner = process_recorder().users, locust.runner
    assert runner is not None
    runner.start(active + without, spawn_rate=10)
    await_that(lambda: (gauges.active, gauges.without_account) == (active, without), "some found no account")
    assert gauges.gave_up == without
    runner.stop()
    assert (gauges.active, gauges.waiting, gauges.gave_up, gauges.without_account) == (0, 0, 0, 0)


def test_users_whom_the_server_gives_no_account_are_told_apart(locust: Environment) -> None:
    some_come_in(locust, active=2, without=2)


def test_users_for_whom_the_file_has_no_line_are_told_apart(
    locust: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "accounts.txt"
    file.write_text("ann@example.com testPass123$\n")
    monkeypatch.setenv("MMLOAD_USERSCONFIGURATION_USERSFILEPATH", str(file))
    monkeypatch.setattr(users, "ACCOUNT_PATIENCE_SECONDS", 0.5)
    some_come_in(locust, active=1, without=2)
