"""A new test goes by what the documents say then; where they are wrong it does not start, the agent stays usable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mmload.cli.locust_process import free_port
from tests.plugin.driven import Driven, agent, assert_no_faults, await_that, body, connected, mmload
from tests.support import Admin

DOCUMENT = {"MMLOAD_CONFIG": "config.json"}
TYPO = "MaxActiveUser"


class Rig:
    """An agent, or a master with a worker, and the documents of both."""

    def __init__(self, driven: Driven, folders: list[Path], server: str) -> None:
        self.driven, self.folders, self.server = driven, folders, server

    def write(self, *, place: int | None = None, **users: object) -> None:
        """Write config.json: of the agent (0), the worker (1), or all (None)."""
        for number, folder in enumerate(self.folders):
            if place in (None, number):
                config = {"UserControllerConfiguration": {"Type": "idle"}, "UsersConfiguration": users}
                (folder / "config.json").write_text(json.dumps(config))

    def stop(self) -> None:
        self.driven.ask("POST", "/stop")
        await_that(lambda: connected(self.server).total() == 0, "all have logged out")

    def pages(self) -> list[int]:
        pages = ("/mmload/delivery", "/mmload/health", "/mmload/actions", "/metrics", "/stats/requests")
        return [self.driven.ask("GET", page).status_code for page in pages]


@pytest.fixture(params=["one process", "a master and a worker"])
def rig(request: pytest.FixtureRequest, fresh_sandbox: str, tmp_path: Path) -> Iterator[Rig]:
    Admin(fresh_sandbox).team()
    folders = [tmp_path / "agent", tmp_path / "worker"]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_text('{"UserControllerConfiguration": {"Type": "idle"}}')
    with ExitStack() as stack:
        if request.param == "one process":
            made = Rig(stack.enter_context(agent(folders[0], fresh_sandbox, **DOCUMENT)), folders[:1], fresh_sandbox)
        else:
            port = str(free_port())
            options = ("--master", "--master-port", port, "--", "--stop-timeout", "2")
            driven = stack.enter_context(agent(folders[0], fresh_sandbox, *options, **DOCUMENT))
            join = ("agent", "--worker-of", "127.0.0.1", "--master-port", port)
            stack.enter_context(mmload(folders[1], *join, name="worker", **DOCUMENT))
            await_that(lambda: bool(driven.ask("GET", "/stats/requests").json().get("workers")), "the worker is there")
            made = Rig(driven, folders, fresh_sandbox)
        yield made
        assert_no_faults(made.driven)


def by_swarm(rig: Rig) -> str:
    """Start a test of three users as the web page does; what went wrong."""
    answer = rig.driven.ask("POST", "/swarm", data={"user_count": 3, "spawn_rate": 50}).json()
    return "" if answer["success"] else str(answer["message"])


def call(rig: Rig, path: str, **options: object) -> str:
    """A call of the agent's API; what went wrong."""
    return str(rig.driven.ask("POST", f"/loadagent/{path}", **options).json().get("error", ""))


def test_a_typo_between_two_tests_keeps_the_second_from_starting(rig: Rig) -> None:
    rig.write(MaxActiveUsers=50)
    assert by_swarm(rig) == ""
    await_that(lambda: connected(rig.server).total() == 3, "three are active")
    rig.stop()

    rig.write(**{TYPO: 50})
    refused = by_swarm(rig)
    assert "config.json" in refused and TYPO in refused
    assert connected(rig.server).total() == 0
    assert rig.pages() == [200] * 5
    assert rig.driven.ask("GET", "/mmload/actions").json()["most_users"] == 50
    assert refused.splitlines()[0] in rig.driven.said()

    rig.write(MaxActiveUsers=60)
    assert by_swarm(rig) == ""
    await_that(lambda: connected(rig.server).total() == 3, "three are active again")
    assert rig.driven.ask("GET", "/mmload/actions").json()["most_users"] == 60


def test_an_agent_neither_is_created_nor_runs_by_documents_with_a_typo(rig: Rig) -> None:
    wanted = body(rig.server, InitialActiveUsers=3)
    wanted["LoadTestConfig"]["UserControllerConfiguration"]["Type"] = "idle"
    rig.write(**{TYPO: 50})
    refused = call(rig, "create?id=a", json=wanted)
    assert "config.json" in refused and TYPO in refused

    rig.write()
    assert call(rig, "create?id=a", json=wanted) == ""
    rig.write(**{TYPO: 50})
    refused = call(rig, "a/run")
    assert refused.startswith("the test could not start: ") and "config.json" in refused and TYPO in refused
    assert rig.driven.status("a")["State"] == "stopped"
    assert rig.pages() == [200] * 5

    rig.write()
    assert call(rig, "a/run") == ""
    await_that(lambda: set(connected(rig.server)) == {"a-1", "a-2", "a-3"}, "the agent's three are active")


@pytest.mark.parametrize("rig", ["a master and a worker"], indirect=True)
def test_a_worker_whose_own_documents_are_wrong_or_differ_is_named(rig: Rig) -> None:
    rig.write(place=1, **{TYPO: 50})
    refused = by_swarm(rig)
    assert refused.startswith("worker 0: ") and "config.json" in refused and TYPO in refused
    assert TYPO in (rig.folders[1] / "worker.log").read_text()

    rig.write(place=1, MaxActiveUsers=70)
    assert by_swarm(rig) == "worker 0: UsersConfiguration.MaxActiveUsers is 70 there, 2000 here"
    assert connected(rig.server).total() == 0

    rig.write(MaxActiveUsers=70)
    assert by_swarm(rig) == ""
    await_that(lambda: connected(rig.server).total() == 3, "three are active")
