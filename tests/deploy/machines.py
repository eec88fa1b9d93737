"""Machines to deploy to: Linux namespaces on this one, each with its own network, files, processes and `sshd`.

A machine sees the programs of this one (`/usr`, `/etc` and `/var`, of which it writes copies of its own) and nothing
else: its home folders, `/tmp`, `/run` and process numbers are its own. All of it is gone with the process that holds
it, and that with the tests. A desk is a network of its own, joined to all machines by a bridge.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from mmload.signals import child_setup

PATIENCE_SECONDS = 180
USER = "load"
HOME = f"/home/{USER}"
HOME_BYTES = 1 << 30
_PROGRAMS = ("sshd", "ssh", "ssh-keygen", "ip", "unshare", "nsenter", "mount", "pivot_root", "pkill")
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:" + os.environ.get("PATH", "")
_CLONE_NEWNET = 0x40000000
_NETWORK = "10.77.0"
_WAITS = ["sleep", "infinity"]
# $1: an empty folder, $2: the machine's name. What comes after the first line is process 1: it reaps.
_BOOT = f"""set -e
hostname "$2"; ip link set lo up
mount -t tmpfs -o mode=755 machine "$1"; cd "$1"
mkdir -p dev/pts dev/shm proc home run/sshd tmp root mnt old
for part in usr etc var; do
  mkdir -p "$part" ".own/$part/files" ".own/$part/work"
  mount -t overlay -o "lowerdir=/$part,upperdir=$1/.own/$part/files,workdir=$1/.own/$part/work" "$part" "$part"
done
for part in bin sbin lib lib32 lib64; do [ -L "/$part" ] && cp -P "/$part" . || true; done
mknod dev/null c 1 3; mknod dev/zero c 1 5; mknod dev/full c 1 7; mknod dev/random c 1 8; mknod dev/urandom c 1 9
mknod dev/tty c 5 0; chmod 666 dev/*l dev/zero dev/*random dev/tty; chmod 1777 tmp dev/shm; chmod 700 root
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t proc proc proc
mkdir home/{USER}
mount -t tmpfs -o size={HOME_BYTES},mode=700,uid=7777,gid=7777 home home/{USER}
pivot_root . old; cd /; umount -l /old; rmdir /old
echo '{USER}:x:7777:7777::{HOME}:/bin/bash' >> /etc/passwd; echo '{USER}:x:7777:' >> /etc/group
echo '{USER}:*:20000:0:99999:7:::' >> /etc/shadow; sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
grep -q ^sshd: /etc/passwd || echo 'sshd:x:7778:65534::/run/sshd:/usr/sbin/nologin' >> /etc/passwd
printf '127.0.0.1 localhost %s\\n' "$2" > /etc/hosts
echo ready
while :; do {" ".join(_WAITS)} & wait; done
"""


def key_of(path: Path) -> Path:
    """A new key; its public half is in the file beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


class NetworkMachine:
    """One of them. `process` holds its namespaces, `pid` is its process 1."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.address, self._folder = name, f"{_NETWORK}.{number}", folder
        (folder / "root").mkdir(parents=True)
        self._said = (folder / "said").open("w+")
        self.process = subprocess.Popen(
            (
                *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"),
                *("sh", "-c", _BOOT, "machine", str(folder / "root"), name),
            ),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            env={"PATH": _PATH},
            preexec_fn=child_setup(),
        )
        self._await(lambda: "ready" in self.said(), "the machine is there")
        [first] = psutil.Process(self.process.pid).children()
        self.pid = first.pid

    def said(self) -> str:
        return (self._folder / "said").read_text()

    @property
    def home(self) -> Path:
        """Its user's home folder, as seen from here."""
        return self.path(HOME)

    def path(self, there: str) -> Path:
        """One of its files, as seen from here."""
        return Path(f"/proc/{self.pid}/root{there}")

    def run(self, *command: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command there, by root."""
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), "--all", "--wdns=/", *command],
            input=given,
            capture_output=True,
            text=True,
            check=check,
            timeout=PATIENCE_SECONDS,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
        )

    def processes(self) -> list[list[str]]:
        """The command lines of all that runs there, but for its process 1 and sshd."""
        found = []
        for entry in self.path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = os.fsdecode((entry / "cmdline").read_bytes()).split("\0")[:-1]
                if line and entry.name != "1" and line != _WAITS and "sshd" not in line[0]:
                    found.append(line)
        return found

    def start_sshd(self, *options: str, before: tuple[str, ...] = ()) -> None:
        """Its sshd, with these options; `before` is what it is started by, such as `setarch`."""
        lines = [
            "HostKey /etc/ssh/machine_key",
            "AuthorizedKeysFile /etc/ssh/machine_keys",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "PidFile /run/sshd.pid",
            *options,
        ]
        self.path("/etc/ssh/machine_config").write_text("\n".join(lines) + "\n")
        self.run(*before, "/usr/sbin/sshd", "-E", "/run/sshd.log", "-f", "/etc/ssh/machine_config")
        self._await(lambda: "Server listening" in self.path("/run/sshd.log").read_text(), "sshd listens")

    def kill_sshd(self) -> None:
        """Its sshd and all connections are gone; what runs there has to end by itself."""
        self._end_sshd("pkill", "-KILL", "sshd")

    def let_in(self, public_key: Path) -> None:
        """Whoever has this key gets in; other keys no more."""
        self.path("/etc/ssh/machine_keys").write_text(public_key.read_text())

    def empty(self) -> None:
        """Nothing runs there, and the home folder is empty; its sshd is a new one."""
        self._end_sshd("sh", "-c", "kill -KILL -1")
        for left in self.home.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.start_sshd()

    def _end_sshd(self, *killing: str) -> None:
        """By this command; when this returns, another one can take its port."""
        self.run(*killing, check=False)
        self._await(lambda: self.run("pgrep", "sshd", check=False).returncode, "its sshd is gone")
        self.path("/run/sshd.log").unlink(missing_ok=True)

    def _await(self, true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"it did not come to this: {what}: {self.said()}"
            time.sleep(0.02)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()


class MachineNetwork:
    """Machines, and a desk that reaches them. `config` is how ssh knows them there."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.machines: dict[str, NetworkMachine] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.key = key_of(folder / "key")
        self._desk = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=child_setup())
        stack.callback(self._desk.wait)
        stack.callback(self._desk.kill)
        own = os.stat("/proc/self/ns/net").st_ino
        while os.stat(self._space).st_ino == own:
            time.sleep(0.01)
        for line in (
            "link set lo up",
            "link add machines type bridge",
            f"addr add {_NETWORK}.1/24 dev machines",
            "link set machines up",
        ):
            self._ip(line)

    @property
    def _space(self) -> str:
        return f"/proc/{self._desk.pid}/ns/net"

    def _ip(self, line: str) -> None:
        subprocess.run(
            ["nsenter", f"--net={self._space}", "ip", *line.split()], check=True, env=os.environ | {"PATH": _PATH}
        )

    def add(self, name: str) -> NetworkMachine:
        """Another machine, with a running sshd that lets us in and whose key is known."""
        number = 11 + len(self.machines)
        machine = self.machines[name] = NetworkMachine(name, number, self.folder / name)
        self._stack.callback(machine.end)
        self._ip(f"link add {name} type veth peer name eth0 netns {machine.pid}")
        self._ip(f"link set {name} master machines up")
        machine.run("ip", "addr", "add", f"{machine.address}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        host_key = key_of(self.folder / name / "host_key")
        machine.path("/etc/ssh").mkdir(exist_ok=True)
        machine.path("/etc/ssh/machine_key").write_text(host_key.read_text())
        machine.path("/etc/ssh/machine_key").chmod(0o600)
        machine.let_in(self.key.with_suffix(".pub"))
        machine.start_sshd()
        return machine

    def cut(self, name: str) -> None:
        """Its cable is pulled."""
        self._ip(f"link set {name} down")

    def mend(self, name: str) -> None:
        self._ip(f"link set {name} up")

    def write_config(self, folder: Path, user: str = USER) -> Path:
        """The configuration of ssh, and the keys of the machines, for a desk of a test's own."""
        known = [
            f"{each.address} {(self.folder / each.name / 'host_key.pub').read_text()}"
            for each in self.machines.values()
        ]
        (folder / "known_hosts").write_text("".join(known))
        entries = [
            f"Host {each.name}\n  HostName {each.address}\n  User {user}\n  IdentityFile {self.key}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder / 'known_hosts'}\n"
            "  GlobalKnownHostsFile /dev/null\n"
            for each in self.machines.values()
        ]
        (folder / "ssh_config").write_text("".join(entries))
        return folder / "ssh_config"

    @contextmanager
    def at_the_desk(self) -> Iterator[None]:
        """This thread, and the processes that it starts, are in the network of the desk."""
        with open("/proc/thread-self/ns/net") as before, open(self._space) as desk:
            _enter(desk.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def skip_without_machines() -> None:
    """Skips the test where there can be none, with the reason."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("machines of one's own (network namespaces) need root, on Linux")
    if missing := [each for each in _PROGRAMS if shutil.which(each, path=_PATH) is None]:
        pytest.skip(f"{', '.join(missing)}: not installed (make system-packages)")
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"machines of one's own (network namespaces) are not allowed here: {tried.stderr.strip()}")


@contextmanager
def machine_network(folder: Path) -> Iterator[MachineNetwork]:
    """A desk's network, without machines yet; in the end nothing of it is left."""
    skip_without_machines()
    with ExitStack() as stack:
        yield MachineNetwork(folder, stack)
