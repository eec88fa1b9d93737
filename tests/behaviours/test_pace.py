"""How often people do what, and how long they wait."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from mmload.behaviours.catalogue import SIMULATIVE, WeightedChoice
from mmload.behaviours.pace import Schedule, idle_seconds, rate_of
from mmload.client.capabilities import Capabilities
from mmload.config import Rate, SimulController

PEER = tuple(Rate(rate, share) for rate, share in ((1.0, 0.05), (2.0, 0.1), (3.0, 0.15), (6.0, 0.4), (30.0, 0.3)))


def test_actions_come_in_the_proportions_of_their_frequencies() -> None:
    mix = WeightedChoice([(action.name, action.frequency) for action in SIMULATIVE])
    rng = random.Random(1)
    draws = 200_000

    drawn = Counter(mix.draw(rng) for _ in range(draws))

    total = sum(action.frequency for action in SIMULATIVE)
    for action in SIMULATIVE:
        expected = action.frequency / total * draws
        assert abs(drawn[action.name] - expected) <= 5 * max(expected, 1) ** 0.5, action.name
    assert drawn["Reload"] == 0


def test_a_mix_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="frequency"):
        WeightedChoice([("x", 0.0)])


def test_idle_times_are_uniform_between_the_least_and_twice_the_mean() -> None:
    rng = random.Random(2)
    waits = [idle_seconds(1000, 20_000, 1.0, rng) for _ in range(20_000)]

    assert 1.0 <= min(waits) < 1.1
    assert 38.9 < max(waits) < 39.0
    assert 19.8 < sum(waits) / len(waits) < 20.2


def test_a_slower_person_waits_in_proportion() -> None:
    assert idle_seconds(1000, 20_000, 6.0, random.Random(3)) == pytest.approx(
        6 * idle_seconds(1000, 20_000, 1.0, random.Random(3))
    )


def test_rates_follow_the_distribution_and_belong_to_the_account() -> None:
    rates = [rate_of(number, 7, PEER) for number in range(1, 10_001)]

    shares = {rate: count / 10_000 for rate, count in Counter(rates).items()}
    assert shares == pytest.approx({1.0: 0.05, 2.0: 0.1, 3.0: 0.15, 6.0: 0.4, 30.0: 0.3}, abs=0.02)
    assert rate_of(42, 7, PEER) == rate_of(42, 7, PEER)
    assert rate_of(42, 7, ()) == 1.0


def test_names_of_actions_are_unique() -> None:
    names = [action.name for action in SIMULATIVE]

    assert len(names) == len(set(names))


def test_a_free_server_is_offered_no_licensed_action() -> None:
    free = Capabilities(version=(11, 6, 0), collapsed_threads="default_on", synced_drafts=True)
    offered = {action.name for action in SIMULATIVE if action.offered(free)}

    assert "AddChannelBookmark" not in offered
    assert "CreateScheduledPost" not in offered
    assert "CreateAckPost" not in offered
    assert {"SwitchChannel", "CreatePost", "UpsertDraft", "ViewThread", "SearchPostsAllTeams"} <= offered


def test_an_old_server_is_offered_only_what_it_had() -> None:
    old = Capabilities(version=(6, 7, 3), collapsed_threads="default_on")
    offered = {action.name for action in SIMULATIVE if action.offered(old)}

    assert not {"UpsertDraft", "SearchPostsAllTeams", "CreatePostReminder", "GenerateUserReport"} & offered
    assert {"SwitchChannel", "ScrollChannel", "CreatePost", "AddReaction", "ViewThread"} <= offered


def moments(settings: SimulController, slowness: float, actions: int = 200) -> list[float]:
    """When actions begin, if each of them takes `slowness` seconds."""
    rng, now = random.Random(4), 0.0
    schedule = Schedule(settings, now, rng)
    begun = []
    for _ in range(actions):
        now += schedule.next_wait(now, 1.0, rng)
        begun.append(now)
        now += slowness
    return begun


def test_in_the_closed_model_a_slow_server_slows_its_people() -> None:
    settings = SimulController(min_idle_time_ms=1000, avg_idle_time_ms=2000)

    assert moments(settings, 2.0)[-1] > 1.9 * moments(settings, 0.0)[-1]


def test_in_the_open_model_it_does_not() -> None:
    """Its slowness must show as lateness, not as fewer requests."""
    settings = SimulController(min_idle_time_ms=1000, avg_idle_time_ms=2000, open_model=True)

    assert moments(settings, 0.9) == pytest.approx(moments(settings, 0.0))


def test_an_action_that_takes_too_long_makes_the_next_one_late_by_as_much() -> None:
    settings = SimulController(min_idle_time_ms=1000, avg_idle_time_ms=1001, open_model=True)
    rng = random.Random(5)
    schedule = Schedule(settings, 0.0, rng)
    first = schedule.next_wait(0.0, 1.0, rng)
    assert schedule.lag(first) == pytest.approx(0.0)

    assert schedule.next_wait(first + 5.0, 1.0, rng) == 0.0
    assert schedule.lag(first + 5.0) == pytest.approx(4.0, abs=0.01)


def test_people_with_spells_of_activity_pause_between_them() -> None:
    settings = SimulController(
        min_idle_time_ms=1000, avg_idle_time_ms=2000, avg_active_minutes=1.0, avg_pause_minutes=5.0
    )
    begun = moments(settings, 0.0, actions=3000)
    waits = [later - earlier for earlier, later in itertools.pairwise(begun)]

    pauses = [wait for wait in waits if wait > 3.0]
    assert 60 < len(pauses) < 140
    assert 200 < sum(pauses) / len(pauses) < 400


def test_people_without_spells_never_pause() -> None:
    begun = moments(SimulController(min_idle_time_ms=1000, avg_idle_time_ms=2000), 0.0, actions=3000)

    assert max(later - earlier for earlier, later in itertools.pairwise(begun)) <= 3.0
