"""Which Mattermost account a simulated user acts as. No worker needs another to know its own.

Worker `i` owns the numbers `i·stride + 1 … (i+1)·stride`. A leaving user gives its number back; the lowest free one is
taken first, so that a test with fewer users uses the same people again.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mmload.errors import NoAccountLeft

# Further sessions are dealt out among so many accounts: more of them let the sessions per account vary more.
SHARED_AMONG = 8


@dataclass(frozen=True, slots=True)
class Account:
    """A login. `number` decides everything about the person that is drawn by chance."""

    number: int
    username: str
    email: str
    password: str

    def __repr__(self) -> str:
        return f"Account({self.number}, {self.email!r})"


class AccountPool:
    """The free numbers of one worker."""

    def __init__(self, worker_index: int, stride: int) -> None:
        self._next = worker_index * stride + 1
        self._end = (worker_index + 1) * stride
        self._returned: list[int] = []

    def take(self) -> int:
        """The lowest free number; `NoAccountLeft` when all are in use."""
        if self._returned:
            return heapq.heappop(self._returned)
        if self._next > self._end:
            raise NoAccountLeft(
                f"all account numbers up to {self._end} of this worker are in use: raise UsersConfiguration."
                "MaxActiveUsers, or add workers"
            )
        number = self._next
        self._next += 1
        return number

    def give_back(self, number: int) -> None:
        heapq.heappush(self._returned, number)


def session_owner(number: int, sessions_per_account: int, seed: int, stride: int) -> int:
    """The number of the account that a user acts as, where accounts have several sessions each. Pure.

    Of every s consecutive numbers of a worker, the first user has an account of its own, and each of the others opens
    a further session of one of the newest such accounts, drawn by the seed. So n users of a worker use exactly
    ceil(n / s) accounts, for every n, while the sessions of one account vary around s; no worker uses another's.
    """
    place = (number - 1) % stride
    group, member = divmod(place, sessions_per_account)
    if member == 0:
        return number
    rng = random.Random(f"{seed}:sessions:{number}")
    return number - place + sessions_per_account * rng.randrange(max(0, group - SHARED_AMONG + 1), group + 1)


def is_administrator(number: int, share: float) -> bool:
    """Whether the user of this number acts as the configured system administrator: every (1/share)-th does. Pure."""
    return share > 0 and number % max(1, int(1 / share)) == 0


def account(
    number: int, prefix: str, password: str, offset: int = 0, credentials: Sequence[tuple[str, str]] = ()
) -> Account:
    """The account of a number: that line of the credentials file while there are lines, else a made-up one. Pure."""
    if number <= len(credentials):
        login, secret = credentials[number - 1]
        return Account(number, login.partition("@")[0].replace("+", "-"), login, secret)
    name = f"{prefix}-{number + offset}"
    return Account(number, name, f"{name}@example.com", password)
