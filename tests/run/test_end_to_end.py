"""`mmload run` with the real people: what its report says is what arrived at the server."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import requests

from tests.run.processes import PATIENCE_SECONDS, end, mmload, start, wait_for_figure, wait_for_seconds
from tests.support import Admin

FAST = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "1500"}


def number(pattern: str, report: str) -> int:
    found = re.search(pattern, report)
    assert found, f"{pattern} is not in the report:\n{report}"
    return int(found[1].replace(",", ""))


def totals(folder: pathlib.Path) -> Any:
    return json.loads(next(folder.glob("runs/*/totals.json")).read_text())


def posts_at(server: str) -> int:
    """Messages of people that the sandbox holds."""
    counts: dict[str, Any] = requests.get(f"{server}/sandbox/counts", timeout=10).json()
    return int(counts["posts"])


def test_posts_events_and_users_of_the_report_are_those_of_the_server(
    fresh_sandbox: str, tmp_path: pathlib.Path
) -> None:
    """The main job: a first true answer in a minute, and it is true."""
    assert mmload(tmp_path, "init", "--server", fresh_sandbox).returncode == 0
    before = posts_at(fresh_sandbox)

    ran = mmload(
        tmp_path, "run", "--server", fresh_sandbox, "--users", "25", "--run-time", "15s", "--seed", "7", **FAST
    )

    assert ran.returncode in (0, 6), ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert number(r"(\d[\d,]*) posts sent", ran.stdout) == posts_at(fresh_sandbox) - before > 0
    assert "target 25, 25 active" in ran.stdout
    assert "Failures" not in ran.stdout
    counts = requests.get(f"{fresh_sandbox}/sandbox/counts", timeout=10).json()
    assert counts["sockets_open"] == 0
    received = number(r"([\d,]+) events received", ran.stdout)
    sent = sum(counts["events_sent"].values())
    assert 0 < received <= sent


def test_the_same_seed_asks_for_the_same_people(fresh_sandbox: str, tmp_path: pathlib.Path) -> None:
    """Accounts, teams and rates follow from the seed: a second run finds everybody there and signs nobody up."""
    Admin(fresh_sandbox).team()
    arguments = ("run", "--server", fresh_sandbox, "--users", "6", "--run-time", "8s", "--seed", "7")
    first = mmload(tmp_path, *arguments)
    second = mmload(tmp_path, *arguments)

    assert "6 logins, 0 failed, 6 sign-ups" in first.stdout
    assert "6 logins, 0 failed, 0 sign-ups" in second.stdout


def test_a_server_that_stops_answering_is_in_the_report_and_the_run_goes_on(
    fresh_sandbox: str, tmp_path: pathlib.Path
) -> None:
    Admin(fresh_sandbox).team()
    requests.post(
        f"{fresh_sandbox}/sandbox/faults",
        json={"route": "POST /api/v4/channels/members/{user_id}/view", "status": 500, "share": 0.5},
        timeout=10,
    ).raise_for_status()

    ran = mmload(tmp_path, "run", "--server", fresh_sandbox, "--users", "8", "--run-time", "12s", **FAST)

    assert ran.returncode in (0, 6), ran.stderr
    assert re.search(r"POST /channels/members/\{user_id\}/view +500 sandbox.fault", ran.stdout)
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_server_whose_database_is_away_for_a_while_had_an_outage(fresh_sandbox: str, tmp_path: pathlib.Path) -> None:
    """It answers all the time, and its WebSockets stay; the run tells nothing sure of it."""
    Admin(fresh_sandbox).team()
    faults = f"{fresh_sandbox}/sandbox/faults"
    run = ["-m", "mmload", "run", "--server", fresh_sandbox, "--users", "8", "--run-time", "10m"]
    process = start(run, tmp_path, **FAST)
    wait_for_seconds(tmp_path, 8)
    requests.post(faults, json={"status": 500}, timeout=10).raise_for_status()
    wait_for_seconds(tmp_path, 16)
    requests.delete(faults, timeout=10).raise_for_status()
    wait_for_seconds(tmp_path, 20)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert "the server answered most requests with errors (5xx) from" in " ".join(ended.out.split()), ended.out
    assert "Verdict: inconclusive" in ended.out


def sockets_open(server: str) -> int:
    return int(requests.get(f"{server}/sandbox/counts", timeout=10).json()["sockets_open"])


def wait_for_sockets(server: str, number: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sockets_open(server) < number:
        assert time.monotonic() < deadline, f"{sockets_open(server)} of {number} sockets are open"
        time.sleep(0.1)


def test_lost_sockets_come_back_and_are_counted(fresh_sandbox: str, tmp_path: pathlib.Path) -> None:
    Admin(fresh_sandbox).team()
    process = subprocess.Popen(
        [sys.executable, "-m", "mmload", "run", "--server", fresh_sandbox, "--users", "5", "--run-time", "20s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for_figure(tmp_path, "sockets", 5)
    requests.post(f"{fresh_sandbox}/sandbox/faults", json={"drop_sockets": True}, timeout=10).raise_for_status()
    report, _ = process.communicate(timeout=180)

    assert process.returncode in (0, 6), report
    found = re.search(r"5 opened, (\d+) dropped, (\d+) resumed", report)
    # A person may reconnect by itself, too.
    assert found and found[1] == found[2] and int(found[1]) >= 5, report


def test_an_interrupted_run_says_farewell_and_reports(fresh_sandbox: str, tmp_path: pathlib.Path) -> None:
    Admin(fresh_sandbox).team()
    process = subprocess.Popen(
        [sys.executable, "-m", "mmload", "run", "--server", fresh_sandbox, "--users", "5", "--run-time", "10m"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_sockets(fresh_sandbox, 5)
    process.send_signal(signal.SIGINT)
    report, said = process.communicate(timeout=180)

    assert process.returncode == 130, said
    assert "interrupted" in report
    assert "5 logged out" in report
    assert sockets_open(fresh_sandbox) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "--server", "http://127.0.0.1:1", "--users", "2"), 5, "connection refused"),
        (("run", "--users", "0"), 2, "at least one user"),
        (("run", "--users", "3000", "--server", "http://127.0.0.1:1"), 4, "MaxActiveUsers"),
        (("run", "--config", "missing.json"), 4, "missing.json"),
        (("init", "--server", "http://127.0.0.1:1"), 5, "connection refused"),
        (("doctor", "--server", "http://127.0.0.1:1"), 5, "connection refused"),
        (("report", "nowhere"), 2, "nowhere"),
    ],
)
def test_what_a_user_gets_wrong_is_one_clear_message(
    tmp_path: pathlib.Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = mmload(tmp_path, *arguments)

    assert ran.returncode == code, ran.stderr
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == [], "something half-written was left"


def test_a_wrong_administrator_password_is_named_and_not_shown(fresh_sandbox: str, tmp_path: pathlib.Path) -> None:
    ran = mmload(
        tmp_path,
        "init",
        "--server",
        fresh_sandbox,
        MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD="very secret words",
    )

    assert ran.returncode == 5, ran.stderr
    assert "AdminPassword" in ran.stderr
    assert "very secret" not in ran.stdout + ran.stderr


@pytest.mark.real
def test_on_the_real_server_the_report_counts_what_is_in_its_database(tmp_path: pathlib.Path) -> None:
    """Edits keep the old text as a row of its own, with the id of the post it was: those are no posts."""
    server = os.environ["MMLOAD_TEST_SERVER"]
    control = os.environ.get("MMLOAD_TEST_SERVER_CONTROL")
    if not control:
        pytest.skip("MMLOAD_TEST_SERVER_CONTROL names no program that can ask the server's database")
    query = "SELECT count(*) FROM posts WHERE type='' AND originalid=''"

    def stored() -> int:
        asked = subprocess.run([control, "sql", query], capture_output=True, text=True, check=True)
        return int(asked.stdout)

    assert mmload(tmp_path, "init", "--server", server).returncode == 0
    before = stored()
    ran = mmload(tmp_path, "run", "--server", server, "--users", "30", "--run-time", "40s", **FAST)

    assert ran.returncode == 0, ran.stderr
    assert "Failures" not in ran.stdout, ran.stdout
    assert "target 30, 30 active" in ran.stdout
    assert number(r"(\d[\d,]*) posts sent", ran.stdout) == stored() - before > 0
    assert number(r"([\d,]+) `posted` events received", ran.stdout) > 0
