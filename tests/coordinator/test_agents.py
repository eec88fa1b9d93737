"""Driving agents: users are shared out fairly, orders are given once and repeated where they got lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.agent_apis import LoadAgent, SwarmAgent, status_of
from coordinator.agents import REPEAT_SECONDS, Agent, AgentBusy, AgentGroup, AgentStatus, ready, shares
from coordinator.polling import Unanswered
from mmload.errors import ConfigurationError, ServerNotReady
from tests.coordinator.serving import Answer, Asked, serving


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.floats(0, 1))
def test_shares_are_whole_and_proportional_and_within_the_limits(limits: list[int], part: float) -> None:
    users = round(sum(limits) * part)

    found = shares(users, limits)

    assert sum(found) == users
    assert all(0 <= share <= limit for share, limit in zip(found, limits, strict=True))
    assert all(abs(share - users * limit / sum(limits)) < 1 for share, limit in zip(found, limits, strict=True))


def test_more_users_than_the_agents_carry_is_an_error() -> None:
    with pytest.raises(ValueError, match="the agents can run only 30"):
        shares(31, [10, 20])


@dataclass
class MadeUpAgent:
    """Does as it is told, unless told otherwise by a test."""

    name: str = "lt0"
    most: int = 100
    users: int = 0
    running: bool = False
    silent: str = ""
    deaf: bool = False
    ordered: list[int] = field(default_factory=list)
    released: int = 0

    def status(self) -> AgentStatus:
        self._answer()
        return AgentStatus(self.users, self.running, self.most)

    def page(self) -> str:
        self._answer()
        return "mmload_users"

    def prepare(self) -> None:
        self._answer()
        self.running = True

    def set_users(self, users: int) -> None:
        self._answer()
        self.ordered.append(users)
        self.users = 0 if self.deaf else users

    def release(self) -> None:
        self._answer()
        self.users, self.running, self.released = 0, False, self.released + 1

    def _answer(self) -> None:
        if self.silent:
            raise Unanswered(self.silent)


def made_ready(agents: Sequence[Agent], most: int = 100, *, take_up: bool = False) -> AgentGroup:
    return ready(agents, most, [0] * len(agents), take_up=take_up, wait=lambda _: None)


def test_users_are_shared_in_proportion_to_what_each_carries() -> None:
    small, large = MadeUpAgent("small", most=100), MadeUpAgent("large", most=300)

    made_ready([small, large], 400).set_users(40)

    assert (small.users, large.users) == (10, 30)


def test_an_order_is_given_once_and_repeated_if_it_is_not_followed() -> None:
    """An agent that was started anew has no users and knows of no order."""
    now = 0.0
    agent = MadeUpAgent(deaf=True)
    agents = AgentGroup([agent], [100], clock=lambda: now)

    for second in range(int(2 * REPEAT_SECONDS) + 1):
        now = float(second)
        agents.set_users(20)
        agents.look()

    assert agent.ordered == [20, 20, 20]


def test_a_silent_agent_is_told_and_stops_no_other() -> None:
    good, bad = MadeUpAgent("good"), MadeUpAgent("bad")
    agents = made_ready([good, bad])
    bad.silent = "connection refused"

    look, failed = agents.look(), agents.set_users(20)

    assert (look.users, look.silent) == ({"good": 0}, {"bad": "connection refused"})
    assert failed == {"bad": "connection refused"} and good.users == 10


def test_an_agent_that_runs_something_else_is_refused_unless_taken_up() -> None:
    busy = MadeUpAgent(users=30, running=True)

    with pytest.raises(AgentBusy, match=r"agent lt0 is already running 30 users: .*--take-up"):
        made_ready([busy])
    made_ready([busy], take_up=True).set_users(12)

    assert busy.users == 12


def test_an_agent_that_was_just_stopped_is_asked_again() -> None:
    """Locust remembers its answer for two seconds."""
    agent = MadeUpAgent(users=30, running=True)

    def later(_: float) -> None:
        agent.users = 0

    ready([agent], 100, [0], take_up=False, wait=later)

    assert agent.running


def test_an_agent_that_cannot_be_reached_is_named_before_the_search() -> None:
    with pytest.raises(ServerNotReady, match="cannot control agent lt0: connection refused; start it, or correct"):
        made_ready([MadeUpAgent(silent="connection refused")])


def test_a_ceiling_above_what_the_agents_carry_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"expected at most 100, .*\(lt0: 100\), found 101: lower it, or add"):
        made_ready([MadeUpAgent()], 101)


def test_what_is_configured_for_an_agent_wins_over_what_it_says() -> None:
    small, large = MadeUpAgent("a"), MadeUpAgent("b")

    ready([small, large], 400, [300, 0], take_up=False).set_users(400)

    assert (small.users, large.users) == (300, 100)


def locust(users: int = 0, state: str = "running", **more: Any) -> dict[str, Any]:
    return {"user_count": users, "state": state, "stats": [], **more}


def worker(state: str = "running", cpu: float = 10.0, name: str = "w1") -> dict[str, Any]:
    return {"id": name, "state": state, "user_count": 1, "cpu_usage": cpu}


def test_a_single_process_carries_one_workers_users() -> None:
    assert status_of(locust(5), 2000) == AgentStatus(5, True, 2000)
    assert status_of(locust(0, "ready"), 2000) == AgentStatus(0, False, 2000)


@pytest.mark.parametrize(
    ("workers", "most", "trouble"),
    [
        ([worker(), worker(name="w2")], 4000, ""),
        ([worker(), worker("missing", name="w2")], 2000, "worker w2 is missing"),
        ([worker(cpu=95.0)], 2000, "worker w1 uses more than 90 % of its core"),
        ([], 0, "no worker is connected"),
    ],
)
def test_trouble_of_workers_is_trouble_of_the_generator(workers: list[Any], most: int, trouble: str) -> None:
    """A lost worker's users are simply gone: what is measured then is not what was asked for."""
    assert status_of(locust(5, workers=workers), 2000) == AgentStatus(5, True, most, trouble)


def test_another_form_of_answer_is_no_locust() -> None:
    with pytest.raises(Unanswered):
        status_of({"hello": 1}, 2000)


def test_swarm_is_told_a_number_and_a_rate_and_shown_the_token() -> None:
    """Never run_time nor user_classes: they would end the test, or crash the start of users."""
    asked: list[Asked] = []

    def answering(request: Asked) -> Answer:
        asked.append(request)
        return Answer(200, json.dumps({"success": True}))

    with serving(answering) as url:
        agent = SwarmAgent("lt0", url + "/", 4.0, 2000, "sesame")
        agent.set_users(40)
        agent.set_users(20)

    assert [parse_qs(each.body.decode()) for each in asked] == [
        {"user_count": ["40"], "spawn_rate": ["4"]},
        {"user_count": ["20"], "spawn_rate": ["20"]},
    ]
    assert {each.authorization for each in asked} == {"Bearer sesame"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(200, '{"success": false, "message": "no"}'), "/swarm was refused: no"),
        (Answer(302, ""), r"/swarm requires a login \(HTTP status 302\): set MMLOAD_AGENT_TOKEN"),
        (Answer(401, ""), "/swarm requires a login"),
        (Answer(200, "<html>", "text/html"), "/swarm did not return JSON: is this Locust's web UI?"),
        (Answer(500, ""), "/swarm: HTTP status 500"),
    ],
)
def test_a_refused_order_says_why(answer: Answer, why: str) -> None:
    with serving(lambda _: answer) as url, pytest.raises(Unanswered, match=why) as caught:
        SwarmAgent("lt0", url, 4.0, 2000, "sesame").set_users(40)

    assert "sesame" not in str(caught.value)


def test_an_older_locust_is_stopped_by_get() -> None:
    methods: list[str] = []

    def answering(request: Asked) -> Answer:
        methods.append(request.method)
        return Answer(405, "") if request.method == "POST" else Answer(200, "{}")

    with serving(answering) as url:
        SwarmAgent("lt0", url, 4.0, 2000).release()

    assert methods == ["POST", "GET"]


@dataclass
class Peer:
    """The peer's API, as its recorded answers are (see the contract test of our own)."""

    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:
        self.calls.append(f"{asked.method} {asked.path}")
        path, _, query = asked.path.removeprefix("/loadagent/").partition("?")
        name, _, verb = path.partition("/")
        if name == "create":
            return self._create(query.removeprefix("id="), json.loads(asked.body))
        if name not in self.agents:
            return Answer(404, json.dumps({"error": f"load-test agent with id {name} not found"}))
        if asked.method == "DELETE":
            del self.agents[name]
            return Answer(200, json.dumps({"message": "load-test agent destroyed"}))
        return self._act(self.agents[name], verb, query)

    def _create(self, name: str, body: Any) -> Answer:
        self.created.append(body)
        self.agents[name] = {"State": "stopped", "NumUsers": 0}
        return Answer(201, json.dumps({"id": name, "message": "load-test agent created"}))

    def _act(self, agent: dict[str, Any], verb: str, query: str) -> Answer:
        said: dict[str, Any] = {"status": agent}
        if verb in ("run", "stop"):
            agent["State"] = "running" if verb == "run" else "stopped"
        elif verb in ("addusers", "removeusers"):
            amount = int(query.removeprefix("amount=")) * (1 if verb == "addusers" else -1)
            if amount > 32767 or agent["NumUsers"] + amount > 60000:
                said["error"] = "max active users limit reached"
            else:
                agent["NumUsers"] += amount
        return Answer(200, json.dumps(said))


def test_the_peers_agent_is_created_run_driven_and_deleted() -> None:
    peer = Peer()
    with serving(peer) as url:
        agent = LoadAgent("lt0", url, {"LoadTestConfig": {"a": 1}}, 60000)
        before = agent.status()
        agent.prepare()
        agent.set_users(40000)
        many = agent.status()
        agent.set_users(10)
        few = agent.status()
        agent.release()

    assert (before.running, many.users, few) == (False, 40000, AgentStatus(10, True, 60000))
    assert peer.created == [{"LoadTestConfig": {"a": 1}}] and peer.agents == {}


def test_an_agent_of_somebody_else_is_stopped_and_not_deleted() -> None:
    peer = Peer({"lt0": {"State": "stopped", "NumUsers": 0}})
    with serving(peer) as url:
        agent = LoadAgent("lt0", url, {}, 100)
        agent.prepare()
        agent.set_users(5)
        agent.release()

    assert peer.agents == {"lt0": {"State": "stopped", "NumUsers": 5}} and peer.created == []


def test_an_agent_that_was_started_anew_is_created_again() -> None:
    """Its API answers, and knows nothing of what was created before the crash."""
    peer = Peer()
    with serving(peer) as url:
        agent = LoadAgent("lt0", url, {}, 100)
        agent.prepare()
        agent.set_users(5)
        peer.agents.clear()
        agent.set_users(7)

    assert peer.agents == {"lt0": {"State": "running", "NumUsers": 7}}


def test_an_error_in_a_good_answer_is_an_error() -> None:
    """The peer answers 200 to what it has not done."""
    peer = Peer({"lt0": {"State": "running", "NumUsers": 59999}})
    with serving(peer) as url, pytest.raises(Unanswered, match="max active users limit reached"):
        LoadAgent("lt0", url, {}, 100).set_users(60001)
