"""The agents that simulate the users: what one of them can do, how users are shared among them, and all of them as one.

`coordinator.agent_apis` has the two ways to drive one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from coordinator.polling import Question, Unanswered, all_at_once
from mmload.errors import ConfigurationError, ServerNotReady

T = TypeVar("T")
# Patience with one request to an agent; a stop lasts as long as its users' log-outs.
REQUEST_SECONDS = 5.0
STOP_SECONDS = 90.0
# An agent whose users are fewer than ordered is ordered again so often: it may have been started anew.
REPEAT_SECONDS = 10.0
# Locust remembers its answer for two seconds: one that was just stopped still says that it runs.
REMEMBERED_SECONDS = 2.5


class AgentBusy(ServerNotReady):
    """The agent runs something else."""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """An agent now. `trouble` says what is wrong with the load generator itself (a lost worker), or is empty."""

    users: int
    running: bool
    most_users: int = 0
    trouble: str = ""

    @property
    def busy(self) -> bool:
        """Whether it runs a test with users; one without is as good as idle."""
        return self.running and self.users > 0


class Agent(Protocol):
    """One agent. Every method asks it over the network and raises Unanswered."""

    name: str

    def status(self) -> AgentStatus: ...

    def page(self) -> str:
        """Its /metrics; "" where it has none."""

    def prepare(self) -> None:
        """Have it run, with whatever users it has."""

    def set_users(self, users: int) -> None: ...

    def release(self) -> None:
        """End its users and leave it as it was found."""


def shares(users: int, limits: Sequence[int]) -> tuple[int, ...]:
    """The users of each agent: in proportion to the limits, whole, together `users` (largest remainders). Pure."""
    whole = sum(limits)
    if users > whole:
        raise ValueError(f"{users} users, but the agents can run only {whole}")
    if users <= 0:
        return (0,) * len(limits)
    exact = [users * limit / whole for limit in limits]
    down = [int(share) for share in exact]
    by_remainder = sorted(range(len(limits)), key=lambda i: (down[i] - exact[i], i))
    for i in by_remainder[: users - sum(down)]:
        down[i] += 1
    return tuple(down)


@dataclass(frozen=True, slots=True)
class Look:
    """What all agents said at one moment. `silent` has those that did not answer, and why."""

    users: dict[str, int] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def total(self) -> int:
        return sum(self.users.values())


class AgentGroup:
    """All agents as one. Not for several threads; it asks the agents in threads of its own."""

    def __init__(
        self, agents: Sequence[Agent], limits: Sequence[int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._agents = tuple(agents)
        self._limits = tuple(limits)
        self._clock = clock
        self._statuses = [Question(agent.status) for agent in self._agents]
        self._pages = [Question(agent.page) for agent in self._agents]
        self._wanted = [0] * len(self._agents)
        self._orders = [Question(partial(self._carry_out, i)) for i in range(len(self._agents))]
        self._ordered: list[tuple[int, float]] = [(-1, 0.0)] * len(self._agents)
        self._seen = [0] * len(self._agents)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(agent.name for agent in self._agents)

    @property
    def limits(self) -> dict[str, int]:
        """The most users of each."""
        return dict(zip(self.names, self._limits, strict=True))

    def look(self) -> Look:
        """Ask every agent for its users and its measures."""
        for question in self._pages:
            question.begin()
        statuses = all_at_once(self._statuses, REQUEST_SECONDS)
        pages = all_at_once(self._pages, REQUEST_SECONDS)
        found = Look(trouble="; ".join(self._troubles(statuses)))
        for i, (name, status, page) in enumerate(zip(self.names, statuses, pages, strict=True)):
            if isinstance(status, Unanswered):
                found.silent[name] = str(status)
            else:
                found.users[name] = self._seen[i] = status.users
                if not isinstance(page, Unanswered) and page:
                    found.pages[name] = page
        return found

    def _troubles(self, statuses: Sequence[AgentStatus | Unanswered]) -> list[str]:
        return [
            f"{name}: {status.trouble}"
            for name, status in zip(self.names, statuses, strict=True)
            if isinstance(status, AgentStatus) and status.trouble
        ]

    def set_users(self, users: int) -> dict[str, str]:
        """Share them out, and order that where it is a change or was not followed; who did not answer, and why."""
        self._wanted = list(shares(min(users, sum(self._limits)), self._limits))
        due = [i for i in range(len(self._agents)) if self._is_due(i)]
        outcomes = all_at_once([self._orders[i] for i in due], REQUEST_SECONDS)
        failed = {}
        for i, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Unanswered):
                failed[self.names[i]] = str(outcome)
            else:
                self._ordered[i] = (outcome, self._clock())
        return failed

    def _is_due(self, i: int) -> bool:
        ordered, since = self._ordered[i]
        if ordered != self._wanted[i]:
            return True
        return self._seen[i] != ordered and self._clock() - since >= REPEAT_SECONDS

    def _carry_out(self, i: int) -> int:
        wanted = self._wanted[i]
        self._agents[i].set_users(wanted)
        return wanted

    def release(self) -> dict[str, str]:
        """End the users of all agents; those that did not answer, and why."""
        releases = [Question(agent.release) for agent in self._agents]
        outcomes = all_at_once(releases, STOP_SECONDS)
        return {
            name: str(each) for name, each in zip(self.names, outcomes, strict=True) if isinstance(each, Unanswered)
        }


def ready(
    agents: Sequence[Agent],
    most_users: int,
    limits: Sequence[int],
    *,
    take_up: bool,
    wait: Callable[[float], None] = time.sleep,
) -> AgentGroup:
    """The agents, checked and running. `limits`: the most users of each, 0 where the agent itself is to say.

    Raises ServerNotReady for one that does not answer or is busy, ConfigurationError for too high a ceiling.
    """
    statuses = [_asked(agent, agent.status) for agent in agents]
    if not take_up and any(status.busy for status in statuses):
        wait(REMEMBERED_SECONDS)
        statuses = [_asked(agent, agent.status) for agent in agents]
        _refuse_busy(agents, statuses)
    known = [limit or status.most_users for limit, status in zip(limits, statuses, strict=True)]
    _check_ceiling(most_users, agents, known)
    for agent in agents:
        _asked(agent, agent.prepare)
    return AgentGroup(agents, known)


def _refuse_busy(agents: Sequence[Agent], statuses: Sequence[AgentStatus]) -> None:
    for agent, status in zip(agents, statuses, strict=True):
        if status.busy:
            raise AgentBusy(
                f"agent {agent.name} is already running {status.users} users: stop it, or take it over with --take-up"
            )


def _asked(agent: Agent, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Unanswered as error:
        raise ServerNotReady(
            f"cannot control agent {agent.name}: {error}; start it, or correct its ApiURL in ClusterConfig.Agents"
        ) from None


def _check_ceiling(most_users: int, agents: Sequence[Agent], limits: Sequence[int]) -> None:
    carried = sum(limits)
    if most_users > carried:
        each = ", ".join(f"{agent.name}: {limit}" for agent, limit in zip(agents, limits, strict=True))
        raise ConfigurationError(
            f"ClusterConfig.MaxActiveUsers: expected at most {carried}, which is what the agents can run ({each}), "
            f"found {most_users}: lower it, or add agents"
        )
