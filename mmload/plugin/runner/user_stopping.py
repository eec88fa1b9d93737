"""How users are started and stopped in one process: those who stop do so in a group of their own.

Takes the place of Locust's `stop_users`, which keeps them among the users until they are gone, and blocks: whoever
changes the number meanwhile counts them once more, stops too many, and the number ends up wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import msgspec
from gevent.pool import Group
from locust import User

from mmload.locust_internals import ends_the_test, move, replace_spawn_and_stop_users, users_of

REPORT_KEY = "mmload_turnover"


class UserTurnover(msgspec.Struct, frozen=True):
    """Users started and users ended, since the test began."""

    started: int = 0
    ended: int = 0

    def __add__(self, other: UserTurnover) -> UserTurnover:
        return UserTurnover(self.started + other.started, self.ended + other.ended)


class WorkersUserTurnover:
    """The turnover that a master's workers report. A worker that was lost has lost all its users."""

    def __init__(self) -> None:
        self._of: dict[str, UserTurnover] = {}

    def start_over(self) -> None:
        self._of.clear()

    def take_in(self, client_id: str, data: dict[str, Any]) -> None:
        """A worker's report; what it says of the users is taken out of it."""
        reported = data.pop(REPORT_KEY, None)
        if reported is not None:
            self._of[client_id] = msgspec.convert(reported, UserTurnover)

    def lost(self, client_id: str) -> None:
        known = self._of.get(client_id, UserTurnover())
        self._of[client_id] = UserTurnover(known.started, known.started)

    def turnover(self) -> UserTurnover:
        return sum(self._of.values(), UserTurnover())


class UserStopping:
    """Starts and stops the users of a single process or a worker, and counts them."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.stopping = Group()  # told to, and not gone yet
        self._started = self._ended = 0
        self._spawn_users = replace_spawn_and_stop_users(runner, self.spawn_users, self.stop_users)

    def turnover(self) -> UserTurnover:
        return UserTurnover(self._started, self._ended)

    def start_over(self) -> None:
        self._started = self._ended = 0

    def spawn_users(self, user_classes_spawn_count: Mapping[str, int], wait: bool = False) -> list[User]:
        """Locust's own, with everybody counted."""
        users: list[User] = self._spawn_users(user_classes_spawn_count, wait)
        self._started += len(users)
        for user in users:
            user.greenlet.rawlink(self._on_end)
        return users

    def _on_end(self, _greenlet: Any) -> None:
        self._ended += 1

    def stop_users(self, user_classes_stop_count: Mapping[str, int]) -> None:
        """Stop so many of each class. Waits for them only where the whole test ends."""
        for user in list(self._chosen(user_classes_stop_count)):
            move(user, self.stopping)
            if user.greenlet is gevent.getcurrent():
                # It ends the test itself: nobody can wait for it here.
                user.group.killone(user.greenlet, block=False)
            else:
                gevent.spawn(self._let_go, user, self._runner.environment.stop_timeout or 0.0)
        if ends_the_test(self._runner):
            gevent.joinall([each for each in self.stopping if each is not gevent.getcurrent()])

    def _chosen(self, counts: Mapping[str, int]) -> Iterator[User]:
        """Those without an account yet go first, then those with the highest numbers: the lowest stay in use."""
        users = users_of(self._runner)
        for name, count in counts.items():
            of_class = [user for user in users if type(user).__name__ == name]
            yield from sorted(of_class, key=_account_number, reverse=True)[:count]

    def _let_go(self, user: User, patience_seconds: float) -> None:
        """Who is in the middle of an action may finish it, if there is patience; then it has to go."""
        user.stop(force=not patience_seconds)
        user.greenlet.join(timeout=patience_seconds or None)
        self.stopping.killone(user.greenlet)


def _account_number(user: Any) -> float:
    return getattr(user, "account_number", 0) or math.inf
