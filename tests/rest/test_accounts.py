"""Who acts as whom."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis.strategies import integers, randoms

from mmload.client.accounts import (
    AccountPool,
    LostNumbers,
    account,
    dealt_lines,
    is_administrator,
    own_numbers,
    session_owner,
    shared_out,
)
from mmload.errors import NoAccountLeft


def test_workers_own_numbers_of_their_own() -> None:
    first, second = AccountPool(own_numbers(0, 3)), AccountPool(own_numbers(1, 3))

    assert [first.take() for _ in range(3)] == [1, 2, 3]
    assert [second.take() for _ in range(3)] == [4, 5, 6]


def test_the_lines_of_a_file_are_dealt_to_workers_in_turn() -> None:
    """Each has its own, all are dealt, and equal numbers of users act as the first lines, as in one process."""
    dealt = [dealt_lines(place, 3, lines=7) for place in range(3)]

    assert [list(each) for each in dealt] == [[1, 4, 7], [2, 5], [3, 6]]
    assert {number for each in dealt for number in each[:2]} == set(range(1, 7))
    assert [len(dealt_lines(place, 3, lines=2)) for place in range(3)] == [1, 1, 0]


def test_sessions_of_dealt_lines_are_of_the_workers_own_lines() -> None:
    for place in range(3):
        numbers = dealt_lines(place, 3, lines=100)
        assert {session_owner(number, 4, 5, numbers) for number in numbers} <= set(numbers)


def test_the_lowest_free_number_is_taken_first() -> None:
    """A test with fewer users then uses the same people again."""
    pool = AccountPool(own_numbers(0, 10))
    for _ in range(5):
        pool.take()
    pool.give_back(4)
    pool.give_back(2)

    assert [pool.take(), pool.take(), pool.take()] == [2, 4, 6]


def test_more_users_than_accounts_are_refused_with_what_to_change() -> None:
    pool = AccountPool(own_numbers(0, 1))
    pool.take()

    with pytest.raises(NoAccountLeft, match="MaxActiveUsers"):
        pool.take()


def test_accounts_are_named_as_the_peer_names_them() -> None:
    """Servers filled by the peer can be used at once."""
    one = account(7, "testuser", "secret")

    assert (one.username, one.email) == ("testuser-7", "testuser-7@example.com")
    assert account(7, "testuser", "secret", offset=100).username == "testuser-107"


def test_the_credentials_file_gives_the_first_accounts() -> None:
    credentials = [("ann+1@corp.example", "a"), ("bob@corp.example", "b")]

    assert account(1, "u", "p", credentials=credentials).username == "ann-1"
    assert account(2, "u", "p", credentials=credentials).email == "bob@corp.example"
    assert account(3, "u", "p", credentials=credentials).email == "u-3@example.com"


def test_an_account_never_shows_its_password() -> None:
    assert "secret" not in repr(account(1, "testuser", "secret"))


def owners(users: int, sessions: int, seed: int, worker: int = 0, stride: int = 1000) -> list[int]:
    """The accounts of the first users of a worker."""
    numbers = own_numbers(worker, stride)
    return [session_owner(number, sessions, seed, numbers) for number in numbers[:users]]


@pytest.mark.parametrize("seed", [1, 5, 77])
@pytest.mark.parametrize("sessions", [1, 2, 3, 4, 5])
def test_accounts_have_the_configured_number_of_sessions_on_average(sessions: int, seed: int) -> None:
    """For every number of users, few or many."""
    acting = owners(1000, sessions, seed)
    for users in range(1, 1001):
        assert len(set(acting[:users])) == math.ceil(users / sessions)

    assert all(owner <= number for number, owner in enumerate(acting, 1))
    assert acting == owners(1000, sessions, seed)


@pytest.mark.parametrize("sessions", [1, 2, 3, 4, 5])
def test_workers_share_no_account_and_each_has_the_configured_average(sessions: int) -> None:
    """Workers know nothing of each other; that their numbers do not begin at a multiple changes nothing."""
    users, workers = 10, 7
    acting = [owner for worker in range(workers) for owner in owners(users, sessions, 5, worker, stride=1001)]

    assert len(set(acting)) == workers * math.ceil(users / sessions)
    assert all((owner - 1) // 1001 == position // users for position, owner in enumerate(acting))


def test_the_sessions_of_an_account_vary_by_the_seed() -> None:
    counted = Counter(owners(1000, 3, seed=5))

    assert min(counted.values()) == 1
    assert max(counted.values()) > 5
    assert owners(100, 3, seed=5) != owners(100, 3, seed=6)


def test_a_share_of_the_users_acts_as_the_administrator() -> None:
    """The peer's rule, so that the same share gives the same users."""
    assert [number for number in range(1, 41) if is_administrator(number, 0.1)] == [10, 20, 30, 40]
    assert is_administrator(2000, 0.0005)
    assert not any(is_administrator(number, 0.0) for number in range(1, 100))
    assert is_administrator(3, 1.0)


@given(workers=integers(2, 9), each=integers(1, 40), chance=randoms())
def test_workers_have_accounts_for_all_users_however_many_of_them_are_lost(
    workers: int, each: int, chance: random.Random
) -> None:
    """Those that are left share the users equally, the first ones one more; and so do they the numbers."""
    has = {worker: [LostNumbers(own_numbers(worker, each), own_numbers(worker, each))] for worker in range(workers)}
    users = workers * each
    for lost in chance.sample(range(workers), workers - 1):
        parts = has.pop(lost)
        shares = shared_out(parts, [len(numbers_in(has[worker])) for worker in sorted(has)])
        for worker, share in zip(sorted(has), shares, strict=True):
            has[worker] += share

        numbers = [numbers_in(parts) for _, parts in sorted(has.items())]
        assert sorted(itertools.chain(*numbers)) == list(range(1, users + 1)), "each number has one worker"
        more, needed = users % len(has), users // len(has)
        assert all(len(found) >= needed + (place < more) for place, found in enumerate(numbers)), "one has too few"


def numbers_in(parts: Iterable[LostNumbers]) -> list[int]:
    return [number for part in parts for number in part.share]


def test_numbers_that_were_taken_over_are_used_last_and_are_the_same_people() -> None:
    pool = AccountPool(own_numbers(0, 2))
    lost = own_numbers(1, 4)
    pool.take_over(LostNumbers(lost[1::2], lost))

    assert [pool.take() for _ in range(4)] == [1, 2, 6, 8]
    assert (pool.numbers_with(2), pool.numbers_with(8)) == (own_numbers(0, 2), lost)
    with pytest.raises(NoAccountLeft):
        pool.take()
