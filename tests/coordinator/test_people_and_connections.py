"""A search among a bounded number of accounts, and among people with several devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from coordinator.agent_metrics import snapshot
from coordinator.answer import Ending, Limits, capacity_text, exit_code
from coordinator.search.sample import Observation
from mmload.errors import ExitCode
from tests.coordinator.simulated import hard_limit, search, steep

LIMITS = Limits(lowest_users=1, highest_users=1000)
ARRIVALS = dataclasses.replace(LIMITS, arrival_seconds=20.0)


def accounts(number: int) -> Callable[[Observation], Observation]:
    """There are no more people than that; the others give up."""
    return lambda seen: dataclasses.replace(
        seen, users=min(seen.users, number), without_account=max(0, seen.users - number)
    )


@pytest.mark.parametrize("limits", [LIMITS, ARRIVALS])
def test_a_search_that_runs_out_of_accounts_says_at_least_and_what_to_do(limits: Limits) -> None:
    """As at the most users that are allowed: exit code 0."""
    answer = search(limits, hard_limit(5000), accounts(100)).answer

    assert (answer.ended_by, answer.low, answer.high) == (Ending.AT_LEAST, 100, None)
    assert capacity_text(answer) == "at least 100 users"
    assert answer.reason == (
        "no limit was crossed by 100 users, and there are no accounts for more: give people further devices "
        "(UsersConfiguration.DevicesPerUser), or add accounts"
    )
    assert exit_code(answer) is ExitCode.PASSED


def test_users_that_are_missing_for_another_reason_are_still_a_fault() -> None:
    answer = search(LIMITS, hard_limit(5000), lambda seen: dataclasses.replace(seen, users=min(seen.users, 100))).answer

    assert answer.ended_by == Ending.USERS_MISSING
    assert exit_code(answer) is ExitCode.INCONCLUSIVE


def test_accounts_that_are_enough_change_nothing() -> None:
    with_them = search(LIMITS, steep(300), accounts(900)).answer

    assert with_them == search(LIMITS, steep(300)).answer
    assert with_them.ended_by == Ending.FOUND


def devices(each: float) -> Callable[[Observation], Observation]:
    return lambda seen: dataclasses.replace(seen, connections=round(seen.users * each))


def test_people_with_several_devices_are_told_with_their_connections() -> None:
    answer = search(LIMITS, steep(300), devices(1.5)).answer

    assert answer.users is not None and answer.connections == pytest.approx(1.5 * answer.users, rel=0.02)
    interval = f"users ({answer.low}–{answer.high}, 95 %)"
    assert capacity_text(answer).endswith(f"{interval} with {answer.connections} connections")


def test_at_least_so_many_are_told_with_their_connections_too() -> None:
    answer = search(dataclasses.replace(LIMITS, highest_users=50), steep(300), devices(2.0)).answer

    assert capacity_text(answer) == "at least 50 users with 100 connections"


@pytest.mark.parametrize("each", [0.0, 0.97, 1.0, 1.02])
def test_people_with_one_device_are_just_people(each: float) -> None:
    """Also where agents tell no connections, or some are lost or on their way."""
    assert search(LIMITS, steep(300), devices(each)).answer.connections is None


def test_connections_and_users_without_account_are_read_from_all_agents() -> None:
    page = 'mmload_users{state="active"} 20\nmmload_users_without_account 3\nmmload_sockets 31\n'
    total = snapshot({"one": page, "two": page}, 1.0)

    assert (total.present, total.without_account, total.connections) == (40, 6, 62)
