"""Which Mattermost account a simulated user acts as. No worker needs another to know its own.

Worker `i` owns the numbers `i·stride + 1 … (i+1)·stride`; the lines of a users file are dealt out by the master. A
leaving user gives its number back; the lowest free one is taken first, so that a test with fewer users uses the same
people again.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmload.config import Users
from mmload.errors import NoAccountLeft

# Further sessions are dealt out among so many accounts: more of them let the sessions per account vary more.
SHARED_AMONG = 8


@dataclass(frozen=True, slots=True)
class Account:
    """A login. `number` decides everything about the person that is drawn by chance.

    `in_file`: a line of the users file; `username` is then a guess from the address, for who has to sign up.
    """

    number: int
    username: str
    email: str
    password: str
    in_file: bool = False

    def __repr__(self) -> str:
        return f"Account({self.number}, {self.email!r})"


def own_numbers(worker_index: int, stride: int) -> range:
    """The account numbers of a worker, without a users file. Pure."""
    return range(worker_index * stride + 1, (worker_index + 1) * stride + 1)


def sessions_each(users: Users) -> int:
    """The most sessions that an account has at once: those of several users, or of one user's devices. Pure."""
    return users.avg_sessions_per_user * max((part.devices for part in users.devices_per_user), default=1)


def connections(users: Users, count: int) -> int:
    """How many WebSockets so many users have, on average. Pure."""
    if not users.devices_per_user:
        return count
    return math.ceil(round(count * sum(part.devices * part.percentage for part in users.devices_per_user), 6))


def has_file_only(users: Users) -> bool:
    """Whether the accounts are the lines of a users file, and no others. Pure."""
    return bool(users.users_file_path) and not users.accounts_beyond_file


def dealt_lines(place: int, workers: int, lines: int) -> range:
    """The lines of a file that the worker at this place (from 0) is dealt: one each in turn. Pure.

    Workers have equal numbers of users, so these are the lines from the first one on, however many workers there are.
    """
    return range(place + 1, lines + 1, workers)


@dataclass(frozen=True, slots=True)
class LostNumbers:
    """Some of the numbers (`of`) that a lost worker had."""

    share: range
    of: range


def shared_out(lost: Iterable[LostNumbers], has: Sequence[int]) -> list[list[LostNumbers]]:
    """What each of the others gets of them, who `has` so many: then all have as many as workers have users. Pure."""
    counts = list(has)
    shares: list[list[LostNumbers]] = [[] for _ in counts]
    for each in lost:
        emptiest_first = sorted(range(len(counts)), key=counts.__getitem__)
        for place, heir in enumerate(emptiest_first):
            if share := each.share[place :: len(counts)]:
                shares[heir].append(LostNumbers(share, each.of))
                counts[heir] += len(share)
    return shares


class AccountPool:
    """The free ones of a worker's numbers; `more` says what to do for more of them."""

    def __init__(self, numbers: range, more: str = "raise UsersConfiguration.MaxActiveUsers, or add workers") -> None:
        self.numbers = numbers
        self._more = more
        self._unused: Iterator[int] = iter(numbers)
        self._taken_over: list[LostNumbers] = []
        self._returned: list[int] = []

    def take(self) -> int:
        """The lowest free number; `NoAccountLeft` when all are in use."""
        if self._returned:
            return heapq.heappop(self._returned)
        number = next(self._unused, None)
        if number is None:
            raise NoAccountLeft(f"all {len(self.numbers)} accounts of this process are in use: {self._more}")
        return number

    def give_back(self, number: int) -> None:
        heapq.heappush(self._returned, number)

    def take_over(self, lost: LostNumbers) -> None:
        """Have these, too, when the others are in use."""
        self._taken_over.append(lost)
        self._unused = itertools.chain(self._unused, lost.share)

    def numbers_with(self, number: int) -> range:
        """The numbers of the worker that had this one in the beginning."""
        return next((lost.of for lost in self._taken_over if number in lost.share), self.numbers)


def session_owner(number: int, sessions_per_account: int, seed: int, numbers: range) -> int:
    """The number of the account that a user acts as, where accounts have several sessions each. Pure.

    Of every s consecutive ones of a worker's numbers, the first user has an account of its own, and each of the others
    opens a further session of one of the newest such accounts, drawn by the seed. So n users of a worker use exactly
    ceil(n / s) accounts, for every n, while the sessions of one account vary around s; no worker uses another's.
    """
    place = numbers.index(number)
    group, member = divmod(place, sessions_per_account)
    if member == 0:
        return number
    rng = random.Random(f"{seed}:sessions:{number}")
    return numbers[sessions_per_account * rng.randrange(max(0, group - SHARED_AMONG + 1), group + 1)]


def is_administrator(number: int, share: float) -> bool:
    """Whether the user of this number acts as the configured system administrator: every (1/share)-th does. Pure."""
    return share > 0 and number % max(1, int(1 / share)) == 0


def account(
    number: int, prefix: str, password: str, offset: int = 0, credentials: Sequence[tuple[str, str]] = ()
) -> Account:
    """The account of a number: that line of the credentials file while there are lines, else a made-up one. Pure."""
    if number <= len(credentials):
        login, secret = credentials[number - 1]
        return Account(number, login.partition("@")[0].replace("+", "-"), login, secret, in_file=True)
    name = f"{prefix}-{number + offset}"
    return Account(number, name, f"{name}@example.com", password)


def accounts(users: Users, count: int, credentials: Sequence[tuple[str, str]]) -> tuple[Account, ...]:
    """Those of that many users; fewer where a users file has fewer lines and no others are to be made up. Pure."""
    last = min(count, len(credentials)) if has_file_only(users) else count
    return tuple(
        account(number, users.username_prefix, users.password, users.number_offset, credentials)
        for number in range(1, last + 1)
    )
