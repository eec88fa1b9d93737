"""`mmload storm` with real processes, on a sandbox that is away for a known time."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mmload.results.folder import read_run
from mmload.results.model import Run, RunEnding
from tests.run.processes import PATIENCE_SECONDS, end, mmload, mmload_here, start
from tests.support import Admin

IDLE = {"MMLOAD_USERCONTROLLERCONFIGURATION_TYPE": "idle"}
SOON = ("--before", "10s", "--after", "10s", "--patience", "60s", "--no-checks")


def only_run(folder: Path) -> Run:
    return read_run(next(folder.glob("runs/*")))


def restarting(folder: Path, url: str, seconds: int, users: int) -> str:
    """A command that has the sandbox be away for so long, and waits until all sockets are back there: it notes when."""
    script = folder / "restart.py"
    script.write_text(
        f"""import time, requests
began = time.time()
requests.post("{url}/sandbox/faults", json={{"restart_seconds": {seconds}}})
time.sleep(1)
while True:
    try:
        if len(requests.get("{url}/sandbox/sockets", timeout=5).json()) == {users}:
            break
    except requests.RequestException:
        pass
    time.sleep(0.05)
open("moments", "w").write(f"{{began}} {{time.time()}}")
"""
    )
    return f"{sys.executable} {script}"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_known_restart_is_told_to_the_second(fresh_sandbox: str, tmp_path: Path, processes: str) -> None:
    """It has recovered when the last socket is back, by the server's own count."""
    Admin(fresh_sandbox).team()
    command = restarting(tmp_path, fresh_sandbox, 3, users=4)

    ran = mmload(
        tmp_path,
        *("storm", "restart", "--server", fresh_sandbox, "--users", "4", "--processes", processes, *SOON),
        *("--command", command, "--threshold", "recovery < 55s"),
        **IDLE,
    )

    assert "Traceback" not in ran.stdout + ran.stderr
    run = only_run(tmp_path)
    assert run.facts.ending is RunEnding.STORM_OVER, ran.stderr
    assert command not in " ".join(run.facts.command)
    [told] = run.storms
    began, back = map(float, (tmp_path / "moments").read_text().split())
    assert (told.sockets_level, told.sockets_lowest, told.sockets_dropped) == (4, 0, 4)
    assert told.recovered_seconds is not None
    late = max(health.lag_ms for second in run.seconds for health in second.health.values()) / 1000
    assert abs(told.storm.ms / 1000 + told.recovered_seconds - back) <= 1.0 + 2 * late
    assert told.storm.ms / 1000 < began
    assert "recovered in" in ran.stdout
    assert list(run.stages) == ["before", "storm", "after"]
    report = json.loads(mmload_here(tmp_path, "report", "latest", "--json").stdout)
    assert report["storms"][0]["sockets_lowest"] == 0


def test_a_server_that_never_comes_back_has_failed(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()
    away = f"""curl -s -X POST {fresh_sandbox}/sandbox/faults -d '{{"restart_seconds": 600}}'"""

    ran = mmload(
        tmp_path,
        *("storm", "restart", "--server", fresh_sandbox, "--users", "3", *SOON, "--patience", "12s"),
        *("--command", away),
        **IDLE,
    )

    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "restart storm: not recovered within" in ran.stdout


def test_a_command_that_fails_ends_the_storm(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()

    ran = mmload(
        tmp_path,
        *("storm", "restart", "--server", fresh_sandbox, "--users", "2", *SOON),
        *("--command", "echo no such unit >&2; exit 5"),
        **IDLE,
    )

    assert ran.returncode == 6, ran.stdout + ran.stderr
    assert "the command failed (exit code 5); its output is in" in " ".join(ran.stdout.split())
    assert next(tmp_path.glob("runs/*/storm-command.log")).read_text() == "no such unit\n"


def test_the_command_ends_with_us(fresh_sandbox: str, tmp_path: Path) -> None:
    Admin(fresh_sandbox).team()
    process = start(
        [
            *("-m", "mmload", "storm", "restart", "--server", fresh_sandbox, "--users", "2", *SOON),
            *("--command", f"echo $$ > {tmp_path}/pid; sleep 600; true"),
        ],
        tmp_path,
        **IDLE,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)

    process.send_signal(signal.SIGINT)

    assert end(process).code == 130
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int((tmp_path / "pid").read_text())).wait(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restart"], "give the command that restarts the server"),
        (["reconnect", "--command", "true"], "--command works only with restart"),
        (["reconnect", "--outage", "5s"], "--outage works only with restart and --sandbox"),
        (["login", "--more", "5"], "--more works only with spike"),
        (["reconnect", "--before", "5s"], "expected at least 10s, for the baseline"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = mmload_here(tmp_path, "storm", *arguments)

    assert ran.returncode == 2
    assert said in ran.stderr
