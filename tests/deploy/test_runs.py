"""`mmload deploy run` on machines of their own: a run, what is lost in it, and what is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.deploy.conftest import Desk, wait_until
from tests.run.processes import end, wait_for_seconds
from tests.run.test_several_processes import wait_for_a_note, wait_for_sockets

SECRET = "Pl3ase-not-on-a-command-line!"
PASSWORD = {"MMLOAD_USERSCONFIGURATION_PASSWORD": SECRET}
USERS = 60


def lines_of(desk: Desk) -> list[str]:
    """All command lines there."""
    return [part for machine in desk.hosts for each in machine.processes() for part in each.cmdline()]


def files_of(desk: Desk) -> list[Path]:
    """All files there that have the password in them."""
    found = []
    for machine in desk.hosts:
        for folder in (machine.home, machine.path("/tmp"), machine.path("/dev/shm")):
            found += [each for each in folder.rglob("*") if each.is_file() and SECRET.encode() in each.read_bytes()]
    return found


def test_a_run_goes_on_without_the_machines_it_loses_and_leaves_nothing(desk: Desk, server: str) -> None:
    """One cable is pulled, one sshd killed, and in the end the desk: then nobody is left who could tell anybody."""
    assert desk.up("--server", server, workers="2").code == 0
    assert desk.start("init", "--server", server, "--users", str(USERS), **PASSWORD).wait(180) == 0
    run = ("--", "run", "--server", server, "--users", str(USERS), "--run-time", "10m")
    process = desk.begin("run", *run, **PASSWORD)
    wait_for_sockets(server, USERS)
    wait_for_seconds(desk.folder, 2)
    assert all(len(each.processes()) >= 2 for each in desk.hosts), "workers run on each of them"
    assert not any(SECRET in line for line in lines_of(desk)) and files_of(desk) == []

    desk.network.cut("load3")
    wait_until(lambda: desk["load3"].processes() == [], "the workers behind the cut ended by themselves")
    wait_for_a_note(desk.folder, "on load3 was lost")
    wait_for_sockets(server, USERS)
    desk["load2"].kill_sshd()
    wait_until(lambda: desk["load2"].processes() == [], "the workers of the lost host ended by themselves")
    wait_for_a_note(desk.folder, "on load2 was lost")
    wait_for_sockets(server, USERS)
    os.kill(process.pid, signal.SIGKILL)
    told = end(process).err

    assert "load3: the host is lost: " in told and "load2: the host is lost: " in told, told
    wait_until(lambda: desk["load1"].processes() == [], "the last workers ended by themselves")
    first = desk.deploy("down")
    assert first.code == 4 and "load1: its folder is removed, nothing is left there" in first.out
    desk.network.mend("load3")
    desk["load2"].start_sshd()
    assert desk.deploy("down").code == 0
    assert [list(each.home.iterdir()) for each in desk.hosts] == [[], [], []]
    assert not desk.state.exists()
