"""What a threshold's figure comes to in a run, and whether it can be told at all."""

from __future__ import annotations

import pytest

from mmload.metrics import recorder as names
from mmload.metrics.recorder import ActionOutcome, Delta, Recorder
from mmload.results.thresholds import ThresholdWindow, judge


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
        delta.counters[name] = number
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
    assert f"of {samples} samples; {needed:,} are needed: run about 2 times as long" in few.said
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
        ("p99(reconnect) < 2s", "nothing of it went well in this window"),
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
        ("missing == 0", names.DELIVERIES_MISSING, 0, True),
        ("missing == 0", names.DELIVERIES_MISSING, 1, False),
        ("missing < 1%", names.DELIVERIES_MISSING, 1, False),
        ("delivery.late < 1%", names.DELIVERIES_LATE, 0, True),
        ("delivery.duplicated == 0", names.DELIVERIES_TWICE, 2, False),
        ("delivery.out_of_order <= 2", names.DELIVERIES_OUT_OF_ORDER, 2, True),
        ("delivery.extra == 0", names.DELIVERIES_EXTRA, 3, False),
        ("delivery.sent >= 5", names.POSTS_SENT, 4, False),
        ("delivery.uncertain == 0", names.POSTS_UNCERTAIN, 1, False),
    ],
)
def test_the_account_of_messages_can_be_held_to_limits(text: str, counter: str, number: int, passed: bool) -> None:
    """Counts, and shares of what was expected."""
    missing = number if counter == names.DELIVERIES_MISSING else 0
    counts = {names.DELIVERIES_EXPECTED: 100, names.DELIVERIES: 100 - missing} | {counter: number}

    assert judge(text, delivered(**counts)).passed is passed


def test_an_account_that_is_not_settled_can_not_pass() -> None:
    """A record that was cut off does not know what would have come; what is missing already is missing."""
    open_account = {names.DELIVERIES_EXPECTED: 100, names.DELIVERIES: 90}

    assert judge("missing == 0", delivered(**open_account)).passed is None
    assert judge("missing == 0", delivered(**open_account, deliveries_missing=1)).passed is False


def test_a_threshold_that_can_not_be_read_can_not_be_told() -> None:
    """From a record of another version: reported, not a traceback."""
    found = judge("p99(CreatePost) << 2s", window(worked()))

    assert found.passed is None
    assert "column 18" in found.said
