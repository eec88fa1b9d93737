"""How many users at other limits of the p99, from the evidence of one search. Pure.

A search stays around its own limit. What it saw on the way belongs to other limits: where users were level, and the p99
was on both sides of such a limit, the estimate is made as for its own. Nothing is extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from coordinator.answer import Answer, Limits, PlannedCapacity
from coordinator.search.estimate import Posterior
from coordinator.search.evidence import EvidenceWindow, LoadEvidence
from coordinator.search.sample import Observation

P99 = "p99 of requests (s)"
LIMITS_SECONDS = (0.5, 1.0, 2.0)
# An interval wider than so much to each side is no plan.
_WIDEST = 0.2


def planned(seen: Sequence[Observation], answer: Answer, limits: Limits) -> tuple[PlannedCapacity, ...]:
    """A row for each limit, the search's own among them; none where the p99 of requests was no limit of it."""
    own_p99 = next((each.limit for each in seen[-1].readings if each.name == P99), None) if seen else None
    if own_p99 is None or answer.low is None:
        return ()
    rows = sorted({*LIMITS_SECONDS, own_p99})
    own = _own(answer, own_p99)
    return tuple(own if p99 == own_p99 else _in_order(own, users_at(seen, limits, p99)) for p99 in rows)


def _in_order(own: PlannedCapacity, other: PlannedCapacity) -> PlannedCapacity:
    """Where little evidence says that a looser limit holds fewer users, it says nothing."""
    if own.users is None or other.users is None:
        return other
    higher, more = other.p99_seconds > own.p99_seconds, other.users >= own.users
    return other if other.users == own.users or higher == more else PlannedCapacity(other.p99_seconds, None, None, None)


def _own(answer: Answer, p99: float) -> PlannedCapacity:
    return PlannedCapacity(p99, answer.users if answer.high is not None else None, answer.low, answer.high)


def users_at(seen: Sequence[Observation], limits: Limits, p99: float) -> PlannedCapacity:
    """The users at which the p99 would cross this limit, or an end of the interval alone where it was not reached."""
    evidence = list(_evidence(seen, limits, p99))
    fine = [each for each in evidence if each.ratio <= 0.0]
    breached = [each for each in evidence if each.ratio > 0.0]
    tuning = limits.tuning
    enough = (
        math.fsum(each.seconds for each in fine) >= tuning.least_below_seconds
        and math.fsum(each.seconds for each in breached) >= tuning.least_above_seconds
    )
    if enough:
        return _estimated(evidence, limits, p99)
    # Of a few samples on one side nothing is concluded but from the other.
    low = max((each.load for each in fine), default=None) if not breached else None
    high = min((each.load for each in breached), default=None) if not fine else None
    return PlannedCapacity(p99, None, _users(low, math.floor), _users(high, math.ceil))


def _estimated(evidence: Sequence[LoadEvidence], limits: Limits, p99: float) -> PlannedCapacity:
    near = [each.load for each in evidence if abs(each.ratio) <= limits.tuning.clamp]
    loads = near or [each.load for each in evidence]
    centre = math.fsum(loads) / len(loads)
    posterior = Posterior(centre, limits.window_seconds, log_ins=limits.arrival_seconds > 0.0, tuning=limits.tuning)
    for each in evidence:
        posterior.add(each.load, each.ratio, each.seconds, each.log_ins, at=each.at - evidence[0].at)
    found = posterior.estimate()
    inside = min(each.load for each in evidence) <= found.middle <= max(each.load for each in evidence)
    if not inside or found.half_width > _WIDEST:
        return PlannedCapacity(p99, None, None, None)
    return PlannedCapacity(
        p99, round(math.exp(found.middle)), _users(found.low, math.floor), _users(found.high, math.ceil)
    )


def _users(load: float | None, rounded: Callable[[float], int]) -> int | None:
    # The exponential of a logarithm of a whole number is not always that number.
    return None if load is None else rounded(round(math.exp(load), 6))


def _evidence(seen: Sequence[Observation], limits: Limits, p99: float) -> Iterator[LoadEvidence]:
    """The other limits count as they are: a looser p99 helps nobody whose requests fail."""
    window = EvidenceWindow(limits)
    for each in seen:
        found = window.see(_under(each, p99))
        if found is not None:
            yield found


def _under(seen: Observation, p99: float) -> Observation:
    readings = tuple(replace(each, limit=p99) if each.name == P99 else each for each in seen.readings)
    return replace(seen, readings=readings)
