"""Chance that stays as it was."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mmload.population.plan import portions, stable_choice


def test_every_choice_is_as_likely() -> None:
    """The jumps from record to record must not favour anybody."""
    drawn = Counter(stable_choice(random.Random(seed), 10) for seed in range(20_000))

    assert set(drawn) == set(range(10))
    assert all(1800 < count < 2200 for count in drawn.values())


def test_one_more_to_choose_from_rarely_changes_the_choice() -> None:
    """A grown population must find most of what the smaller one made: one draw in 101 goes to the newcomer."""
    before = [stable_choice(random.Random(seed), 100) for seed in range(5000)]
    after = [stable_choice(random.Random(seed), 101) for seed in range(5000)]
    changed = [new for old, new in zip(before, after, strict=True) if old != new]

    assert 20 < len(changed) < 90
    assert set(changed) == {100}


@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_portions_add_up_and_are_fair(total: int, shares: list[float]) -> None:
    """The peer truncates, so that 10 channels become 9: here nothing gets lost, and nobody is off by one."""
    parts = portions(total, shares)

    if sum(shares) <= 0:
        assert sum(parts) == 0
        return
    assert sum(parts) == total
    exact = [total * share / sum(shares) for share in shares]
    assert all(abs(part - value) < 1.001 for part, value in zip(parts, exact, strict=True))


def test_the_defaults_are_split_as_they_say() -> None:
    """0.6 of 10 is 6, whatever floating point makes of it."""
    assert portions(10, (0.2, 0.1, 0.6, 0.1)) == (2, 1, 6, 1)
    assert portions(11, (0.2, 0.1, 0.6, 0.1)) == (2, 1, 7, 1)
