"""The differences from the recording that are accepted, each with its reason. Whatever is not here is a fault.

A test plays all steps on the sandbox and fails for a difference that is not here, and for an entry that no difference
needs any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmload.fidelity.compare import Departure, Way
from mmload.fidelity.kinds import concerns


@dataclass(frozen=True, slots=True)
class Accepted:
    """`what` is the beginning of the difference's text; `steps`: only in these (empty: in all)."""

    way: Way
    what: str
    reason: str
    steps: Sequence[str] = ()

    def covers(self, step: str, difference: Departure) -> bool:
        fits = difference.way == self.way and difference.what.startswith(self.what)
        return fits and concerns(self.steps, step)


ACCEPTED: tuple[Accepted, ...] = ()


def reason_for(step: str, difference: Departure, accepted: Iterable[Accepted] = ACCEPTED) -> str:
    """Why a difference is accepted; "" if it is not."""
    return next((each.reason for each in accepted if each.covers(step, difference)), "")
