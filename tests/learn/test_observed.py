"""From which hours the mix is learnt."""

from __future__ import annotations

from collections import Counter

from mmload.learn.observed import Hour, Observed


def observed(*hours: tuple[int, float]) -> Observed:
    """Hours one after the other: requests, and seconds of it in the log."""
    found = {
        number: Hour(Counter({"GET /users/me": requests}), seconds) for number, (requests, seconds) in enumerate(hours)
    }
    return Observed("a log", hours=found)


def test_the_mix_is_learnt_from_hours_with_half_of_the_requests_of_the_busiest() -> None:
    night, morning, noon = (100, 3600.0), (1000, 3600.0), (500, 3600.0)

    assert list(observed(night, morning, noon).busy_hours()) == [1, 2]


def test_a_moment_of_an_hour_is_not_the_busiest_one() -> None:
    rotated, morning, noon = (900, 300.0), (1800, 3600.0), (1000, 3600.0)

    assert list(observed(rotated, morning, noon).busy_hours()) == [0, 1, 2]


def test_in_a_log_of_less_than_an_hour_the_full_hour_changes_nothing() -> None:
    """People come in just before the clock strikes: many requests, which are not their pace."""
    arriving, working = (9000, 300.0), (900, 420.0)

    assert list(observed(arriving, working).busy_hours()) == [0, 1]
