"""All sources at once: none keeps the search waiting, and each that fails is named."""

from __future__ import annotations

import time
from threading import Event

from coordinator.observe.state import ObservedState, Source, mean, merged
from coordinator.observe.watching import STALE_LOOKS, Watch, sources
from coordinator.polling import Unanswered
from mmload.config.coordinator_tables import Monitor, Observe

PATIENCE_SECONDS = 60


class Told(Source):
    """A source that says what it is told to, and counts."""

    every_seconds = 0.01
    notes: tuple[str, ...] = ()

    def __init__(self, state: ObservedState | Exception) -> None:
        self.state, self.closed = state, Event()

    def look(self) -> ObservedState:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def close(self) -> None:
        self.closed.set()


class Hanging(Told):
    """It never answers, until the test is over."""

    def __init__(self) -> None:
        super().__init__(ObservedState())
        self.over = Event()

    def look(self) -> ObservedState:
        self.over.wait()
        return self.state if isinstance(self.state, ObservedState) else ObservedState()


def test_what_answers_is_known_while_another_hangs() -> None:
    hanging, watched = Hanging(), Told(ObservedState(server_cpu=1.0))
    watch = Watch({"slow": hanging, "quick": watched}, time.monotonic)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while watch.state() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert watch.state() == ObservedState(server_cpu=1.0)
    hanging.over.set()
    watch.close()
    assert watched.closed.wait(PATIENCE_SECONDS)


def test_what_fails_is_named_with_its_reason_and_the_rest_goes_on() -> None:
    failing, broken = Told(Unanswered("connection refused")), Told(ZeroDivisionError("a fault"))
    noting = Told(ObservedState(machine_cpu=0.5))
    noting.notes = ("GRANT pg_monitor",)
    made: dict[str, Source] = {"PostgreSQL": failing, "other": broken, "third": noting}
    watch = Watch(made, time.monotonic)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(watch.troubles()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert watch.troubles() == {
        "PostgreSQL": ("connection refused",),
        "other": ("ZeroDivisionError: a fault",),
        "third": ("GRANT pg_monitor",),
    }
    assert watch.state() == ObservedState(machine_cpu=0.5)
    watch.close()


def test_what_was_told_long_ago_says_nothing_of_now() -> None:
    now = [0.0]
    watch = Watch({"one": Told(ObservedState(server_cpu=1.0))}, lambda: now[0])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while watch.state() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watch.close()
    now[0] = 0.01 * (STALE_LOOKS + 1)

    assert watch.state() is None


def test_only_what_is_configured_is_a_source() -> None:
    monitor = Monitor()

    assert sources(monitor, Observe()) == {}
    assert list(sources(monitor, Observe(server_url="http://localhost:8065"))) == ["the server's processes"]
    assert sources(monitor, Observe(server_url="http://localhost:8065", processes=False)) == {}
    assert list(sources(monitor, Observe(metrics_url="http://app0:8067/metrics"))) == [
        "Mattermost's metrics at http://app0:8067/metrics"
    ]
    assert list(sources(monitor, Observe(postgres_url="postgresql://db0/mm", server_node="app0:9100"))) == [
        "PostgreSQL at postgresql://db0/mm",
        "exporters in Prometheus at http://localhost:9090",
    ]


def test_the_more_exact_source_counts_and_a_mean_is_of_the_looks_that_know() -> None:
    exact, other = ObservedState(server_cpu=1.0), ObservedState(server_cpu=2.0, machine_cpu=0.5)

    assert merged([exact, other]) == ObservedState(server_cpu=1.0, machine_cpu=0.5)
    assert mean([exact, other]) == ObservedState(server_cpu=1.5, machine_cpu=0.5)
    assert mean([]) == ObservedState()
