"""Real Locust processes and the real sandbox: users come and go as ordered, and are measured."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from coordinator.agent_apis import SwarmAgent
from coordinator.agents import AgentBusy, AgentGroup, ready
from coordinator.loop import Observer, Seen, have_measures
from coordinator.prometheus import Prometheus
from mmload.config.coordinator_tables import Measures, Monitor
from tests.coordinator.processes import agent
from tests.run.processes import PATIENCE_SECONDS, mmload_here


@pytest.fixture(scope="module")
def two_agents(sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SwarmAgent]]:
    folder = tmp_path_factory.mktemp("agents")
    assert mmload_here(folder, "init", "--server", sandbox).returncode == 0
    others = {"MMLOAD_USERSCONFIGURATION_NUMBEROFFSET": "1000"}  # accounts of its own
    with agent(sandbox, folder / "one") as one, agent(sandbox, folder / "two", **others) as two:
        yield [SwarmAgent("one", one, 10.0, 2000), SwarmAgent("two", two, 10.0, 1000)]


@pytest.fixture
def agents(two_agents: list[SwarmAgent]) -> Iterator[AgentGroup]:
    made = ready(two_agents, 3000, [0, 0], take_up=False)
    yield made
    assert made.release() == {}


def seen_with(agents: AgentGroup, observer: Observer, users: int) -> Seen:
    """Order so many, and look until they are in."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        agents.set_users(users)
        seen = observer.look(users)
        if seen.observation.users == users == sum(seen.users.values()):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)


def test_users_come_and_go_on_two_agents_and_are_measured(agents: AgentGroup, two_agents: list[SwarmAgent]) -> None:
    """Shared two to one, as their limits are; measured by the agents' own pages, without any Prometheus."""
    observer = Observer(agents, Prometheus(Monitor()), Measures())
    assert have_measures(agents.look(), agents.names)

    up = seen_with(agents, observer, 9)
    down = seen_with(agents, observer, 3)

    assert (up.users, down.users) == ({"one": 6, "two": 3}, {"one": 2, "two": 1})
    p99, failed = down.observation.readings
    assert p99.value is not None and 0 < p99.value < 10
    assert failed.value == 0.0
    assert (down.silent, down.warming) == ({}, "")


def test_a_running_agent_is_refused_and_can_be_taken_up(agents: AgentGroup, two_agents: list[SwarmAgent]) -> None:
    seen_with(agents, Observer(agents, Prometheus(Monitor()), Measures()), 3)

    with pytest.raises(AgentBusy, match="agent one is already running 2 users"):
        ready(two_agents, 100, [0, 0], take_up=False)
    again = ready(two_agents, 100, [0, 0], take_up=True)

    assert again.look().users == {"one": 2, "two": 1}


def test_a_released_agent_has_no_users_and_no_test(agents: AgentGroup, two_agents: list[SwarmAgent]) -> None:
    seen_with(agents, Observer(agents, Prometheus(Monitor()), Measures()), 3)

    agents.release()
    # Locust remembers its answer for two seconds.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := two_agents[0].status()).users or status.running:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)

    assert not two_agents[0].status().running
