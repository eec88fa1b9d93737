"""What a process counts, and how counts of processes add up."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mmload.metrics.counts import DeliveryCounts
from mmload.metrics.delta import MOST_NAMES, OTHER, Delta, all_times, answered
from mmload.metrics.recorder import ActionOutcome, Recorder, process_recorder

CALLS = st.lists(
    st.tuples(
        st.sampled_from(["GET /a", "POST /b/{id}"]),
        st.floats(0, 60),
        st.sampled_from(["", "500 boom", "timed out"]),
        st.booleans(),
    ),
    max_size=50,
)


def test_take_gives_what_came_since_the_last_one() -> None:
    """A figure taken twice would count twice."""
    recorder = Recorder()
    recorder.action("Look", 0.5, ActionOutcome.OK)
    recorder.deliveries.sent += 1
    recorder.events["posted"] += 3
    recorder.take()
    recorder.action("Look", 0.7, ActionOutcome.FAILED)

    delta = recorder.take()

    assert delta.actions["Look"].times.count == 0
    assert delta.actions["Look"].failed_times.count == 1
    assert (delta.deliveries, delta.events) == (DeliveryCounts(), {})


def test_a_skipped_action_has_no_time() -> None:
    """Nothing was done: zero milliseconds would flatter the percentiles."""
    recorder = Recorder()
    recorder.action("AddReaction", 0.001, ActionOutcome.SKIPPED)

    figures = recorder.take().actions["AddReaction"]

    assert (figures.skipped, figures.done) == (1, 0)


def test_an_expected_refusal_is_a_good_answer_that_is_counted_apart() -> None:
    """Also when the figures of several processes are added up, and sent from one to the other."""
    recorder = Recorder()
    recorder.request("GET /a", 0.1, "404 gone", request_id="r1", expected=True)
    recorder.request("GET /a", 0.1)
    delta = recorder.take()

    delta.merge(Delta.from_wire(delta.to_wire()))

    figures = delta.routes["GET /a"]
    assert (figures.times.count, figures.failed_times.count, figures.failures) == (4, 0, {})
    assert (figures.expected["404 gone"].count, figures.expected["404 gone"].example) == (2, "r1")


def test_failures_keep_their_first_and_last_moment() -> None:
    """The report says when a failure began and whether it went on to the end."""
    moments = iter([100.0, 107.5])
    recorder = Recorder(clock=lambda: next(moments))
    recorder.request("GET /a", 0.1, "500 boom")
    recorder.request("GET /a", 30.0, "500 boom")

    failures = recorder.take().routes["GET /a"].failures["500 boom"]

    assert (failures.count, failures.first, failures.last) == (2, 100.0, 107.5)


def test_the_times_of_failures_are_kept_apart() -> None:
    """Requests refused at once during an outage must not make the server look fast."""
    recorder = Recorder()
    recorder.request("GET /a", 2.0)
    recorder.request("GET /a", 0.0001, "connection refused")

    figures = recorder.take().routes["GET /a"]

    assert (figures.times.percentile(50), figures.count) == (2.0, 2)


def test_log_ins_are_kept_apart() -> None:
    """They are the dearest requests, and no part of the steady load."""
    recorder = Recorder()
    recorder.request("POST /users/login", 0.4, login=True)
    recorder.request("GET /a", 0.1)

    delta = recorder.take()

    assert (list(delta.logins), list(delta.routes)) == (["POST /users/login"], ["GET /a"])


def test_users_are_a_level_and_stay() -> None:
    """Taking the figures away must not make users vanish."""
    recorder = Recorder()
    recorder.users.active += 5
    first = recorder.take()
    recorder.users.active -= 1

    assert (first.users.active, recorder.take().users.active) == (5, 4)


def test_a_missing_feature_is_told_once() -> None:
    """All users find it out; the report names it once, with the first reason."""
    recorder = Recorder()
    recorder.unavailable("bookmarks", "no licence")
    recorder.take()
    recorder.unavailable("bookmarks", "501 not implemented")

    assert recorder.take().unavailable == {}


def test_a_new_test_starts_from_nothing() -> None:
    """The second test in the web UI must not contain the first one's figures; features may be told again."""
    recorder = Recorder()
    recorder.unavailable("bookmarks", "no licence")
    recorder.request("GET /a", 1.0)
    recorder.forget()
    recorder.unavailable("bookmarks", "no licence")

    delta = recorder.take()

    assert (delta.routes, delta.unavailable) == ({}, {"bookmarks": "no licence"})


def test_a_route_with_ids_in_it_does_not_eat_the_memory() -> None:
    """Beyond the limit all names share one entry; no request is lost."""
    recorder = Recorder()
    for number in range(MOST_NAMES + 200):
        recorder.request(f"GET /a/{number}", 0.1)

    routes = recorder.take().routes

    assert len(routes) == MOST_NAMES + 1
    assert routes[OTHER].count == 200


def test_reasons_and_events_are_bounded_too() -> None:
    """Also when many processes each bring their own names."""
    whole = Delta()
    for process in range(3):
        recorder = Recorder()
        for number in range(300):
            recorder.request("GET /a", 0.1, f"reason {process}-{number}")
            recorder.events[f"event {process}-{number}"] += 1
        whole.merge(recorder.take())

    assert len(whole.routes["GET /a"].failures) == MOST_NAMES + 1
    assert sum(failures.count for failures in whole.routes["GET /a"].failures.values()) == 900
    assert (len(whole.events), sum(whole.events.values())) == (MOST_NAMES + 1, 900)


@given(st.lists(CALLS, min_size=1, max_size=4))
def test_the_deltas_of_processes_add_up_exactly(processes: list[list[tuple[str, float, str, bool]]]) -> None:
    """Merged after the wire, they say what one process would have said."""
    one = Recorder(clock=lambda: 1.0)
    merged = Delta()
    for calls in processes:
        recorder = Recorder(clock=lambda: 1.0)
        for route, seconds, failure, login in calls:
            recorder.request(route, seconds, failure, login)
            one.request(route, seconds, failure, login)
        wire = msgspec.msgpack.decode(msgspec.msgpack.encode(recorder.take().to_wire()))
        merged.merge(Delta.from_wire(wire))

    assert merged == one.take()


def test_merging_does_not_tie_two_deltas_together() -> None:
    """A worker's delta may still be in use when the totals go on."""
    recorder = Recorder()
    recorder.request("GET /a", 0.1, "500 boom")
    delta = recorder.take()
    whole = Delta()
    whole.merge(delta)
    whole.merge(delta)

    assert delta.routes["GET /a"].count == 1
    assert whole.routes["GET /a"].count == 2


def test_an_answer_is_told_from_none_by_its_status() -> None:
    """Outages are found by it."""
    assert answered("500 api.error") and answered("429 rate limited")
    assert not answered("timed out") and not answered("connection refused")


def test_all_times_are_those_of_good_answers() -> None:
    """Over all routes."""
    recorder = Recorder()
    for route in ("GET /a", "GET /b"):
        recorder.request(route, 0.2)
        recorder.request(route, 9.0, "timed out")

    assert all_times(recorder.take().routes).count == 2


def test_there_is_one_recorder_per_process() -> None:
    """Everything that counts finds the same one."""
    assert process_recorder() is process_recorder()
