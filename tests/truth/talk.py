"""A run of talkers that goes on, and what its report says when it has ended."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import environ, killpg
from pathlib import Path
from typing import Any

import requests

from mmload.delivery.account import DRAIN_SECONDS
from mmload.results.model import RunPhase
from tests.run.processes import ALWAYS_IN_FRONT, mmload

USERS = 10
PATIENCE_SECONDS = 180
# A new member of a channel is expected to hear its messages after two seconds, looked at once a second.
SETTLED_SECONDS = 5
TALKERS = Path(__file__).with_name("talkers.py")


@dataclass(frozen=True)
class Talk:
    """A run that goes on."""

    server: str
    folder: Path
    process: subprocess.Popen[bytes]

    def wait_until_settled(self) -> None:
        """Wait until all are in, and known as members of the channel."""
        wait_for(lambda: len(self._steady()) >= SETTLED_SECONDS)

    def _steady(self) -> list[str]:
        files = list(self.folder.glob("runs/*/seconds.jsonl"))
        lines = files[0].read_text().splitlines() if files else []
        return [line for line in lines if json.loads(line)["phase"] == RunPhase.STEADY]


@dataclass(frozen=True)
class SandboxTalk(Talk):
    """One on a sandbox, which does to events what it is asked for, and counts."""

    posts_before: int = 0

    def fault(self, **fields: Any) -> None:
        """Have the sandbox do something to events, sockets or requests."""
        answer = requests.post(f"{self.server}/sandbox/faults", json=fields, timeout=10)
        assert answer.status_code == 201, answer.text

    def no_faults(self) -> None:
        """Take all faults back."""
        requests.delete(f"{self.server}/sandbox/faults", timeout=10).raise_for_status()

    def counts(self) -> Any:
        return requests.get(f"{self.server}/sandbox/counts", timeout=10).json()

    def all_renewed(self) -> bool:
        """Whether all sockets are back as new ones; not while the sandbox is away."""
        with suppress(requests.ConnectionError):
            return bool(self.counts()["sockets_renewed"] >= USERS)
        return False

    def posts(self) -> int:
        """How many were stored since the run began."""
        return int(self.counts()["posts"]) - self.posts_before

    def done(self, what: str) -> int:
        """To how many events the sandbox did that."""
        number: int = self.counts()["event_faults"].get(what, 0)
        return number

    def wait_until_done(self, **wanted: int) -> None:
        """Wait until the sandbox has done so much of each."""
        wait_for(lambda: all(self.done(what) >= number for what, number in wanted.items()))

    def silence(self) -> None:
        """No post is stored from now on; what was is delivered or overdue when this returns."""
        self.fault(route="POST /api/v4/posts", status=503)
        before = -1
        while before != (before := self.posts()):
            time.sleep(DRAIN_SECONDS + 0.5)

    def go_on(self) -> None:
        """Let them talk for some seconds more: who leaves at once after a loss can't know of it."""
        posts = self.posts()
        wait_for(lambda: self.posts() >= posts + USERS * 3)


@dataclass(frozen=True)
class Told:
    """What a run left: the report as `mmload report --json` gives it, the posts that were lost, what was done."""

    report: dict[str, Any]
    losses: list[dict[str, Any]] = field(default_factory=list)
    notes: str = ""
    posts: int = 0
    injected: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0

    @property
    def delivery(self) -> dict[str, Any]:
        """The account of messages."""
        account: dict[str, Any] = self.report["delivery"]
        return account

    @property
    def closes(self) -> bool:
        """Whether each delivery ended in one of the three ways, and each missing one has a reason and a name."""
        said = self.delivery
        named = sum(sum(loss["missing"].values()) for loss in self.losses)
        ends = said["delivered"] + said["missing"] + said["withdrawn"]
        return bool(said["expected"] == ends and said["missing"] == sum(said["reasons"].values()) == named)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)


def clean_environ() -> dict[str, str]:
    """Nothing of the caller's configuration."""
    return {name: value for name, value in environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}


@contextmanager
def started(server: str, folder: Path, options: Sequence[str], settings: Mapping[str, str]) -> Iterator[Any]:
    """The process of a run of talkers; ended by us, in order, when the block is left."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "locust", "-f", str(TALKERS), "--headless", "--only-summary"),
            *("-u", str(USERS), "-r", "5", "--host", server, "--stop-timeout", "10", *options),
        ],
        cwd=folder,
        env={**clean_environ(), **ALWAYS_IN_FRONT, **settings},
        stdin=subprocess.DEVNULL,
        stdout=(folder / "out").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            killpg(process.pid, 9)


@contextmanager
def talking(server: str, folder: Path, *options: str, **settings: str) -> Iterator[SandboxTalk]:
    """A run of talkers on a sandbox, who have settled."""
    assert mmload(folder, "init", "--server", server).returncode == 0
    posts = requests.get(f"{server}/sandbox/counts", timeout=10).json()["posts"]
    with started(server, folder, options, settings) as process:
        talk = SandboxTalk(server, folder, process, posts)
        talk.wait_until_settled()
        yield talk


def told(folder: Path, posts: int = 0, injected: dict[str, int] | None = None, acknowledged: int = 0) -> Told:
    """What the run in this folder left."""
    [run] = folder.glob("runs/*")
    report = json.loads(mmload(folder, "report", str(run), "--json").stdout)
    losses = json.loads((run / "totals.json").read_text())["whole"].get("losses", [])
    return Told(report, losses, (run / "notes.jsonl").read_text(), posts, injected or {}, acknowledged)
