"""Which worker gets the next user: those with the lowest index first, so that the lowest account numbers act.

Locust orders workers by names that are drawn anew for each test. Of seven users on two workers, three would be on the
first and four on the second, or the other way round, as chance has it; so another account would act in each test.

And the worker with the fewest users. Locust takes the next in turn and forgets whose turn it was when users go:
one added, removed and added again each time goes to another worker, so with many changes the shares drift apart.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from locust.dispatch import UsersDispatcher


def by_index(index_of: Callable[[str], int]) -> type[UsersDispatcher]:
    """A dispatcher for Locust's environment; `index_of` gives the index of the worker with an id."""

    class ByIndex(UsersDispatcher):
        def _sort_workers(self) -> None:
            self._worker_nodes = in_turn(self._worker_nodes, index_of)

        def _add_users_on_workers(self) -> dict[str, dict[str, int]]:
            users = [sum(self._users_on_workers[worker.id].values()) for worker in self._worker_nodes]
            self._worker_node_generator = emptiest_first(self._worker_nodes, users)  # type: ignore[assignment]
            return super()._add_users_on_workers()

    return ByIndex


def emptiest_first(workers: list[Any], users: list[int]) -> Iterator[Any]:
    """Without end, the worker for each further user, if `users` are on them so far: the fewest, then the first."""
    places = list(zip(users, range(len(workers)), strict=True))
    heapq.heapify(places)
    while True:
        users_there, place = places[0]
        yield workers[place]
        heapq.heapreplace(places, (users_there + 1, place))


def in_turn(workers: Iterable[Any], index_of: Callable[[str], int]) -> list[Any]:
    """The first worker of each host, then the second of each, …: as Locust does, lest one host gets all the work."""
    on_host: Counter[str] = Counter()
    places = []
    for worker in sorted(workers, key=lambda each: index_of(each.id)):
        # Locust makes its ids so.
        host = worker.id.split("_")[0]
        places.append((on_host[host], index_of(worker.id), worker))
        on_host[host] += 1
    return [worker for *_, worker in sorted(places, key=lambda place: place[:2])]
