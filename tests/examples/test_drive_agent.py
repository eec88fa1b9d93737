"""The example drives an agent by the seed tool's calls alone, and the server has as many sockets as it was told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.plugin.driven import agent, assert_no_faults, environ
from tests.run.processes import ROOT
from tests.support import ADMIN, Admin

EXAMPLE = ROOT / "examples" / "drive_agent.py"
ADMIN_VARIABLE = "MMLOAD_CONNECTIONCONFIGURATION_ADMIN"


def test_the_seed_tools_calls_drive_a_test_and_the_servers_sockets_follow(server: str, tmp_path: Path) -> None:
    Admin(server).team()
    secrets = {f"{ADMIN_VARIABLE}EMAIL": ADMIN["login_id"], f"{ADMIN_VARIABLE}PASSWORD": ADMIN["password"]}
    with agent(tmp_path, server) as driven:
        ran = subprocess.run(
            [sys.executable, EXAMPLE, server, "--agent", driven.url, "--users", "3", "--steps", "+4 -2"],
            env=environ(**secrets),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert_no_faults(driven)
        assert driven.ask("GET", "/loadagent/lt0").status_code == 404

    rows = re.findall(r"^(\w+(?: \d+)?) +(\d+) +[\d.]+ s +(\d+) +[\d.]+ s$", ran.stdout, re.MULTILINE)
    assert rows == [("run", "3", "3"), ("addusers 4", "7", "7"), ("removeusers 2", "5", "5"), ("stop", "0", "0")]


def test_an_agent_that_answers_with_an_error_ends_the_script_in_words(sandbox: str, tmp_path: Path) -> None:
    with agent(tmp_path, sandbox) as driven:
        ran = subprocess.run(
            [sys.executable, EXAMPLE, "http://127.0.0.1:9", "--agent", driven.url],
            env=environ(),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert ran.returncode == 1
    assert "could not create agent: http://127.0.0.1:9" in ran.stderr and "Traceback" not in ran.stderr
