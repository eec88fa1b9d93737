"""The accounts of a lost worker go to the others, who take up its users and may have none left of their own.

`mmload run --processes N` gives each worker as many accounts as it has users, a file of users has only so many lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING

from mmload.client.accounts import LostNumbers, shared_out
from mmload.locust_internals import in_turn
from mmload.users import context_of

TAKE_OVER = "mmload_take_over"  # master to worker: these account numbers are yours, too


class LostAccounts:
    """On a master: who has the account numbers of the workers that were lost in this test."""

    def __init__(self, environment: Any, on_taken_over: Callable[[str, Iterable[int]], None]) -> None:
        self._environment = environment
        self._on_taken_over = on_taken_over
        self._lost: set[str] = set()
        self._taken_over: dict[str, list[LostNumbers]] = {}
        environment.events.test_start.add_listener(self._start_over)

    def _start_over(self, **_: Any) -> None:
        self._lost.clear()
        self._taken_over.clear()

    def lost(self, client_id: str) -> None:
        """This worker is lost: its numbers are shared out among those that take up its users, once."""
        runner, workers = self._environment.runner, self._environment.mmload_workers
        if client_id in self._lost or runner.state not in (STATE_SPAWNING, STATE_RUNNING):
            return
        self._lost.add(client_id)
        alive = {each.id for each in runner.clients.all if each.state != STATE_MISSING and workers.takes_users(each.id)}
        own = workers.numbers_of(client_id)
        heirs = in_turn(alive, runner.get_worker_index)
        taken_over = [sum(len(each.share) for each in self._taken_over.get(heir, ())) for heir in heirs]
        has = [len(workers.numbers_of(heir)) + more for heir, more in zip(heirs, taken_over, strict=True)]
        shares = shared_out([LostNumbers(own, own), *self._taken_over.pop(client_id, ())], has)
        for heir, share in zip(heirs, shares, strict=True):
            self._taken_over.setdefault(heir, []).extend(share)
            told = [[_wire(each.share), _wire(each.of)] for each in share]
            runner.send_message(TAKE_OVER, told, client_id=heir)
            self._on_taken_over(heir, [number for each in share for number in each.share])


def _wire(numbers: range) -> list[int]:
    return [numbers.start, numbers.stop, numbers.step]


def take_over_when_told(environment: Any) -> None:
    """On a worker: its users have these numbers besides its own, until the test ends."""

    def take_over(msg: Any, **_: Any) -> None:
        context = context_of(environment)
        for share, of in msg.data if context is not None else ():
            context.accounts.take_over(LostNumbers(range(*share), range(*of)))

    environment.runner.register_message(TAKE_OVER, take_over)
