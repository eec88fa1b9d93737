"""A load in stages with real Locust processes: who comes when, what is told of each stage, how it ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from mmload.results.folder import read_run
from mmload.results.model import Run, RunEnding
from tests.run.processes import ROOT, end, mmload, mmload_here, start, wait_for_seconds
from tests.support import Admin

# Each number of users stays for some seconds: a busy machine's record may leave a second of a ramp out.
STAGES = "0>4 in 4s; top: 4 for 5s; 4>1 in 3s; end: 1 for 6s"
IDLE = {"MMLOAD_USERCONTROLLERCONFIGURATION_TYPE": "idle"}


def only_run(folder: Path) -> Run:
    return read_run(next(folder.glob("runs/*")))


def targets(run: Run) -> list[int]:
    return [second.target for second in run.seconds if second.stage]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_users_come_and_go_as_the_stages_say(fresh_sandbox: str, tmp_path: Path, processes: str) -> None:
    """In one process and with workers alike; the run lasts as long as its stages."""
    Admin(fresh_sandbox).team()

    ran = mmload(
        tmp_path,
        *("run", "--server", fresh_sandbox, "--stages", STAGES, "--processes", processes, "--no-checks"),
        *("--threshold", "count(requests)[top] >= 0", "--threshold", "max(requests)[stage1] < 60s"),
        **IDLE,
    )

    assert "Traceback" not in ran.stdout + ran.stderr
    run = only_run(tmp_path)
    assert run.facts.ending is RunEnding.RUN_TIME_OVER, ran.stdout
    assert (run.facts.users, run.facts.run_time_seconds, run.facts.stages) == (4, 18.0, STAGES)
    assert max(targets(run)) == 4
    assert targets(run)[-1] == 1
    assert list(run.stages) == ["stage1", "top", "stage3", "end"]
    assert "max(requests)[stage1] < 60s: holds" in ran.stdout.replace("\n    ", " ")
    report = mmload_here(tmp_path, "report", "latest", "--json")
    assert [stage["name"] for stage in json.loads(report.stdout)["stages"]] == ["stage1", "top", "stage3", "end"]


def test_a_load_in_stages_is_interrupted_like_any_other(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()
    process = start(
        ["-m", "mmload", "run", "--server", fresh_sandbox, "--stages", "3 for 10m", "--no-checks"], tmp_path, **IDLE
    )
    wait_for_seconds(tmp_path, 3)

    process.send_signal(signal.SIGINT)

    ended = end(process)
    assert ended.code == 130, ended.err
    assert only_run(tmp_path).facts.ending is RunEnding.INTERRUPTED


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_so_is_one_that_plain_locust_runs(fresh_sandbox: str, tmp_path: Path, how: signal.Signals) -> None:
    """Locust heeds SIGTERM only after its stages."""
    Admin(fresh_sandbox).team()
    options = ("-f", str(ROOT / "locustfile.py"), "--headless", "--only-summary", "--host", fresh_sandbox)
    process = start(["-m", "locust", *options], tmp_path, MMLOAD_RUNCONFIGURATION_STAGES="3 for 10m", **IDLE)
    wait_for_seconds(tmp_path, 2)

    process.send_signal(how)

    ended = end(process)
    assert ended.code == 130, ended.err
    assert "(interrupted)" in ended.out and "Traceback" not in ended.err
    assert only_run(tmp_path).facts.ending is RunEnding.INTERRUPTED
