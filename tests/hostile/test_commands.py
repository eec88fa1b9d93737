"""Every command against a hostile server: an error within the time-out, in little memory, without a traceback."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from tests.hostile.server import ATTACKS, hostile
from tests.run.processes import environ
from tests.support import Admin

MEASURED = Path(__file__).with_name("measured.py")
TIMEOUT_SECONDS = 2
LARGEST_MB = 8
# Patience, not a measure: the time-out, and what a busy machine takes to start Python and Locust.
PATIENCE_SECONDS = 100
MOST_RSS_KB = 200 * 1024
LIMITS = {
    "MMLOAD_CONNECTIONCONFIGURATION_REQUESTTIMEOUTSEC": str(TIMEOUT_SECONDS),
    "MMLOAD_CONNECTIONCONFIGURATION_CONNECTTIMEOUTSEC": str(TIMEOUT_SECONDS),
    "MMLOAD_CONNECTIONCONFIGURATION_LARGESTANSWERMB": str(LARGEST_MB),
}
# What is attacked comes at once: only a check that is slow on a busy machine takes so long.
PATIENT = {"MMLOAD_CONNECTIONCONFIGURATION_REQUESTTIMEOUTSEC": "30"}
COMMANDS: dict[str, tuple[str, ...]] = {
    "doctor": ("doctor",),
    "init": ("init", "--users", "2"),
    "run": ("run", "--users", "2", "--run-time", "3s"),
    "capacity": ("capacity", "--highest-users", "3"),
}
# The other commands begin as doctor does; these are the ones that differ most from each other.
FEW = ("endless body", "endless 100 Continue", "JSON 100,000 deep")


@dataclass(frozen=True)
class Done:
    """How a command ended; `rss_kb` is the most that it, or a process of its own, took."""

    code: int
    said: str
    rss_kb: int


def done(folder: Path, *arguments: str, **more: str) -> Done:
    """Run a command of mmload to its end."""
    command = [sys.executable, "-m", "mmload", *arguments]
    measured = subprocess.run(
        [sys.executable, str(MEASURED), str(PATIENCE_SECONDS), *command],
        cwd=folder,
        env=environ(folder, **(LIMITS | more)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    code, rss_kb = map(int, measured.stdout.split())
    return Done(code, measured.stderr, rss_kb)


def is_civil(ended: Done) -> None:
    assert ended.code != -9, f"it did not end: {ended.said}"
    assert "Traceback" not in ended.said, ended.said
    assert ended.rss_kb < MOST_RSS_KB


@pytest.mark.parametrize("attack", ATTACKS)
def test_doctor_says_that_this_is_no_mattermost(attack: str, tmp_path: Path) -> None:
    with hostile(attack) as url:
        ended = done(tmp_path, "doctor", "--server", url)

    is_civil(ended)
    assert ended.code == 5 and url in ended.said, ended.said


@pytest.mark.parametrize("attack", FEW)
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "doctor"])
def test_a_command_ends_with_an_error(command: str, attack: str, tmp_path: Path) -> None:
    with hostile(attack) as url:
        ended = done(tmp_path, *COMMANDS[command], "--server", url)

    is_civil(ended)
    assert ended.code == 5, ended.said


@pytest.fixture(scope="module")
def populated(sandbox: str) -> str:
    Admin(sandbox).team()
    return sandbox


@pytest.mark.parametrize("attack", ["gzip bomb", "list 100,000 deep"])
def test_a_run_goes_on_and_counts_what_failed(attack: str, populated: str, tmp_path: Path) -> None:
    """The answers to what users do are attacked, after a check that all is well."""
    with hostile(attack, populated, "/posts") as url:
        ended = done(tmp_path, *COMMANDS["run"], "--server", url, **PATIENT)

    is_civil(ended)
    assert ended.code in (0, 6) and "Verdict" in ended.said, ended.said


def test_an_agent_of_a_hostile_server_answers_and_ends(tmp_path: Path) -> None:
    port = str(free_port())
    with hostile("endless body") as url:
        ended = done(tmp_path, "agent", "--server", url, "--port", port, "--run-time", "1s")

    assert ended.code in (2, 5), ended.said
    assert "Traceback" not in ended.said
