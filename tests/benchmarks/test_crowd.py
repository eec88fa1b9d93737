"""The people of a sandbox for benchmarks: everybody has as many neighbours, however many people there are."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.crowd import COMMUNITY_PEOPLE, Server, variables
from mmload.cli.sandbox import accounts, communities, population
from mmload.config import environment_name, load_settings, read_credentials
from mmload.population.plan import plan

USERS_FILE = environment_name("UsersConfiguration", "UsersFilePath")


@given(st.integers(1, 20_000))
def test_communities_have_all_people_and_are_all_alike(users: int) -> None:
    sizes = communities(users, COMMUNITY_PEOPLE)

    assert sum(sizes) == users
    assert max(sizes) - min(sizes) <= 1
    if users >= COMMUNITY_PEOPLE:
        assert min(sizes) >= COMMUNITY_PEOPLE * 2 / 3 and max(sizes) <= COMMUNITY_PEOPLE * 3 / 2


@pytest.mark.parametrize("users", [100, 200, 500, 2000])
def test_the_usual_numbers_make_communities_of_one_size(users: int) -> None:
    assert set(communities(users, COMMUNITY_PEOPLE)) == {COMMUNITY_PEOPLE}


@pytest.mark.parametrize("users", [200, 1000])
def test_people_have_as_many_neighbours_however_many_there_are(users: int, tmp_path: Path) -> None:
    """To the letter: each community is planned alike, and nobody is in two of them."""
    assert neighbours(users, tmp_path) == pytest.approx(neighbours(100, tmp_path), rel=0.001)
    assert neighbours(100, tmp_path) > 10


def neighbours(users: int, folder: Path) -> float:
    """The average number of others in all of one's channels: how many hear a post is in proportion to it."""
    heard = 0
    for number, people in enumerate(communities(users, COMMUNITY_PEOPLE), start=1):
        settings, _ = load_settings(environ=population(number, people), folder=folder)
        planned = plan(settings, seed=1)
        heard += sum(len(list(combinations(channel.members, 2))) * 2 for channel in planned.channels)
    return heard / users


def test_accounts_are_those_that_init_makes(tmp_path: Path) -> None:
    """By name and in order; nobody is in two communities."""
    sizes = communities(250, COMMUNITY_PEOPLE)
    file = tmp_path / "accounts.txt"
    file.write_text("\n".join(accounts(sizes)))
    planned = [
        account
        for number, people in enumerate(sizes, start=1)
        for account in plan(load_settings(environ=population(number, people), folder=tmp_path)[0], seed=1).accounts
    ]

    assert [(each.login, each.password) for each in read_credentials(file)] == [
        (account.email, account.password) for account in planned
    ]
    assert len({account.username for account in planned}) == 250


def test_teams_of_communities_are_different_ones(tmp_path: Path) -> None:
    names = [
        team.name
        for number in (1, 2)
        for team in plan(load_settings(environ=population(number, 20), folder=tmp_path)[0], seed=1).teams
    ]

    assert len(set(names)) == len(names) == 4


def test_the_process_is_told_of_the_accounts_where_there_are_some(tmp_path: Path) -> None:
    file = tmp_path / "accounts.txt"

    assert variables(Server("http://here", file), 5, tmp_path)[USERS_FILE] == str(file)
    assert USERS_FILE not in variables(Server("http://here"), 5, tmp_path)
