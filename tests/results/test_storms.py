"""How a run came through a storm: figures of each second in, spans and sentences out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from mmload.report.findings import findings
from mmload.report.junit import junit_report
from mmload.report.markdown import markdown_report
from mmload.report.page import html_report
from mmload.report.terminal import terminal_report
from mmload.results.folder import RunFolder, read_run
from mmload.results.model import Facts, Figures, Run, RunPhase, Second, Storm, StormKind, Totals
from mmload.results.storms import in_stages, recoveries, recovery, storm_sentence
from mmload.results.thresholds import evaluate, kept_stages
from mmload.results.verdict import VerdictKind, verdict
from tests.results.records import START, figures, run, second

EVENT = (START + 20) * 1000
AWAY = {"requests": 5, "failures": 5, "unanswered": 5, "p50_ms": None, "p95_ms": None, "p99_ms": None}


def storm(at: float = 20.0, lasts: float = 0.0, kind: StormKind = StormKind.RESTART, users: int = 0) -> Storm:
    ms = round((START + at) * 1000)
    return Storm(kind, ms, over_ms=ms + round(lasts * 1000), users=users, patience_seconds=60.0)


def minutes(change: Callable[[int], Mapping[str, object]], length: int = 90) -> tuple[Second, ...]:
    """Quiet seconds, and what is different in some; at the end the users are stopped."""
    told = [second(at, expected=9, delivered=9, **change(at)) for at in range(length)]
    return (*told, second(length, phase=RunPhase.STOPPING, sockets=0, active=0))


def outage(first: int, answers_from: int, sockets_from: int, slow_until: int = 0) -> tuple[Second, ...]:
    """Answers again from one second on, all sockets from another, usual times from a third."""

    def change(at: int) -> dict[str, object]:
        if not first <= at < max(answers_from, sockets_from, slow_until):
            return {}
        if at < answers_from:
            return {**AWAY, "sockets": 0, "dropped": 10 if at == first else 0}
        sockets = 10 if at >= sockets_from else 4
        return {"sockets": sockets, **({"p99_ms": 900.0, "requests": 40} if at < slow_until else {})}

    return minutes(change)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(outage(20, 26, 29), (9, 9, 6, 6), id="the sockets are last"),
        pytest.param(outage(20, 26, 29, 61), (41, 9, 41, 6), id="the slow answers are last"),
        pytest.param(outage(23, 29, 31), (11, 11, 9, 9), id="it stops some time after the command"),
        pytest.param(minutes(lambda at: {}), (0, 0, 0, 0), id="nothing happens"),
        pytest.param(minutes(lambda at: {"p99_ms": 5000.0} if at in (45, 60) else {}), (0, 0, 0, 0), id="chance later"),
    ],
)
def test_a_known_outage_is_told_to_the_second(seconds: Sequence[Second], expected: tuple[int, ...]) -> None:
    told = recovery(storm(lasts=5), seconds)

    spans = (told.recovered_seconds, told.sockets_seconds, told.p99_seconds, told.failures_seconds)
    assert spans == expected


def test_an_event_in_the_middle_of_a_second_counts_from_its_moment() -> None:
    told = recovery(storm(at=20.4), outage(20, 26, 29))

    assert told.recovered_seconds == pytest.approx(8.6)


def test_who_recovers_in_waves_has_not_recovered_in_between() -> None:
    seconds = minutes(lambda at: dict(AWAY) if 20 <= at < 25 or 30 <= at < 35 else {})

    assert recovery(storm(), seconds).recovered_seconds == 15


def test_before_its_command_has_ended_nothing_has_recovered() -> None:
    assert recovery(storm(lasts=30), outage(45, 48, 52)).recovered_seconds == 32


def test_a_server_that_never_recovers_is_told_as_such() -> None:
    told = recovery(storm(), outage(20, 26, 10_000))

    assert (told.recovered_seconds, told.sockets_seconds, told.p99_seconds) == (None, None, 6)
    assert storm_sentence(told).startswith("not recovered within 70 s (sockets not back, p99 6 s, failures 6 s); ")


def test_the_sentence_tells_what_failed_and_what_was_lost() -> None:
    seconds = [replace(each, missing=3 if each.elapsed == 50 else 0) for each in outage(20, 26, 29, 61)]

    assert storm_sentence(recovery(storm(), seconds)) == (
        "recovered in 41 s (sockets 9 s, p99 41 s, failures 6 s); 2.1 % failed meanwhile; 3 of 630 deliveries lost"
    )
    quiet = recovery(storm(kind=StormKind.RECONNECT), minutes(lambda at: {"sockets": 3} if 20 <= at < 24 else {}))
    assert storm_sentence(quiet) == "recovered in 4 s (sockets 4 s, p99 0 s); nothing failed meanwhile; no message lost"


def test_the_peaks_are_those_until_the_recovery() -> None:
    told = recovery(storm(), outage(20, 26, 29, 61))

    assert (told.peak_requests, told.peak_failures, told.requests, told.failures) == (40, 5, 1430, 30)
    assert (told.sockets_lowest, told.sockets_dropped, told.p99_highest_ms) == (0, 10, 900.0)


def test_those_who_come_with_a_spike_are_to_have_sockets_too() -> None:
    seconds = minutes(lambda at: {"sockets": min(20, 10 + 2 * (at - 19)), "target": 20} if at >= 20 else {})

    told = recovery(storm(kind=StormKind.SPIKE, users=10), seconds)

    assert (told.sockets_level, told.sockets_seconds) == (20, 4)


@pytest.mark.parametrize(
    ("began", "seconds", "reason"),
    [
        (storm(at=3), outage(3, 5, 5), "the load had been steady for only 3 s before it: 5 s are needed"),
        (storm(at=85), outage(85, 88, 88), "the load ended 5 s after it: 10 s are needed"),
        (replace(storm(), problem="the command failed (exit code 3)"), outage(20, 25, 25), "the command failed"),
    ],
)
def test_where_nothing_can_be_told_the_reason_is(began: Storm, seconds: Sequence[Second], reason: str) -> None:
    assert recovery(began, seconds).untold.startswith(reason)


def test_too_few_requests_make_no_band_for_p99() -> None:
    seconds = minutes(lambda at: {"requests": 0, "p99_ms": None} | ({"sockets": 0} if 20 <= at < 22 else {}))

    told = recovery(storm(), seconds)

    assert (told.recovered_seconds, told.p99_seconds, told.p99_limit_ms) == (2, None, None)
    assert "p99 unknown: too few requests before the storm" in storm_sentence(told)


def test_a_later_line_of_a_storm_takes_the_place_of_the_first() -> None:
    began = replace(storm(), over_ms=0)

    [told] = recoveries([began, storm(lasts=5)], outage(20, 26, 29))

    assert told.storm.over_ms == EVENT + 5000


def stormy(seconds: tuple[Second, ...], *thresholds: str, began: Storm | None = None) -> Run:
    facts = Facts(users=10, thresholds=thresholds, started_ms=START * 1000, ended_ms=(START + 91) * 1000)
    totals = Totals(seconds=91, steady_seconds=90, highest_active=10, whole=figures(), steady=figures())
    storms = recoveries([began or storm()], seconds)
    return run(facts=facts, totals=totals, seconds=in_stages(seconds, storms), storms=storms)


@pytest.mark.parametrize(
    ("threshold", "outcome"),
    [
        ("recovery < 60s", True),
        ("recovery < 40s", False),
        ("recovery(sockets) <= 9s", True),
        ("recovery(sockets) < 500ms", False),
        ("recovery(p99) < 1min", True),
        ("recovery(failures) < 5s", False),
    ],
)
def test_thresholds_are_held_against_the_recovery(threshold: str, outcome: bool) -> None:
    assert evaluate(threshold, stormy(outage(20, 26, 29, 61))).passed is outcome


def test_a_recovery_that_never_came_crosses_what_was_watched_for_long_enough() -> None:
    told = stormy(outage(20, 26, 10_000))

    assert evaluate("recovery < 60s", told).said == "recovery < 60s: crossed: not within 70.00 s"
    assert evaluate("recovery < 80s", told).passed is None
    assert evaluate("recovery(p99) < 10s", told).passed is True


def test_a_recovery_that_never_came_crosses_a_limit_of_just_what_was_watched() -> None:
    assert evaluate("recovery < 70s", stormy(outage(20, 26, 10_000))).passed is False


def test_a_recovery_that_cannot_be_determined_holds_no_threshold_and_says_why() -> None:
    cut_off = stormy(outage(85, 88, 88), began=storm(at=85))
    no_requests = stormy(minutes(lambda at: {"requests": 0, "p99_ms": None} | ({"sockets": 0} if at == 20 else {})))

    told = evaluate("recovery < 60s", cut_off)
    assert told.passed is None and "cannot be determined: the load ended 5 s after it" in told.said
    told = evaluate("recovery(p99) < 60s", no_requests)
    assert told.passed is None and "too few requests before the storm for a p99" in told.said
    assert evaluate("recovery(sockets) < 60s", no_requests).passed is True


def test_a_storm_whose_recovery_cannot_be_determined_is_a_doubt() -> None:
    said = verdict(stormy(outage(85, 88, 88), began=storm(at=85)))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert said.reasons[0] == (
        "restart storm: its recovery cannot be determined: the load ended 5 s after it: 10 s are needed"
    )


def test_without_a_storm_there_is_no_recovery() -> None:
    assert evaluate("recovery < 60s", run()).said.endswith("there was no storm in this run")


@pytest.mark.parametrize("stages", ["", "what nobody can read"])
def test_without_a_storm_or_readable_stages_a_run_has_none(stages: str) -> None:
    assert kept_stages(run(facts=replace(run().facts, stages=stages))) == {}


def test_an_outage_that_the_storm_brought_is_no_doubt() -> None:
    said = verdict(stormy(outage(20, 26, 29), "recovery < 60s"))

    assert (said.outcome, said.reasons) == (VerdictKind.PASSED, ())


def test_one_that_comes_later_is() -> None:
    seconds = minutes(lambda at: dict(AWAY) if 20 <= at < 26 or 70 <= at < 80 else {})

    said = verdict(stormy(seconds))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert "gave no answer for 10 s" in said.reasons[0]


def test_who_does_not_recover_has_failed() -> None:
    said = verdict(stormy(outage(20, 26, 10_000)))

    assert said.outcome is VerdictKind.FAILED
    assert said.reasons[0].startswith("restart storm: not recovered within 70 s")


def test_a_load_that_ends_before_the_patience_says_nothing() -> None:
    said = verdict(stormy(outage(20, 26, 10_000), began=replace(storm(), patience_seconds=300.0)))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert said.reasons[0].endswith("which may not be the server's fault: the load ended early")


def test_a_storm_that_was_never_raised_is_a_doubt() -> None:
    told = run(facts=replace(run().facts, storm="restart"))

    assert "the restart storm was never triggered" in verdict(told).reasons[0]


def test_the_folder_keeps_storms_and_its_stages_are_made_of_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_facts(Facts(users=10, started_ms=START * 1000, ended_ms=(START + 91) * 1000))
    for each in outage(20, 26, 29):
        folder.add_second(each)
        folder.add_figures(Figures(each.ms, each.phase, figures(5)))
    folder.add_storm(replace(storm(), over_ms=0))
    folder.add_storm(storm())
    folder.close()

    told = read_run(tmp_path)

    assert [each.recovered_seconds for each in told.storms] == [9]
    assert {name: part.seconds for name, part in told.stages.items()} == {"before": 20, "storm": 9, "after": 61}
    assert evaluate("count(requests)[storm] == 45", told).passed is True


def test_every_form_of_the_report_tells_of_it() -> None:
    found = findings(stormy(outage(20, 26, 29), "recovery < 60s"))
    said = "recovered in 9 s (sockets 9 s, p99 6 s, failures 6 s); 60 % failed meanwhile; no message lost"

    assert said in " ".join(terminal_report(found.run).replace("\n    ", " ").split())
    assert said in markdown_report(found)
    assert f"<system-out>{said}</system-out>" in junit_report(found)
    page = html_report(found)
    assert said in page
    assert 'class="band storm"' in page
