"""All sources of an ObserveConfiguration, looked at beside the search, which never waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from coordinator.observe.exporters import Exporters, presets
from coordinator.observe.metrics_page import MetricsPage
from coordinator.observe.postgres import PostgresServer
from coordinator.observe.processes import Processes
from coordinator.observe.state import ObservedState, Source, merged
from coordinator.polling import Unanswered
from mmload.config.coordinator_tables import Monitor, Observe

# A state so many looks old says nothing of now: the source hangs.
STALE_LOOKS = 4
_END_SECONDS = 1.0


def sources(monitor: Monitor, observe: Observe) -> dict[str, Source]:
    """Those that are configured, by their names for people, the most exact first."""
    found: dict[str, Source] = {}
    if observe.processes and observe.server_url:
        found["the server's processes"] = Processes(observe.server_url, observe.postgres_url)
    if observe.postgres_url:
        found[f"PostgreSQL at {observe.postgres_url}"] = PostgresServer(observe)
    if observe.metrics_url:
        found[f"Mattermost's metrics at {observe.metrics_url}"] = MetricsPage(observe.metrics_url)
    if presets(observe):
        found[f"exporters in Prometheus at {monitor.prometheus_url}"] = Exporters(monitor, observe)
    return found


@dataclass(slots=True)
class _Latest:
    state: ObservedState = field(default_factory=ObservedState)
    at: float | None = None
    trouble: str = ""


class Watch:
    """Looks at each source in a thread of its own until it is closed."""

    def __init__(self, watched: Mapping[str, Source], clock: Callable[[], float]) -> None:
        self._sources, self._clock = dict(watched), clock
        self._latest = {name: _Latest() for name in watched}
        self._lock, self._ended = Lock(), Event()
        self._threads = [
            Thread(target=self._follow, args=(name, source), daemon=True) for name, source in self._sources.items()
        ]
        for thread in self._threads:
            thread.start()

    def state(self) -> ObservedState | None:
        """What is known now; None if nothing is."""
        now = self._clock()
        with self._lock:
            told = [(each, STALE_LOOKS * self._sources[name].every_seconds) for name, each in self._latest.items()]
            fresh = [each.state for each, stale in told if each.at is not None and now - each.at <= stale]
        state = merged(fresh)
        return state if state != ObservedState() else None

    def troubles(self) -> dict[str, tuple[str, ...]]:
        """By source, why it tells nothing, or less than it could."""
        with self._lock:
            told = {
                name: ((each.trouble,) if each.trouble else self._sources[name].notes)
                for name, each in self._latest.items()
            }
        return {name: why for name, why in told.items() if why}

    def close(self) -> None:
        """End the threads, as soon as each has its answer, but wait for none for long."""
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=_END_SECONDS)

    def _follow(self, name: str, source: Source) -> None:
        latest = self._latest[name]
        while not self._ended.is_set():
            state, trouble = self._asked(source)
            with self._lock:
                latest.trouble = trouble
                if not trouble:
                    latest.state, latest.at = state, self._clock()
            self._ended.wait(source.every_seconds)
        source.close()

    def _asked(self, source: Source) -> tuple[ObservedState, str]:
        try:
            return source.look(), ""
        except Unanswered as error:
            return ObservedState(), str(error)
        except Exception as error:  # noqa: BLE001  # a thread's exception would reach nobody, and nothing depends on it
            return ObservedState(), f"{type(error).__name__}: {error}"
