"""`mmload deploy run` on machines of their own: a run, what is lost in it, and what is left."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import requests

from mmload.results.folder import read_run
from mmload.results.model import RunEnding
from tests.deploy.conftest import Desk, wait_until
from tests.run.processes import end, last_second, the_folder
from tests.run.test_several_processes import wait_for_a_note, wait_for_sockets
from tests.run.test_storm import IDLE
from tests.support import Admin

SECRET = "Pl3ase-not-on-a-command-line!"
PASSWORD = {"MMLOAD_USERSCONFIGURATION_PASSWORD": SECRET}
USERS = 60


def lines_of(desk: Desk) -> list[str]:
    """All command lines there."""
    return [part for machine in desk.hosts for line in machine.processes() for part in line]


def files_of(desk: Desk) -> list[Path]:
    """All files there that have the password in them; packages are those that were copied."""
    folders = [part for each in desk.hosts for part in (each.home, each.path("/tmp"), each.path("/dev/shm"))]
    files = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
    written = [each for each in files if not {"site-packages", "wheels"} & set(each.parts)]
    assert any(each.name == "workers.log" for each in written)
    return [each for each in written if SECRET.encode() in each.read_bytes()]


def wait_for_users(folder: Path, number: int) -> None:
    """Until so many are active, by the run's own record: the server does not know who is behind a cut."""
    wait_until(lambda: last_second(folder).get("active") == number, f"{number} users are active")


def test_a_run_goes_on_without_the_machines_it_loses_and_leaves_nothing(desk: Desk, server: str) -> None:
    """One cable is pulled, one sshd killed, and in the end the desk: then nobody is left who could tell anybody."""
    assert desk.up("--server", server, workers="2").code == 0
    assert desk.start("init", "--server", server, "--users", str(USERS), **PASSWORD).wait(180) == 0
    run = ("--", "run", "--server", server, "--users", str(USERS), "--run-time", "10m")
    process = desk.begin("run", *run, **PASSWORD)
    wait_for_users(desk.folder, USERS)
    assert all(len(each.processes()) >= 2 for each in desk.hosts), "workers run on each of them"
    assert not any(SECRET in line for line in lines_of(desk)) and files_of(desk) == []

    desk.network.cut("load3")
    wait_until(lambda: desk["load3"].processes() == [], "the workers behind the cut ended by themselves")
    wait_for_a_note(desk.folder, "on load3 was lost")
    wait_for_users(desk.folder, USERS)
    desk["load2"].kill_sshd()
    wait_until(lambda: desk["load2"].processes() == [], "the workers of the lost host ended by themselves")
    wait_for_a_note(desk.folder, "on load2 was lost")
    wait_for_users(desk.folder, USERS)
    os.kill(process.pid, signal.SIGKILL)
    told = end(process).err

    assert "load3: the host was lost: " in told and "load2: the host was lost: " in told, told
    wait_until(lambda: desk["load1"].processes() == [], "the last workers ended by themselves")
    first = desk.deploy("down")
    assert first.code == 4 and "load1: folder removed, nothing left" in first.out
    desk.network.mend("load3")
    desk["load2"].start_sshd()
    assert desk.deploy("down").code == 0
    assert [list(each.home.iterdir()) for each in desk.hosts] == [[], [], []]
    assert not desk.state.exists()


def test_a_storm_and_a_search_run_on_the_hosts_as_a_run_does(desk: Desk, server: str) -> None:
    """With the documents and the users file of the desk, which are on no disk there; Ctrl-C ends it all in order.

    A search waits for workers that come late, and its people are those of `mmload init`: nobody has to sign up.
    """
    assert desk.up("--server", server).code == 0
    admin = Admin(server)
    admin.team()
    people = [f"person-{number}" for number in range(1, 7)]
    (desk.folder / "people.txt").write_text("".join(f"{each}@example.com {SECRET}\n" for each in people))
    file = {"MMLOAD_USERSCONFIGURATION_USERSFILEPATH": "people.txt"}
    (desk.folder / "config").mkdir()
    (desk.folder / "config" / "config.toml").write_text("[UsersConfiguration]\nMaxActiveUsers = 77\n")
    restart = f'{sys.executable} -c \'import urllib.request as r; r.urlopen("{server}/sandbox/faults", b"{{}}")\''
    course = ("--before", "10s", "--after", "10s", "--patience", "60s", "--no-checks", "--command", restart)

    stormed = desk.deploy("run", "--", "storm", "restart", "--server", server, "--users", "6", *course, **file, **IDLE)

    assert "Traceback" not in stormed.err + stormed.out
    run = read_run(the_folder(desk.folder))
    assert (run.facts.ending, run.facts.workers) == (RunEnding.STORM_OVER, 3), stormed.err
    assert restart not in " ".join(run.facts.command)
    names = [each["username"] for each in admin.ask("GET", "/users?per_page=200")]
    assert sorted(each for each in names if each.startswith(("person", "testuser"))) == people
    assert "on load1" in stormed.out and "6 logged out" in stormed.out
    assert desk.deploy("logs", "load1").out.startswith("== load1\n") and files_of(desk) == []

    assert desk.start("init", "--server", server, "--users", "9", **PASSWORD).wait(180) == 0
    [packages] = desk["load1"].home.glob("*/env-*/lib/python*/site-packages")
    (packages / "late.pth").write_text("import time; time.sleep(5)\n")
    search = ("capacity", "--server", server, "--lowest-users", "6", "--highest-users", "9", "--name", "found")
    process = desk.begin("run", "--", *search, "--no-checks", **PASSWORD, **IDLE)
    wait_for_sockets(server, 6)
    assert files_of(desk) == [] and all(each.processes() for each in desk.hosts)
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert ended.code == 130 and "Traceback" not in ended.err, ended.err
    [found] = desk.folder.glob("runs/*-found")
    assert read_run(found).totals.whole.sessions.sign_ups == 0
    wait_until(
        lambda: requests.get(f"{server}/sandbox/counts", timeout=10).json()["sockets_open"] == 0, "no socket is open"
    )
    assert [each.processes() for each in desk.hosts] == [[], [], []]
