"""A master and its workers: who is lost is replaced, who comes back gets its share, who does not fit is refused."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from mmload.config import Settings, load_settings
from mmload.plugin.runner.worker_handshake import Hello, alike, differences, passwords
from tests.plugin.driven import Driven, agent, assert_no_faults, await_that, body, connected, counts, environ, mmload
from tests.support import Admin

MOST = 100
PASSWORD = "Of a person 1!"
SETTINGS = {"MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS": str(MOST)}
# The master waits so long for the workers to be ready for the next test: Locust's stop-timeout, and some more.
STOP_TIMEOUT = ("--", "--stop-timeout", "2")


class Watch:
    """Looks all the time whether two sockets at the server belong to one account."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._over = threading.Event()
        self.shared: set[str] = set()
        self.looks = 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.shared |= {name for name, sockets in connected(self._server).items() if sockets > 1}
            self.looks += 1


@contextmanager
def master(folder: Path, server: str, **settings: str) -> Iterator[tuple[Driven, str]]:
    """A master that answers, and the port where workers find it."""
    port = str(free_port())
    with agent(folder, server, "--master", "--master-port", port, *STOP_TIMEOUT, **SETTINGS, **settings) as driven:
        yield driven, port


@contextmanager
def worker(folder: Path, port: str, name: str, **settings: str) -> Iterator[Driven]:
    options = ("agent", "--worker-of", "127.0.0.1", "--master-port", port)
    with mmload(folder, *options, name=name, **(SETTINGS | settings)) as driven:
        yield driven


def on_workers(driven: Driven) -> list[int]:
    """How many users each worker that is there has, sorted."""
    workers = driven.ask("GET", "/stats/requests").json().get("workers", [])
    return sorted(each["user_count"] for each in workers if each["state"] != "missing")


def shares(names: Iterable[str]) -> Counter[int]:
    """How many of these accounts are which worker's, by the range that a worker's index gives it."""
    return Counter((int(name.rpartition("-")[2]) - 1) // MOST for name in names)


def test_a_killed_workers_users_are_taken_up_and_given_back_when_it_returns(fresh_sandbox: str, tmp_path: Path) -> None:
    """Nobody ever shares an account with somebody else, not even for a moment."""
    admin = Admin(fresh_sandbox)
    admin.team()
    with ExitStack() as stack:
        driven, port = stack.enter_context(master(tmp_path, fresh_sandbox))
        workers = [stack.enter_context(worker(tmp_path, port, f"worker{number}")) for number in range(3)]
        await_that(lambda: len(on_workers(driven)) == 3, "three workers are there")
        watch = stack.enter_context(Watch(fresh_sandbox))
        driven.swarm(30)
        await_that(lambda: connected(fresh_sandbox).total() == 30, "thirty are in")
        assert set(shares(connected(fresh_sandbox))) == {0, 1, 2}
        of_others = counts(fresh_sandbox)["sessions"] - accounts(admin)

        workers[1].process.kill()
        await_that(lambda: connected(fresh_sandbox).total() == 20, "its users are lost")
        await_that(lambda: connected(fresh_sandbox).total() == 30, "the others have taken them up", 50)
        await_that(lambda: on_workers(driven) == [15, 15], "fifteen each")

        stack.enter_context(worker(tmp_path, port, "worker3"))
        await_that(lambda: on_workers(driven) == [10, 10, 10], "the one that came has its share")
        await_that(lambda: sorted(shares(connected(fresh_sandbox)).values()) == [10, 10, 10], "so have its accounts")

        assert watch.looks > 50
        assert watch.shared == set()
        # The lost ones' sessions were never ended: whoever had logged in to an account once more would be seen.
        assert accounts(admin) >= 40 and counts(fresh_sandbox)["sessions"] - accounts(admin) == of_others
        driven.ask("POST", "/stop")
        await_that(lambda: connected(fresh_sandbox).total() == 0, "all have left")
        assert_no_faults(driven, *workers)
    told = report(next(tmp_path.glob("runs/*")))
    assert "Verdict: inconclusive" in told and re.search(r"worker \d was lost, with its users", told)


def accounts(admin: Admin) -> int:
    """How many accounts of simulated users the server has."""
    return sum(each["username"].startswith("testuser-") for each in admin.ask("GET", "/users?per_page=200"))


def report(folder: Path) -> str:
    """What `mmload report` says of a run."""
    asked = [sys.executable, "-m", "mmload", "report", str(folder)]
    return subprocess.run(asked, env=environ(), capture_output=True, text=True, timeout=180, check=False).stdout


def test_what_create_says_reaches_all_workers(fresh_sandbox: str, tmp_path: Path) -> None:
    """Those that are there, and those that come later; a worker that does not fit is refused, and does not disturb."""
    Admin(fresh_sandbox).team()
    with ExitStack() as stack:
        driven, port = stack.enter_context(master(tmp_path, fresh_sandbox))
        stack.enter_context(worker(tmp_path, port, "worker0"))
        await_that(lambda: len(on_workers(driven)) == 1, "a worker is there")
        whole = body(fresh_sandbox, InitialActiveUsers=4, MaxActiveUsers=5)
        whole["LoadTestConfig"]["UserControllerConfiguration"]["Type"] = "idle"
        assert driven.ask("POST", "/loadagent/create?id=crew", json=whole).status_code == 201
        assert driven.ask("POST", "/loadagent/crew/run").status_code == 200
        await_that(lambda: driven.status("crew")["NumUsers"] == 4, "four are counted")
        await_that(lambda: set(connected(fresh_sandbox)) == {f"crew-{n}" for n in range(1, 5)}, "four of the crew")

        stack.enter_context(worker(tmp_path, port, "worker1"))
        await_that(lambda: on_workers(driven) == [2, 2], "two each")
        told = driven.ask("POST", "/loadagent/crew/addusers?amount=50").json()
        assert (told["message"], told["error"]) == ("6 users added", "max active users limit reached")
        crew = {f"crew-{number}" for number in range(1, 11)}
        await_that(lambda: set(connected(fresh_sandbox)) == crew, "five of each worker")

        misfit = stack.enter_context(
            worker(tmp_path, port, "misfit", MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS="5000", MMLOAD_CHECKED="1")
        )
        assert misfit.process.wait(timeout=180) == 4
        assert "the master refuses this worker: AvgIdleTimeMs is 5000 here, but not on the master" in misfit.said()
        assert "is refused: AvgIdleTimeMs is 5000 there, 20000 here" in driven.said()
        await_that(lambda: on_workers(driven) == [5, 5], "the others have all users")
        await_that(lambda: set(connected(fresh_sandbox)) == crew, "and the same accounts")

        ended = driven.ask("DELETE", "/loadagent/crew").json()["status"]
        assert (ended["State"], ended["NumUsersAdded"], ended["NumErrors"]) == ("stopped", 10, 0)
        driven.swarm(2)
        await_that(lambda: set(connected(fresh_sandbox)) == {"testuser-1", "testuser-101"}, "the own configuration")
        assert_no_faults(driven)


def test_a_test_waits_for_its_first_worker(fresh_sandbox: str, tmp_path: Path) -> None:
    """Locust says that it was started, and forgets it."""
    Admin(fresh_sandbox).team()
    with master(tmp_path, fresh_sandbox) as (driven, port):
        driven.swarm(3)
        await_that(lambda: "no worker is connected" in driven.said(), "the log says why nothing happens")

        with worker(tmp_path, port, "late"):
            await_that(lambda: connected(fresh_sandbox).total() == 3, "three are in")


def test_the_lines_of_a_file_of_users_are_dealt_to_the_workers(fresh_sandbox: str, tmp_path: Path) -> None:
    """Nobody gets a made-up account instead, and a worker without a line has no users."""
    admin = Admin(fresh_sandbox)
    admin.team()
    lines = [f"person-{number}@example.com {PASSWORD}" for number in range(1, 5)]
    (tmp_path / "users.txt").write_text("\n".join(lines) + "\n")
    file = {"MMLOAD_USERSCONFIGURATION_USERSFILEPATH": str(tmp_path / "users.txt")}
    everybody = {f"person-{number}" for number in range(1, 5)}
    with ExitStack() as stack:
        driven, port = stack.enter_context(master(tmp_path, fresh_sandbox, **file))
        workers = [stack.enter_context(worker(tmp_path, port, f"worker{number}", **file)) for number in range(2)]
        await_that(lambda: len(on_workers(driven)) == 2, "two workers are there")
        driven.swarm(4)
        await_that(lambda: set(connected(fresh_sandbox)) == everybody, "everybody of the file is in")
        await_that(lambda: on_workers(driven) == [2, 2], "two on each")

        workers.append(stack.enter_context(worker(tmp_path, port, "worker2", **file)))
        await_that(lambda: on_workers(driven) == [0, 2, 2], "the one that came has none")
        await_that(lambda: "this worker takes no users" in workers[2].said(), "and says so")
        assert "takes no users: the lines of" in driven.said()

        driven.ask("POST", "/stop")
        await_that(lambda: connected(fresh_sandbox).total() == 0, "all have left")
        driven.swarm(3)
        await_that(lambda: connected(fresh_sandbox).total() == 3, "three are in")
        await_that(lambda: on_workers(driven) == [1, 1, 1], "the lines are dealt anew to all")
        assert set(connected(fresh_sandbox)) == {"person-1", "person-2", "person-3"}
        assert accounts(admin) == 0
        assert_no_faults(driven, *workers)


def hello(settings: Settings, mmload: str = "1", locust: str = "2") -> Hello:
    return Hello("here", mmload, locust, alike(settings), tuple(passwords(settings)))


def test_another_version_is_named_and_nothing_else() -> None:
    """Another version may have other keys."""
    ours = load_settings(environ={})[0]
    theirs = load_settings(environ={"MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS": "7"})[0]

    assert differences(hello(ours), hello(theirs, mmload="0")) == ["it runs mmload 0, the master 1"]
    assert differences(hello(ours), hello(ours, locust="1")) == ["it runs Locust 1, the master 2"]


@pytest.mark.parametrize(
    ("variable", "value", "difference"),
    [
        ("USERSCONFIGURATION_MAXACTIVEUSERS", "7", "UsersConfiguration.MaxActiveUsers is 7 there, 2000 here"),
        ("SIMULCONTROLLER_AVGIDLETIMEMS", "5000", "AvgIdleTimeMs is 5000 there, 20000 here"),
        ("RUNCONFIGURATION_SEED", "5", ""),
        ("CONNECTIONCONFIGURATION_ADMINPASSWORD", "another 1$", ""),
    ],
)
def test_only_what_all_must_share_is_compared(variable: str, value: str, difference: str) -> None:
    """And never a password."""
    ours = load_settings(environ={})[0]
    theirs = load_settings(environ={f"MMLOAD_{variable}": value})[0]

    assert differences(hello(ours), hello(theirs)) == ([difference] if difference else [])


def test_a_master_that_names_the_server_does_not_mind_what_a_workers_own_is() -> None:
    """Each worker is told where to go; only sockets that would go elsewhere matter."""
    ours = load_settings(environ={"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": "http://here:1"})[0]
    theirs = load_settings(environ={})[0]
    far = load_settings(environ={"MMLOAD_CONNECTIONCONFIGURATION_WEBSOCKETURL": "ws://there:2"})[0]

    assert differences(hello(ours), hello(theirs), "http://here:1") == []
    assert differences(hello(ours), hello(far), "http://here:1") == []
    assert len(differences(hello(ours), hello(theirs))) == 2
    assert differences(hello(theirs), hello(far), "http://localhost:8065") == [
        "ConnectionConfiguration.WebSocketURL is 'ws://there:2' there, 'ws://localhost:8065' here"
    ]


def test_many_differences_are_counted() -> None:
    ours, theirs = hello(Settings()), hello(Settings())
    odd = Hello("there", "1", "2", dict.fromkeys(theirs.settings, "?"))

    found = differences(ours, odd)

    assert len(found) == 6
    assert found[-1].startswith("and ")
