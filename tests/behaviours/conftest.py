"""A scene for the actions: one team with three channels of its own, two people in it who know each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gevent
import pytest

from mmload.behaviours import events
from mmload.behaviours.catalogue import SIMULATIVE, Action
from mmload.behaviours.page_load import open_team
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.client.websocket.client import Timing
from mmload.metrics.recorder import ActionOutcome
from mmload.models import Team
from tests.support import Crowd, crowd

ACTIONS = {action.name: action for action in SIMULATIVE}


@dataclass
class Scene:
    """`ann` and `bob` are in `team`; what ann asks of the server is on record."""

    crowd: Crowd
    team: Team
    channels: list[dict[str, Any]]
    ann: Person
    bob: Person

    def does(self, name: str, outcome: ActionOutcome = ActionOutcome.OK) -> list[str]:
        """Ann does an action; the routes she asked, in order."""
        did, asked = self.tries(ACTIONS[name])
        assert did is outcome, (name, self.crowd.failed)
        return asked

    def tries(self, action: Action) -> tuple[ActionOutcome, list[str]]:
        """How an action of Ann's ended, and the routes she asked; a socket that it lost is back, and all asked for."""
        self.crowd.asked.clear()
        self.crowd.failed.clear()
        self.crowd.refused_as_expected.clear()
        if self.ann.socket is not None:
            self.ann.socket._timing = SOON
        outcome = perform(self.ann, action)
        asked = list(self.crowd.asked)
        if self.ann.socket is not None and not self.ann.socket.connected:
            come_back(self.ann)
        return outcome, asked

    def needs(self, name: str) -> None:
        """Skip the test of a real server where this action is not offered."""
        self.crowd.needs(name, ACTIONS[name].offered)

    def at(self, number: int) -> str:
        """Ann looks at one of the scene's channels; its id."""
        channel_id: str = self.channels[number]["id"]
        self.ann.store.turn_to(channel_id, self.ann.now_ms())
        return channel_id


SOON = replace(Timing(), first_retry_seconds=0.01, jitter_seconds=0.0)
PATIENCE_SECONDS = 180


def eventually(condition: Callable[[], object]) -> None:
    """Let the others run until the condition holds."""
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError("it never came true")):
        while not condition():
            gevent.sleep(0.005)


def come_back(person: Person) -> None:
    """Wait until a lost socket is back and its page has caught up: what comes after is not disturbed by that."""
    socket, counts = person.socket, person.context.recorder.sockets
    assert socket is not None
    back = counts.resumed + counts.renewed
    eventually(lambda: counts.resumed + counts.renewed > back and not person.jobs)


def make_scene(here: Crowd, people: int = 2) -> Scene:
    """A team with three channels, and people who are in all of them."""
    made = here.admin.team()
    channels = [here.admin.channel(made["id"]) for _ in range(3)]
    team = Team(id=made["id"], name=made["name"])
    for person in [here.come() for _ in range(people)]:
        if team.id not in person.store.teams:
            person.api.join_team(team.id, person.id)
            person.store.remember_teams([*person.store.teams.values(), team])
        for channel in channels:
            person.api.add_channel_member(channel["id"], person.id)
        person.store.remember_channels(person.api.own_channels(person.id, team.id, True), member=True)
        open_team(person, team)
        # Of messages that arrive nothing is seen, unless a test wants that: it would be asked at any moment.
        person.window.in_front = False
    ann, bob = here.people[:2]
    ann.store.remember_users([bob.store.me])
    return Scene(here, team, channels, ann, bob)


@pytest.fixture(scope="module")
def scene(server: str) -> Iterator[Scene]:
    """What becomes unread is not fetched: that would be asked at any moment (test_prefetching.py is about it)."""
    with crowd(server) as here, pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "became_unread", lambda *arguments, **more: None)
        yield make_scene(here)
