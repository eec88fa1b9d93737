"""The coordinator as a process: what it refuses and how, what a signal and a crash leave, what it gives in the end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from coordinator.answer import minutes
from coordinator.journal import NAME, read
from mmload.cli.locust_process import free_port
from mmload.errors import ExitCode
from tests.coordinator.locusts import Locust, running
from tests.coordinator.processes import await_that, run, start
from tests.coordinator.serving import Answer, Asked, serving
from tests.run.processes import Ended, end

KEYS = {"users", "low", "high", "confidence", "ended_by", "broke_first", "minutes", "reason"}
FOLDER = "found"


def written(folder: Path, agent: str, **parts: Any) -> None:
    """A coordinator.json that goes fast: a window of five seconds, log-ins for nothing."""
    document: dict[str, Any] = {
        "ClusterConfig": {"Agents": [{"Id": "lt0", "ApiURL": agent}], "MaxActiveUsers": 200},
        "MonitorConfig": {"UpdateIntervalMs": 200},
        "MeasuresConfiguration": {"WindowSec": 5},
        "SearchConfiguration": {"LowestUsers": 10, "ArrivalActions": 0},
    }
    for name, values in parts.items():
        document[name] = {**document.get(name, {}), **values}
    (folder / "coordinator.json").write_text(json.dumps(document))


def arguments(*more: str) -> tuple[str, ...]:
    return ("coordinator", "-c", "coordinator.json", "--folder", FOLDER, *more)


def searching(folder: Path, *more: str) -> subprocess.Popen[str]:
    """A search that has given its first order."""
    process = start(folder, *arguments(*more))
    await_that(lambda: cycles(folder), "the search did not begin")
    return process


def cycles(folder: Path) -> int:
    path = folder / FOLDER / NAME
    return len(read(path).cycles) if path.is_file() and path.stat().st_size else 0


def refused(ended: Ended, code: ExitCode, *told: str) -> None:
    assert ended.code == code, ended
    assert all(each in ended.err for each in told), ended.err
    assert ended.out == "" and "Traceback" not in ended.err


# -- bad input ---------------------------------------------------------------------------------------------------


def test_an_agent_that_cannot_be_reached_is_named_with_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    written(tmp_path, f"http://127.0.0.1:{port}")

    ended = run(tmp_path, *arguments(), MMLOAD_AGENT_TOKEN="sesame")

    refused(ended, ExitCode.SERVER_NOT_READY, f"cannot control agent lt0 at http://127.0.0.1:{port}", "mmload agent")
    assert "sesame" not in ended.err


def test_an_agent_that_runs_something_else_is_left_alone(tmp_path: Path) -> None:
    locust = Locust(users=25)
    with running(locust) as url:
        written(tmp_path, url)
        ended = run(tmp_path, *arguments())

    refused(ended, ExitCode.SERVER_NOT_READY, "agent lt0 is already running 25 users", "--take-up")
    assert (locust.ordered, locust.stops) == ([], 0)


def test_a_ceiling_above_what_the_agents_carry_is_refused_with_the_number(tmp_path: Path) -> None:
    locust = Locust()
    with running(locust) as url:
        written(tmp_path, url, ClusterConfig={"MaxActiveUsers": 5000})
        ended = run(tmp_path, *arguments())

    refused(ended, ExitCode.CONFIGURATION_REFUSED, "expected at most 2000", "lt0: 2000", "found 5000")
    assert locust.ordered == []


def test_an_agent_without_measures_and_no_query_is_nothing_to_go_by(tmp_path: Path) -> None:
    locust = Locust(measures=False)
    with running(locust) as url:
        written(tmp_path, url)
        ended = run(tmp_path, *arguments())

    refused(ended, ExitCode.CONFIGURATION_REFUSED, "nothing shows when the server is overloaded")
    assert locust.ordered == []


def test_a_prometheus_that_is_down_is_told_before_any_user_comes(tmp_path: Path) -> None:
    locust, query = Locust(), {"Description": "cpu", "Query": "cpu", "Threshold": 85, "Alert": True}
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running(locust) as url:
        written(tmp_path, url, MonitorConfig={"PrometheusURL": nowhere, "Queries": [query]})
        ended = run(tmp_path, *arguments())

    refused(ended, ExitCode.SERVER_NOT_READY, f"Prometheus at {nowhere} does not respond: connection refused")
    assert locust.ordered == []


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (("--budget", "soon"), ExitCode.USAGE, "--budget 'soon': expected a time"),
        (("--precision", "200%"), ExitCode.USAGE, "--precision '200%'"),
        (("--lowest-users", "500"), ExitCode.CONFIGURATION_REFUSED, "expected at most --highest-users"),
    ],
)
def test_an_impossible_option_is_refused_by_its_name(
    tmp_path: Path, given: tuple[str, ...], code: ExitCode, told: str
) -> None:
    written(tmp_path, "http://127.0.0.1:9")

    refused(run(tmp_path, *arguments(*given)), code, told)


def test_a_folder_with_a_journal_is_not_written_over(tmp_path: Path) -> None:
    locust = Locust()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / NAME).write_text("precious\n")
    with running(locust) as url:
        written(tmp_path, url)
        ended = run(tmp_path, *arguments())

    refused(ended, ExitCode.USAGE, "the journal already exists; use another folder")
    assert (tmp_path / FOLDER / NAME).read_text() == "precious\n"


def busy_server(asked: Asked) -> Answer:
    """A Prometheus that scrapes every second, and whose every other answer is 97."""
    value = "0.5" if "timestamp" in asked.path else "97"
    result = [{"metric": {}, "value": [time.time(), value]}]
    return Answer(200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}))


# -- as it happens -----------------------------------------------------------------------------------------------


def test_a_limit_that_is_crossed_without_users_is_told_at_once_and_ends_the_search(tmp_path: Path) -> None:
    query = {"Description": "cpu", "Query": "cpu", "Threshold": 85, "Alert": True}
    locust = Locust()
    with running(locust) as url, serving(busy_server) as prometheus:
        written(tmp_path, url, MonitorConfig={"PrometheusURL": prometheus, "Queries": [query], "UpdateIntervalMs": 200})
        ended = run(tmp_path, *arguments("--json"))

    answer = json.loads(ended.out)
    assert "before any user has started, cpu is already 97 (limit 85)" in ended.err
    assert (ended.code, answer["ended_by"], answer["users"]) == (ExitCode.INCONCLUSIVE, "breached already", None)
    assert "breached already by 10 users: cpu 97 of 85" in answer["reason"]
    assert max(locust.ordered) == 30 and locust.stops == 1


# -- in order at the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_with_what_is_known(tmp_path: Path, number: signal.Signals) -> None:
    locust = Locust()
    with running(locust) as url:
        written(tmp_path, url)
        process = searching(tmp_path, "--json")
        process.send_signal(number)
        ended = end(process)

    journal = read(tmp_path / FOLDER)
    assert ended.code == ExitCode.INTERRUPTED
    assert set(json.loads(ended.out)) >= KEYS
    assert json.loads((tmp_path / FOLDER / "answer.json").read_text()) == json.loads(ended.out)
    assert journal.end is not None and journal.end.answer.ended_by == "interrupted"
    assert (locust.users, locust.stops) == (0, 1)
    assert "Traceback" not in ended.err


def test_a_killed_search_leaves_its_users_and_another_one_takes_them_up(tmp_path: Path) -> None:
    locust = Locust()
    with running(locust) as url:
        written(tmp_path, url)
        process = searching(tmp_path)
        process.kill()
        end(process)
        left = locust.users
        (tmp_path / FOLDER).rename(tmp_path / "before")
        busy = run(tmp_path, *arguments())
        ended = run(tmp_path, *arguments("--take-up", "--budget", "2", "--json"))

    assert left >= 10 and read(tmp_path / "before").end is None
    refused(busy, ExitCode.SERVER_NOT_READY, "take it over with --take-up")
    assert json.loads(ended.out)["ended_by"] == "time over"
    assert (locust.users, locust.stops) == (0, 1)


# -- the answer, and the same decisions again --------------------------------------------------------------------


def test_time_that_is_over_before_a_breach_tells_what_was_fine_and_holds_it(tmp_path: Path) -> None:
    """The journal gives the same decisions again, and others with other limits."""
    locust = Locust()
    with running(locust) as url:
        written(tmp_path, url, ClusterConfig={"MaxActiveUsers": 40})
        ended = run(tmp_path, *arguments("--hold", "--budget", "12"))
    answer = json.loads((tmp_path / FOLDER / "answer.json").read_text())

    assert ended.code == ExitCode.INCONCLUSIVE
    assert answer["minutes"] >= 0.2
    answered = f"at least {answer['low']} users; {minutes(answer['minutes'])}"
    assert ended.out == f"{answered}\nended by: time over: {answer['reason']}\n"
    assert (locust.users, locust.stops) == (answer["low"], 0)
    same = run(tmp_path, "mmload", "replay", FOLDER)
    other = run(tmp_path, "mmload", "replay", FOLDER, "--limit", "p99 of requests (s)=0.05")
    assert (same.code, same.out.splitlines()[0].endswith("; 0 are decided differently")) == (ExitCode.PASSED, True)
    assert other.code == ExitCode.PASSED
    assert "breached by" in other.out and "; 0 are decided differently" not in other.out


def test_a_journal_that_another_program_wrote_is_told_apart(tmp_path: Path) -> None:
    with running(Locust()) as url:
        written(tmp_path, url)
        end(searching(tmp_path, "--budget", "2"))
    path = tmp_path / FOLDER / NAME
    path.write_text(path.read_text().replace('"users":30,"reason"', '"users":31,"reason"'))

    ended = run(tmp_path, "mmload", "replay", str(path))
    unknown = run(tmp_path, "mmload", "replay", str(path), "--limit", "cpu=1")

    assert ended.code == ExitCode.THRESHOLD_FAILED and "was 31" in ended.out
    refused(unknown, ExitCode.USAGE, "--limit 'cpu=1': expected NAME=VALUE with one of the names p99 of requests (s)")
