"""The kinds of users in a Locust of their own process: chosen by name, they do what their kind does, and no more."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from mmload.cli.locust_process import free_port
from tests.run import processes
from tests.support import Admin

LOCUSTFILE = processes.ROOT / "locustfile.py"
FAST = {"UserControllerConfiguration": {"RatesDistribution": [{"Rate": 0.02, "Percentage": 1.0}]}}
MET = "all goals have been met"
GOALS = {
    "NumTeams": 1,
    "NumChannelsDM": 2,
    "NumChannelsGM": 1,
    "NumChannelsPrivate": 2,
    "NumChannelsPublic": 2,
    "NumPosts": 12,
    "NumReactions": 5,
    "NumPostReminders": 2,
    "NumSidebarCategories": 2,
    "NumFollowedThreads": 2,
}
STEPS = {"Actions": [{"ActionId": name, "RunPeriod": 1} for name in ("CreatePost", "ViewUser", "Logout", "Login")]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose configuration makes all kinds quick."""
    (tmp_path / "config").mkdir()
    for name, document in (("config", FAST), ("gencontroller", GOALS), ("simplecontroller", STEPS)):
        (tmp_path / "config" / f"{name}.json").write_text(json.dumps(document))
    return tmp_path


@pytest.fixture
def populated(fresh_sandbox: str) -> str:
    Admin(fresh_sandbox).team()
    return fresh_sandbox


def locust(
    server: str,
    place: Path,
    *options: str,
    until: str = "",
    times: int = 1,
    codes: tuple[int, ...] = (0,),
    **environ: str,
) -> str:
    """Run Locust to its end, which may be with one of `codes`, or until it has said `until` so often; what it said."""
    common = ["--headless", "--only-summary", "--host", server, "--stop-timeout", "5", "-r", "10"]
    process = processes.start(
        ["-m", "locust", "-f", str(LOCUSTFILE), *common, *options], place, MMLOAD_RUNCONFIGURATION_SEED="7", **environ
    )
    said = heard(process, until, times) if until else ""
    ended = processes.end(process)
    said += ended.err
    assert ended.code in ((130,) if until else codes), said[-2000:]
    assert "Traceback" not in said
    return said


def heard(process: subprocess.Popen[str], text: str, times: int) -> str:
    """What was said until the text came so often, or the run time was over; then the process is asked to end."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if sum(text in said for said in lines) == times:
            process.terminate()
            break
    return "".join(lines)


def spawned(said: str) -> dict[str, int]:
    [text] = re.findall(r"All users spawned: (\{.*?\})", said)
    classes: dict[str, int] = json.loads(text)
    return classes


def counts(server: str) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{server}/sandbox/counts", timeout=10).json()
    return answer


def requested(server: str, route: str) -> int:
    return sum(counts(server)["requests"].get(route, {}).values())


def test_idle_users_are_connected_and_write_nothing(populated: str, place: Path) -> None:
    """A run in whose few seconds they ask nothing once all are there is inconclusive (6)."""
    said = locust(populated, place, "-u", "3", "-t", "8s", "IdleUser", codes=(0, 6))

    assert spawned(said) == {"IdleUser": 3}
    assert counts(populated)["sockets_opened"] == 3 + 1, "one of each user, one of the check before the run"
    assert counts(populated)["posts"] == 0
    [totals] = place.glob("runs/*/totals.json")
    actions = set(json.loads(totals.read_text())["whole"].get("actions", {}))
    assert actions <= {"Poll", "LookUp", "CatchUp", "Blur", "Prefetch"}


def test_the_configured_type_runs_where_no_name_is_given(populated: str, place: Path) -> None:
    """Its steps log in and out; nothing fails in between."""
    said = locust(populated, place, "-u", "2", "-t", "5s", MMLOAD_USERCONTROLLERCONFIGURATION_TYPE="simple")

    assert spawned(said) == {"SimpleUser": 2}
    assert counts(populated)["posts"] > 4
    assert requested(populated, "POST /api/v4/users/logout") > 2
    answers = {code for codes in counts(populated)["requests"].values() for code in codes}
    # 401: the first log-in of an account that is then signed up; 400 and 403: what a free server tells every page load.
    assert {code for code in answers if code >= "400"} <= {"401", "400", "403"}


def test_generating_users_meet_their_goals_and_say_so(populated: str, place: Path) -> None:
    said = locust(populated, place, "-u", "4", "-t", "300s", "GenerateUser", until=MET)

    found = counts(populated)
    assert MET in said
    assert (found["posts"], found["reactions"], found["teams"]) == (12, 5, 2)
    assert {kind: found["channels"][kind] for kind in "DGP"} == {"D": 2, "G": 1, "P": 2}


def test_the_goals_are_divided_among_worker_processes(populated: str, place: Path) -> None:
    """Two processes fill as much as one, not twice as much."""
    (place / "config" / "gencontroller.json").write_text(json.dumps({**GOALS, "NumChannelsGM": 0}))
    options = ["-u", "4", "-t", "300s", *processes.distributed(2), "GenerateUser"]
    said = locust(populated, place, *options, until=MET, times=2)

    found = counts(populated)
    assert said.count(MET) == 2
    assert (found["posts"], found["reactions"], found["teams"]) == (12, 5, 2)


def test_consoles_act_as_the_administrator_and_leave_the_configuration_as_it_was(populated: str, place: Path) -> None:
    before = Admin(populated).ask("GET", "/config")
    locust(populated, place, "-u", "2", "-t", "4s", "ClusterUser")

    assert requested(populated, "PUT /api/v4/config") > 2
    assert Admin(populated).ask("GET", "/config") == before
    assert counts(populated)["users"] == 1  # nobody signed up


def test_kinds_are_mixed_by_weight(populated: str, place: Path) -> None:
    weighted = [{"user_class_name": "IdleUser", "weight": 3}, {"user_class_name": "SimulatedUser", "weight": 1}]
    options = ["--config-users", *map(json.dumps, weighted), "-u", "8", "-t", "3s"]
    said = locust(populated, place, *options, "IdleUser", "SimulatedUser", codes=(0, 6))

    assert spawned(said) == {"IdleUser": 6, "SimulatedUser": 2}


def test_a_kind_is_chosen_on_the_web_page(populated: str, place: Path) -> None:
    """With --class-picker all kinds are there, whatever the configuration says."""
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    web = ["--class-picker", "--web-host", "127.0.0.1", "--web-port", str(port), "--host", populated]
    process = processes.start(["-m", "locust", "-f", str(LOCUSTFILE), *web], place, MMLOAD_RUNCONFIGURATION_SEED="7")
    try:
        swarm(page, {"user_count": "3", "spawn_rate": "10", "host": populated, "user_classes": ["IdleUser"]})
        await_sockets(populated, 3)
    finally:
        process.send_signal(signal.SIGTERM)
        ended = processes.end(process)

    assert spawned(ended.err) == {"IdleUser": 3}


def swarm(page: str, form: dict[str, Any]) -> None:
    """Start a test as the page does, as soon as the page answers."""
    deadline = time.monotonic() + processes.PATIENCE_SECONDS
    while True:
        try:
            answer = requests.post(f"{page}/swarm", data=form, timeout=10)
            break
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "Locust's web page does not answer"
            time.sleep(0.1)
    assert answer.json()["success"], answer.text


def await_sockets(server: str, number: int) -> None:
    deadline = time.monotonic() + processes.PATIENCE_SECONDS
    while counts(server)["sockets_open"] != number:
        assert time.monotonic() < deadline, f"{number} sockets were never open"
        time.sleep(0.1)
