"""Several tests in one Locust process with its web UI: a folder each."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from mmload.results.folder import read_run
from mmload.results.model import NoteKind, RunEnding
from tests.run.processes import LOCUSTFILE, PATIENCE_SECONDS, end, start, truth


def post(url: str, **form: str) -> None:
    """Ask Locust's web API, as soon as it answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
                answer.read()
            return
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def grown(folder: Path, runs: int, seconds: int) -> list[Path]:
    """Wait for so many runs, the last of them with so many seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = sorted(folder.glob("runs/*/seconds.jsonl"))
        if len(found) == runs and found[-1].read_bytes().count(b"\n") >= seconds:
            return [path.parent for path in found]
        time.sleep(0.1)
    raise AssertionError(f"{runs} runs did not come")


@pytest.fixture
def port() -> int:
    return free_port()


def test_each_test_of_the_web_ui_has_its_own_folder(tmp_path: Path, port: int) -> None:
    """The second one holds nothing of the first; the number of users may change in between."""
    url = f"http://127.0.0.1:{port}"
    arguments = ["-m", "locust", "-f", str(LOCUSTFILE), "--host", "http://127.0.0.1:9", "--stop-timeout", "5"]
    process = start(
        [*arguments, "--web-host", "127.0.0.1", "--web-port", str(port)], tmp_path, MADE_UP_FAREWELL_SECONDS="0.1"
    )
    post(f"{url}/swarm", user_count="2", spawn_rate="10")
    grown(tmp_path, 1, 3)
    post(f"{url}/swarm", user_count="4", spawn_rate="10")
    grown(tmp_path, 1, 5)
    post(f"{url}/stop")
    did_first = sum(truth(tmp_path))
    post(f"{url}/swarm", user_count="3", spawn_rate="10")
    first, second = (read_run(folder) for folder in grown(tmp_path, 2, 3))
    process.terminate()

    ended = end(process)

    assert first.facts.ending is RunEnding.STOPPED
    assert first.totals.whole.actions["Look"].done == did_first
    assert first.totals.highest_active == 4
    assert [note.text for note in first.notes if note.kind is NoteKind.USERS] == ["target changed from 2 to 4 users"]
    last = read_run(Path(second.folder))
    assert last.totals.whole.actions["Look"].done == sum(truth(tmp_path)) - did_first
    assert last.totals.whole.unavailable == {"bookmarks": "no licence"}
    assert last.facts.ending is not None
    assert f"Details: runs/{Path(second.folder).name}" in ended.out
