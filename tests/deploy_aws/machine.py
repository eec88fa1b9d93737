"""A machine that stands in for an instance: its user data is carried out for real, in a root folder of its own.

Programs are this machine's (`/usr` is the same); what would reach outside (packages, AWS, services) is played.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port

PATIENCE_SECONDS = 180
# What the scripts find there is this machine's own; all else is new.
FOLDERS = (
    "dev etc/alternatives etc/default etc/grafana etc/security/limits.d etc/ssh etc/sysctl.d etc/systemd/system "
    "home/admin/.ssh opt proc run/sshd sbin-of-its-own tmp usr var/cache/nginx var/lib/nginx var/log/nginx var/www"
).split()
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
# Each notes that it was called; what it says is in the folder `answers` by its arguments.
STUB = """
    #!/bin/bash
    printf '%s\\n' "${0##*/} $*" >>/stubs/called
    file=/stubs/answers/$(printf '%s' "${0##*/} $*" | sha256sum | cut -c1-32)
    if [ -e "$file" ]; then cat "$file"; fi
"""
STUBS = "apt-get aws curl docker shutdown sysctl systemctl useradd".split()


@dataclass
class Instance:
    """One of them. `says` is what a stub answers to its arguments."""

    root: Path
    says: Mapping[str, str] = field(default_factory=dict)
    sshd: subprocess.Popen[bytes] | None = None
    port: int = 0

    def boot(self, user_data: str) -> subprocess.CompletedProcess[str]:
        """Carry out the user data."""
        self.prepare()
        (self.root / "user-data").write_text(user_data)
        return self.run("/bin/bash", "/user-data")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._inside(*command), capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def called(self) -> list[str]:
        """What was asked of the world outside."""
        path = self.root / "stubs" / "called"
        return path.read_text().splitlines() if path.exists() else []

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def prepare(self) -> None:
        """A new machine, once."""
        if not self.root.exists():
            self._lay_out()

    def answer(self, call: str, said: str | bytes) -> None:
        """What a stub says from now on, when it is called so."""
        name = hashlib.sha256(call.encode()).hexdigest()[:32]
        (self.root / "stubs" / "answers" / name).write_bytes(said.encode() if isinstance(said, str) else said)

    def serve_ssh(self, public_key: str) -> None:
        """Its sshd, which lets the key in as AWS does."""
        (self.root / "home/admin/.ssh/authorized_keys").write_text(public_key + "\n")
        self.port = free_port()
        options = (
            f"Port={self.port}",
            "ListenAddress=127.0.0.1",
            "UsePAM=no",
            "StrictModes=no",
            "SetEnv=HOME=/home/admin",
        )
        command = [
            "/usr/sbin/sshd",
            "-D",
            "-e",
            "-f",
            "/dev/null",
            *(part for each in options for part in ("-o", each)),
        ]
        log = self.root / "sshd.log"
        with log.open("wb") as written:
            self.sshd = subprocess.Popen(self._inside(*command), stderr=written)

    def end(self) -> None:
        """Nothing of it runs on: its processes are those of a PID namespace."""
        if self.sshd is not None:
            self.sshd.kill()
            self.sshd.wait()

    def _lay_out(self) -> None:
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name, pointed_to in LINKS.items():
            (self.root / name).symlink_to(pointed_to)
        (self.root / "tmp").chmod(0o1777)
        (self.root / "etc/passwd").write_text(
            "root:x:0:0::/root:/bin/bash\nadmin:x:0:0::/home/admin:/bin/bash\nsshd:x:100:65534::/run/sshd:/bin/false\n"
            "www-data:x:33:33::/var/www:/bin/false\nmattermost:x:999:999::/opt/mattermost:/bin/false\n"
        )
        (self.root / "etc/group").write_text("root:x:0:\nwww-data:x:33:\nmattermost:x:999:\n")
        for name in ("nginx", "ssl", "ld.so.cache", "nsswitch.conf", "prometheus"):
            source, target = Path("/etc", name), Path(self.root, "etc", name)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("private"))
            elif source.exists():
                shutil.copy(source, target)
        for each in (self.root / "etc/nginx/modules-enabled").glob("*"):
            each.unlink()
        (self.root / "etc/prometheus").mkdir(exist_ok=True)
        (self.root / "stubs/answers").mkdir(parents=True)
        for program in STUBS:
            stub = self.root / "stubs" / program
            stub.write_text(textwrap.dedent(STUB).lstrip())
            stub.chmod(0o755)
        for call, said in self.says.items():
            self.answer(call, said)

    def _inside(self, *command: str) -> list[str]:
        """Its own view of the file system; at the end of its first process all are ended."""
        mounts = (
            'for name in usr dev etc/alternatives; do mount --rbind "/$name" "$0/$name"; done; '
            # Nothing is written into what is this machine's own.
            'mount --bind "$0/sbin-of-its-own" "$0/usr/local/sbin" && mount -o remount,ro,bind "$0/usr" && '
            'mount -t proc proc "$0/proc"; exec chroot "$0" env -i '
            'PATH=/stubs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 "$@"'
        )
        own = () if os.getuid() == 0 else ("--map-root-user",)
        spaces = ("--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
        return ["unshare", *own, *spaces, "sh", "-c", mounts, str(self.root), *command]


def needed() -> None:
    """Skip where such a machine can't be had."""
    if os.getuid() != 0:
        pytest.skip("a root folder of its own for a machine needs root")
    for program in ("unshare", "nginx", "promtool", "sshd", "jq"):
        if shutil.which(program, path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", "")) is None:
            pytest.skip(f"the program {program} is not installed")
