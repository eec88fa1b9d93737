"""Agents as processes of their own, driven as their users drive them: over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from mmload.cli.locust_process import free_port

PATIENCE_SECONDS = 180


def await_that(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something has come true; fail with its name if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


@dataclass
class Driven:
    """A process of mmload, with its log; `url` is where it is spoken to."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""
    token: str = ""

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update({"Authorization": f"Bearer {self.token}"} if self.token else {})
            return session.request(method, self.url + path, timeout=60, **options)

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/loadagent/{name}/status").json()["status"]
        return found

    def swarm(self, users: int, rate: float = 50) -> None:
        answer = self.ask("POST", "/swarm", data={"user_count": users, "spawn_rate": rate}).json()
        assert answer["success"], answer

    def said(self) -> str:
        return self.log.read_text()

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return self.ask("GET", "/version").ok
        except requests.ConnectionError:
            return False


def environ(**more: str) -> dict[str, str]:
    """Nothing of the caller's configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}
    return kept | {"NO_COLOR": "1", "MMLOAD_RUNCONFIGURATION_SEED": "7"} | more


@contextmanager
def mmload(folder: Path, *arguments: str, name: str = "agent", **settings: str) -> Iterator[Driven]:
    """A process of `mmload`; whatever happens, nothing of it stays."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmload", *arguments],
            cwd=folder,
            env=environ(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Driven(process, log)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=180)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


@contextmanager
def agent(folder: Path, server: str, *arguments: str, **settings: str) -> Iterator[Driven]:
    """An agent that answers."""
    port = free_port()
    with mmload(folder, "agent", "--server", server, "--port", str(port), *arguments, **settings) as driven:
        driven.url, driven.token = f"http://127.0.0.1:{port}", settings.get("MMLOAD_AGENT_TOKEN", "")
        await_that(driven.answers, "the agent answers")
        yield driven


def counts(server: str) -> dict[str, Any]:
    """What really arrived at a sandbox."""
    found: dict[str, Any] = requests.get(f"{server}/sandbox/counts", timeout=10).json()
    return found


def connected(server: str) -> Counter[str]:
    """Who is connected to a sandbox now, and by how many sockets."""
    return Counter(each["username"] for each in requests.get(f"{server}/sandbox/sockets", timeout=10).json())


def body(server: str, **users: Any) -> dict[str, Any]:
    """What a script of the peer posts to `create`."""
    return {
        "LoadTestConfig": {
            "ConnectionConfiguration": {
                "ServerURL": server,
                "WebSocketURL": "ws" + server.removeprefix("http"),
                "AdminEmail": "sysadmin@sample.mattermost.com",
                "AdminPassword": "Sys@dmin-sample1",
            },
            "UserControllerConfiguration": {"Type": "simulative", "RatesDistribution": [], "ServerVersion": ""},
            "UsersConfiguration": users,
        }
    }


def assert_no_faults(*processes: Driven) -> None:
    """No line of their logs speaks of a fault of ours; one that does is shown with all the others."""
    signs = ("Traceback", "CRITICAL", "Unhandled", "Error:")
    for process in processes:
        said = process.said()
        faults = [line for line in said.splitlines() if any(sign in line for sign in signs)]
        assert not faults, f"{process.log.name}:\n{said}"
