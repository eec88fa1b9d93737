"""A locustfile beside our own: people write so many times as often (`WRITE_OFTEN`), whatever else they do."""

from __future__ import annotations

import os

from benchmarks.others import WRITE_OFTEN
from mmload.behaviours.catalogue import Action
from mmload.behaviours.tasksets import SimulatedBehaviour

_usual = SimulatedBehaviour.frequency_of


def _talkative(behaviour: SimulatedBehaviour, action: Action) -> float:
    often = float(os.environ.get(WRITE_OFTEN, "1")) if action.name == "CreatePost" else 1.0
    return _usual(behaviour, action) * often


SimulatedBehaviour.frequency_of = _talkative  # type: ignore[method-assign, assignment]
