"""How many users came and went during a test, added up over the workers on the master."""

from __future__ import annotations

from typing import Any

import msgspec

REPORT_KEY = "mmload_turnover"


class Turnover(msgspec.Struct, frozen=True):
    """Users started and users ended, since the test began."""

    started: int = 0
    ended: int = 0

    def __add__(self, other: Turnover) -> Turnover:
        return Turnover(self.started + other.started, self.ended + other.ended)


class WorkersTurnover:
    """The turnover that a master's workers report. A worker that was lost has lost all its users."""

    def __init__(self) -> None:
        self._of: dict[str, Turnover] = {}

    def start_over(self) -> None:
        """A new test begins."""
        self._of.clear()

    def take_in(self, client_id: str, data: dict[str, Any]) -> None:
        """A worker's report; what it says of the users is taken out of it."""
        reported = data.pop(REPORT_KEY, None)
        if reported is not None:
            self._of[client_id] = msgspec.convert(reported, Turnover)

    def lost(self, client_id: str) -> None:
        """This worker is gone, and its users with it."""
        known = self._of.get(client_id, Turnover())
        self._of[client_id] = Turnover(known.started, known.started)

    def turnover(self) -> Turnover:
        """All of them together."""
        return sum(self._of.values(), Turnover())
