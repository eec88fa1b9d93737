"""What a threshold's figure comes to in a run, and whether it can be told at all."""

from __future__ import annotations

import dataclasses

import pytest

from mmload.config.threshold_syntax import ThresholdRefused, Unit, parse
from mmload.metrics.delta import Delta
from mmload.metrics.histogram import Histogram, middle_us
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.results.folder import stage_parts
from mmload.results.model import Figures, Part, Totals
from mmload.results.thresholds import ThresholdWindow, evaluate, judge, written
from tests.results.records import figures, run, second


def worked(count: int = 1000, *, slow: int = 0, failed: int = 0) -> Delta:
    """So many requests and actions of 1 ms, 2 ms, …; some of 5 s, some that failed."""
    recorder = Recorder(clock=lambda: 5.0)
    for number in range(count):
        recorder.request("GET /users/me", (number + 1) / 1000)
        recorder.action("CreatePost", (number + 1) / 1000, ActionOutcome.OK)
    for _ in range(slow):
        recorder.action("CreatePost", 5.0, ActionOutcome.OK)
    for _ in range(failed):
        recorder.request("GET /users/me", 30.0, "500 boom")
        recorder.action("CreatePost", 30.0, ActionOutcome.FAILED)
    return recorder.take()


def window(steady: Delta, whole: Delta | None = None, seconds: int = 100) -> ThresholdWindow:
    return ThresholdWindow(steady, seconds, whole or steady, seconds + 20)


def delivered(**counts: int) -> ThresholdWindow:
    """A run with these counters of its account."""
    delta = worked()
    for name, number in counts.items():
        setattr(delta.deliveries, name, number)
    return window(delta)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("p50(CreatePost) < 2s", 0.5),
        ("p95(CreatePost) < 2s", 0.95),
        ("p99(Create*) < 2s", 0.99),
        ("p99(*) < 2s", 0.99),
        ("p99(actions) < 2s", 0.99),
        ("p99(requests) < 2s", 0.99),
        ("p99(GET /users/me) < 2s", 0.99),
        ("p99(GET *) < 2s", 0.99),
        ("min(CreatePost) < 2s", 0.001),
        ("max(CreatePost) < 2s", 1.0),
        ("avg(CreatePost) < 2s", 0.5005),
        ("count(CreatePost) > 5", 1000),
        ("rate(CreatePost) > 5/s", 10.0),
        ("rate > 5/s", 10.0),
        ("errors < 1%", 0.0),
    ],
)
def test_each_measure_of_each_subject_is_what_was_recorded(text: str, value: float) -> None:
    """Times in seconds, to the histogram's three digits."""
    found = judge(text, window(worked()))

    assert found.value == pytest.approx(value, rel=1e-3)
    assert found.passed is True
    assert found.said.startswith(f"{text}: holds: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99(CreatePost) < 500ms", "p99(CreatePost) < 500ms: crossed: 990 ms"),
        ("max(CreatePost) <= 800ms", "max(CreatePost) <= 800ms: crossed: 1.00 s"),
        ("rate(actions) >= 11/s", "rate(actions) >= 11/s: crossed: 10.0/s"),
        ("count(actions) == 7", "count(actions) == 7: crossed: 1,000"),
    ],
)
def test_a_crossed_threshold_says_by_how_much(text: str, said: str) -> None:
    """In a unit that a person reads."""
    found = judge(text, window(worked()))

    assert (found.passed, found.said) == (False, said)


def test_failures_count_as_errors_and_their_times_do_not_count() -> None:
    """A timeout of 30 s is an error, not a slow answer."""
    over = window(worked(failed=10))

    assert judge("errors < 0.5%", over).said == "errors < 0.5%: crossed: 0.99 %"
    assert judge("errors(CreatePost) <= 10", over).passed is True
    assert judge("max(requests) < 2s", over).passed is True


@pytest.mark.parametrize(
    ("text", "samples", "needed"),
    [("p50(actions) < 9s", 19, 20), ("p95(actions) < 9s", 199, 200), ("p99(actions) < 9s", 999, 1000)],
)
def test_a_percentile_takes_ten_samples_beyond_it(text: str, samples: int, needed: int) -> None:
    """With fewer, its place is not known; how much longer to run is said, too."""
    few = judge(text, window(worked(samples)))
    enough = judge(text, window(worked(needed)))

    assert few.passed is None
    assert f"from only {samples} samples; {needed:,} are needed: run about 2 times as long" in few.said
    assert enough.passed is True


def test_p99_9_takes_ten_thousand() -> None:
    assert "10,000 are needed" in judge("p99.9(actions) < 9s", window(worked(5000))).said


def test_a_breach_that_more_samples_can_not_undo_is_one() -> None:
    """Ten answers beyond the limit are ten, whatever else would have come."""
    assert judge("p99(CreatePost) < 2s", window(worked(50, slow=9))).passed is None
    assert judge("p99(CreatePost) < 2s", window(worked(50, slow=10))).passed is False


def test_times_count_over_the_steady_window_and_log_ins_over_the_whole_run() -> None:
    """Most log-ins come before the steady window begins."""
    recorder = Recorder()
    for _ in range(1000):
        recorder.request("POST /users/login", 3.0, login=True)
        recorder.request("GET /users/me", 9.0)
    over = window(worked(), recorder.take())

    assert judge("p99(requests) < 2s", over).passed is True
    assert judge("p99(logins) < 2s", over).passed is False
    assert judge("p99(POST /users/login) < 2s", over).passed is False


def test_without_a_steady_window_nothing_is_told() -> None:
    found = judge("p99(requests) < 2s", ThresholdWindow(Delta(), 0, worked(), 100))

    assert found.passed is None
    assert "there was no steady window" in found.said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99(CreatePots) < 2s", "no such action in this run; did you mean CreatePost?"),
        ("p99(GET /users/mine) < 2s", "no such route in this run; did you mean GET /users/me?"),
        ("p99(Dance*) < 2s", "no such action in this run"),
        ("p99(reconnect) < 2s", "none succeeded in this window"),
        ("missing == 0", "no delivery was expected"),
    ],
)
def test_what_did_not_happen_is_no_success(text: str, said: str) -> None:
    """A limit of something that never ran must not look kept."""
    found = judge(text, window(worked()))

    assert found.passed is None
    assert said in found.said


@pytest.mark.parametrize(
    ("text", "counter", "number", "passed"),
    [
        ("missing == 0", "never_came", 0, True),
        ("missing == 0", "never_came", 1, False),
        ("missing < 1%", "never_came", 1, False),
        ("delivery.late < 1%", "late", 0, True),
        ("delivery.duplicated == 0", "duplicated", 2, False),
        ("delivery.out_of_order <= 2", "out_of_order", 2, True),
        ("delivery.extra == 0", "extra", 3, False),
        ("delivery.sent >= 5", "sent", 4, False),
        ("delivery.uncertain == 0", "uncertain", 1, False),
    ],
)
def test_the_account_of_messages_can_be_held_to_limits(text: str, counter: str, number: int, passed: bool) -> None:
    """Counts, and shares of what was expected."""
    missing = number if counter == "never_came" else 0
    counts = {"expected": 100, "delivered": 100 - missing} | {counter: number}

    assert judge(text, delivered(**counts)).passed is passed


def test_an_account_that_is_not_settled_can_not_pass() -> None:
    """A record that was cut off does not know what would have come; what is missing already is missing."""
    open_account = {"expected": 100, "delivered": 90}

    assert judge("missing == 0", delivered(**open_account)).passed is None
    assert judge("missing == 0", delivered(**open_account, never_came=1)).passed is False


def test_a_threshold_that_can_not_be_read_can_not_be_told() -> None:
    """From a record of another version: reported, not a traceback."""
    found = judge("p99(CreatePost) << 2s", window(worked()))

    assert found.passed is None
    assert "column 18" in found.said


def deliveries(expected: int, delivered_ones: int, missing: int = 0, withdrawn: int = 0) -> ThresholdWindow:
    return delivered(expected=expected, delivered=delivered_ones, socket_lost=missing, withdrawn=withdrawn)


@pytest.mark.parametrize(
    ("counts", "passed", "said"),
    [
        ((100, 90, 0, 10), True, "missing <= 5: holds: 0"),
        ((100, 95, 5, 0), True, "missing <= 5: holds: 5"),
        ((100, 89, 0, 10), None, "missing <= 5: cannot be determined: it is 0, but 1 deliveries were not settled"),
        ((100, 90, 6, 0), False, "missing <= 5: crossed: 6"),
        ((1, 0, 0, 1), True, "missing <= 5: holds: 0"),
        ((0, 0, 0, 0), None, "missing <= 5: cannot be determined: no delivery was expected"),
    ],
)
def test_deliveries_are_settled_when_each_came_is_missing_or_withdrawn(
    counts: tuple[int, int, int, int], passed: bool | None, said: str
) -> None:
    found = judge("missing <= 5", deliveries(*counts))

    assert found.passed is passed
    assert found.said.startswith(said)


def test_missing_deliveries_as_a_share_are_of_those_expected() -> None:
    assert judge("missing < 2%", deliveries(200, 197, 3)).value == 0.015
    assert judge("missing < 5", deliveries(200, 197, 3)).value == 3


def test_too_few_deliveries_are_no_breach_while_some_may_still_come() -> None:
    """Those that are missing can only become more; those that came, too."""
    assert judge("delivery.delivered > 95", deliveries(100, 90)).passed is None
    assert judge("delivery.delivered >= 95", deliveries(100, 90)).passed is None
    assert judge("delivery.delivered == 95", deliveries(100, 96)).passed is False


@pytest.mark.parametrize("count", ["sent", "uncertain", "expected"])
def test_what_was_sent_is_counted_also_where_no_delivery_was_expected(count: str) -> None:
    found = judge(f"delivery.{count} == 0", deliveries(0, 0))

    assert (found.value, found.passed) == (0, True)
    assert judge(f"delivery.{count} <= 100", deliveries(100, 10)).passed is True


@pytest.mark.parametrize(
    ("text", "samples", "passed"),
    [
        ("avg(actions) < 9s", 9, None),
        ("avg(actions) < 9s", 10, True),
        ("min(actions) < 9s", 1, True),
        ("max(actions) < 9s", 1, True),
        ("avg(actions) < 1ms", 9, None),
        ("avg(actions) < 1ms", 10, False),
        ("p1(actions) < 9s", 999, None),
        ("p1(actions) < 9s", 1000, True),
        ("p99(actions) > 9s", 50, None),
    ],
)
def test_a_mean_takes_ten_samples_and_an_extreme_one(text: str, samples: int, passed: bool | None) -> None:
    """A low percentile takes as many as the high one on the other side; a breach is sure only of an upper limit."""
    assert judge(text, window(worked(samples))).passed is passed


def test_how_many_samples_there_are_is_said() -> None:
    assert "from only 1 sample; 10 are needed" in judge("avg(actions) < 9s", window(worked(1))).said
    assert "from only 2 samples; 10 are needed" in judge("avg(actions) < 9s", window(worked(2))).said


def test_how_much_longer_to_run_is_rounded_up() -> None:
    assert judge("p99(actions) < 9s", window(worked(300))).said.endswith("run about 4 times as long")
    assert judge("p99(actions) < 9s", window(worked(500))).said.endswith("run about 2 times as long")


def test_only_samples_beyond_the_limit_make_a_breach_sure() -> None:
    """Ten of 5 s are no breach of a limit of 6 s, nor of one that asks for more."""
    assert judge("p99(CreatePost) < 6s", window(worked(50, slow=10))).passed is None
    assert judge("p99(CreatePost) > 6s", window(worked(50, slow=10))).passed is None
    assert judge("p50(CreatePost) <= 4s", window(worked(0, slow=15))).passed is False
    assert judge("p1(CreatePost) > 2s", window(worked(50, slow=10))).passed is None
    middle = Histogram()
    middle.record(5.0)
    exactly = middle_us(next(iter(middle.buckets))) / 1e6
    assert judge(f"p50(CreatePost) < {exactly}s", window(worked(0, slow=15))).passed is None


def test_a_rate_over_no_seconds_cannot_be_determined() -> None:
    found = judge("rate(logins) > 1/s", ThresholdWindow(Delta(), 0, worked(), 0))

    assert (found.value, found.passed) == (None, None)
    assert "no seconds of this run were recorded" in found.said


def test_errors_of_what_was_not_done_cannot_be_determined() -> None:
    found = judge("errors(logins) < 1%", window(worked()))

    assert (found.value, found.passed) == (None, None)
    assert "there were none in this window" in found.said


def test_log_ins_count_over_the_whole_run_by_each_of_their_names() -> None:
    """Whole runs here are 20 s longer than their steady window."""
    recorder = Recorder()
    for number in range(60):
        recorder.request("POST /users/login", 1.0, "401 no" if number < 6 else "", login=True)
    over = window(worked(), recorder.take(), seconds=100)

    for subject in ("logins", "POST /users/login", "POST *"):
        assert judge(f"rate({subject}) > 0.4/s", over).value == 0.5
        assert judge(f"errors({subject}) < 50%", over).value == 0.1
        assert judge(f"errors({subject}) < 50", over).value == 6
        assert judge(f"count({subject}) > 1", over).value == 60


def test_a_route_that_log_ins_use_too_is_that_of_the_steady_window() -> None:
    """`GET /users/me` is asked when logging in and afterwards."""
    recorder = Recorder()
    for _ in range(10):
        recorder.request("GET /users/me", 1.0)
        recorder.request("GET /users/me", 1.0, login=True)
    over = window(worked(), recorder.take())

    assert judge("count(GET /users/me) > 1", over).value == 1000


def test_reconnects_are_those_of_the_steady_window() -> None:
    recorder = Recorder()
    for _ in range(1000):
        recorder.span("reconnect", 0.25)
    over = window(recorder.take())

    assert judge("p99(reconnect) < 1s", over).value == pytest.approx(0.25, rel=1e-3)
    assert judge("count(reconnect) > 1", over).value == 1000


def test_failed_actions_count_but_their_times_do_not() -> None:
    over = window(worked(900, failed=100))

    assert judge("count(CreatePost) > 1", over).value == 1000
    assert judge("errors(actions) < 50%", over).value == 0.1
    assert judge("rate(CreatePost) > 1/s", over).value == 10.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.3404, Unit.SECONDS, "340 ms"),
        (0.34, Unit.SECONDS, "340 ms"),
        (0.9994, Unit.SECONDS, "999 ms"),
        (0.9996, Unit.SECONDS, "1,000 ms"),
        (1.0, Unit.SECONDS, "1.00 s"),
        (2.414, Unit.SECONDS, "2.41 s"),
        (0.0012, Unit.SHARE, "0.12 %"),
        (0.00123, Unit.SHARE, "0.123 %"),
        (0.9999, Unit.SHARE, "100 %"),
        (51.26, Unit.PER_SECOND, "51.3/s"),
        (1204, Unit.COUNT, "1,204"),
    ],
)
def test_a_figure_is_written_in_the_unit_that_a_person_reads(value: float, unit: Unit, text: str) -> None:
    assert written(value, unit) == text


def test_a_threshold_that_was_read_already_is_judged_the_same() -> None:
    """Also where it cannot be determined."""
    for text in ("p99(CreatePost) < 2s", "p99(Nothing) < 2s"):
        assert judge(parse(text), window(worked())) == judge(text, window(worked()))


def test_a_run_is_judged_by_its_own_windows() -> None:
    whole = run(totals=Totals(seconds=40, steady_seconds=20, highest_active=10, whole=worked(), steady=worked(50)))

    assert evaluate("rate(requests) > 1/s", whole).value == 2.5
    assert evaluate("count(logins) < 1", whole).value == 0


def test_a_threshold_of_a_stage_looks_at_that_stage_alone() -> None:
    """Whatever the phase: a ramp has no steady second."""
    over = dataclasses.replace(window(worked()), stages={"peak": Part(50, worked(slow=100)), "night": Part(9, Delta())})

    assert judge("p99(CreatePost)[peak] < 2s", over).passed is False
    assert judge("p99(CreatePost) < 2s", over).passed is True
    assert judge("rate(CreatePost)[peak] > 21/s", over).value == 22.0
    assert judge("rate(requests)[night] > 0/s", over).passed is False
    assert judge("p99(CreatePost)[noon] < 2s", over).said.endswith("the run has no stage noon, or ended before it")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99(requests)[] < 2s", "expected a stage's name in brackets"),
        ("p99(requests)[two words] < 2s", "expected a stage's name in brackets"),
        ("p99(requests)[peak < 2s", "expected a stage's name in brackets"),
        ("delivery.missing[peak] == 0", "over the whole run, not per stage"),
    ],
)
def test_what_names_no_stage_is_refused(text: str, said: str) -> None:
    with pytest.raises(ThresholdRefused, match=said):
        parse(text)


def test_the_sums_of_a_stage_are_those_of_its_seconds() -> None:
    seconds = [second(0, stage="up"), second(1, stage="peak"), second(2, stage="peak"), second(3)]
    made = [Figures(each.ms, each.phase, figures(10)) for each in seconds]

    parts = stage_parts(made, seconds)

    assert {name: (part.seconds, part.figures.actions["SwitchChannel"].done) for name, part in parts.items()} == {
        "up": (1, 10),
        "peak": (2, 20),
    }
