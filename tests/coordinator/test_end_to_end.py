"""A whole search with nothing made up: the coordinator's process, a real agent, a real Prometheus, the sandbox."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from coordinator.agent_apis import SwarmAgent
from coordinator.agents import AgentStatus
from coordinator.journal import NAME, Cycle, read
from mmload.cli.capacity import DEMO_COMMUNITY
from mmload.errors import ExitCode
from mmload.results.folder import read_run
from tests.coordinator.processes import agent, await_that, run, start, takes_connections
from tests.plugin import prometheus
from tests.run.processes import Ended, end, mmload_here, the_folder

FOLDER = "found"
MOST_PRESENT = 12
FEWEST_PRESENT = 6
# A window so short ends a search without a server after 20 s; people so busy soon notice that there is none.
QUICK = {
    "MMLOAD_MEASURESCONFIGURATION_WINDOWSEC": "5",
    "MMLOAD_SEARCHCONFIGURATION_ARRIVALACTIONS": "0",
    "MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100",
    "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "1500",
}
QUERY = "people who are in"


def written(folder: Path, agent_url: str, prometheus_url: str) -> None:
    """The agent's own measures count for nothing here: the only limit is what Prometheus says of it."""
    present = {"Description": QUERY, "Query": 'mmload_users{state="active"}', "Threshold": MOST_PRESENT, "Alert": True}
    document = {
        "ClusterConfig": {"Agents": [{"Id": "lt0", "ApiURL": agent_url}], "MaxActiveUsers": 60},
        "MonitorConfig": {"PrometheusURL": prometheus_url, "UpdateIntervalMs": 500, "Queries": [present]},
        "MeasuresConfiguration": {"WindowSec": 5, "RequestP99Sec": 0, "FailurePercent": 0},
        "SearchConfiguration": {"LowestUsers": 6, "SpawnRate": 10, "ArrivalActions": 0},
    }
    (folder / "coordinator.json").write_text(json.dumps(document))


def cycles(folder: Path) -> tuple[Cycle, ...]:
    path = folder / NAME
    return read(path).cycles if path.is_file() and path.stat().st_size else ()


def after(folder: Path, word: str) -> Callable[[], bool]:
    return lambda: any(word in cycle.reason for cycle in cycles(folder / FOLDER))


def searched(folder: Path, agent_url: str, server: str) -> Ended:
    """Until the limit was found and people came back below it; then Prometheus ends, and then the search is ended."""
    agent_address, server_address = (url.removeprefix("http://") for url in (agent_url, server))
    with ExitStack() as stack:
        asked = stack.enter_context(prometheus.running_prometheus(folder, agent_address, server_address))
        asked.await_value('count(mmload_users{state="active"})', 1)
        written(folder, agent_url, asked.url)
        process = start(folder, "coordinator", "-c", "coordinator.json", "--folder", FOLDER)
        await_that(after(folder, "recovered"), "the search did not come back from its breach")
        stack.close()
        await_that(after(folder, "no data, holding"), "nobody noticed that Prometheus is gone")
        process.send_signal(signal.SIGTERM)
        return end(process)


def test_a_search_sees_what_prometheus_sees_of_a_real_agent(sandbox: str, tmp_path: Path) -> None:
    """It turns back where the query's limit is crossed, holds when Prometheus dies, and leaves the agent empty."""
    if not prometheus.is_installed():
        pytest.skip("the program `prometheus` is not installed")
    assert mmload_here(tmp_path, "init", "--server", sandbox).returncode == ExitCode.PASSED
    with agent(sandbox, tmp_path / "agent") as url:
        ended = searched(tmp_path, url, sandbox)
        locust = SwarmAgent("lt0", url, 1.0, 100)
        # Locust remembers its answer for two seconds.
        await_that(
            lambda: locust.status() == AgentStatus(0, running=False, most_users=100), "the agent was not left empty"
        )
    seen = cycles(tmp_path / FOLDER)
    replayed = mmload_here(tmp_path, "replay", FOLDER)

    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "all users of the agents have been stopped" in ended.err and "Traceback" not in ended.err
    assert f"what broke first: {QUERY}" in ended.out
    turned = next(cycle for cycle in seen if "breached by" in cycle.reason)
    assert turned.seen.users > MOST_PRESENT >= turned.users
    dark = [cycle for cycle in seen if "no data, holding" in cycle.reason]
    assert all("connection refused" in cycle.seen.readings[0].unknown for cycle in dark)
    assert len({cycle.users for cycle in dark}) == 1 and dark[0].users <= MOST_PRESENT
    assert replayed.returncode == ExitCode.PASSED, replayed.stdout


# -- a server that dies ------------------------------------------------------------------------------------------


@contextmanager
def mortal_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A populated sandbox with a capacity, and its process."""
    process = start(folder, "mmload.sandbox", "--port", "0", "--slots", "4", "--service-ms", "20", "--random-service")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert mmload_here(folder, "init", "--server", url).returncode == ExitCode.PASSED
        yield url, process
    finally:
        process.kill()
        end(process)


def searched_until_it_dies(folder: Path) -> Ended:
    """`mmload capacity`, whose server is killed when some people are in; nobody tells the search to end."""
    with mortal_server(folder) as (url, server):
        options = ("--lowest-users", str(FEWEST_PRESENT), "--highest-users", "60", "--spawn-rate", "10", "--seed", "7")
        process = start(folder, "mmload", "capacity", "--server", url, *options, **QUICK)
        await_that(lambda: people(folder) >= FEWEST_PRESENT, "nobody came")
        server.kill()
        return end(process)


def people(folder: Path) -> int:
    """How many were in at the last look."""
    seen = [cycle for found in folder.glob("runs/*") for cycle in cycles(found)]
    return seen[-1].seen.users if seen else 0


def test_a_server_that_dies_ends_the_search_in_order_and_is_no_limit_that_was_crossed(tmp_path: Path) -> None:
    ended = searched_until_it_dies(tmp_path)
    folder = the_folder(tmp_path)
    answer = json.loads((folder / "answer.json").read_text())
    journal = read(folder)
    [told] = json.loads((folder / "coordinator.json").read_text())["ClusterConfig"]["Agents"]
    replayed = mmload_here(tmp_path, "replay", str(folder))

    assert ended.code == ExitCode.SERVER_NOT_READY, ended.err
    assert (answer["ended_by"], answer["users"], answer["broke_first"]) == ("server lost", None, "")
    said = r"the server has not answered for \d+ s, with \d+ active users: \d+ requests in a row, connection refused"
    assert re.fullmatch(said, answer["reason"]) and answer["reason"] in ended.out
    assert "all users of the agents have been stopped" in ended.err and "Traceback" not in ended.err
    assert journal.end is not None and journal.end.answer.ended_by == "server lost"
    assert replayed.returncode == ExitCode.PASSED, replayed.stdout
    assert "gave no answer" in (folder / "report.html").read_text()
    assert not takes_connections(int(told["ApiURL"].rpartition(":")[2]))


# -- the demonstration -------------------------------------------------------------------------------------------


def test_the_sandbox_of_the_demonstration_has_an_account_and_a_community_for_everybody(tmp_path: Path) -> None:
    """Nobody signs up, and nobody hears of more people than there are in a community."""
    most = 2 * DEMO_COMMUNITY
    options = (
        "--lowest-users",
        "10",
        "--highest-users",
        str(most),
        "--spawn-rate",
        "20",
        "--p99",
        "20",
        "--budget",
        "60",
    )
    ended = run(tmp_path, "mmload", "capacity", "--sandbox", *options, **QUICK)
    found = read_run(the_folder(tmp_path))

    # No limit was crossed, and a minute is not enough to say more.
    assert ended.code == ExitCode.INCONCLUSIVE, ended.err
    assert ended.out.startswith(f"at least {most} users; ")
    assert "Traceback" not in ended.err
    assert found.facts.server is not None and found.facts.server.sandbox
    assert found.totals.highest_active == most
    assert found.totals.whole.sessions.sign_ups == 0
    posts = sum(second.posts for second in found.seconds)
    assert 0 < sum(second.expected for second in found.seconds) < posts * DEMO_COMMUNITY


# -- two servers ---------------------------------------------------------------------------------------------------


def test_two_servers_are_searched_in_turns_and_the_comparison_is_there_in_all_forms(tmp_path: Path) -> None:
    """Interrupted when people are in at both: it can't be told, and all there is by then is written down."""
    options = ("--sandbox", "--slots", "8", "--compare-slots", "9", "--highest-users", "24", "--lowest-users", "5")
    process = start(
        tmp_path, "mmload", "capacity", *options, "--spawn-rate", "10", "--p99", "20", "--seed", "7", **QUICK
    )

    def users(name: str) -> int:
        return max((c.seen.users for found in tmp_path.glob(f"runs/*/{name}") for c in cycles(found)), default=0)

    await_that(lambda: users("base") >= 5, "the first one did not get its users")
    await_that(lambda: users("new") >= 5, "the second one did not get its own")
    process.send_signal(signal.SIGINT)
    ended = end(process)
    [folder] = tmp_path.glob("runs/*")
    compared = json.loads((folder / "comparison.json").read_text())
    shown = mmload_here(tmp_path, "report", str(folder))
    sides = {name: read(folder / name) for name in ("base", "new")}

    assert ended.code == ExitCode.INTERRUPTED and "Traceback" not in ended.err, ended.err
    assert ended.out.startswith("can't tell whether http://127.0.0.1:") and shown.stdout == ended.out
    assert compared["outcome"] == "can't tell"
    assert compared["base"]["server"] != compared["new"]["server"]
    assert ended.err.count("all users of the agents have been stopped") == 2
    assert {path.suffix for path in folder.glob("comparison.*")} == {".json", ".html", ".md", ".xml"}
    for name, journal in sides.items():
        assert journal.end is not None and journal.end.answer.ended_by == "interrupted"
        assert (folder / name / "report.html").is_file()
        assert mmload_here(tmp_path, "replay", str(folder / name)).returncode == ExitCode.PASSED
    # While the first one had its turn, the other one kept the fewest users, whatever its own search wanted.
    assert {cycle.seen.target for cycle in sides["new"].cycles} == {5}
