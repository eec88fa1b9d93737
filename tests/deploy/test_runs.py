"""`mmload deploy run` on real sshds: a run, a host that is lost, a desk that is gone."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from mmload.results.folder import read_notes, read_run
from tests.deploy.conftest import Desk, wait_until
from tests.deploy.hosts import Machine
from tests.run.processes import end, the_folder, wait_for_seconds
from tests.run.test_several_processes import wait_for_a_note, wait_for_sockets

SECRET = "Pl3ase-not-on-a-command-line!"
BUSY = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "500"}
USERS = 6


@pytest.fixture
def ready(desk: Desk, fresh_sandbox: str) -> Desk:
    """Two machines that are set up, with a worker each, and a server with accounts."""
    for name in ("load1", "load2"):
        desk.network.add(name)
    up = desk.up("--server", fresh_sandbox)
    assert up.code == 0, up.err
    password = {"MMLOAD_USERSCONFIGURATION_PASSWORD": SECRET}
    assert desk.type("init", "--server", fresh_sandbox, "--users", str(USERS), **password).code == 0
    return desk


def begin(desk: Desk, server: str, *options: str) -> subprocess.Popen[str]:
    """A long run, with a password of its own; it is on record, and everybody is in."""
    given = ("--server", server, "--users", str(USERS), "--run-time", "10m", *options)
    secret = {"MMLOAD_USERSCONFIGURATION_PASSWORD": SECRET}
    process = desk.start("deploy", "run", "--", "run", *given, **BUSY, **secret)
    wait_for_sockets(server, USERS)
    wait_for_seconds(desk.folder, 2)
    return process


def machines(desk: Desk) -> tuple[Machine, Machine]:
    return desk.network.machines["load1"], desk.network.machines["load2"]


def test_a_run_on_two_hosts_is_one_run_at_the_desk_and_leaves_nothing(ready: Desk, fresh_sandbox: str) -> None:
    """With the documents and the password of the desk, which are on no command line and on no disk there."""
    (ready.folder / "config").mkdir()
    (ready.folder / "config" / "config.toml").write_text("[UsersConfiguration]\nMaxActiveUsers = 77\n")
    process = begin(ready, fresh_sandbox)
    running = {each.name: each.processes() for each in machines(ready)}
    lines = [part for found in running.values() for each in found for part in each.cmdline()]
    on_disk = [
        path
        for machine in machines(ready)
        for path in machine.home.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]

    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert ended.code == 130, ended.err
    assert all(running.values()), "no worker ran on one of them"
    assert not any(SECRET in line for line in lines) and on_disk == []
    run = read_run(the_folder(ready.folder))
    assert run.facts.workers == 2
    assert "on load1" in ended.out and "on load2" in ended.out
    assert f"{USERS} logged out" in ended.out
    assert [each.processes() for each in machines(ready)] == [[], []]
    assert ready.type("deploy", "down").code == 0
    assert [list(each.home.iterdir()) for each in machines(ready)] == [[], []]


def test_the_users_of_a_host_that_dies_are_taken_up_by_the_others(ready: Desk, fresh_sandbox: str) -> None:
    """Both the run's own record and the desk say which host it was."""
    process = begin(ready, fresh_sandbox)
    _, dying = machines(ready)
    dying.lose_sshd()
    wait_for_a_note(ready.folder, "was lost")
    wait_until(lambda: dying.processes() == [], "the workers of the lost host ended by themselves")
    wait_for_sockets(fresh_sandbox, USERS)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert "load2: the host is lost: " in ended.err and "the others take up its users" in ended.err
    notes = [note.text for note in read_notes(the_folder(ready.folder))]
    assert any("on load2 was lost" in note for note in notes), notes


def test_workers_end_by_themselves_when_the_cable_is_pulled(ready: Desk, fresh_sandbox: str) -> None:
    """Nothing comes through, and nobody says so: neither connection is closed."""
    process = begin(ready, fresh_sandbox)
    _, cut = machines(ready)
    cut.freeze()
    wait_until(lambda: cut.processes() == [], "the workers ended by themselves")
    wait_for_a_note(ready.folder, "on load2 was lost")
    wait_for_sockets(fresh_sandbox, USERS)
    process.send_signal(signal.SIGINT)

    ended = end(process)

    assert "load2: the host is lost: " in ended.err
    down = ready.type("deploy", "down", "--hosts", "load1")
    assert down.code == 0 and "load1: its folder is removed" in down.out, down.err


def test_a_desk_that_is_gone_leaves_no_worker(ready: Desk, fresh_sandbox: str) -> None:
    """Killed outright, it can tell nobody."""
    process = begin(ready, fresh_sandbox)
    os.kill(process.pid, signal.SIGKILL)
    end(process)

    wait_until(lambda: [each.processes() for each in machines(ready)] == [[], []], "all workers ended by themselves")
    down = ready.type("deploy", "down")
    assert down.code == 0, down.err
