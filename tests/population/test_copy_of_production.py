"""Accounts that were not made for a load test: a users file, their own names and teams, verified addresses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mmload.config import Settings
from mmload.population.create import carry_out, planned
from mmload.population.probing import probe
from mmload.population.progress import InitProgress
from mmload.population.readiness import examine, examine_quickly
from tests.conftest import running_sandbox
from tests.population.making_settings import settings
from tests.support import Admin

PASSWORD = "Production1$"
PEOPLE = 4
_populations = itertools.count(1)


@pytest.fixture(scope="module")
def production() -> Iterator[str]:
    """A server whose only team is by invitation, and which lets only verified addresses in."""
    with running_sandbox() as address:
        admin = Admin(address)
        me = admin.ask("GET", "/users/me")
        admin.ask("POST", f"/users/{me['id']}/email/verify/member")
        admin.ask("PUT", "/config/patch", {"EmailSettings": {"RequireEmailVerification": True}})
        admin.ask("PUT", "/config/patch", {"TeamSettings": {"MaxUsersPerTeam": PEOPLE}})
        body = {"name": "invited", "display_name": "Invited", "type": "I", "allow_open_invite": False}
        admin.ask("POST", "/teams", body)
        yield address


class People:
    """Some people of the server, and the file of them."""

    def __init__(self, server: str, folder: Path, *, verified: bool = True, in_team: bool = True) -> None:
        self.admin = Admin(server)
        self.prefix = f"people{next(_populations)}"
        self.addresses = [f"{self.prefix}.{number}+x@corp.example" for number in range(1, PEOPLE + 1)]
        team = self.admin.ask("GET", "/teams/name/invited")
        for number, address in enumerate(self.addresses, 1):
            body = {"username": f"{self.prefix}_n{number}", "email": address, "password": PASSWORD}
            user = self.admin.ask("POST", "/users", body)
            if verified:
                self.admin.ask("POST", f"/users/{user['id']}/email/verify/member")
            if in_team:
                self.admin.ask("POST", f"/teams/{team['id']}/members", {"team_id": team["id"], "user_id": user["id"]})
        file = folder / "users.txt"
        file.write_text("".join(f"{address.upper()} {PASSWORD}\n" for address in self.addresses))
        users: dict[str, Any] = {"users_file_path": str(file)}
        instance = {"num_users": PEOPLE, "num_teams": 1, "num_channels": 0, "num_posts": 0}
        self.settings: Settings = settings(server, users=users, instance=instance)


@pytest.mark.parametrize("examined", [examine, examine_quickly])
def test_accounts_with_names_and_teams_of_their_own_are_ready(production: str, tmp_path: Path, examined: Any) -> None:
    """Their user names are not their addresses, no team is open, verification is on, teams are full: all can log in."""
    people = People(production, tmp_path)

    assert [error.sentence for error in examined(people.settings, PEOPLE).errors] == []


def test_who_is_in_no_team_or_not_verified_is_counted(production: str, tmp_path: Path) -> None:
    people = People(production, tmp_path, verified=False, in_team=False)
    found = {error.what: error.why for error in examine(people.settings, PEOPLE).errors}

    assert found == {
        "e-mail addresses must be verified before the first login": "4 of 4 accounts are not verified",
        "no team is open to all users": "4 of 4 users are in no team, and would join an open one",
    }


def test_init_and_doctor_agree_on_which_accounts_exist(production: str, tmp_path: Path) -> None:
    """Both find them by what they log in with."""
    people = People(production, tmp_path)
    summary = carry_out(planned(people.settings), people.settings, InitProgress())
    accounts = next(row for row in summary.rows if row.sort == "accounts")

    assert (accounts.there, accounts.made) == (PEOPLE, 0)
    assert not any("do not exist" in finding.what for finding in examine(people.settings, PEOPLE).findings)


def test_a_user_name_of_somebody_else_is_not_taken_for_the_account(production: str, tmp_path: Path) -> None:
    """The name is a guess from the address, and only the address is what a user logs in with."""
    people = People(production, tmp_path)
    stranger = f"{people.prefix}_n1"
    (tmp_path / "users.txt").write_text(f"{stranger}@elsewhere.example {PASSWORD}\n")

    findings = examine(people.settings, 1).findings
    assert any("1 of 1 accounts do not exist" in f"{finding.what} {finding.why}" for finding in findings)


def test_a_user_name_may_be_what_an_account_logs_in_with(production: str, tmp_path: Path) -> None:
    people = People(production, tmp_path)
    (tmp_path / "users.txt").write_text(f"{people.prefix}_n1 {PASSWORD}\n")

    assert [error.sentence for error in examine(people.settings, 1).errors] == []


def test_init_verifies_the_accounts_that_it_makes(production: str) -> None:
    """Else they could not log in, and write nothing."""
    made = settings(
        production,
        users={"username_prefix": f"new{next(_populations)}"},
        instance={"num_users": 2, "num_teams": 1, "num_channels": 2, "num_posts": 4},
    )
    carry_out(planned(made), made, InitProgress())

    assert [error.sentence for error in examine(made, 2).errors] == []


def test_accounts_that_cannot_be_looked_up_are_not_told_as_missing(production: str, tmp_path: Path) -> None:
    """A server that fails at that one question is examined in all others."""
    people = People(production, tmp_path)
    fault = {"route": "GET /api/v4/users/email/{email}", "status": 500}
    requests.post(f"{production}/sandbox/faults", json=fault, timeout=20).raise_for_status()
    try:
        facts = probe(people.settings, PEOPLE, quick=False)
    finally:
        requests.delete(f"{production}/sandbox/faults", timeout=20)

    assert facts.accounts_there is None
    assert (facts.our_channels, facts.websocket_trouble) == (0, ""), "asked after it"
