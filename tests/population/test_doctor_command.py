"""`mmload doctor` on servers with and without trouble."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from mmload.cli.doctor import text_of
from mmload.config import Settings
from mmload.population.create import carry_out
from mmload.population.plan import plan
from mmload.population.progress import InitProgress
from mmload.population.readiness import Examination, Finding, examine, examine_quickly
from tests.conftest import running_sandbox
from tests.population.making_settings import settings
from tests.run.processes import mmload_here


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmload", "doctor", *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def requests_at(server: str) -> int:
    """How many were answered so far."""
    by_route = requests.get(f"{server}/sandbox/counts", timeout=10).json()["requests"]
    return sum(count for by_status in by_route.values() for count in by_status.values())


def populated(server: str, **instance: int) -> None:
    of = settings(server, instance={"num_posts": 10, **instance})
    carry_out(plan(of, 1), of, InitProgress())


@pytest.mark.parametrize("version", ["11.6", "6.7"])
def test_a_populated_server_is_ready(version: str) -> None:
    """Exit code 0, and what the server lacks is named."""
    with running_sandbox("--version", version) as server:
        populated(server)
        done = doctor("--server", server, "--users", "20")

    assert done.returncode == 0, done.stdout
    assert f"Mattermost {version}" in done.stdout
    assert "✓ not tested: scheduled posts: not available on this server (needs a licence)" in done.stdout
    assert done.stdout.endswith("Ready for 20 users.\n")


def test_a_new_server_needs_a_population(sandbox: str) -> None:
    """Users have no team to join."""
    done = doctor("--server", sandbox, "--users", "5")

    assert done.returncode == 5
    assert "✗ there is no team" in done.stdout
    assert "! no channels of mmload init with the prefix 'testuser' were found" in done.stdout


def test_a_closed_and_limited_server_says_which_settings_to_change() -> None:
    """All at once: the user mends them in one go."""
    with running_sandbox(
        "--closed-signup", "--no-open-server", "--account-limit", "10", "--rate-limit", "30"
    ) as server:
        found = [finding.what for finding in examine(settings(server), 80).errors]

    assert any("EnableUserCreation" in what for what in found)
    assert any("EnableOpenServer" in what for what in found)
    assert any("allows 10 accounts" in what for what in found)
    assert any("rate limiting is on: 30" in what for what in found)


def test_the_quick_examination_asks_little_and_finds_the_same_errors(sandbox: str) -> None:
    """Every run begins with it."""
    before = requests_at(sandbox)
    quick = examine_quickly(settings(sandbox), 30)
    asked = requests_at(sandbox) - before

    assert 0 < asked <= 15
    assert quick.errors == examine(settings(sandbox), 30).errors
    assert quick.server is not None
    assert quick.server.record.version == "11.6.0"


def test_a_wrong_password_is_named_and_not_shown(sandbox: str) -> None:
    """Neither the wrong one nor the right one."""
    done = doctor("--server", sandbox, MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD="not-the-password")

    assert done.returncode == 5
    assert "sysadmin@sample.mattermost.com: wrong password" in done.stdout
    assert "AdminPassword" in done.stdout
    assert "not-the-password" not in done.stdout + done.stderr


def test_a_user_is_no_administrator(fresh_sandbox: str) -> None:
    """It logs in, and sees nothing."""
    populated(fresh_sandbox)
    done = doctor(
        "--server",
        fresh_sandbox,
        MMLOAD_CONNECTIONCONFIGURATION_ADMINEMAIL="testuser-1@example.com",
        MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD="testPass123$",
    )

    assert done.returncode == 5
    assert "testuser-1@example.com is not a system administrator" in done.stdout


@pytest.mark.parametrize("examined", [examine, examine_quickly])
def test_a_websocket_that_leads_nowhere_is_found(
    sandbox: str, examined: Callable[[Settings, int], Examination]
) -> None:
    """A real handshake, up to the hello: by doctor, and before each run."""
    broken = settings(sandbox, connection={"websocket_url": "ws://127.0.0.1:1"})

    assert any(
        "no WebSocket connection to ws://127.0.0.1:1: connection refused" in e.what for e in examined(broken, 4).errors
    )
    assert not any("WebSocket" in finding.what for finding in examined(settings(sandbox), 4).findings)


def test_findings_come_as_json_for_scripts(sandbox: str) -> None:
    done = doctor("--server", sandbox, "--users", "5", "--json")
    document = json.loads(done.stdout)

    assert document["ready"] is False
    assert document["users"] == 5
    assert document["server"]["version"] == "11.6.0"
    assert {"level", "what", "why", "fix", "ours"} == set(document["findings"][0])


def test_more_users_than_the_configuration_has_are_our_own_fault(fresh_sandbox: str) -> None:
    """Exit code 4: no server is to blame."""
    populated(fresh_sandbox)
    done = doctor("--server", fresh_sandbox, "--users", "6", MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS="5")

    assert done.returncode == 4
    assert "6 users are more than MaxActiveUsers (5)" in done.stdout


@pytest.mark.parametrize("users", ["0", "-1", "many", "²"])
def test_a_number_of_users_is_a_number(users: str, tmp_path: Path) -> None:
    done = mmload_here(tmp_path, "doctor", "--users", users)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_gravest_stands_last_where_the_eye_is() -> None:
    """On a terminal the end is what one sees."""
    findings = (Finding("error", "broken", "why", "fix it"), Finding("warning", "odd"), Finding("info", "fine"))
    text = text_of(Examination(findings, None), "http://x", 1)

    assert text.splitlines() == [
        "✓ fine",
        "! odd",
        "✗ broken: why",
        "    → fix it",
        "Not ready for 1 user: 1 error; 1 warning.",
    ]
    assert "\x1b[31m✗" in text_of(Examination(findings, None), "http://x", 1, colour=True)


@pytest.mark.real
def test_a_real_server_is_examined() -> None:
    """Whatever it is set to, the examination comes to a judgement of all of it."""
    examination = examine(settings(os.environ["MMLOAD_TEST_SERVER"].rstrip("/")), 4)

    assert examination.server is not None
    assert examination.server.record.version.count(".") == 2
    assert not any("WebSocket" in finding.what for finding in examination.findings)
