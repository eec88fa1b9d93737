"""Machines to deploy to: real `sshd`s on loopback, each with its own key, port, configuration and home folder."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from mmload.cli.locust_process import free_port

PATIENCE_SECONDS = 180
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


@dataclass
class Machine:
    """One of them."""

    name: str
    port: int
    home: Path
    process: subprocess.Popen[bytes]

    def processes(self) -> list[psutil.Process]:
        """All that was started through it and runs from its home folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                # A worker's own command, or what its sshd started.
                if any(part.startswith(str(self.home)) for part in [*process.cmdline(), process.cwd()]):
                    found.append(process)
        return [each for each in found if each.pid != self.process.pid and "sshd" not in each.name()]

    def sshds(self) -> list[psutil.Process]:
        """Its sshd, and those of its processes that serve a connection each."""
        if self.process.poll() is not None:
            return []
        listening = psutil.Process(self.process.pid)
        return [*(each for each in listening.children(recursive=True) if "sshd" in each.name()), listening]

    def freeze(self) -> None:
        """As if its cable were pulled: nothing comes through, in either direction; what runs there runs on."""
        for each in self.sshds():
            each.send_signal(signal.SIGSTOP)

    def lose_sshd(self) -> None:
        """Its connections are gone; what runs there has to end by itself."""
        for each in self.sshds():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()

    def end(self) -> None:
        self.lose_sshd()
        for each in self.processes():
            with suppress(psutil.NoSuchProcess):
                each.kill()


@dataclass
class Network:
    """Some machines, and the configuration by which ssh knows them."""

    folder: Path
    machines: dict[str, Machine] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    def add(self, name: str, *options: str) -> Machine:
        """A new machine, with these lines in its sshd's configuration."""
        assert SSHD is not None
        folder = self.folder / name
        home = folder / "home"
        home.mkdir(parents=True)
        key_of(folder / "host_key")
        port = free_port()
        lines = [
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder / 'host_key'}",
            f"AuthorizedKeysFile {self.folder / 'key.pub'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"PidFile {folder / 'pid'}",
            f"SetEnv HOME={home}",
            *options,
        ]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n")
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "sshd.log").open("wb")
        )
        machine = self.machines[name] = Machine(name, port, home, process)
        self._wait(machine)
        public = (folder / "host_key.pub").read_text()
        with (self.folder / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{port} {public}")
        with self.config.open("a") as file:
            file.write(self._entry(name, port))
        return machine

    def _entry(self, name: str, port: int) -> str:
        return (
            f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder / 'key'}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n"
        )

    def _wait(self, machine: Machine) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        log = self.folder / machine.name / "sshd.log"
        while "Server listening" not in log.read_text():
            assert machine.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)


def key_of(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """An empty network, with a key that all its machines accept; in the end all of it is ended."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("the program sshd is not installed (openssh-server)")
    if os.getuid() == 0:
        # Where sshd, run by root, changes its root to.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    made = Network(folder)
    folder.mkdir(parents=True, exist_ok=True)
    key_of(folder / "key")
    try:
        yield made
    finally:
        for machine in made.machines.values():
            machine.end()
