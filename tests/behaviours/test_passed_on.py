"""Who has nothing to do an action on passes it on: it is done as often as drawn, by somebody who has."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest
from locust.user.users import User

from mmload.behaviours.catalogue import Action, WeightedChoice
from mmload.behaviours.person import NothingToDo, Person
from mmload.behaviours.tasksets import MOST_ALIKE, MOST_DRAWN, MOST_WHO_TRY, SimulatedBehaviour, task_of
from tests.behaviours.conftest import ACTIONS, Scene

OPEN = ACTIONS["OpenDirectOrGroupChannel"]


def behaviour_of(person: Person, *others: Action) -> SimulatedBehaviour:
    """What this person does, who does one of the others where they have nothing to do."""
    found = SimulatedBehaviour(cast("User", SimpleNamespace(person=person, min_wait=0, max_wait=0, wait_function=None)))
    found._mix = WeightedChoice([(task_of(each), 1.0) for each in others])
    return found


def never(done: Counter[str], name: str = "Never", *, passed_on: bool = True) -> Action:
    """Nobody has anything to do it on."""

    def tried(person: Person) -> None:
        done[name] += 1
        raise NothingToDo("nobody has")

    return Action(name, tried, 1.0, passed_on=passed_on)


def always(done: Counter[str]) -> Action:
    def did(person: Person) -> None:
        done["Always"] += 1

    return Action("Always", did, 1.0)


@pytest.fixture
def alone(scene: Scene) -> Scene:
    """Ann has no direct channel, Bob has one that is not on his screen."""
    channel = scene.bob.api.create_direct_channel(scene.bob.id, scene.ann.id)
    for each in scene.ann.store.personal_channels():
        scene.ann.store.forget_channel(each.id)
    scene.bob.store.remember_channels([channel], member=True)
    scene.bob.store.turn_to(scene.channels[0]["id"], scene.bob.now_ms())
    scene.crowd.context.left_undone.clear()
    scene.crowd.context.recorder.take()
    return scene


def skipped(scene: Scene, name: str) -> int:
    """How many were given up since this was asked last."""
    figures = scene.crowd.context.recorder.take().actions.get(name)
    return figures.skipped if figures is not None else 0


def test_what_one_person_has_nothing_to_do_on_the_next_who_has_does(alone: Scene) -> None:
    done: Counter[str] = Counter()

    behaviour_of(alone.ann, always(done)).act(OPEN)
    assert done["Always"] == 1, "she did something else at once"
    behaviour_of(alone.bob, always(done)).act(always(done))

    assert done["Always"] == 1, "he did what was left instead"
    assert alone.bob.store.channels[alone.bob.store.current_channel_id].personal
    assert not alone.crowd.context.left_undone
    assert skipped(alone, OPEN.name) == 0


def test_what_nobody_can_do_is_given_up_after_many_have_tried(alone: Scene) -> None:
    done: Counter[str] = Counter()
    person = behaviour_of(alone.ann, always(done))

    person.act(never(done))
    for _ in range(2 * MOST_WHO_TRY):
        person.act(always(done))

    assert done == {"Never": MOST_WHO_TRY, "Always": 1 + 2 * MOST_WHO_TRY}
    assert not alone.crowd.context.left_undone
    assert skipped(alone, "Never") == 1


def test_who_finds_nothing_at_all_to_do_waits_for_the_next_turn(alone: Scene) -> None:
    done: Counter[str] = Counter()

    behaviour_of(alone.ann, never(done, "Other")).act(never(done))

    assert done == {"Never": 1, "Other": MOST_DRAWN - 1}
    assert len(alone.crowd.context.left_undone) == MOST_DRAWN


def test_what_many_wait_for_already_is_given_up_at_once(alone: Scene) -> None:
    """Else what nobody can do would be in the way of what somebody can."""
    done: Counter[str] = Counter()
    action = never(done)
    alone.crowd.context.left_undone.extend([(action, 1)] * (MOST_ALIKE + 2))

    behaviour_of(alone.ann, always(done)).act(action)

    assert len(alone.crowd.context.left_undone) == MOST_ALIKE


def test_what_was_done_by_itself_is_not_passed_on(alone: Scene) -> None:
    done: Counter[str] = Counter()

    behaviour_of(alone.ann, always(done)).act(never(done, passed_on=False))

    assert done == {"Never": 1}
    assert not alone.crowd.context.left_undone
    assert skipped(alone, "Never") == 1
    assert not ACTIONS["UnreadCheck"].passed_on


def test_where_nobody_has_anything_to_scroll_back_to_the_time_goes_by_all_the_same(alone: Scene) -> None:
    """Else users did everything else all the more often, and ever more while the channels of a server are read."""
    done: Counter[str] = Counter()
    ann, scroll = alone.ann, ACTIONS["ScrollChannel"]
    ann.store.posts.clear()
    before, draws = ann.paused_seconds, 200

    for _ in range(draws):
        behaviour_of(ann, always(done)).act(scroll)

    waiting = len(alone.crowd.context.left_undone)
    assert waiting <= MOST_ALIKE
    given_up = skipped(alone, scroll.name)
    assert given_up == draws - waiting
    # One to five pages of one to ten seconds each: 16.5 s, with a standard deviation of 9 s.
    assert ann.paused_seconds - before == pytest.approx(16.5 * given_up, rel=0.2)
