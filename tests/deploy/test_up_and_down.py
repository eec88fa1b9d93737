"""`mmload deploy up`, `status`, `logs`, `shell` and `down` on machines of their own: what is there afterwards, and what
is said.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.deploy.conftest import Desk, wait_until
from tests.deploy.machines import HOME, HOME_BYTES, NetworkMachine, key_of
from tests.run.processes import end, environ

DEPLOYED = ("load1", "load2")


def folders(machine: NetworkMachine) -> list[Path]:
    return sorted(machine.home.glob(".mmload-deploy-*"))


def typed_in_the_shell(desk: Desk, host: str, lines: str) -> list[str]:
    """What `mmload deploy shell` answers."""
    command = [sys.executable, "-m", "mmload", "deploy", "shell", host]
    done = subprocess.run(
        command, cwd=desk.folder, env=environ(desk.folder), input=lines, capture_output=True, text=True, timeout=180
    )
    return done.stdout.split()


def test_hosts_are_set_up_once_and_left_as_they_were(desk: Desk, server: str) -> None:
    """Up, up again with other options, status, logs, a shell, down, down again."""
    first = desk.up("--server", server, hosts=DEPLOYED)
    [environment] = folders(desk["load1"])[0].glob("env-*")
    made = environment.stat()
    second = desk.deploy("up", "--workers", "3")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "load1: mmload" in first.out and "load2: mmload" in first.out and "ms to the server" in first.out
    assert "2 workers on 2 hosts" in first.err
    assert "6 workers on 2 hosts" in second.err and "copying" not in second.err
    again = environment.stat()
    assert (again.st_ino, again.st_mtime) == (made.st_ino, made.st_mtime), "it was made anew"
    status = desk.deploy("status", "--json")
    assert status.code == 0, status.err
    assert [(row["host"], row["workers"], row["ready"], row["processes"]) for row in json.loads(status.out)] == [
        ("load1", 3, True, 0),
        ("load2", 3, True, 0),
    ]
    assert "(no run yet)" in desk.deploy("logs", "load1").out
    assert typed_in_the_shell(desk, "load2", "pwd; hostname\n") == [f"{HOME}/{folders(desk['load2'])[0].name}", "load2"]

    down = desk.deploy("down")

    assert down.code == 0, down.err
    assert "load1: folder removed, nothing left" in down.out
    assert [list(each.home.iterdir()) for each in desk.hosts] == [[], [], []]
    assert not desk.state.exists()
    assert desk.deploy("down").code == 0
    assert desk.deploy("status").code == 2


def test_a_host_that_lets_nobody_in_is_told_and_the_others_are_set_up(desk: Desk, tmp_path: Path) -> None:
    """An unknown host key is never accepted, nor another than before; what to do is told for each."""
    known = tmp_path / "known_hosts"
    _, *others = known.read_text().splitlines(keepends=True)
    other = key_of(tmp_path / "other")
    others[0] = f"{desk['load2'].address} {other.with_suffix('.pub').read_text()}"
    known.write_text("".join(others))

    desk["load3"].let_in(other.with_suffix(".pub"))
    up = desk.up()
    desk["load3"].let_in(desk.network.key.with_suffix(".pub"))

    assert up.code == 4
    assert (
        f"load1: its host key is not known here: connect once by hand (`ssh -F {tmp_path}/ssh_config load1`)" in up.err
    )
    assert "load2: its host key has changed" in up.err
    assert (
        f"load3: it accepts none of your keys: `ssh -F {tmp_path}/ssh_config load3` must connect without a prompt"
        in up.err
    )
    assert "mmload deploy down --hosts NAME" in up.err
    assert known.read_text() == "".join(others), "a key was accepted"
    desk["load3"].kill_sshd()
    desk.network.write_config(tmp_path)

    again = desk.up()

    assert again.code == 4 and "load3: connection refused: no sshd is listening there" in again.err
    assert "load1: mmload" in again.out and folders(desk["load1"])
    refused = desk.deploy("run", "--", "run", "--users", "2", "--server", "http://127.0.0.1:9")
    assert refused.code == 2 and "load3: not set up" in refused.err
    desk["load2"].kill_sshd()
    down = desk.deploy("down")
    assert down.code == 4 and folders(desk["load1"]) == [] and "load3: nothing was copied there" in down.out
    assert (
        "load2: connection refused: no sshd is listening there" in down.err
        and "`mmload deploy down --forget`" in down.err
    )
    assert [host["name"] for host in json.loads(desk.state.read_text())["hosts"]] == ["load2"]
    forgotten = desk.deploy("down", "--forget")
    assert forgotten.code == 0 and f"~/{folders(desk['load2'])[0].name} may still be there" in forgotten.err
    assert not desk.state.exists()


def test_what_a_host_lacks_is_told(desk: Desk) -> None:
    """A clock that is off, another machine for which there are no packages, a tunnel that is forbidden, no Python."""
    [packages] = desk["load1"].run("python3", "-c", "import site; print(site.getsitepackages()[0])").stdout.split()
    clock = desk["load1"].path(f"{packages}/clock.pth")
    clock.parent.mkdir(parents=True, exist_ok=True)
    clock.write_text("import time; time.time = (lambda real: lambda: real() + 300)(time.time)\n")
    desk["load2"].kill_sshd()
    desk["load2"].start_sshd(before=("setarch", "linux32"))
    desk["load3"].kill_sshd()
    desk["load3"].start_sshd("AllowTcpForwarding no")

    up = desk.up(PIP_NO_INDEX="1")
    clock.unlink()

    assert up.code == 4
    assert "load1: its clock is 300 s ahead of this machine's: set it" in up.err
    assert "load2: no wheels for Python 3." in up.err and "on i686" in up.err
    assert "load3: its sshd forbids the tunnel for the workers: AllowTcpForwarding" in up.err
    assert desk.up("--python", "/usr/bin/false", hosts=DEPLOYED).err.count("it has no Python 3.11 or newer") == 2
    assert [folders(each) for each in desk.hosts] == [[], [], []]


def test_wherever_up_is_held_up_it_goes_on_and_down_finds_what_was_begun(desk: Desk) -> None:
    """A disk that gets full there, `down` in the middle of it, Ctrl-C."""
    machine = desk["load1"]
    up = begin_to_copy(desk)
    disk = os.statvfs(machine.home)
    # What is on the way there still fits; the environment does not.
    few = (disk.f_blocks - disk.f_bfree) * disk.f_frsize + (4 << 20)
    machine.run("mount", "-o", f"remount,size={few}", HOME)
    up.send_signal(signal.SIGCONT)
    full = end(up)
    machine.run("mount", "-o", f"remount,size={HOME_BYTES}", HOME)
    assert full.code == 4 and "load1: " in full.err and "No space left on device" in full.err, full.err
    assert "fix this and run `mmload deploy up` again" in full.err

    up = begin_to_copy(desk)
    refused = desk.deploy("down")
    up.send_signal(signal.SIGCONT)
    up.send_signal(signal.SIGINT)
    interrupted = end(up)

    assert refused.code == 2 and "another mmload deploy is using" in refused.err
    assert interrupted.code == 130 and "Traceback" not in interrupted.err, interrupted.err
    down = desk.deploy("down")
    assert down.code == 0, down.err
    assert list(machine.home.iterdir()) == [] and machine.processes() == []


def begin_to_copy(desk: Desk) -> subprocess.Popen[str]:
    """An `up` of one host that was stopped when it had begun to copy; whatever an earlier one had copied is gone."""
    config = str(desk.folder / "ssh_config")
    for wheel in desk["load1"].home.glob("*/wheels/*"):
        wheel.unlink()
    up = desk.begin("up", "--hosts", "load1", "--workers", "1", "--ssh-config", config)
    wait_until(lambda: up.poll() is not None or set(desk["load1"].home.glob("*/wheels/*")), "packages are copied")
    assert up.poll() is None, "it ended before it could be stopped"
    up.send_signal(signal.SIGSTOP)
    return up
