"""The calculation: non-negative least squares, and what the mix of actions says of itself."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.config import SimulController
from mmload.learn.fit import fit
from mmload.learn.handler_table import LEFT_BOX, REPLY, ActionTable
from mmload.learn.nnls import nonnegative_least_squares
from mmload.learn.observed import Hour


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
    """An action takes 2.5 s in front of the window; who is there for half of the time only takes twice as long."""
    for in_front in (1.0, 0.5):
        found = fit(
            hour({"POST /posts": 3600}, users=10),
            *(TABLE, {"CreatePost": 1.0}, {"POST /posts": 0.5}),
            SimulController(percent_time_in_front=in_front),
        )
        assert found.seconds_between_actions == pytest.approx(10, rel=0.01)
        assert found.idle_seconds == pytest.approx(10 - 2.5 / in_front, rel=0.01)


def test_who_idles_less_types_faster_and_who_types_slowly_acts_less_often() -> None:
    """At 8 s of idle time, typing takes 0.4 of its 20 s: 8 s, or 4 s to 12 s by different people."""
    always = SimulController(percent_time_in_front=1.0)
    for speeds, between in (((1.0, 1.0), 16.0), ((0.5, 1.5), 8 / math.log(20 / 12))):
        table = replace(TABLE, pauses={}, typing={"CreatePost": 20.0}, typing_speeds=speeds)
        posts = round(10 * 3600 / between)
        found = fit(hour({"POST /posts": posts}, users=10), table, {"CreatePost": 1.0}, settings=always)

        assert found.idle_seconds == pytest.approx(8, rel=0.01)


def test_the_share_of_replies_is_found_by_what_they_send_more() -> None:
    root, reply = {"POST /posts": 1.0, "DELETE /drafts": 1.0}, {"POST /posts": 1.0, "GET /thread": 1.0}
    table = ActionTable({"CreatePost": root, REPLY: reply, "ViewThread": {"GET /thread": 1.0, "GET /x": 1.0}})
    seen = {"POST /posts": 1000, "DELETE /drafts": 600, "GET /thread": 700, "GET /x": 300}

    found = fit(hour(seen), table, {"CreatePost": 1.0, "ViewThread": 0.3})

    assert found.replies == pytest.approx(0.4, rel=0.02)
    assert [round(each.count, -1) for each in found.actions] == [1000, 300]


def test_boxes_that_are_left_are_no_posts() -> None:
    """Half of the posts are left before the next one, and their drafts deleted once more."""
    table = ActionTable(
        {
            "CreatePost": {"POST /posts": 1.0, "DELETE /drafts": 1.0},
            "SwitchChannel": {"GET /stats": 1.0},
            "DeleteDraft": {"DELETE /drafts": 1.0},
            LEFT_BOX: {"DELETE /drafts": 1.0},
        },
        boxes={"CreatePost": {"typed": 1.0}, "SwitchChannel": {"left": 1.0}},
    )
    seen = {"POST /posts": 2000, "GET /stats": 2000, "DELETE /drafts": 3000}

    found = fit(hour(seen), table, {"CreatePost": 1.0, "SwitchChannel": 1.0, "DeleteDraft": 0.001})

    counts = {each.name: each.count for each in found.actions}
    assert counts["CreatePost"] == pytest.approx(2000, rel=0.02)
    assert counts["DeleteDraft"] < 40
    [drafts] = [each for each in found.handlers if each.handler == "DELETE /drafts"]
    assert drafts.predicted == pytest.approx(3000, rel=0.02)
    name, count = drafts.causes[0]
    assert name == "CreatePost"
    assert count == pytest.approx(3000, rel=0.02)


def test_handlers_that_no_action_has_are_left_over() -> None:
    found = fit(hour({"POST /posts": 100, "other plugin": 50}), TABLE, DEFAULTS)

    assert found.unexplained == {"other plugin": 50}
    assert found.explained_share == pytest.approx(100 / 150, rel=0.02)


def test_polls_are_told_by_user_and_hour() -> None:
    found = fit(hour({"POST /posts": 100, "POST /client_perf": 600}), TABLE, DEFAULTS)

    assert found.polls_per_user_hour == pytest.approx(60, rel=0.01)
