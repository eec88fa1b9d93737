"""The record that real Locust processes leave, against what their users really did."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from shutil import rmtree

import pytest

from mmload.results.folder import read_run, spare_folder
from mmload.results.model import TRAFFIC, NoteKind, Run, RunEnding, RunPhase
from tests.run.processes import distributed, end, locust, mmload_here, start, the_folder, truth, wait_for_seconds

USERS = 6
RUN_MADE_UP = str(Path(__file__).with_name("run_made_up.py"))


def assert_exact(run: Run, folder: Path) -> None:
    """Every figure of every user is in the record, once."""
    whole = run.totals.whole
    did = truth(folder)
    assert len(did) == USERS
    assert whole.actions["Look"].done == whole.deliveries.sent == sum(did)
    assert whole.routes["GET /api/v4/posts/{id}"].count == sum(did)
    assert whole.routes["GET /api/v4/posts/{id}"].failures["500 made.up"].count == sum(done // 7 for done in did)
    assert whole.events["posted"] == 3 * sum(did)
    assert whole.sessions.logins == whole.sessions.logged_out == USERS
    assert whole.logins["POST /api/v4/users/login"].count == USERS


def assert_seconds_add_up(run: Run) -> None:
    """The lines of seconds.jsonl are without a gap, and their sums are the totals."""
    assert [second.elapsed for second in run.seconds] == list(range(len(run.seconds)))
    assert run.totals.seconds == len(run.seconds)
    assert sum(second.requests for second in run.seconds) == sum(
        route.count for route in run.totals.whole.routes.values()
    )
    assert sum(second.events for second in run.seconds) == sum(run.totals.whole.events.values())
    steady = [second for second in run.seconds if second.phase is RunPhase.STEADY]
    assert sum(second.actions for second in steady) == run.totals.steady.actions["Look"].done
    assert max(second.active for second in run.seconds) == run.totals.highest_active == USERS
    assert (run.seconds[-1].active, run.seconds[-1].sockets) == (0, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_is_recorded_to_the_last_figure(tmp_path: Path, workers: int) -> None:
    """In one process and with workers, whose users leave more slowly than Locust's master waits."""
    options = ["-u", str(USERS), "-r", str(USERS), "-t", "5s", *(distributed(workers) if workers else [])]

    ended = end(start(locust(*options), tmp_path))

    assert ended.code == 0, ended.err
    run = read_run(the_folder(tmp_path))
    assert_exact(run, tmp_path)
    assert_seconds_add_up(run)
    assert run.missing == ()
    assert (run.facts.ending, run.facts.workers, run.facts.users) == (RunEnding.RUN_TIME_OVER, workers, USERS)
    assert run.facts.traffic == TRAFFIC
    assert [note.kind for note in run.notes] == [NoteKind.PHASE, NoteKind.PHASE, NoteKind.END]
    assert "Verdict: passed" in ended.out
    assert f"target {USERS}, {USERS} active after" in ended.out


@pytest.mark.parametrize(("workers", "how"), [(0, signal.SIGINT), (0, signal.SIGTERM), (2, signal.SIGINT)])
def test_an_interrupted_run_is_recorded_and_reported(tmp_path: Path, workers: int, how: signal.Signals) -> None:
    """Ctrl-C ends a run in order: farewells, last figures, the report, exit code 130."""
    options = ["-u", str(USERS), "-r", str(USERS), "-t", "60s", *(distributed(workers) if workers else [])]
    process = start(locust(*options), tmp_path, MADE_UP_FAREWELL_SECONDS="0.3")
    wait_for_seconds(tmp_path, 2)
    process.send_signal(how)

    ended = end(process)

    assert ended.code == 130, ended.err
    run = read_run(the_folder(tmp_path))
    assert_exact(run, tmp_path)
    assert run.facts.ending is RunEnding.INTERRUPTED
    assert "(interrupted)" in ended.out


def test_ctrl_c_at_a_terminal_reaches_the_workers_too(tmp_path: Path) -> None:
    """All processes of the group get the signal at once: still nothing is lost."""
    options = ["-u", str(USERS), "-r", str(USERS), "-t", "60s", *distributed(2)]
    process = start(locust(*options), tmp_path, MADE_UP_FAREWELL_SECONDS="0.3")
    wait_for_seconds(tmp_path, 1)
    os.killpg(process.pid, signal.SIGINT)

    ended = end(process)

    assert ended.code == 130, ended.err
    assert_exact(read_run(the_folder(tmp_path)), tmp_path)


def test_a_lost_worker_makes_the_run_inconclusive(tmp_path: Path) -> None:
    """Its users and figures are gone: that must not look like a good run."""
    options = ["-u", str(USERS), "-r", str(USERS), "-t", "14s", *distributed(2)]
    process = start(locust(*options), tmp_path, MADE_UP_FAREWELL_SECONDS="0")
    wait_for_seconds(tmp_path, 1)
    [worker, *_] = (int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(worker, signal.SIGKILL)

    ended = end(process)

    assert ended.code == 6, ended.err
    assert re.search(r"worker \d was lost", ended.out)
    run = read_run(the_folder(tmp_path))
    assert NoteKind.WORKER_LOST in [note.kind for note in run.notes]
    assert run.seconds[-1].target == USERS


def test_a_killed_run_leaves_a_readable_folder(tmp_path: Path) -> None:
    """`kill -9`, as the system does when memory runs out; `mmload report` tells what is missing."""
    process = start(locust("-u", str(USERS), "-r", str(USERS), "-t", "60s"), tmp_path)
    folder = wait_for_seconds(tmp_path, 12)
    os.killpg(process.pid, signal.SIGKILL)
    end(process)

    done = mmload_here(tmp_path, "report", str(folder))

    assert done.returncode == 0, done.stderr
    assert "the run was cut off" in done.stdout
    assert f"target {USERS}, {USERS} active after" in done.stdout
    run = read_run(folder)
    assert len(run.seconds) >= 12
    assert run.totals.seconds >= 11


def test_users_that_raise_are_a_fault_that_is_told(tmp_path: Path) -> None:
    """An exception nobody foresaw must not hide behind good percentiles."""
    ended = end(start(locust("-u", "2", "-r", "2", "-t", "3s"), tmp_path, MADE_UP_FAULT="1"))

    assert ended.code == 6, ended.err
    assert "a simulated user raised" in ended.out


def test_the_record_of_mmload_run_goes_where_it_says(tmp_path: Path) -> None:
    """Its parent names the folder and prints the report itself."""
    folder = tmp_path / "elsewhere" / "here"

    ended = end(start(locust("-u", "2", "-r", "2", "-t", "4s"), tmp_path, MMLOAD_RUN_FOLDER=str(folder)))

    assert ended.code == 0, ended.err
    assert ended.out == ""
    assert read_run(folder).totals.whole.sessions.logins == 2


def test_no_password_is_in_the_record(tmp_path: Path) -> None:
    """Nor in Locust's output; also not one that came inside a URL."""
    secrets = {
        "MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD": "s3cret-admin",
        "MMLOAD_USERSCONFIGURATION_PASSWORD": "s3cret-users",
    }
    arguments = locust("-u", "1", "-r", "1", "-t", "4s", "--host", "http://someone:s3cret-url@127.0.0.1:9")

    ended = end(start(arguments, tmp_path, **secrets))

    assert ended.code == 0, ended.err
    written = "".join(path.read_text() for path in the_folder(tmp_path).iterdir())
    assert "s3cret" not in written + ended.out + ended.err


def test_a_disk_that_gets_full_is_said_at_once_and_the_report_is_whole(tmp_path: Path) -> None:
    ended = end(start([RUN_MADE_UP, "--users", "3", "--run-time", "6s", "--no-checks"], tmp_path, MADE_UP_FULL="1"))

    folder = the_folder(tmp_path)
    try:
        assert ended.code == 6, ended.err
        assert re.search(r"mmload run: cannot write to runs/\S+:", ended.err)
        assert "No space left on device; the record continues in memory" in " ".join(ended.out.split())
        assert "3 logged out" in ended.out
        assert sum(truth(tmp_path)) == read_run(folder).totals.whole.actions["Look"].done
    finally:
        rmtree(spare_folder(folder), ignore_errors=True)
