"""What the tests of deployments share: machines, a server on one of them, and desks at which commands are typed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mmload.signals import child_setup
from tests.deploy.machines import PATIENCE_SECONDS, MachineNetwork, NetworkMachine, machine_network
from tests.run import processes
from tests.run.processes import Ended

HOSTS = ("load1", "load2", "load3")
SERVER = "server"


@dataclass
class Desk:
    """A folder in which commands are typed, and the machines that can be reached from it."""

    folder: Path
    network: MachineNetwork
    cache: Path
    state: Path
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def __getitem__(self, name: str) -> NetworkMachine:
        return self.network.machines[name]

    @property
    def hosts(self) -> list[NetworkMachine]:
        return [self.network.machines[name] for name in HOSTS]

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin a command."""
        cache = {"XDG_CACHE_HOME": str(self.cache)}
        self.begun.append(processes.start(["-m", "mmload", *arguments], self.folder, **cache, **more))
        return self.begun[-1]

    def begin(self, part: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin a part of `mmload deploy`."""
        return self.start("deploy", part, "--state", str(self.state), *arguments, **more)

    def deploy(self, part: str, *arguments: str, **more: str) -> Ended:
        """A part of `mmload deploy`, until its end."""
        return processes.end(self.begin(part, *arguments, **more))

    def up(self, *options: str, hosts: tuple[str, ...] = HOSTS, workers: str = "1", **more: str) -> Ended:
        """Set up these machines."""
        config = str(self.folder / "ssh_config")
        given = ("--hosts", ",".join(hosts), "--workers", workers, "--ssh-config", config)
        return self.deploy("up", *given, *options, **more)


def wait_until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"it did not come to this: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def wheels_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels are made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MachineNetwork]:
    """Three machines for load, and one for the server."""
    with machine_network(tmp_path_factory.mktemp("machines")) as made:
        for name in (*HOSTS, SERVER):
            made.add(name)
        yield made


@pytest.fixture
def desk(tmp_path: Path, wheels_cache: Path, network: MachineNetwork) -> Iterator[Desk]:
    """A desk of one's own; machines that have nothing of ours, neither before nor after."""
    network.write_config(tmp_path)
    with network.at_the_desk():
        made = Desk(tmp_path, network, wheels_cache, tmp_path / "mmload-deploy.json")
        yield made
    # A test that failed may have left one behind, even a stopped one.
    for process in made.begun:
        process.kill()
        process.wait(PATIENCE_SECONDS)
    for name in HOSTS:
        network.mend(name)
        network.machines[name].empty()


@pytest.fixture
def server(network: MachineNetwork) -> Iterator[str]:
    """The address of a sandbox on the server's machine."""
    machine = network.machines[SERVER]
    process = subprocess.Popen(
        (
            *("nsenter", f"--net=/proc/{machine.pid}/ns/net"),
            *(sys.executable, "-m", "mmload.sandbox", "--host", machine.address, "--port", "0"),
        ),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=child_setup(),
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith(f"http://{machine.address}:"), f"the sandbox did not start: {address!r}"
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
