"""The calculation: non-negative least squares, and what the mix of actions says of itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.learn.fit import fit
from mmload.learn.nnls import nonnegative_least_squares
from mmload.learn.observed import Hour
from mmload.learn.table import ActionTable


def solved(matrix: list[list[float]], wanted: list[float]) -> list[float]:
    return [float(each) for each in nonnegative_least_squares(np.array(matrix, float), np.array(wanted, float))]


def test_an_exact_solution_is_found() -> None:
    assert solved([[1, 0], [1, 1], [0, 2]], [3, 5, 4]) == pytest.approx([3, 2])


def test_what_would_be_negative_is_zero_and_the_rest_is_best_without_it() -> None:
    assert solved([[1, 1], [0, 1]], [1, -1]) == pytest.approx([1, 0])
    assert solved([[1, 0], [0, 1]], [-1, -1]) == [0, 0]


def test_a_known_case_with_an_active_bound() -> None:
    """From the book of Lawson and Hanson's method: unconstrained, the second would be negative."""
    matrix, wanted = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [7.0, 5.0, 3.0]
    unconstrained = np.linalg.lstsq(np.array(matrix), np.array(wanted), rcond=None)[0]

    assert unconstrained.min() < 0
    assert solved(matrix, wanted) == pytest.approx([0.0, (14 + 20 + 18) / (4 + 16 + 36)])


def test_columns_of_zeros_and_empty_systems_are_no_trouble() -> None:
    assert solved([[0, 1], [0, 1]], [2, 2]) == pytest.approx([0, 2])
    assert nonnegative_least_squares(np.zeros((2, 0)), np.ones(2)).tolist() == []


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=6, max_size=9), st.data())
def test_no_feasible_direction_makes_it_better(matrix: list[list[int]], data: st.DataObject) -> None:
    """The conditions of Karush, Kuhn and Tucker."""
    wanted = data.draw(st.lists(st.integers(-20, 20), min_size=len(matrix), max_size=len(matrix)))
    a, b = np.array(matrix, float), np.array(wanted, float)

    x = nonnegative_least_squares(a, b)
    gain = a.T @ (b - a @ x)

    assert (x >= 0).all()
    assert (gain <= 1e-6 * (1 + np.abs(a.T @ b).max())).all()
    assert np.abs(gain[x > 1e-9]).max(initial=0.0) <= 1e-6 * (1 + np.abs(a.T @ b).max())


DEFAULTS = {"CreatePost": 1.0, "Read": 4.0, "ReadLonger": 1.0, "Never": 0.5}
TABLE = ActionTable(
    {
        "CreatePost": {"POST /posts": 1.0},
        "Read": {"GET /a": 1.0},
        "ReadLonger": {"GET /a": 1.0},
        "Never": {"GET /b": 1.0},
        "Poll": {"POST /client_perf": 1.0},
    },
    {"CreatePost": 2.0},
)


def hour(handlers: dict[str, int], users: int = 10) -> Hour:
    return Hour(Counter(handlers), 3600.0, 3600.0 * users)


def test_actions_with_the_same_handlers_are_split_as_the_default_mix_does_and_it_is_said() -> None:
    found = fit(hour({"POST /posts": 1000, "GET /a": 10_000, "POST /client_perf": 600}), TABLE, DEFAULTS)

    actions = {each.name: each for each in found.actions}
    assert actions["Read"].frequency + actions["ReadLonger"].frequency == pytest.approx(10, rel=0.01)
    assert actions["Read"].frequency == pytest.approx(8, rel=0.03)
    assert actions["ReadLonger"].like == ("Read",)
    assert actions["CreatePost"].told_apart and not actions["Read"].told_apart
    assert actions["Never"].count == pytest.approx(0, abs=2)


def test_the_idle_time_is_what_is_left_beside_the_actions() -> None:
    found = fit(hour({"POST /posts": 3600}, users=10), TABLE, {"CreatePost": 1.0}, {"POST /posts": 0.5})

    assert found.seconds_between_actions == pytest.approx(10, rel=0.01)
    assert found.idle_seconds == pytest.approx(10 - 2.5, rel=0.01)


def test_handlers_that_no_action_has_are_left_over() -> None:
    found = fit(hour({"POST /posts": 100, "other plugin": 50}), TABLE, DEFAULTS)

    assert found.unexplained == {"other plugin": 50}
    assert found.explained_share == pytest.approx(100 / 150, rel=0.02)


def test_polls_are_told_by_user_and_hour() -> None:
    found = fit(hour({"POST /posts": 100, "POST /client_perf": 600}), TABLE, DEFAULTS)

    assert found.polls_per_user_hour == pytest.approx(60, rel=0.01)
