"""The estimate and its interval, against textbook formulas on made-up evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coordinator.search.estimate import Estimate, Posterior, _grouped, _weights
from coordinator.search.tuning import DEFAULT

CENTRE = math.log(300)
WINDOW = 30.0
# What the noise does to the blocks of 30 s: some up, some down.
NOISE = (0.05, -0.03, 0.08, -0.06, 0.01, 0.04, -0.02)


def fed(*blocks: float, slope: float = 4.0, each: int = 3, capacity: float = CENTRE) -> Posterior:
    """A posterior after blocks of 30 s whose ratio is off by so much, on a line of this slope through the capacity."""
    posterior = Posterior(CENTRE, WINDOW)
    for off in blocks:
        for number in range(each):
            beyond = 0.1 * (number / (each - 1) - 0.5)
            posterior.add(capacity + beyond, slope * beyond + off, 30.0 / each)
    return posterior


def mean_of(posterior: Posterior) -> float:
    return posterior.estimate().middle


def jackknife(blocks: tuple[float, ...], together: int) -> float:
    """The textbook's: leave out each group in turn; error² = (n − 1)/n · Σ (mean without one − their mean)²."""
    groups = [set(range(at, min(at + together, len(blocks)))) for at in range(0, len(blocks), together)]
    means = [mean_of(fed(*(off for at, off in enumerate(blocks) if at not in group))) for group in groups]
    number = len(means)
    return math.sqrt((number - 1) / number * sum((mean - sum(means) / number) ** 2 for mean in means))


def block_error(posterior: Posterior, together: int) -> float:
    values = np.broadcast_to(posterior._capacities[:, None, None, None, None], posterior._total.shape).ravel()
    groups = [group.ravel() for group in _grouped(posterior._blocks, together)]
    return posterior._block_error(posterior._total.ravel(), groups, values)


@pytest.mark.parametrize("together", [1, 2])
def test_the_error_of_the_blocks_is_the_textbook_jackknife(together: int) -> None:
    assert block_error(fed(*NOISE), together) == pytest.approx(jackknife(NOISE, together), rel=1e-4)
    assert jackknife(NOISE, together) > 0.001


def test_fewer_than_three_groups_of_blocks_tell_no_error() -> None:
    assert block_error(fed(*NOISE[:2]), 1) == 0.0
    assert block_error(fed(*NOISE[:3]), 1) > 0.0
    assert block_error(fed(*NOISE[:4]), 2) == 0.0
    assert block_error(fed(*NOISE[:5]), 2) > 0.0


def test_a_block_is_full_after_thirty_seconds() -> None:
    nearly = Posterior(CENTRE, WINDOW)
    for _ in range(2):
        nearly.add(CENTRE, 0.0, 29.5)

    posterior = Posterior(CENTRE, WINDOW)
    for _ in range(7):
        posterior.add(CENTRE, 0.0, 10.0)

    second_by_second = Posterior(CENTRE, WINDOW)
    for _ in range(60):
        second_by_second.add(CENTRE, 0.0, 1.0)

    assert len(nearly._blocks) == 1
    assert len(second_by_second._blocks) == 2
    assert len(posterior._blocks) == 3
    assert np.allclose(posterior._blocks[0], 3 * posterior._blocks[2])
    assert np.allclose(posterior._blocks[0], posterior._blocks[1])


@pytest.mark.parametrize("noise", [(0.06, 0.06, -0.05, -0.05, 0.04, 0.04, -0.06, -0.06)])
def test_the_interval_is_so_many_times_the_greatest_error_and_what_a_line_cannot_follow(
    noise: tuple[float, ...],
) -> None:
    """Of the posterior's spread and the jackknife's over blocks, pairs and threes of them: where a block is like the
    one before, theirs is greater."""
    posterior = fed(*noise)
    weights = np.exp(posterior._total - posterior._total.max()).sum(axis=(1, 2, 3, 4))
    weights /= weights.sum()
    grid = np.linspace(CENTRE - 0.7, CENTRE + 0.5, 241)
    spread = math.sqrt(weights @ grid**2 - (weights @ grid) ** 2)
    error = max(spread, *(jackknife(noise, together) for together in (1, 2, 3) if len(noise) >= 3 * together - 2))
    factor = posterior._errors(_weights(posterior._total))

    found = posterior.estimate()

    assert found.middle == pytest.approx(weights @ grid, abs=1e-5)
    assert found.half_width == pytest.approx(math.hypot(factor * error, 0.01), rel=1e-3)


def noisy(noise: float, slope: float = 16.0, blocks: int = 24) -> Posterior:
    """A posterior after samples whose ratio is off by so much, up and down in turns."""
    posterior = Posterior(CENTRE, WINDOW)
    for number in range(blocks):
        beyond = 0.01 * (number % 3 - 1)
        posterior.add(CENTRE + beyond, slope * beyond + (noise if number % 2 else -noise), 30.0, at=30.0 * number)
    return posterior


def test_the_noisier_a_server_the_more_errors_are_half_an_interval() -> None:
    """What is seen of it for minutes may be its mood."""
    of_windows = 1.0 + DEFAULT.few / 23.0
    factors = [noisy(off)._errors(_weights(noisy(off)._total)) for off in (0.1, 0.3, 0.8)]

    assert factors == sorted(factors)
    assert factors[0] == pytest.approx(DEFAULT.errors_by_noise[0][1] * of_windows)
    assert factors[-1] == pytest.approx(DEFAULT.errors_by_noise[1][1] * of_windows)


def test_a_few_windows_say_little_of_their_own_error() -> None:
    few, many = (noisy(0.1, blocks=blocks) for blocks in (5, 24))

    assert few._errors(_weights(few._total)) / many._errors(_weights(many._total)) > 1.2


def test_so_are_they_where_the_measure_hardly_depends_on_the_users() -> None:
    steep, gentle = (fed(*[0.1, -0.1] * 12, slope=slope) for slope in (32.0, 2.0))
    of_windows = 1.0 + DEFAULT.few / 23.0

    assert steep._errors(_weights(steep._total)) == pytest.approx(DEFAULT.errors_by_spread[0][1] * of_windows, abs=0.05)
    assert gentle._errors(_weights(gentle._total)) == pytest.approx(DEFAULT.errors_by_spread[1][1] * of_windows)


def test_of_a_capacity_that_falls_the_answer_is_that_of_now() -> None:
    """By a quarter an hour, for twenty minutes: the mean of them would be 4 % too high."""
    posterior = Posterior(CENTRE, WINDOW)
    for second in range(0, 1200, 5):
        capacity = CENTRE - 0.25 * second / 3600.0
        load = capacity + 0.015 * (second // 30 % 3 - 1)
        posterior.add(load, 20.0 * (load - capacity), 5.0, at=float(second))
    now = CENTRE - 0.25 / 3.0

    found = posterior.estimate()

    assert found.middle == pytest.approx(now, abs=0.012)
    assert found.low <= now <= found.high


def test_of_more_than_forty_blocks_each_two_become_one() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    for number in range(100):
        posterior.add(CENTRE, 0.1 * (-1) ** number, 30.0, at=30.0 * number)

    assert 20 <= len(posterior._blocks) <= 41
    assert np.allclose(posterior._total - np.sum(posterior._blocks, axis=0), Posterior(CENTRE, WINDOW)._total)


def test_then_a_block_is_full_after_twice_the_time() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    numbers = []
    for _ in range(46):
        posterior.add(CENTRE, 0.0, 30.0)
        numbers.append(len(posterior._blocks))

    assert numbers[38:] == [39, 40, 21, 21, 22, 22, 23, 23]


def test_samples_of_one_load_are_taken_together_those_of_others_are_not() -> None:
    same, other = Posterior(CENTRE, WINDOW), Posterior(CENTRE, WINDOW)
    before = same._total.copy()
    same.add(CENTRE, 0.1, 1.0, at=100.0)
    same.add(CENTRE + 0.003, 0.3, 1.0, at=200.0)
    other.add(CENTRE, 0.1, 1.0, at=100.0)
    other.add(CENTRE + 0.005, 0.3, 1.0, at=200.0)
    for each in (same, other):
        each.moments()

    mean = same._likelihood(CENTRE + 0.0015, 0.2, 0.0, 150.0)
    both = same._likelihood(CENTRE, 0.1, 0.0, 100.0) + same._likelihood(CENTRE + 0.005, 0.3, 0.0, 200.0)
    assert np.allclose(same._total - before, 2.0 / WINDOW * mean)
    assert np.allclose(other._total - before, 1.0 / WINDOW * both)


def test_samples_are_taken_together_for_five_seconds() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    before = posterior._total.copy()
    for number in range(1, 6):
        assert np.array_equal(posterior._total, before), f"after {number - 1} s"
        posterior.add(CENTRE, 0.1, 1.0)

    assert not np.array_equal(posterior._total, before)


def test_an_answer_has_the_latest_sample_in_it_and_is_for_its_moment() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    before = posterior.estimate().middle
    for second in range(4):
        posterior.add(CENTRE, 0.5, 1.0, at=100.0 + second)

    assert posterior.estimate().middle < before
    assert posterior._now == 103.0


def test_the_moments_are_those_of_the_capacity_now() -> None:
    """By the sums of the textbook, over all of the grid: a capacity that falls."""
    posterior = Posterior(CENTRE, WINDOW)
    for second in range(0, 1200, 5):
        load = CENTRE + 0.015 * (second // 30 % 3 - 1)
        posterior.add(load, 4.0 * (load - CENTRE + 0.25 * second / 3600.0), 5.0, at=float(second))
    middle, spread = posterior.moments()

    now = posterior._capacities[:, None] + posterior._drifts * 1195.0
    values = np.broadcast_to(now[:, None, None, None, :], posterior._total.shape)
    weights = _weights(posterior._total)
    mean = float((weights * values).sum())
    assert middle == pytest.approx(mean)
    assert spread == pytest.approx(math.sqrt(float((weights * values**2).sum()) - mean**2), rel=1e-6)


def test_the_means_without_each_block_are_those_of_evidence_without_it() -> None:
    found = fed(*NOISE).without_each()

    expected = [fed(*NOISE[:at], *NOISE[at + 1 :]).moments()[0] for at in range(len(NOISE))]
    assert found == pytest.approx(expected)


def test_without_a_block_the_capacity_is_still_that_of_now() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    for minute in range(10):
        posterior.add(CENTRE - 0.1 * minute, 0.0, 30.0, at=60.0 * minute)
    now = posterior._capacities[:, None] + posterior._drifts * 540.0
    weights = _weights(posterior._total - posterior._blocks[3]).sum(axis=(1, 2, 3))

    assert posterior.without_each()[3] == pytest.approx(float((weights * now).sum()))


def test_a_block_can_begin_before_the_one_before_is_full() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    posterior.add(CENTRE, 0.1, 2.0)
    posterior.begin_block()
    posterior.add(CENTRE, 0.3, 2.0)
    posterior.moments()

    first, second = posterior._blocks
    assert np.allclose(first, 2.0 / WINDOW * posterior._likelihood(CENTRE, 0.1, 0.0, 0.0))
    assert np.allclose(second, 2.0 / WINDOW * posterior._likelihood(CENTRE, 0.3, 0.0, 0.0))


def test_the_interval_lies_evenly_around_the_middle() -> None:
    assert (Estimate(5.0, 0.25).low, Estimate(5.0, 0.25).high) == (4.75, 5.25)


@pytest.mark.parametrize("off", [-0.1, 0.0, 0.06])
@pytest.mark.parametrize("slope", [1.0, 4.0, 16.0, 64.0])
def test_without_noise_the_middle_is_where_the_line_crosses_the_limit(off: float, slope: float) -> None:
    found = fed(*[0.0] * 12, slope=slope, capacity=CENTRE + off).estimate()

    assert found.middle == pytest.approx(CENTRE + off, abs=0.02)
    assert found.low <= CENTRE + off <= found.high


def test_before_any_evidence_the_interval_is_that_of_the_prior() -> None:
    """Student's t with four degrees and a scale of 8 %, on the grid from 0.7 below to 0.5 above."""
    grid = np.linspace(CENTRE - 0.7, CENTRE + 0.5, 241)
    prior = (1 + ((grid - CENTRE) / 0.08) ** 2 / 4) ** -2.5
    prior /= prior.sum()
    spread = math.sqrt(prior @ grid**2 - (prior @ grid) ** 2)

    found = Posterior(CENTRE, WINDOW).estimate()

    assert found.middle == pytest.approx(prior @ grid, abs=1e-5)
    factor = DEFAULT.errors_by_noise[1][1] * (1.0 + DEFAULT.few / DEFAULT.fewest_windows)
    assert found.half_width == pytest.approx(math.hypot(factor * spread, 0.01), rel=1e-3)


def test_samples_of_one_window_overlap_and_count_as_one() -> None:
    many, one = Posterior(CENTRE, WINDOW), Posterior(CENTRE, WINDOW)
    for _ in range(30):
        many.add(CENTRE - 0.05, -0.1, 1.0)
    one.add(CENTRE - 0.05, -0.1, 30.0)

    assert many.estimate().middle == pytest.approx(one.estimate().middle)
    assert many.estimate().half_width == pytest.approx(one.estimate().half_width)
    assert one.estimate().half_width < Posterior(CENTRE, WINDOW).estimate().half_width


def test_half_the_window_s_length_makes_each_sample_count_twice() -> None:
    short, long = Posterior(CENTRE, 15.0), Posterior(CENTRE, 30.0)
    short.add(CENTRE - 0.05, -0.1, 30.0)
    for _ in range(2):
        long.add(CENTRE - 0.05, -0.1, 30.0)

    assert np.allclose(short._total, long._total)


def test_how_far_beyond_the_limit_a_sample_is_does_not_matter_from_a_factor_of_e_on() -> None:
    """A p99 of ten times its limit says no more than one of e times it: there, the line is wrong."""
    twice, tenfold, half, tenth = (Posterior(CENTRE, WINDOW) for _ in range(4))
    twice.add(CENTRE, 1.0, 30.0)
    tenfold.add(CENTRE, 2.3, 30.0)
    half.add(CENTRE, -1.0, 30.0)
    tenth.add(CENTRE, -2.3, 30.0)

    assert np.array_equal(twice._total, tenfold._total)
    assert np.array_equal(half._total, tenth._total)
    assert twice.estimate().middle < CENTRE < half.estimate().middle


def test_one_pause_of_the_server_hardly_moves_the_middle() -> None:
    """Student's t: one bad sample among forty is an outlier, not a lower capacity."""
    calm, paused = fed(*[0.0] * 8), fed(*[0.0] * 8)
    paused.add(CENTRE - 0.05, 2.0, 5.0)

    assert paused.estimate().middle == pytest.approx(calm.estimate().middle, abs=0.01)


def test_gentle_slopes_are_unlikely_before_the_evidence() -> None:
    """By e to the -4 (slope 1) and e to the -3 (slope 2); all others are alike."""
    prior = Posterior(CENTRE, WINDOW)._total[120, :, 0, 0, 0]

    assert list(prior - prior[-1]) == pytest.approx([-4.0, -3.0, 0, 0, 0, 0, 0, 0])


def test_without_log_ins_their_cost_is_none_of_the_unknowns() -> None:
    without = Posterior(CENTRE, WINDOW)
    told = Posterior(CENTRE, WINDOW, log_ins=True)

    assert without._total.shape[2] == 1
    assert told._total.shape[2] == len(DEFAULT.log_ins)
    prior = told._total[120, -1, :, 0, 0]
    assert list(prior - prior[1]) == pytest.approx([-0.7, 0.0, -0.3, -1.2])


def test_log_ins_count_as_load_as_the_search_was_told() -> None:
    """Half as much again as the users' own load, in log-ins: the server stood more than its users alone."""
    with_log_ins, as_load = Posterior(CENTRE, WINDOW), Posterior(CENTRE, WINDOW)
    with_log_ins.add(CENTRE - 0.3, 0.1, 30.0, log_ins=0.5)
    as_load.add(CENTRE - 0.3 + math.log(1.5), 0.1, 30.0)

    assert np.allclose(with_log_ins._total, as_load._total)


@pytest.mark.parametrize("cost", [0.0, 0.7, 1.5, 3.0])
def test_what_log_ins_really_cost_is_learnt(cost: float) -> None:
    """Samples with and without log-ins, on a server where each costs so many times what was told."""
    posterior = Posterior(CENTRE, WINDOW, log_ins=True)
    for number in range(60):
        share = 0.2 * (number % 2)
        users = CENTRE + 0.08 * ((number % 7) / 3 - 1) - math.log1p(cost * share)
        posterior.add(users, 8.0 * (users + math.log1p(cost * share) - CENTRE), 5.0, log_ins=share)
    odds = np.exp(posterior._total - posterior._total.max()).sum(axis=(0, 1, 3, 4))

    assert DEFAULT.log_ins[int(odds.argmax())] == cost
    assert posterior.estimate().middle == pytest.approx(CENTRE, abs=0.02)


def test_a_sample_s_likelihood_is_student_s_around_the_line() -> None:
    """With four degrees of freedom, for each capacity, slope and noise of the grid."""
    posterior = Posterior(CENTRE, WINDOW)
    before = posterior._total.copy()
    posterior.add(CENTRE + 0.022, 0.1, 15.0)
    capacities = np.linspace(CENTRE - 0.7, CENTRE + 0.5, 241)[:, None, None]
    slopes = np.array([1, 2, 4, 8, 16, 32, 64, 128])[None, :, None]
    noises = np.array([0.15, 0.3, 0.6, 1.0])[None, None, :]
    error = 0.1 - np.clip(slopes * (CENTRE + 0.022 - capacities), -1.0, 1.0)

    expected = 15 / 30 * (-5 / 2 * np.log(1 + (error / noises) ** 2 / 4) - np.log(noises))

    assert np.allclose((posterior._total - before)[:, :, 0, :, 0], expected)


def test_hours_of_evidence_do_not_overflow() -> None:
    posterior = Posterior(CENTRE, WINDOW)
    for _ in range(240):
        posterior.add(CENTRE, 0.0, 30.0)

    assert posterior.estimate().middle == pytest.approx(CENTRE, abs=0.01)
    assert posterior.estimate().half_width < 0.02
