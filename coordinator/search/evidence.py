"""Which of the samples are evidence: those whose window had one load."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.answer import Limits
from coordinator.search.sample import Observation, Window, weigh


@dataclass(frozen=True, slots=True)
class LoadEvidence:
    """A sample whose window had one load: how near the worst limit was, and for how long it stands."""

    load: float
    ratio: float
    seconds: float
    log_ins: float
    at: float  # s since the search began


class EvidenceWindow:
    """Fed with every cycle of a search, in order."""

    def __init__(self, limits: Limits) -> None:
        self._longest_seconds = limits.tuning.longest_cycle_seconds
        self._window = Window(limits.window_seconds, limits.arrival_seconds, limits.tuning)
        self._last: float | None = None

    def see(self, seen: Observation) -> LoadEvidence | None:
        """What this cycle is evidence of, if it is some."""
        window, sample = self._window, weigh(seen)
        elapsed = 0.0 if self._last is None else min(self._longest_seconds, max(0.0, seen.seconds - self._last))
        self._last = seen.seconds
        window.add(seen.seconds, seen.users, seen.target)
        if sample.ratio is None or not window.telling or not window.peopled or seen.saturated:
            return None
        return LoadEvidence(window.credited(sample.ratio), sample.ratio, elapsed, window.arrivals, seen.seconds)
