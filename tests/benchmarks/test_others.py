"""The rule by which requests grow with the number of people, on made-up figures."""

from __future__ import annotations

import pytest

from benchmarks.others import VIEW, VIEWER, WRITE, Size, growth, handlers, predicted, report, size_of, summed
from mmload.behaviours.events import VIEW_ON_ARRIVAL
from mmload.metrics.recorder import ActionOutcome, Recorder

STATS = "GET /channels/{channel_id}/stats"
FEW = Size(11, {VIEW: 50.0, STATS: 40.0, WRITE: 6.0}, {VIEW_ON_ARRIVAL: 10.0, "SwitchChannel": 20.0}, 60.0)
MANY = Size(
    31, {VIEW: 71.0, STATS: 42.0, WRITE: 6.0}, {VIEW_ON_ARRIVAL: 31.0, VIEWER: 30.0, "SwitchChannel": 20.0}, 180.0
)


def test_messages_are_viewed_by_their_viewers_and_one_s_own_requests_stay() -> None:
    assert growth(FEW, MANY) == pytest.approx(3)
    assert predicted(FEW, MANY, VIEW) == pytest.approx(40 + 30)
    assert predicted(FEW, MANY, STATS) == pytest.approx(40)


def test_who_acts_half_as_often_asks_half_as_often_and_others_hear_half_as_much() -> None:
    slow = Size(31, {WRITE: 3.0}, {VIEWER: 15.0, "SwitchChannel": 10.0}, 90.0)

    assert growth(FEW, slow) == pytest.approx(1.5)
    assert predicted(FEW, slow, VIEW) == pytest.approx(20 + 15)


def test_the_tables_say_what_was_seen_beside_the_rule() -> None:
    causes, routes = report(FEW, MANY).tables
    arrived = next(row for row in causes.rows if row[0] == "views on arrival")
    viewed = next(row for row in routes.rows if row[0] == VIEW)

    assert arrived == ("views on arrival", 10.0, pytest.approx(30), 31.0, pytest.approx(31 / 30))
    assert viewed[1:5] == (50.0, 10.0, pytest.approx(70), 71.0)
    assert summed(handlers(FEW, MANY)).many == pytest.approx(71 + 42 + 6)


def test_counts_become_figures_per_user_and_hour() -> None:
    recorder = Recorder(clock=lambda: 0.0)
    for _ in range(6):
        recorder.request(STATS, 0.01)
    recorder.action(VIEW_ON_ARRIVAL, 0.01, ActionOutcome.OK)
    recorder.sockets.posted_of_others += 3

    found = size_of(2, 0.5, recorder.take())

    assert (found.routes, found.actions, found.heard) == ({STATS: 6.0}, {VIEW_ON_ARRIVAL: 1.0}, 3.0)
