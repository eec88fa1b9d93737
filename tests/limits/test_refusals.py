"""Too few open files: every way to start a load refuses before the run, and none of them begins it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.processes import ROOT, environ

# 20 users need 268; Locust itself starts with far fewer.
FILES = 200
LOCUST = ["-m", "locust", "-f", str(ROOT / "locustfile.py"), "--headless", "-t", "5s", "--host", "http://127.0.0.1:9"]


def limited() -> None:
    """In the child, before it runs."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def started(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a process with few open files answers."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environ(folder, MMLOAD_CHECKED="1"),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        preexec_fn=limited,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "mmload", "run", "--users", "20", "--no-checks", "--server", "http://127.0.0.1:9"],
        [*LOCUST, "-u", "20"],
    ],
    ids=["mmload run", "locust"],
)
def test_it_is_refused_with_what_is_needed_and_how_to_get_it(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 4, one message, nothing written."""
    ended = started(tmp_path, *arguments)

    assert ended.returncode == 4, ended.stderr
    assert f"would need 268 open files, but the system allows only {FILES}" in ended.stderr
    assert "ulimit -n" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_forked_workers_are_refused_once_by_their_master(tmp_path: Path) -> None:
    """Each of two processes would have 20 of the 40 users. They end with it: one that lived would hold its output."""
    ended = started(tmp_path, *LOCUST, "-u", "40", "--processes", "2", "--master-bind-port", "0")

    assert ended.returncode == 4, ended.stderr
    assert ended.stderr.count("would need 268 open files") == 1
    assert not (tmp_path / "runs").exists()


def test_fewer_users_are_let_in(tmp_path: Path) -> None:
    """The limit of this process suffices for them; what ends this run is the server that is not there."""
    ended = started(tmp_path, "-m", "mmload", "run", "--users", "10", "--server", "http://127.0.0.1:9")

    assert ended.returncode == 5, ended.stderr
