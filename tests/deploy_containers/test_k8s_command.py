"""`mmload deploy k8s` from nothing to a report, in a cluster whose containers are processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from mmload.results.folder import read_run
from tests.conftest import running_sandbox
from tests.run.processes import PATIENCE_SECONDS, environ, mmload_here

KUBECTL = Path(__file__).with_name("kubectl.py")
PASSWORD, SECRET = "MMLOAD_USERSCONFIGURATION_PASSWORD", "never-told-to-anybody-1"


class Desk:
    """A folder to type commands in, and the cluster that kubectl reaches from there."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder, self.cluster, self.server = folder / "desk", folder / "cluster", server
        for each in (self.folder, self.cluster, folder / "bin"):
            each.mkdir()
        command = folder / "bin" / "kubectl"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {KUBECTL} "$@"\n')
        command.chmod(0o755)
        # Pods have the same commands: they find `mmload` and `python3` beside this Python.
        path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environ = environ(
            folder, PATH=path, FAKE_CLUSTER=str(self.cluster), FAKE_PORT=str(free_port()),
            **{PASSWORD: SECRET},
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mmload", "deploy", "k8s", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """A part of the command to its end; what it said. 0 includes 6 (inconclusive): runs are short here."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode in ((0, 6) if code == 0 else (code,)), said
        return said

    def asked(self) -> str:
        """All command lines of kubectl."""
        return (self.cluster / "asked").read_text()

    def await_in(self, pod: str, text: str) -> None:
        """Until a pod's master has said this."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(text in log.read_text() for log in self.cluster.glob(f"pods/{pod}*/master.log")):
            assert time.monotonic() < deadline, f"{pod} did not say {text!r}"
            time.sleep(0.1)

    def processes(self) -> list[str]:
        """What runs in the cluster."""
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if (
                    str(self.cluster).encode()
                    in file.read_bytes() + (file.parent / "cwd").readlink().as_posix().encode()
                ):
                    found.append((file.parent / "cmdline").read_text())
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a team, and accounts whose password is told to the desk only."""
    folder = tmp_path_factory.mktemp("init")
    with running_sandbox() as address:
        sizes = ("--users", "6", "--teams", "1", "--channels", "2", "--posts", "6")
        made = mmload_here(folder, "init", "--server", address, *sizes, **{PASSWORD: SECRET})
        assert made.returncode == 0, made.stderr
        yield address


@pytest.fixture
def desk(tmp_path: Path, server: str) -> Iterator[Desk]:
    made = Desk(tmp_path, server)
    yield made
    made.run("down", "--discard")


def test_from_nothing_to_a_report_and_back(desk: Desk) -> None:
    told = desk.run("up", "--image", "registry.example.com/mmload:1", "--workers", "2", "--server", desk.server)
    assert "2 workers" in told
    assert "ms to the server" in told

    (desk.folder / "mine.json").write_text(json.dumps({"UsersConfiguration": {"InitialActiveUsers": 6}}))
    ran = desk.run("run", "--", "run", "--config", "mine.json", "--server", desk.server, "--run-time", "10s")

    assert "2 workers running on 2 nodes (node1, node2)" in ran
    (folder,) = (desk.folder / "runs").iterdir()
    assert f"results in runs/{folder.name}" in ran
    run = read_run(folder)
    assert run.totals.whole.sessions.logins == 6
    assert "on node1" in ran
    assert "on node2" in ran
    assert f"Details: runs/{folder.name}" in ran
    # The run's objects are gone with their secrets, which were on no command line.
    assert not list(desk.cluster.glob("Secret/*")) + list(desk.cluster.glob("Job/*")) + list(desk.cluster.glob("Pod/*"))
    assert SECRET not in desk.asked()

    assert "0 pods" in desk.run("status")
    assert "nothing left" in desk.run("down")
    assert not list(desk.cluster.glob("*/*.json"))
    assert desk.processes() == []


def test_a_run_that_was_lost_sight_of_is_fetched_and_ctrl_c_ends_it_in_order(desk: Desk) -> None:
    desk.run("up", "--image", "mmload")
    lost = desk.start("run", "--", "run", "--users", "3", "--server", desk.server, "--run-time", "10m")
    desk.await_in("mmload-master", "steady: 3/3 users")
    lost.kill()
    lost.communicate()
    assert "a run is still running" in desk.run("down", code=2)
    assert "there is a run already" in desk.run("run", "--", "run", "--users", "3", "--server", desk.server, code=2)

    again = desk.start("fetch")
    assert again.stdout is not None
    for line in again.stdout:
        if "steady" in line:
            break
    again.send_signal(signal.SIGINT)
    said, _ = again.communicate(timeout=PATIENCE_SECONDS)

    assert again.returncode == 130, said
    (folder,) = (desk.folder / "runs").iterdir()
    assert read_run(folder).totals.whole.sessions.logged_out == 3
    assert desk.processes() == []


def test_what_a_command_without_workers_says_and_its_exit_code(desk: Desk) -> None:
    desk.run("up", "--image", "mmload")

    said = desk.run("run", "--", "doctor", "--server", "http://127.0.0.1:9", code=5)

    assert "http://127.0.0.1:9" in said
    assert desk.processes() == []


def test_nothing_is_deployed(desk: Desk) -> None:
    assert "nothing is deployed in the namespace mmload" in desk.run("run", "--", "run", "--users", "3", code=2)
    assert "--image" in desk.run("up", code=2)
