"""`mmload init` logs everybody in once; `mmload doctor` says how many sessions hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from mmload.errors import ServerNotReady
from mmload.population.admin_api import Stopped
from mmload.population.create import carry_out
from mmload.population.plan import plan
from mmload.population.progress import InitProgress
from mmload.population.readiness import examine, examine_quickly
from mmload.session_file import SessionChange, SessionFile, session_file
from tests.population.making_settings import settings

SMALL = {"num_users": 6, "num_teams": 1, "num_channels": 4, "num_posts": 10}


@pytest.fixture(scope="module")
def populated(sandbox: str) -> str:
    of = settings(sandbox, instance=SMALL)
    carry_out(plan(of, 1), of, InitProgress())
    return sandbox


@pytest.fixture
def file(populated: str, tmp_path: Path) -> SessionFile:
    """Everybody's sessions, just made."""
    made = SessionFile(tmp_path / "sessions.json", populated)
    assert log_in(populated, made) == (0, 6)
    return made


def log_in(
    server: str, file: SessionFile, sessions_each: int = 1, stop: threading.Event | None = None
) -> tuple[int, int]:
    """How many sessions were there, and how many were made."""
    of = settings(server, instance=SMALL, users={"avg_sessions_per_user": sessions_each})
    summary = carry_out(plan(of, 1), of, InitProgress(), sessions=file, only_sessions=True)
    (row,) = (row for row in summary.rows if row.exist)
    assert row.sort == "sessions"
    return row.there, row.made


def logins(server: str) -> int:
    by_status = requests.get(f"{server}/sandbox/counts", timeout=10).json()["requests"]["POST /api/v4/users/login"]
    return sum(by_status.values())


def test_each_session_is_that_persons(populated: str, file: SessionFile) -> None:
    for login, account in file.read().items():
        me = requests.get(
            f"{populated}/api/v4/users/me", headers={"Authorization": f"Bearer {account.tokens[0]}"}, timeout=10
        ).json()
        assert (me["id"], me["email"]) == (account.user_id, login)


def test_who_has_a_session_that_holds_does_not_log_in_again(populated: str, file: SessionFile) -> None:
    before = logins(populated)

    assert log_in(populated, file) == (6, 0)
    assert logins(populated) == before


def test_those_that_ended_are_renewed_one_by_one(populated: str, file: SessionFile) -> None:
    kept = file.read()
    login = "testuser-3@example.com"
    file.change([SessionChange(login, kept[login].user_id, "ended", ended=kept[login].tokens[0])])

    assert log_in(populated, file) == (5, 1)
    assert file.read()[login].tokens != ["ended"]
    assert {each: account for each, account in file.read().items() if each != login} == {
        each: account for each, account in kept.items() if each != login
    }


def test_several_sessions_are_kept_of_accounts_with_several_users(populated: str, file: SessionFile) -> None:
    assert log_in(populated, file, sessions_each=3) == (6, 12)
    assert all(len(set(account.tokens)) == 3 for account in file.read().values())


def test_who_writes_history_logs_in_once_for_both(fresh_sandbox: str, tmp_path: Path) -> None:
    of = settings(fresh_sandbox, instance=SMALL)
    file = SessionFile(tmp_path / "sessions.json", fresh_sandbox)
    carry_out(plan(of, 1), of, InitProgress(), sessions=file)

    assert len(file.read()) == 6
    assert logins(fresh_sandbox) == 6 + 1


def test_what_was_interrupted_goes_on_where_it_stopped(populated: str, tmp_path: Path) -> None:
    """What was made until then is in the file."""

    class Impatient(InitProgress):
        def advance(self, count: int = 1) -> None:
            stop.set()

    stop, file = threading.Event(), SessionFile(tmp_path / "sessions.json", populated)
    of = settings(populated, instance=SMALL)
    with pytest.raises(Stopped):
        carry_out(plan(of, 1), of, Impatient(), stop, sessions=file, only_sessions=True)

    there = len(file.read())
    assert 1 <= there < 6
    assert log_in(populated, file) == (there, 6 - there)


def test_an_account_that_does_not_exist_is_named(populated: str, tmp_path: Path) -> None:
    of = settings(populated, instance=SMALL | {"num_users": 7})
    file = SessionFile(tmp_path / "sessions.json", populated)
    with pytest.raises(ServerNotReady, match=r"testuser-7@example\.com: wrong password, or no such account"):
        carry_out(plan(of, 1), of, InitProgress(), sessions=file, only_sessions=True)


def mmload(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmload", *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_init_keeps_sessions_and_shows_none(populated: str, tmp_path: Path) -> None:
    folder = {"MMLOAD_RUNCONFIGURATION_SESSIONSFOLDER": str(tmp_path / "sessions")}
    done = mmload("init", "--server", populated, "--users", "6", "--sessions", "--json", **folder)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["made"]["sessions"] == 6
    content = Path(told["sessions_file"]).read_text()
    tokens = [token for account in json.loads(content)["accounts"].values() for token in account["tokens"]]
    assert len(tokens) == 6 and all(tokens)
    assert not any(token in done.stdout + done.stderr for token in tokens)


def test_with_a_share_of_one_none_are_kept(populated: str, tmp_path: Path) -> None:
    of = {
        "MMLOAD_RUNCONFIGURATION_SESSIONSFOLDER": str(tmp_path / "sessions"),
        "MMLOAD_USERSCONFIGURATION_LOGINSHARE": "1",
    }
    done = mmload("init", "--server", populated, "--sessions", **of)

    assert done.returncode == 2
    assert "LoginShare is 1" in done.stderr
    assert not (tmp_path / "sessions").exists()


def test_an_unsafe_file_is_refused_before_anything_is_done(populated: str, tmp_path: Path) -> None:
    """By all commands that would use it."""
    folder = {"MMLOAD_RUNCONFIGURATION_SESSIONSFOLDER": str(tmp_path)}
    kept = SessionFile(tmp_path / the_name(populated), populated)
    kept.change([SessionChange("testuser-1@example.com", "id", "s3cret-token")])
    kept.path.chmod(0o644)
    before = logins(populated)

    for command in (("init", "--users", "6"), ("run", "--no-checks", "--run-time", "5"), ("doctor",)):
        done = mmload(*command, "--server", populated, **folder)
        assert done.returncode == 4, done.stderr
        assert "other users can access it (mode 0644 instead of 0600)" in done.stdout + done.stderr
        assert "s3cret-token" not in done.stdout + done.stderr
    # That of the doctor's administrator.
    assert logins(populated) == before + 1


def the_name(server: str) -> str:
    file = session_file(settings(server).config, server)
    assert file is not None
    return file.path.name


def test_the_doctor_says_how_many_are_valid(populated: str) -> None:
    of = settings(populated, instance=SMALL)
    file = session_file(of.config, populated)
    assert file is not None
    assert session_findings(of, 6) == ["no sessions are kept, so all users log in by password when a test starts"]

    log_in(populated, file)
    assert session_findings(of, 6) == ["sessions of 6 of 6 users are kept, and 6 are valid"]
    assert session_findings(of, 8) == ["sessions of 6 of 8 users are kept, and 6 are valid"]

    one = file.read()["testuser-1@example.com"]
    file.change([SessionChange("testuser-1@example.com", one.user_id, "ended", ended=one.tokens[0])])
    assert session_findings(of, 6) == ["sessions of 6 of 6 users are kept, and 5 are valid"]
    assert not any("session" in finding.what for finding in examine_quickly(of, 6).findings)
    file.path.unlink()


def session_findings(of: object, users: int) -> list[str]:
    return [
        finding.what
        for finding in examine(of, users).findings  # type: ignore[arg-type]
        if "are kept" in finding.what
    ]
