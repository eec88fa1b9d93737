"""`mmload run --processes N`: Locust's own forks, each with its part of the accounts, and one report of all."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import requests

from mmload.cli import locust_process
from mmload.cli.locust_process import LocustLoad
from mmload.cli.run import account_ranges
from mmload.results.folder import LOG, read_notes, read_run
from mmload.results.model import RunEnding
from tests.run.processes import PATIENCE_SECONDS, end, mmload, mmload_here, start, the_folder
from tests.run.test_end_to_end import number, posts_at

# Everybody posts within seconds.
BUSY = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "500"}


def test_one_process_forks_nothing() -> None:
    """What a small test needs no master for, has none."""
    alone, two = (locust_process.command(LocustLoad(4, 0.0, 60, "http://x", n), Path("f.py")) for n in (1, 2))

    assert "--processes" not in alone
    assert two[two.index("--processes") + 1] == "2"


def test_each_process_has_as_many_accounts_as_users() -> None:
    """So that the same accounts act, however many processes there are."""
    assert account_ranges(3) == {
        "MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS": "3",
        "MMLOAD_USERSCONFIGURATION_INITIALACTIVEUSERS": "3",
    }


def test_two_processes_act_as_the_accounts_of_one_and_report_together(fresh_sandbox: str, tmp_path: Path) -> None:
    """Nobody is signed up, what the report says is what arrived, and the exit code is that of the whole."""
    assert mmload_here(tmp_path, "init", "--server", fresh_sandbox, "--users", "7").returncode == 0
    before = posts_at(fresh_sandbox)
    options = ("--users", "7", "--processes", "2", "--run-time", "12s", "--threshold", "count(requests) < 1")

    ran = mmload(tmp_path, "run", "--server", fresh_sandbox, *options, **BUSY)

    # 6 where the machine was too busy for its figures to be trusted.
    assert ran.returncode in (3, 6), ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "target 7, 7 active" in ran.stdout
    # Some log out and in again.
    kept = number(r"(\d+) started with a kept session", ran.stdout)
    assert kept > 0 and kept + number(r"(\d+) logins?, 0 failed, 0 sign-ups", ran.stdout) >= 7
    assert number(r"(\d[\d,]*) posts? sent", ran.stdout) == posts_at(fresh_sandbox) - before > 0
    assert "7 logged out" in ran.stdout
    assert requests.get(f"{fresh_sandbox}/sandbox/counts", timeout=10).json()["sockets_open"] == 0
    assert read_run(the_folder(tmp_path)).facts.workers == 2
    log = (the_folder(tmp_path) / LOG).read_text()
    assert [line for line in log.splitlines() if "Unknown message" in line or "was dropped" in line] == []


def test_ctrl_c_ends_all_processes_in_order(fresh_sandbox: str, tmp_path: Path) -> None:
    """Everybody says farewell; the one report tells of it."""
    assert mmload_here(tmp_path, "init", "--server", fresh_sandbox, "--users", "4").returncode == 0
    run = ["-m", "mmload", "run", "--server", fresh_sandbox, "--users", "4", "--processes", "2", "--run-time", "10m"]
    process = start(run, tmp_path)
    wait_for_sockets(fresh_sandbox, 4)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert "4 logged out" in ended.out
    assert read_run(the_folder(tmp_path)).facts.ending is RunEnding.INTERRUPTED
    assert requests.get(f"{fresh_sandbox}/sandbox/counts", timeout=10).json()["sockets_open"] == 0


def test_the_users_of_a_lost_worker_are_taken_up_by_the_others(fresh_sandbox: str, tmp_path: Path) -> None:
    """With its accounts: each worker has as many of its own as it has users."""
    assert mmload_here(tmp_path, "init", "--server", fresh_sandbox, "--users", "6").returncode == 0
    run = ["-m", "mmload", "run", "--server", fresh_sandbox, "--users", "6", "--processes", "3", "--run-time", "10m"]
    process = start(run, tmp_path)
    wait_for_sockets(fresh_sandbox, 6)
    [master] = psutil.Process(process.pid).children()
    master.children()[0].kill()
    wait_for_a_note(tmp_path, "was lost")
    wait_for_sockets(fresh_sandbox, 6)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert read_run(the_folder(tmp_path)).totals.whole.sessions.sign_ups == 0


def wait_for_a_note(folder: Path, words: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(words in note.text for note in read_notes(the_folder(folder))):
        assert time.monotonic() < deadline, "it was not noticed"
        time.sleep(0.2)


def wait_for_sockets(server: str, number: int) -> None:
    """Until so many people are in."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while requests.get(f"{server}/sandbox/counts", timeout=10).json()["sockets_open"] < number:
        assert time.monotonic() < deadline, "they did not come in"
        time.sleep(0.1)
