"""What is said of two servers, on simulated runs whose truth is known."""

from __future__ import annotations

import random
import statistics

import pytest

from mmload.results.comparison import (
    ERRORS,
    EXIT_CODES,
    MISSING,
    TYPICAL,
    Comparison,
    FigureDifference,
    Judgement,
    Rules,
    compare,
    contrast,
    corrected,
)
from mmload.results.statistics import BLOCKS, LeftOut, RunEstimate, SteadyWindow, autocorrelation, bound, two_sided
from tests.compare.simulated import window

PAIRS = 10


def leading(comparison: Comparison) -> FigureDifference:
    return next(each for each in comparison.differences if each.leading)


def figure(comparison: Comparison, subject: str, measure: str) -> FigureDifference:
    return next(each for each in comparison.differences if (each.subject, each.measure) == (subject, measure))


def test_two_runs_of_one_server_show_no_difference_nine_times_of_ten() -> None:
    said = [compare([window(seed)], [window(seed + 100)]).outcome for seed in range(PAIRS)]

    assert said.count(Judgement.SAME) >= 9, said


def test_a_tenth_slower_is_found_nine_times_of_ten_and_lies_in_the_band() -> None:
    found = [compare([window(seed)], [window(seed + 100, slower=0.1)]) for seed in range(PAIRS)]

    assert [each.outcome for each in found].count(Judgement.WORSE) >= 9
    assert sum(leading(each).low <= 0.1 <= leading(each).high for each in found) >= 9


def test_a_tenth_faster_is_better() -> None:
    assert compare([window(1, slower=0.1)], [window(2)]).outcome is Judgement.BETTER


def test_the_same_runs_give_the_same_answer() -> None:
    base, new = window(1), window(2)

    assert compare([base], [new]) == compare([base], [new])


def test_waves_make_it_impossible_to_tell_and_longer_runs_or_more_are_asked_for() -> None:
    comparison = compare([window(1, wave=0.5)], [window(2, wave=0.5)])

    assert comparison.outcome is Judgement.UNKNOWN
    assert leading(comparison).longer is None or (leading(comparison).longer or 0) > 2
    assert leading(comparison).repeats > 2


def test_more_failures_are_worse_though_no_time_is() -> None:
    comparison = compare([window(1)], [window(2, failing=0.02)])

    assert comparison.outcome is Judgement.WORSE
    assert figure(comparison, ERRORS.subject, ERRORS.measure).judgement is Judgement.WORSE
    assert leading(comparison).judgement is Judgement.SAME


def test_more_missing_messages_are_worse() -> None:
    comparison = compare([window(1, 60)], [window(2, 60, missing=0.2)])

    assert figure(comparison, MISSING.subject, MISSING.measure).judgement is Judgement.WORSE
    assert comparison.outcome is Judgement.WORSE


def test_a_window_too_short_tells_nothing() -> None:
    comparison = compare([window(1, 19)], [window(2)])

    assert (comparison.outcome, comparison.differences) == (Judgement.UNKNOWN, ())
    assert comparison.notes == ("a steady window of 19 s is too short to compare: at least 20 s are needed",)


def test_runs_with_no_request_at_all_tell_nothing() -> None:
    empty = [
        SteadyWindow(20, requests=[0] * 30, failures=[0] * 30, expected=[0] * 30, missing=[0] * 30) for _ in range(2)
    ]

    assert compare(empty[:1], empty[1:]).outcome is Judgement.UNKNOWN


def test_repeats_narrow_the_band() -> None:
    one = compare([window(1)], [window(2)])
    three = compare([window(1), window(3), window(5)], [window(2), window(4), window(6)])

    assert leading(three).spread < leading(one).spread * 0.75


def test_repeats_that_differ_widen_the_band_though_each_run_is_calm() -> None:
    alike = [RunEstimate(0.0, 1e-6), RunEstimate(0.001, 1e-6), RunEstimate(-0.001, 1e-6)]
    apart = [RunEstimate(0.0, 1e-6), RunEstimate(0.1, 1e-6), RunEstimate(-0.1, 1e-6)]

    assert contrast(TYPICAL, apart, apart).error > 3 * contrast(TYPICAL, alike, alike).error


def test_a_wider_tolerance_passes_what_a_narrow_one_does_not() -> None:
    base, new = [window(1)], [window(2, slower=0.1)]

    assert compare(base, new, Rules(tolerance=0.05)).outcome is Judgement.WORSE
    assert compare(base, new, Rules(tolerance=0.3)).outcome is Judgement.SAME


def test_runs_said_to_differ_much_need_a_greater_difference() -> None:
    assert compare([window(1)], [window(2, slower=0.1)], Rules(between=0.05)).outcome is Judgement.UNKNOWN


def test_probabilities_are_corrected_for_their_number_and_stay_in_order() -> None:
    contrasts = [
        contrast(TYPICAL, [RunEstimate(0.0, 1e-4)], [RunEstimate(change, 1e-4)]) for change in (0.0, 0.05, 0.02)
    ]

    found = corrected(contrasts)

    assert [each for each, _ in found] == contrasts
    assert found[1][1] == pytest.approx(3 * contrasts[1].probability)
    assert found[2][1] == pytest.approx(min(1, 3 * contrasts[2].probability))
    assert found[0][1] >= found[2][1] >= found[1][1]


def test_exit_codes_are_those_of_the_design() -> None:
    assert {each: int(code) for each, code in EXIT_CODES.items()} == {
        Judgement.SAME: 0,
        Judgement.BETTER: 0,
        Judgement.WORSE: 3,
        Judgement.UNKNOWN: 6,
    }


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (6, 2.4469), (10, 2.2281), (100, 1.9840)])
def test_students_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert bound(0.95, freedom) == pytest.approx(t, rel=1e-4)
    assert two_sided(t, freedom) == pytest.approx(0.05, rel=1e-3)


def test_seconds_without_memory_are_all_news() -> None:
    rng = random.Random(5)
    series = [[rng.gauss(0, 1) for _ in range(300)] for _ in range(2)]

    found = autocorrelation(series)

    assert found.seconds(300) == pytest.approx(1, abs=0.6)


def test_seconds_that_take_over_most_of_the_last_one_remember_for_as_long_as_they_should() -> None:
    """A share of 0.8 taken over makes (1 + 0.8) / (1 - 0.8) = 9 s."""
    rng = random.Random(5)
    series = []
    for _ in range(4):
        values = [rng.gauss(0, 1)]
        for _ in range(999):
            values.append(0.8 * values[-1] + rng.gauss(0, 0.6))
        series.append(values)

    found = autocorrelation(series)

    assert found.seconds(1000) == pytest.approx(9, rel=0.3)
    assert found.correction(60) > found.correction(1000) >= 1


def test_a_series_that_never_changes_has_no_memory() -> None:
    assert autocorrelation([[1.0] * 40]).seconds(40) == 1


def test_the_variance_of_a_mean_by_blocks_is_that_of_the_textbook() -> None:
    """(n - 1) / n times the sum of squares of the means without each block."""
    rng = random.Random(5)
    made = SteadyWindow(20, requests=[rng.randrange(50, 150) for _ in range(200)])
    left_out = LeftOut(made, autocorrelation([[1.0] * 200]))
    sums = left_out.sums(made.requests)
    blocks = [sum(made.requests[start : start + 20]) / 20 for start in range(0, 200, 20)]
    estimate = left_out.estimate(sums / left_out.sums([1] * 200))

    assert estimate.value == pytest.approx(statistics.fmean(made.requests))
    assert estimate.variance == pytest.approx(statistics.variance(blocks) / BLOCKS)
