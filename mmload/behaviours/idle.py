"""People who are there and do nothing: for counting what mere connections cost."""

from __future__ import annotations

from mmload.behaviours.person import POLL_SECONDS
from mmload.behaviours.simulative import Behaviour


class IdleBehaviour(Behaviour):
    """Connected and polling, as a forgotten browser tab; no actions, so none are counted."""

    tasks = []  # noqa: RUF012 — Locust's own form; without actions `Behaviour` does nothing, again and again

    def wait_time(self) -> float:
        """How long between two times of doing nothing; the person's duties come when they are due."""
        return POLL_SECONDS
