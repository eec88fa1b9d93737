"""How the test of this process stands, for the pages that show it: on a master, or an only process."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import locust
from locust.runners import STATE_INIT, STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner

from mmload import __version__
from mmload.metrics.exposition import Buckets, buckets
from mmload.metrics.histogram import Histogram
from mmload.plugin.record.run_recorder import recording_of
from mmload.results.generator_health import trust_in
from mmload.results.model import Facts, Second, Storm, Totals

# Told of also where no worker is in them: between two tests, Locust's workers leave for a moment and connect once more.
_WORKER_STATES = (STATE_INIT, STATE_SPAWNING, STATE_RUNNING, STATE_MISSING)


@dataclass(frozen=True, slots=True)
class View:
    """How the test stands: its record so far, and what Locust has now. `recent`: the last recorded seconds."""

    facts: Facts = field(default_factory=Facts)
    totals: Totals = field(default_factory=Totals)
    recent: tuple[Second, ...] = ()
    storms: tuple[Storm, ...] = ()
    running: bool = False
    target: int = 0
    spawned: int = 0
    workers: Mapping[str, int] = field(default_factory=dict)
    saturated: bool = False
    _buckets: dict[int, Buckets] = field(default_factory=dict)

    def buckets(self, times: Histogram) -> Buckets:
        """A histogram of the record in the edges of the page; made once for a page, as it is what takes long."""
        found = self._buckets.get(id(times))
        if found is None:
            found = self._buckets[id(times)] = buckets(times)
        return found

    @property
    def last(self) -> Second | None:
        return self.recent[-1] if self.recent else None


def view_of(environment: Any) -> View:
    runner, recording = environment.runner, recording_of(environment)
    if recording is None:
        return View(_before_any_test())
    return View(
        facts=recording.facts if recording.facts.mmload else _before_any_test(),
        totals=recording.totals,
        recent=tuple(recording.recent),
        storms=tuple(recording.storms),
        running=recording.running,
        target=runner.target_user_count if recording.running else 0,
        spawned=runner.user_count,
        workers=_workers(runner),
        saturated=trust_in(tuple(recording.recent)).saturated,
    )


def _workers(runner: Any) -> Mapping[str, int]:
    """How many workers are in each state; empty of an only process."""
    if not isinstance(runner, MasterRunner):
        return {}
    return dict.fromkeys(_WORKER_STATES, 0) | Counter(each.state for each in runner.clients.values())


def _before_any_test() -> Facts:
    return Facts(mmload=__version__, locust=locust.__version__, python=platform.python_version())
