"""The seconds in which neither the generator nor the server was out of order: to tell whose doing a breach is.

Pure: figures come in, sums go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmload.metrics.delta import Delta
from mmload.results.model import Calm, Figures, Part, Phase, Second
from mmload.results.outages import Outage, outages
from mmload.results.trust import trust_in, with_aftermath


def disturbed(seconds: Sequence[Second]) -> frozenset[int]:
    """The moments (`ms`) of the seconds that don't count: of a saturated generator, or of a server that was away.

    A server is not itself again before its sockets are back: they all ask for what they missed.
    """
    bad = with_aftermath(trust_in(seconds).saturated_seconds)
    away = outages(seconds)
    return frozenset(
        second.ms for second in seconds if second.elapsed in bad or any(_within(each, second.ms) for each in away)
    )


def _within(outage: Outage, ms: int) -> bool:
    return outage.start_ms <= ms <= outage.end_ms + outage.back_after_seconds * 1000


def calm(figures: Iterable[Figures], without: frozenset[int]) -> Calm:
    """The sums of all other seconds, and of the steady ones among them."""
    whole, steady = Delta(), Delta()
    seconds = steady_seconds = 0
    for each in figures:
        if each.ms in without:
            continue
        seconds += 1
        whole.merge(each.figures)
        if each.phase is Phase.STEADY:
            steady_seconds += 1
            steady.merge(each.figures)
    return Calm(Part(steady_seconds, steady), Part(seconds, whole))
