"""The loop around the decision: whatever happens, an answer is given and the agents are left in order."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from threading import Event

import pytest

from coordinator.agents import AgentGroup
from coordinator.answer import Limits, SearchOutcome
from coordinator.journal import NAME, Head, JournalWriter, read
from coordinator.loop import AGENT_PATIENCE_SECONDS, Loop, Seen
from coordinator.search.sample import Reading
from tests.coordinator.made_up import Doubling, Server
from tests.coordinator.test_agents import MadeUpAgent

LIMITS = Limits(lowest_users=10, highest_users=1000)


class Search:
    """One loop on made-up parts, a cycle taking no time."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, *, hold: bool = False) -> None:
        self.agent = MadeUpAgent(most=2000, running=True)
        self.decider = Doubling(limits)
        self.server = Server(lambda: self.agent.users)
        self.stop = Event()
        self.journal = JournalWriter(folder / NAME)
        self.journal.add(Head(limits))
        self.folder = folder
        self.told: list[str] = []
        self.loop = Loop(
            limits,
            self.decider,
            self.server,
            AgentGroup([self.agent], [2000]),
            self.journal,
            lambda _, step: self.told.append(step.reason),
            hold=hold,
        )

    def run(self) -> SearchOutcome:
        return self.loop.run(self.stop, 0.0)


def test_what_is_decided_is_ordered_and_written_down(tmp_path: Path) -> None:
    search = Search(tmp_path)

    outcome = search.run()
    journal = read(tmp_path)

    assert search.agent.ordered == [10, 20, 40, 80, 160]
    assert [(cycle.seen.target, cycle.seen.users, cycle.users) for cycle in journal.cycles] == [
        (10, 10, 20),
        (20, 20, 40),
        (40, 40, 80),
        (80, 80, 160),
        (160, 160, 80),
    ]
    assert (outcome.answer.users, outcome.slowest) == (80, "CreatePost 2.4 s")
    assert journal.end is not None and journal.end.answer == outcome.answer


def test_in_the_end_the_users_are_brought_down(tmp_path: Path) -> None:
    search = Search(tmp_path)

    outcome = search.run()

    assert (search.agent.users, search.agent.released) == (0, 1)
    assert outcome.left == "all users of the agents have been stopped"


def test_in_the_end_the_users_may_be_held_where_it_is_safe(tmp_path: Path) -> None:
    """At the lower end of the interval."""
    search = Search(tmp_path, hold=True)

    outcome = search.run()

    assert (search.agent.users, search.agent.released) == (78, 0)
    assert outcome.left == "78 users keep running on the agents"


@pytest.mark.parametrize(
    ("hold", "left"),
    [
        (True, "these agents could not be told to keep 78 users: lt0: connection refused"),
        (False, "these agents could not be told to stop their users: lt0: connection refused"),
    ],
)
def test_an_agent_that_does_not_answer_in_the_end_is_named_with_what_it_was_not_told(
    tmp_path: Path, hold: bool, left: str
) -> None:
    search = Search(tmp_path, hold=hold)

    def gone_in_the_end(look: int, seen: Seen) -> Seen:
        if look == 5:
            search.agent.silent = "connection refused"
        return seen

    search.server.fault = gone_in_the_end
    outcome = search.run()

    assert (outcome.answer.low, outcome.left) == (78, left)


def test_an_interrupted_search_gives_what_it_knows_and_cleans_up(tmp_path: Path) -> None:
    search = Search(tmp_path)

    def interrupt(look: int, seen: Seen) -> Seen:
        if look == 3:
            search.stop.set()
        return seen

    search.server.fault = interrupt
    answer = search.run().answer

    assert (answer.ended_by, answer.users) == ("interrupted", 40)
    assert search.agent.released == 1


def test_a_fault_of_ours_leaves_no_users_behind(tmp_path: Path) -> None:
    search = Search(tmp_path)

    def broken(look: int, seen: Seen) -> Seen:
        raise RuntimeError("a fault")

    search.server.fault = broken
    with pytest.raises(RuntimeError):
        search.run()

    assert search.agent.released == 1


def test_an_agent_that_is_gone_for_long_ends_the_search_with_what_is_known(tmp_path: Path) -> None:
    search = Search(tmp_path)

    def gone(look: int, seen: Seen) -> Seen:
        if look <= 2:
            return seen
        search.agent.silent = "connection refused"
        unknown = (Reading("p99", None, 2.0, "agent lt0: connection refused"),)
        observation = dataclasses.replace(seen.observation, readings=unknown)
        return dataclasses.replace(seen, observation=observation, silent={"lt0": "connection refused"})

    search.server.fault = gone
    outcome = search.run()

    assert (outcome.answer.ended_by, outcome.answer.users) == ("agent lost", 20)
    assert outcome.answer.reason == "agent lt0 has not answered for 30 s: connection refused"
    assert outcome.left == "these agents could not be told to stop their users: lt0: connection refused"
    assert search.server.looks == 3 + AGENT_PATIENCE_SECONDS


def test_an_agent_that_comes_back_in_time_ends_nothing(tmp_path: Path) -> None:
    search = Search(tmp_path)

    def away(look: int, seen: Seen) -> Seen:
        if not 2 < look < AGENT_PATIENCE_SECONDS:
            return seen
        unknown = (Reading("p99", None, 2.0, "away"),)
        observation = dataclasses.replace(seen.observation, readings=unknown)
        return dataclasses.replace(seen, observation=observation, silent={"lt0": "away"})

    search.server.fault = away

    assert search.run().answer.users == 80


def test_nothing_is_decided_before_there_is_anything_to_go_by(tmp_path: Path) -> None:
    """Only queries, and all of them within their MinIntervalSec: the lowest users run, so that rates have a past."""
    search = Search(tmp_path)

    def early(look: int, seen: Seen) -> Seen:
        if look > 3:
            return seen
        return dataclasses.replace(
            seen, observation=dataclasses.replace(seen.observation, readings=()), warming="too early"
        )

    search.server.fault = early
    search.run()
    cycles = read(tmp_path).cycles

    assert [(cycle.fed, cycle.users, cycle.reason) for cycle in cycles[:3]] == [(False, 10, "too early")] * 3
    assert len(search.decider.seen) == len(cycles) - 3


def test_a_journal_that_cannot_be_written_is_told_and_the_search_goes_on(tmp_path: Path) -> None:
    """A full disk costs the journal, not the ten minutes."""
    search = Search(tmp_path)
    search.journal.close()
    search.journal._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115

    outcome = search.run()
    search.journal.close()

    assert outcome.answer.users == 80
    assert "cannot write the journal" in search.journal.trouble and "No space left on device" in search.journal.trouble
