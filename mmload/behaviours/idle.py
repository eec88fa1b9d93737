"""People who are there and do nothing: for counting what mere connections cost."""

from __future__ import annotations

from typing import Any

from mmload.behaviours.catalogue import Action
from mmload.behaviours.person import POLL_SECONDS, Person
from mmload.behaviours.simulative import Behaviour


def do_nothing(person: Person) -> None:
    """Be there."""


def nothing(behaviour: Behaviour) -> None:
    """A task that is no action: nothing is counted."""


# Locust warns of a TaskSet without tasks.
nothing.action = Action("Nothing", do_nothing, 1)  # type: ignore[attr-defined]


class IdleBehaviour(Behaviour):
    """Connected and polling, as a forgotten browser tab."""

    tasks = [nothing]  # noqa: RUF012 — Locust's own form

    def get_next_task(self) -> Any:
        return nothing

    def wait_time(self) -> float:
        """How long between two times of doing nothing; the person's duties come when they are due."""
        return POLL_SECONDS
