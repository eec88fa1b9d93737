"""The example runs as its first line says, and does what it is an example of."""

from __future__ import annotations

import re
from pathlib import Path

import requests

from tests.run import processes
from tests.support import Admin

EXAMPLE = processes.ROOT / "examples" / "own_user.py"


def test_the_example_runs_and_its_people_answer_each_other(fresh_sandbox: str, tmp_path: Path) -> None:
    admin = Admin(fresh_sandbox)
    admin.team()
    rates = '{"UserControllerConfiguration": {"RatesDistribution": [{"Rate": 0.1, "Percentage": 1.0}]}}'
    (tmp_path / "config.json").write_text(rates)

    options = ("--headless", "-u", "4", "-r", "4", "-t", "6s")
    ended = processes.end(
        processes.start(
            ["-m", "locust", "-f", str(EXAMPLE), *options, "--host", fresh_sandbox],
            tmp_path,
            MMLOAD_CONFIG=str(tmp_path / "config.json"),
            MMLOAD_RUNCONFIGURATION_SEED="7",
        )
    )

    assert ended.code in (0, 6), ended.err
    assert "Traceback" not in ended.err
    assert re.search(r'All users spawned: {"AnsweringUser": 4}', ended.err)
    counts = requests.get(f"{fresh_sandbox}/sandbox/counts", timeout=10).json()
    assert counts["posts"] >= 4
    teams = admin.ask("GET", "/teams")
    channels = [channel for team in teams for channel in admin.ask("GET", f"/teams/{team['id']}/channels")]
    assert any(post["root_id"] for channel in channels for post in admin.posts(channel["id"]))
