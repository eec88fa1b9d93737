"""Mattermost's own metrics, read from its page: CPU, and its connections to its database."""

from __future__ import annotations

import time
from collections.abc import Mapping

import requests

from coordinator.agent_metrics import Labelled, Sums
from coordinator.observe.state import ObservedState, Source
from coordinator.polling import Unanswered, session
from mmload.errors import transport_reason

_SECONDS = 3.0
_CPU = ("mattermost_process_cpu_seconds_total", "process_cpu_seconds_total")
_CORES = "go_sched_gomaxprocs_threads"
_IN_USE, _MOST, _WAITED = (
    "go_sql_in_use_connections",
    "go_sql_max_open_connections",
    "go_sql_wait_duration_seconds_total",
)
# What is read of it, and the labels that matter.
BY = {**dict.fromkeys((*_CPU, _CORES), ()), **dict.fromkeys((_IN_USE, _MOST, _WAITED), ("db_name",))}


def figures(sums: Mapping[Labelled, float]) -> dict[str, float]:
    """What is looked at, by name; of several databases the master's. Pure."""
    return {
        name: value
        for (name, *database), value in sums.items()
        if not database or "master" in (database[0] or "master")
    }


def state_between(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> ObservedState:
    """What two pages tell, so many seconds apart. Pure."""

    def rate(name: str) -> float | None:
        if seconds <= 0 or name not in before or after.get(name, -1.0) < before[name]:
            return None  # the first page, or a server that was started anew
        return (after[name] - before[name]) / seconds

    cpu = next((name for name in _CPU if name in after), "")
    return ObservedState(
        server_cpu=rate(cpu),
        server_cores=after.get(_CORES),
        pool_in_use=after.get(_IN_USE),
        pool_most=after.get(_MOST) or None,
        pool_waiting=rate(_WAITED),
    )


class MetricsPage(Source):
    """The page at an address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = session(url)
        self._sums = Sums(BY)
        self._before: dict[str, float] = {}
        self._last = 0.0

    def look(self) -> ObservedState:
        """What it told since the last look. Raises Unanswered."""
        try:
            answer = self._session.get(self._url, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise Unanswered(transport_reason(error)) from None
        if answer.status_code != 200:
            raise Unanswered(f"HTTP status {answer.status_code}")
        now, after = time.monotonic(), figures(self._sums.of(answer.text))
        if not after:
            raise Unanswered("this is not Mattermost's metrics page")
        state = state_between(self._before, after, now - self._last)
        self._before, self._last = after, now
        return state

    def close(self) -> None:
        self._session.close()
