"""One look at everything: users and measures of the agents, and the queries, as one observation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from coordinator.agent_metrics import Answers, Recent, Snapshot, snapshot
from coordinator.agents import AgentGroup, Look
from coordinator.prometheus import Prometheus
from coordinator.search.sample import Observation, Reading
from mmload.config.coordinator_tables import Measures

_OURS = "mmload_"


@dataclass(frozen=True, slots=True)
class Seen:
    """One cycle: what is decided on, and what is only written down. `users` are those of each agent.

    `warming` says why nothing can be decided yet: there are only queries whose MinIntervalSec is not over.
    """

    observation: Observation
    users: dict[str, int] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    watched: tuple[Reading, ...] = ()
    slowest: str = ""
    warming: str = ""


class Observer:
    """Looks at agents and Prometheus. `measures` None: the agents have no measures of ours."""

    def __init__(
        self,
        agents: AgentGroup,
        prometheus: Prometheus,
        measures: Measures | None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._agents = agents
        self._prometheus = prometheus
        self._recent = Recent(measures) if measures is not None else None
        self._answers = Answers()
        self._clock, self._wall = clock, wall
        self._began: float | None = None
        self._users: dict[str, int] = {}

    def look(self, target: int) -> Seen:
        """What is the case now, with so many users asked for."""
        if self._began is None:
            self._began = self._clock()
        seconds = self._clock() - self._began
        look = self._agents.look()
        answered = self._prometheus.readings(seconds, self._wall())
        self._users |= look.users
        latest = snapshot(look.pages, seconds)
        own = self._own(look, latest)
        alerting = tuple(
            answered[q.description] for q in self._prometheus.queries if q.alert and q.description in answered
        )
        readings = (*own, *alerting)
        users, saturated = self._present(look, latest), latest.saturated or look.trouble
        return Seen(
            Observation(seconds, target, users, readings, saturated, self._answers.add(latest)),
            dict(self._users),
            look.silent,
            tuple(
                answered[q.description] for q in self._prometheus.queries if not q.alert and q.description in answered
            ),
            self._recent.slowest() if self._recent is not None else "",
            "" if readings else "no query is asked yet (MinIntervalSec)",
        )

    def _own(self, look: Look, latest: Snapshot) -> tuple[Reading, ...]:
        """Our own measures; unknown as long as one agent's are missing: the slow ones might be among them."""
        if self._recent is None:
            return ()
        without = [name for name in self._agents.names if name not in look.pages]
        if without:
            reason = look.silent.get(without[0], "no /metrics")
            return self._recent.unknown(f"agent {without[0]}: {reason}")
        self._recent.add(latest)
        return self._recent.readings()

    def _present(self, look: Look, latest: Snapshot) -> int:
        """Users that are in. Where no page tells it, those that were started; of a silent agent, its last number."""
        if latest.present is not None and latest.pages == len(self._agents.names):
            return latest.present
        return sum(self._users.values())


def have_measures(look: Look, names: tuple[str, ...]) -> bool:
    """Whether all agents show measures of ours. Pure."""
    return all(_OURS in look.pages.get(name, "") for name in names)
