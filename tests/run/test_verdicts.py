"""Verdicts of real runs with real people: of a slow server, and of a generator that is too slow itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from mmload.results.folder import read_run
from mmload.results.generator_health import trust_in
from mmload.results.verdict import VerdictKind, verdict
from tests.run.processes import ROOT, end, mmload, mmload_here, start, the_folder
from tests.run.test_end_to_end import FAST

USERS = 6
OPTIONS = ("--users", str(USERS), "--run-time", "14s", "--spawn-rate", "0", "--seed", "7")
SLOW_ROUTE = "POST /channels/members/{user_id}/view"


@pytest.fixture(scope="module")
def filled(sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sandbox with people and posts."""
    assert mmload_here(tmp_path_factory.mktemp("init"), "init", "--server", sandbox).returncode == 0
    return sandbox


def reported(folder: Path, form: str) -> str:
    done = mmload_here(folder, "report", "latest", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fault(server: str, **fields: Any) -> None:
    requests.post(f"{server}/sandbox/faults", json=fields, timeout=10).raise_for_status()


def test_a_generator_starved_of_its_processor_is_inconclusive_and_blames_nobody(filled: str, tmp_path: Path) -> None:
    """The server is fast. Answers are late because nobody looks at them: no threshold may be held against it.

    Some are early all the same, sometimes more than half of them: so the mean and the longest, not the median.
    """
    thresholds = ("--threshold", "avg(requests) < 10ms", "--threshold", "max(requests) < 100ms")
    runner = str(Path(__file__).with_name("run_made_up.py"))
    starved = str(Path(__file__).with_name("starved.py"))
    more = {**FAST, "MADE_UP_LOCUSTFILE": starved}

    ended = end(start([runner, "--server", filled, *OPTIONS, *thresholds], tmp_path, **more))
    run = read_run(the_folder(tmp_path))
    said = verdict(run)

    assert ended.code == 6, ended.err
    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert [each.passed for each in said.thresholds] == [False, False], "they are crossed: the test would prove nothing"
    assert trust_in(run.seconds).saturated
    assert "the load generator was saturated" in " ".join(ended.out.split())
    assert "had an event-loop lag" in ended.out
    document = json.loads(reported(tmp_path, "--json"))
    assert (document["verdict"]["outcome"], document["generator"]["saturated"]) == ("inconclusive", True)
    [error] = ElementTree.fromstring(reported(tmp_path, "--junit")).iter("error")
    assert error.get("type") == "inconclusive"


def test_a_server_that_is_too_slow_fails_and_the_other_thresholds_hold(filled: str, tmp_path: Path) -> None:
    """Slow on purpose on one route: exit code 3, and CI systems are shown which test failed."""
    fault(filled, route="POST /api/v4/channels/members/{user_id}/view", delay_ms=900)
    slow, fine = f"p50({SLOW_ROUTE}) < 600ms", "errors < 5%"
    ran = mmload(tmp_path, "run", "--server", filled, *OPTIONS, "--threshold", slow, "--threshold", fine, **FAST)
    requests.delete(f"{filled}/sandbox/faults", timeout=10)

    assert ran.returncode == 3, ran.stdout
    assert "Verdict: failed" in ran.stdout
    assert f"{slow}: crossed: " in ran.stdout
    suite = ElementTree.fromstring(reported(tmp_path, "--junit"))
    failed = {case.get("name"): case.find("failure") is not None for case in suite.iter("testcase")}
    assert failed == {slow: True, fine: False, "verdict": True}
    found = json.loads(reported(tmp_path, "--json"))["verdict"]
    assert found["outcome"] == "failed"
    # In seconds; a busy machine adds to it.
    assert found["thresholds"][0]["text"] == slow and found["thresholds"][0]["value"] >= 0.9


def test_a_good_server_passes_all_of_them(filled: str, tmp_path: Path) -> None:
    thresholds = ("--threshold", "p50(requests) < 5s", "--threshold", "errors < 5%", "--threshold", "missing == 0")
    ran = mmload(tmp_path, "run", "--server", filled, *OPTIONS, *thresholds, **FAST)

    assert ran.returncode in (0, 6), ran.stderr
    assert "crossed" not in ran.stdout
    if ran.returncode == 6:
        assert "the generator was saturated" in ran.stdout, "only a very busy machine may spoil this"


def test_a_misspelled_threshold_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    ran = mmload_here(tmp_path, "run", "--no-checks", *OPTIONS, "--threshold", "p99(CreatePost) < 2 parsecs")

    assert ran.returncode == 4
    assert "--threshold: " in ran.stderr
    assert "'p99(CreatePost) < 2 parsecs', column 21: a time needs a unit: ms, s or min" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["--threshold", "mine.json"])
def test_a_threshold_about_what_will_never_be_stops_a_run_before_it_begins(tmp_path: Path, given: str) -> None:
    """It would be found out after the whole run."""
    text = "p99(CreatPost) < 2s"
    options: tuple[str, ...] = ("--threshold", text)
    if given == "mine.json":
        (tmp_path / given).write_text(json.dumps({"RunConfiguration": {"Thresholds": [text]}}))
        options = ("--config", given)

    ran = mmload_here(tmp_path, "run", "--sandbox", *OPTIONS, *options)

    assert ran.returncode == 4
    said = f"{given}: RunConfiguration.Thresholds: '{text}', column 5: there is no action CreatPost; "
    assert f"{said}did you mean CreatePost?" in ran.stderr
    assert "starting a sandbox" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ([given] if given == "mine.json" else [])


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        (
            "locustfile.py",
            4,
            "mmload: RunConfiguration.Thresholds: 'p99(AnswerNewst) < 2s', column 5: there is no action",
        ),
        ("examples/own_user.py", 5, "connection refused"),
    ],
)
def test_locust_itself_refuses_the_same_but_for_users_of_ones_own(
    tmp_path: Path, file: str, code: int, said: str
) -> None:
    """Nobody knows beforehand what those do: the second gets as far as looking at its server."""
    server = {"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": "http://127.0.0.1:1"}
    thresholds = {"MMLOAD_RUNCONFIGURATION_THRESHOLDS": "p99(AnswerNewst) < 2s"}
    command = ["-m", "locust", "-f", str(ROOT / file), "--headless", "-u", "1", "-t", "5s"]

    ended = end(start(command, tmp_path, **server, **thresholds))

    assert ended.code == code, ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err
