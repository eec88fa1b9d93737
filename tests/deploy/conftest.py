"""What the tests of deployments share: a desk, machines, and commands typed at the desk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.hosts import PATIENCE_SECONDS, Network, network
from tests.run import processes
from tests.run.processes import Ended


@dataclass
class Desk:
    """A folder in which commands are typed, and the machines that can be reached from it."""

    folder: Path
    network: Network
    cache: Path

    @property
    def state(self) -> Path:
        return self.folder / "mmload-deploy.json"

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return processes.start(["-m", "mmload", *arguments], self.folder, XDG_CACHE_HOME=str(self.cache), **more)

    def type(self, *arguments: str, **more: str) -> Ended:
        """A command, until its end."""
        return processes.end(self.start(*arguments, **more))

    def up(self, *options: str) -> Ended:
        """Set up all machines there are, with one worker each unless something else is said."""
        hosts = ",".join(self.network.machines)
        given = ("--workers", "1", "--ssh-config", str(self.network.config), *options)
        return self.type("deploy", "up", "--hosts", hosts, *given)


def wait_until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"it did not come to this: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def wheels_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels are made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(tmp_path: Path, wheels_cache: Path) -> Iterator[Desk]:
    """A desk of one's own; machines are added by the test."""
    with network(tmp_path / "network") as machines:
        folder = tmp_path / "desk"
        folder.mkdir()
        yield Desk(folder, machines, wheels_cache)
