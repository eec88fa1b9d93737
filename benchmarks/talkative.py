"""A locustfile beside our own: people write so many times as often (`WRITE_OFTEN`), whatever else they do.

When a message is written, whoever has its channel on the screen of a window in front is counted: an action `VIEWER`.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.others import VIEWER, WRITE_OFTEN
from mmload.behaviours import composing, tasksets
from mmload.behaviours.catalogue import Action
from mmload.behaviours.focus import begin_spells
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import SimulatedBehaviour
from mmload.metrics.recorder import ActionOutcome
from mmload.models import Post

_everybody: list[Person] = []
_usual, _post_message = SimulatedBehaviour.frequency_of, composing.post_message


def _talkative(behaviour: SimulatedBehaviour, action: Action) -> float:
    often = float(os.environ.get(WRITE_OFTEN, "1")) if action.name == "CreatePost" else 1.0
    return _usual(behaviour, action) * often


def _registered(person: Person) -> None:
    _everybody.append(person)
    begin_spells(person)


def _seen(author: Person, channel_id: str, *arguments: Any, **more: Any) -> Post:
    post = _post_message(author, channel_id, *arguments, **more)
    for person in _everybody:
        if person is not author and person.window.in_front and person.store.current_channel_id == channel_id:
            author.context.recorder.action(VIEWER, 0.0, ActionOutcome.OK)
    return post


SimulatedBehaviour.frequency_of = _talkative  # type: ignore[method-assign, assignment]
tasksets.begin_spells = _registered  # type: ignore[attr-defined]
composing.post_message = _seen  # type: ignore[assignment]
