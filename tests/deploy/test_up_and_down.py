"""`mmload deploy up`, `status`, `logs` and `down` on real sshds: what is there afterwards, and what is said."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.deploy.conftest import Desk, wait_until
from tests.deploy.hosts import Machine


def folders(machine: Machine) -> list[Path]:
    return sorted(machine.home.glob(".mmload-deploy-*"))


def test_hosts_are_set_up_once_and_left_as_they_were(desk: Desk, fresh_sandbox: str) -> None:
    """Up, up again, status, down, down again."""
    one, other = desk.network.add("load1"), desk.network.add("load2")

    first = desk.up("--server", fresh_sandbox)
    [environment] = folders(one)[0].glob("env-*")
    made = environment.stat()
    second = desk.up()

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "load1: mmload" in first.out and "load2: mmload" in first.out and "ms to the server" in first.out
    assert "2 workers on 2 hosts" in first.err
    again = environment.stat()
    assert (again.st_ino, again.st_mtime) == (made.st_ino, made.st_mtime), "it was made anew"
    status = desk.type("deploy", "status", "--json")
    assert status.code == 0, status.err
    assert [(row["host"], row["ready"], row["processes"]) for row in json.loads(status.out)] == [
        ("load1", True, 0),
        ("load2", True, 0),
    ]
    assert "(no run yet)" in desk.type("deploy", "logs", "load1").out

    down = desk.type("deploy", "down")

    assert down.code == 0, down.err
    assert "load1: its folder is removed, nothing is left there" in down.out
    assert [folders(each) + list(each.home.iterdir()) for each in (one, other)] == [[], []]
    assert not desk.state.exists()
    assert desk.type("deploy", "down").code == 0
    assert desk.type("deploy", "status").code == 2


def test_one_bad_host_leaves_the_others_set_up_and_is_not_lost_track_of(desk: Desk) -> None:
    """An unknown host key is never accepted; what to do is told, also about one that does not answer."""
    good = desk.network.add("load1")
    desk.network.add("stranger")
    known = desk.network.folder / "known_hosts"
    known.write_text("".join(known.read_text().splitlines(keepends=True)[:1]))
    desk.network.add("gone").end()

    up = desk.up()

    assert up.code == 4
    assert "load1: mmload" in up.out and folders(good)
    assert "stranger: its host key is not known here: connect once by hand (`ssh stranger`)" in up.err
    assert "gone: no sshd answers there: connection refused" in up.err
    assert "mmload deploy down --hosts NAME" in up.err
    assert known.read_text().count("\n") == 2, "a key was accepted"
    refused = desk.type("deploy", "run", "--", "run", "--users", "2", "--server", "http://127.0.0.1:9")
    assert refused.code == 2 and "stranger,gone: not set up" in refused.err
    down = desk.type("deploy", "down")
    assert down.code == 4 and folders(good) == []
    assert [host["name"] for host in json.loads(desk.state.read_text())["hosts"]] == ["stranger", "gone"]
    assert desk.type("deploy", "down", "--forget").code == 0
    assert not desk.state.exists()


def test_what_a_host_lacks_is_told(desk: Desk) -> None:
    """A Python that is none, and none of our keys accepted."""
    machine, other = desk.network.add("load1"), desk.network.add("load2")
    (desk.network.folder / "key.pub").rename(desk.network.folder / "elsewhere.pub")
    up = desk.up()
    assert up.code == 4 and "load1: it accepts none of your keys: `ssh load1` must get in" in up.err
    (desk.network.folder / "elsewhere.pub").rename(desk.network.folder / "key.pub")

    assert desk.up("--python", "/usr/bin/false").err.count("no Python 3.11 or newer there") == 2
    assert folders(machine) + folders(other) == []


def test_a_host_that_forbids_the_tunnel_is_told_when_it_is_set_up(desk: Desk) -> None:
    desk.network.add("load1", "AllowTcpForwarding no")

    up = desk.up()

    assert up.code == 4 and "load1: its sshd forbids the tunnel for the workers: AllowTcpForwarding" in up.err


def test_only_one_command_at_a_time_works_on_a_deployment(desk: Desk) -> None:
    """`down` in the middle of `up` is refused; after an interrupted `up` it finds all that was begun."""
    machine = desk.network.add("load1")
    up = desk.start("deploy", "up", "--hosts", "load1", "--workers", "1", "--ssh-config", str(desk.network.config))
    wait_until(lambda: list(machine.home.glob("*/wheels/*")), "wheels are copied")
    up.send_signal(signal.SIGSTOP)

    refused = desk.type("deploy", "down")

    up.send_signal(signal.SIGCONT)
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=180)
    assert refused.code == 2 and "another mmload deploy is at work" in refused.err
    down = desk.type("deploy", "down")
    assert down.code == 0, down.err
    assert list(machine.home.iterdir()) == [] and machine.processes() == []
