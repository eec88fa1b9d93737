"""The people and channels of the scenarios: `ann`, who is recorded, and others who do something to her over REST."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import gevent
import msgspec

from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.catalogue import SIMULATIVE
from mmload.behaviours.login import disconnect, enter
from mmload.behaviours.page_load import DEFAULT_CHANNEL
from mmload.behaviours.person import Person
from mmload.client.http.client import Route
from mmload.config import Settings
from mmload.context import TestContext
from mmload.errors import MmloadError, RequestFailed, ServerNotReady
from mmload.fidelity.capture import Capture, RecordedRoute, RecordedTransport
from mmload.metrics.recorder import Recorder
from mmload.models import Channel, Post, Preference, Team
from mmload.users import new_person

ACTIONS = {action.name: action for action in SIMULATIVE}
# No step waits that long for anything; a busy machine may be slow.
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.02
# After so many looks in a row at which nothing was under way, the step is over.
QUIET_LOOKS = 5


class ScenarioFailed(MmloadError):
    """A scenario could not be played."""


class StageTime:
    """The clock of a person whose waits take no time."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def clock(self) -> float:
        return time.monotonic() + self._ahead_seconds

    def now_ms(self) -> int:
        return int((time.time() + self._ahead_seconds) * 1000)

    def sleep(self, seconds: float) -> None:
        self._ahead_seconds += seconds


class StageChance(random.Random):
    """Chance without rare things: whatever people do in less than a tenth of all cases does not happen."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.lowest, self.highest = 0.1, 0.9

    def random(self) -> float:
        return self.lowest + (self.highest - self.lowest) * super().random()

    def getrandbits(self, k: int) -> int:
        """As it is: with this, choices among things stay even."""
        return super().getrandbits(k)


@dataclass(eq=False)
class ScenarioStage:
    """`channels` by the names that scenarios give them; ann is in all but `unjoined` and `unknown`."""

    ann: Person
    bob: Person
    carol: Person
    capture: Capture
    time: StageTime
    team: Team = field(default_factory=lambda: Team(id=""))
    channels: dict[str, Channel] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    on_sandbox: bool = False
    until_next_step: ExitStack = field(default_factory=ExitStack)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def does(self, action: str) -> None:
        """Ann does an action of the catalogue. Raises what it raises."""
        if action not in ACTIONS:
            raise ScenarioFailed(f"there is no action {action}")
        ACTIONS[action].run(self.ann)

    @contextmanager
    def habits(self, **changed: Any) -> Iterator[None]:
        """Ann has other settings of simulcontroller.json for a while."""
        context = self.ann.context
        before = context.settings
        simul = msgspec.structs.replace(before.simul, **changed)
        context.settings = msgspec.structs.replace(before, simul=simul)
        try:
            yield
        finally:
            context.settings = before

    @contextmanager
    def luck(self, number: float) -> Iterator[None]:
        """Whatever ann does with a probability, she does (0.0) or does not (near 1.0), for a while."""
        chance = self.ann.rng
        assert isinstance(chance, StageChance)
        before = chance.lowest, chance.highest
        chance.lowest = chance.highest = number
        try:
            yield
        finally:
            chance.lowest, chance.highest = before

    def writes(self, who: Person, channel: str, message: str = "", root: str = "") -> Post:
        """Somebody writes into a channel; `root` names a message of the stage that is answered."""
        root_id = self.posts[root].id if root else ""
        text = message or f"number {next(self._number)}"
        return who.api.create_post(self.channels[channel].id, text, who.pending_post_id(), root_id=root_id)

    def hears(self, do: Callable[[], object], event: str = "posted") -> None:
        """Somebody does something that comes to ann as an event; returns when it has come."""
        events = self.ann.context.recorder.events
        before = events[event]
        do()
        self.wait_until(lambda: events[event] > before, f"no event {event!r} arrived")

    def wait_until(self, fulfilled: Callable[[], bool], otherwise: str) -> None:
        """Ann does what is due meanwhile, as a person at rest does."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not fulfilled():
            if time.monotonic() > until:
                raise ScenarioFailed(f"{otherwise} within {PATIENCE_SECONDS:.0f} s")
            run_background_tasks(self.ann)
            gevent.sleep(LOOK_SECONDS)

    def settle(self) -> None:
        """Until nothing is under way, or noted to be done."""
        quiet = 0

        def looked() -> bool:
            nonlocal quiet
            if self.ann.look_up_due < math.inf:
                self.time.sleep(max(0.0, self.ann.look_up_due - self.time.clock()))
            if self.ann.look_up_due < math.inf:
                # The page's next look at people it does not know.
                self.time.sleep(max(0.0, self.ann.look_up_due - self.ann.clock()))
            quiet = 0 if self.capture.busy or self.ann.jobs else quiet + 1
            return quiet >= QUIET_LOOKS

        self.wait_until(looked, "requests did not stop")


@contextmanager
def stage_on(server_url: str, settings: Settings, *, on_sandbox: bool = False) -> Iterator[ScenarioStage]:
    """Three people of the accounts 1 to 3, channels and messages for all scenarios. Ann has not come in yet."""
    time_of_stage = StageTime()
    others = TestContext(settings, server_url, Recorder())
    context = TestContext(_in_new_browser(settings), server_url, Recorder())
    capture = record(context)
    ann = _person(context, 1, time_of_stage)
    bob, carol = (_person(others, number, StageTime()) for number in (2, 3))
    stage = ScenarioStage(ann, bob, carol, capture, time_of_stage, on_sandbox=on_sandbox)
    try:
        try:
            _furnish(stage)
        except MmloadError as error:
            advice = "`mmload doctor` says what has to change, `mmload init` creates accounts and teams"
            raise ServerNotReady(f"{server_url}: the scenarios cannot be prepared: {error}; {advice}") from error
        yield stage
    finally:
        stage.until_next_step.close()
        for person in (ann, bob, carol):
            disconnect(person)


def _in_new_browser(settings: Settings) -> Settings:
    """The recording begins in a browser that has never been there."""
    users = msgspec.structs.replace(settings.config.users, percent_cold_browsers=1.0)
    return msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, users=users))


def record(context: TestContext) -> Capture:
    """Record what all people of this context send who are made from now on."""
    capture = Capture()
    there = context.transport
    context.transport = RecordedTransport(
        there.server_url,
        there.connect_timeout_seconds,
        there.request_timeout_seconds,
        there.tls_context,
        there.largest_answer_bytes,
        there.headers,
        there.proxy,
        capture=capture,
    )
    context.socket_route = RecordedRoute(context.socket_route.headers, context.socket_route.proxy, capture=capture)
    return capture


def _person(context: TestContext, number: int, when: StageTime) -> Person:
    person = new_person(context, number, _unreported)
    person.clock, person.now_ms, person.sleep = when.clock, when.now_ms, when.sleep
    person.rng = StageChance(f"stage:{number}")
    # The minute's poll comes when a scenario says so.
    person.poll_due = float("inf")
    return person


def _unreported(route: Route, start: float, seconds: float, size: int, failure: RequestFailed | None) -> None:
    """The capture sees it all."""


def _furnish(stage: ScenarioStage) -> None:
    """The others come in and make what ann will find. She comes in once, unrecorded, to be somebody."""
    for person in (stage.bob, stage.carol, stage.ann):
        enter(person)
    ann, bob, carol = stage.ann, stage.bob, stage.carol
    stage.team = ann.store.teams[ann.store.current_team_id]
    if not all(stage.team.id in person.store.teams for person in (bob, carol)):
        raise ScenarioFailed("accounts 1 to 3 are not in the same team")
    for name in ("big", "prefetched", "unread", "quiet", "pictures", "linked", "other", "unjoined", "unknown"):
        _channel(stage, name)
    stage.channels["direct"] = bob.api.create_direct_channel(bob.id, ann.id)
    stage.channels["group"] = bob.api.create_group_channel([ann.id, carol.id, bob.id])
    stage.channels["default"] = next(each for each in ann.store.team_channels() if each.name == DEFAULT_CHANNEL)
    _talk(stage)
    _close_welcome(ann)
    disconnect(ann)
    ann.store.clear()
    # Her browser remembers where she was.
    ann.store.current_team_id = stage.team.id
    ann.api.rest.set_token("")
    stage.capture.take("furnishing")


def _close_welcome(person: Person) -> None:
    """New accounts are shown a list of first steps, in front of the page, until they close it: as if it were closed."""
    seen = (
        ("onboarding_task_list", "onboarding_task_list_show", "false"),
        ("onboarding_task_list", "onboarding_task_list_open", "false"),
        ("recommended_next_steps", "hide", "true"),
    )
    person.api.set_preferences(person.id, [Preference(person.id, *each) for each in seen])


def _channel(stage: ScenarioStage, name: str) -> None:
    bob = stage.bob
    made = bob.api.create_channel(stage.team.id, f"fidelity-{name}-{bob.now_ms():x}", f"Fidelity {name}", "O")
    stage.channels[name] = made
    if name == "quiet":
        stage.writes(bob, name)
    if name not in ("unjoined", "unknown"):
        for person in (stage.ann, stage.carol):
            bob.api.add_channel_member(made.id, person.id)


def _talk(stage: ScenarioStage) -> None:
    bob, carol = stage.bob, stage.carol
    for _ in range(100):
        stage.writes(bob, "big")
    stage.posts["thread"] = stage.writes(bob, "big", "who can help?")
    stage.writes(stage.ann, "big", "I can", root="thread")
    stage.writes(carol, "big", "me too", root="thread")
    # Ann has read it all; what comes now is unread.
    for name in ("big", "linked", "other", "pictures", "quiet"):
        stage.ann.api.view_channel(stage.channels[name].id, collapsed_threads=True)
    stage.posts["linked"] = stage.writes(bob, "linked", "a message to link to")
    stage.posts["unjoined"] = stage.writes(bob, "unjoined", "a message that ann cannot see yet")
    for name in ("prefetched", "unread", "direct", "group"):
        stage.writes(carol if name == "group" else bob, name)
    _picture(stage)


def _picture(stage: ScenarioStage) -> None:
    from mmload.behaviours.composing import content

    bob, channel = stage.bob, stage.channels["pictures"]
    if not bob.context.capabilities.file_attachments:
        return
    for count in (1, 2):
        ids = [bob.api.upload_file(channel.id, "photo.png", content("photo.png"))[0].id for _ in range(count)]
        bob.api.create_post(channel.id, "look", bob.pending_post_id(), file_ids=tuple(ids))
