"""The master's view of its workers during one test: who came, who was lost, whose figures are still to come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from locust.runners import STATE_MISSING


def host_of(environment: Any) -> Callable[[str], str]:
    """On which host of a deployment a worker is: told by those who introduce themselves."""
    side = getattr(environment, "mmload_workers", None)
    return (lambda _: "") if side is None else side.host_of


class Workers:
    """The workers of a master during one test."""

    def __init__(self, runner: Any, host_of: Callable[[str], str] = lambda _: "") -> None:
        self._runner = runner
        self._host_of = host_of
        self.start_over()

    def start_over(self) -> None:
        self.finished: set[str] = set()  # have sent their last figures
        self.settled: set[str] = set()  # have closed their account of messages
        self._known: dict[str, str] = {each.id: self.name(each.id) for each in self._alive()}
        self._numbers: dict[str, int] = {}

    def name(self, client_id: str) -> str:
        """As Locust's log names it, and on which host of a deployment it is."""
        host = self._host_of(client_id)
        return f"worker {self._runner.get_worker_index(client_id)}" + (f" on {host}" if host else "")

    def _alive(self) -> list[Any]:
        return [each for each in self._runner.clients.all if each.state != STATE_MISSING]

    def changes(self) -> tuple[list[str], list[str]]:
        """The names of those that came since the last look, and of those that went."""
        alive = {each.id: self.name(each.id) for each in self._alive()}
        came = [name for client_id, name in alive.items() if client_id not in self._known]
        lost = [name for client_id, name in self._known.items() if client_id not in alive]
        self._known = alive
        return came, lost

    def skipped(self, client_id: str, number: int) -> int:
        """How many reports of a worker are missing before this one."""
        expected = self._numbers.get(client_id, 0) + 1
        self._numbers[client_id] = number
        return max(0, number - expected)

    def alive(self) -> list[str]:
        return [each.id for each in self._alive()]

    def wait_for(self, done: set[str], patience_seconds: float) -> list[str]:
        """Wait until each living worker is `done` (has `finished`, or `settled`); the names of those that are not."""
        deadline = time.monotonic() + patience_seconds
        while True:
            left = [each.id for each in self._alive() if each.id not in done]
            if not left or time.monotonic() >= deadline:
                return [self.name(client_id) for client_id in left]
            gevent.sleep(0.05)
