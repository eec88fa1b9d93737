"""The seconds that tell of the server alone."""

from __future__ import annotations

from mmload.metrics.counts import DeliveryCounts
from mmload.metrics.delta import Delta, ProcessHealth
from mmload.results.generator_health import disturbed, undisturbed
from mmload.results.model import Figures, RunPhase, Second
from tests.results.records import START, second

LATE = {"local": ProcessHealth(lag_ms=900.0)}
FINE = {"local": ProcessHealth(lag_ms=1.0)}


def numbers(seconds: list[Second]) -> list[int]:
    """Which seconds are disturbed, as `elapsed`."""
    return sorted(ms // 1000 - START for ms in disturbed(seconds))


def test_a_quiet_run_has_no_disturbed_seconds() -> None:
    assert numbers([second(at, health=FINE) for at in range(20)]) == []


def test_late_seconds_and_the_next_ones_do_not_count_in_any_phase() -> None:
    """Log-ins are judged over the whole run, so the ramp matters, too."""
    seconds = [second(at, phase=RunPhase.RAMP if at < 5 else RunPhase.STEADY, health=FINE) for at in range(20)]
    for at in (2, 10, 11):
        seconds[at] = second(at, phase=seconds[at].phase, health=LATE)

    assert numbers(seconds) == [2, 3, 10, 11, 12]


def test_a_server_that_was_away_is_not_itself_before_its_sockets_are_back() -> None:
    """All of them ask for what they missed."""
    seconds = [second(at, health=FINE) for at in range(5)]
    seconds += [second(5, requests=8, failures=8, unanswered=8, dropped=10, health=FINE)]
    seconds += [second(at, requests=8, failures=8, unanswered=8, health=FINE) for at in range(6, 10)]
    seconds += [second(10, health=FINE), second(11, renewed=10, health=FINE)]
    seconds += [second(at, health=FINE) for at in range(12, 20)]

    assert numbers(seconds) == [5, 6, 7, 8, 9, 10, 11, 12]


def test_the_sums_are_of_all_other_seconds_and_of_the_steady_ones_among_them() -> None:
    """Each of these seconds counts one post."""
    phases = [RunPhase.RAMP] * 3 + [RunPhase.STEADY] * 5 + [RunPhase.STOPPING]
    figures = [
        Figures((START + at) * 1000, phase, Delta(deliveries=DeliveryCounts(sent=1))) for at, phase in enumerate(phases)
    ]

    found = undisturbed(figures, frozenset({(START + 1) * 1000, (START + 4) * 1000}))

    assert (found.steady.seconds, found.steady.figures.deliveries.sent) == (4, 4)
    assert (found.whole.seconds, found.whole.figures.deliveries.sent) == (7, 7)
