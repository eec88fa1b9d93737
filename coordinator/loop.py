"""The loop: look, decide, order, write down, wait. All decisions are `decide`'s; this is the I/O around them.

One look is users and measures of the agents, and the queries, as one observation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from coordinator.agent_metrics import BY, Answers, Recent, Snapshot, Sums, snapshot
from coordinator.agents import AgentGroup, Look
from coordinator.answer import Answer, Decider, Ending, Limits, SearchOutcome, Step
from coordinator.journal import Cycle, End, JournalWriter
from coordinator.observe.causes import Cause, cause_of
from coordinator.observe.state import Moment, ObservedState
from coordinator.observe.watching import Watch
from coordinator.planning import planned
from coordinator.prometheus import Prometheus
from coordinator.search.sample import Observation, Reading, weigh
from mmload.config.coordinator_tables import Measures

_OURS = "mmload_"


@dataclass(frozen=True, slots=True)
class Seen:
    """One cycle: what is decided on, and what is only written down. `users` are those of each agent.

    `warming` says why nothing can be decided yet: there are only queries whose MinIntervalSec is not over. `unobserved`
    says what can't be observed of the server, and why.
    """

    observation: Observation
    users: dict[str, int] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    watched: tuple[Reading, ...] = ()
    slowest: str = ""
    warming: str = ""
    server: ObservedState | None = None
    unobserved: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Observer:
    """Looks at agents and Prometheus, and takes what was observed of the server.

    `measures` None: the agents have no measures of ours.
    """

    def __init__(
        self,
        agents: AgentGroup,
        prometheus: Prometheus,
        measures: Measures | None,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._agents = agents
        self._prometheus = prometheus
        self._watch = watch
        self._recent = Recent(measures) if measures is not None else None
        self._sums, self._answers = Sums(BY), Answers()
        self._clock, self._wall = clock, wall
        self._began: float | None = None
        self._users: dict[str, int] = {}

    def look(self, target: int) -> Seen:
        """What is the case now, with that target."""
        if self._began is None:
            self._began = self._clock()
        seconds = self._clock() - self._began
        look = self._agents.look()
        answered = self._prometheus.readings(seconds, self._wall())
        self._users |= look.users
        latest = snapshot(look.pages, seconds, self._sums)
        due = [(query.alert, answered.get(query.description)) for query in self._prometheus.queries]
        readings = (*self._own(look, latest), *(each for alert, each in due if alert and each is not None))
        return Seen(
            Observation(
                seconds,
                target,
                self._present(look, latest),
                readings,
                latest.saturated or look.trouble,
                self._answers.add(latest),
                latest.connections,
                latest.without_account,
            ),
            dict(self._users),
            look.silent,
            tuple(each for alert, each in due if not alert and each is not None),
            self._recent.slowest() if self._recent is not None else "",
            "" if readings else "no query is due yet (MinIntervalSec)",
            self._watch.state() if self._watch is not None else None,
            self._watch.troubles() if self._watch is not None else {},
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


# An agent may be silent for so long: a restart, a pause of its machine. Longer, and the search has no load to speak of.
AGENT_PATIENCE_SECONDS = 30.0


class Looks(Protocol):
    """`Observer`, or what stands for it in tests."""

    def look(self, target: int) -> Seen: ...


@dataclass(slots=True)
class SilentAgents:
    """Since when which agents are silent."""

    since: dict[str, float]

    def lost(self, silent: dict[str, str], now: float) -> str:
        """Which agent has been silent for too long, and why; "" if none."""
        self.since = {name: self.since.get(name, now) for name in silent}
        gone = [name for name, since in self.since.items() if now - since >= AGENT_PATIENCE_SECONDS]
        return f"agent {gone[0]} has not answered for {AGENT_PATIENCE_SECONDS:.0f} s: {silent[gone[0]]}" if gone else ""


class Loop:
    """One search from its first look to its answer."""

    def __init__(
        self,
        limits: Limits,
        search: Decider,
        observer: Looks,
        agents: AgentGroup,
        journal: JournalWriter,
        tell: Callable[[Seen, Step], None],
        *,
        hold: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._search = search
        self._observer, self._agents = observer, agents
        self._journal, self._tell = journal, tell
        self._hold = hold
        self._clock, self._wall = clock, wall
        self._target = limits.lowest_users
        self._slowest = ""
        self._moments: list[Moment] = []
        self._observations: list[Observation] = []
        self._silent_agents = SilentAgents({})

    def run(self, stop: Event, cycle_seconds: float) -> SearchOutcome:
        """Until there is an answer, or `stop` is set. Whatever happens, the agents are left as configured."""
        answer: Answer | None = None
        seconds = 0.0
        try:
            self._agents.set_users(self._target)
            while answer is None and not stop.is_set():
                began = self._clock()
                seen, step = self._cycle()
                seconds = seen.observation.seconds
                answer = step.answer
                if answer is None:
                    stop.wait(max(0.0, cycle_seconds - (self._clock() - began)))
            if answer is None:
                answer = self._search.so_far(Ending.INTERRUPTED, "a signal", seconds)
        finally:
            left = self._leave(answer)
        cause, plan = self._cause(answer), planned(self._observations, answer, self._limits)
        self._journal.add(End(self._ms(), answer, left, cause, plan))
        return SearchOutcome(answer, self._slowest, left, cause, plan)

    def _cause(self, answer: Answer) -> Cause | None:
        if not answer.broke_first:
            return None
        return cause_of(self._moments, self._limits.window_seconds, answer.low or 0)

    def _cycle(self) -> tuple[Seen, Step]:
        seen = self._observer.look(self._target)
        at = seen.observation
        # A cycle as evidence of why the limit was crossed.
        self._moments.append(Moment(at.seconds, at.users, weigh(at).breached, bool(at.saturated), seen.server))
        step = self._step(seen)
        self._target = step.users if step.ordered is None else step.ordered
        failed = {} if step.answer is not None else self._agents.set_users(self._target)
        self._write(seen, step, failed)
        self._tell(seen, step)
        return seen, step

    def _step(self, seen: Seen) -> Step:
        lost = self._silent_agents.lost(seen.silent, seen.observation.seconds)
        if lost:
            return Step(self._target, lost, self._search.so_far(Ending.AGENT_LOST, lost, seen.observation.seconds))
        if seen.warming:
            return Step(self._target, seen.warming)
        if not self._slowest and weigh(seen.observation).breached:
            self._slowest = seen.slowest
        self._observations.append(seen.observation)
        return self._search.observe(seen.observation)

    def _write(self, seen: Seen, step: Step, failed: dict[str, str]) -> None:
        self._journal.add(
            Cycle(
                ms=self._ms(),
                seen=seen.observation,
                users=step.users,
                reason=step.reason,
                fed=not seen.warming and (step.answer is None or step.answer.ended_by != Ending.AGENT_LOST),
                agents=seen.users,
                silent=seen.silent,
                failed=failed,
                watched=seen.watched,
                server=seen.server,
                slowest=seen.slowest,
            )
        )

    def _leave(self, answer: Answer | None) -> str:
        """Stop all users, or keep as many as are surely fine; what became of that, in words."""
        good = answer.low if answer is not None else None
        if self._hold and good:
            failed = self._agents.set_users(good)
            return _left(f"{good} users keep running on the agents", f"could not be told to keep {good} users", failed)
        failed = self._agents.release()
        return _left("all users of the agents have been stopped", "could not be told to stop their users", failed)

    def _ms(self) -> int:
        return int(self._wall() * 1000)


def _left(done: str, not_done: str, failed: dict[str, str]) -> str:
    if not failed:
        return done
    return f"these agents {not_done}: " + "; ".join(f"{name}: {why}" for name, why in failed.items())
