"""The language of thresholds: what is understood, and where a refusal points."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.config import load_settings
from mmload.config.threshold_syntax import DELIVERY_COUNTS, WHOLES, Threshold, ThresholdRefused, Unit, parse
from mmload.errors import ConfigurationError

ACTIONS = ("CreatePost", "SwitchChannel")


@pytest.mark.parametrize(
    ("text", "measure", "subject", "operator", "limit", "unit"),
    [
        ("p99(CreatePost) < 2s", "percentile", "CreatePost", "<", 2.0, Unit.SECONDS),
        ("p99.9( SwitchChannel )<=300ms", "percentile", "SwitchChannel", "<=", 0.3, Unit.SECONDS),
        ("delivery.p95 < 500ms", "percentile", "delivery", "<", 0.5, Unit.SECONDS),
        ("p95(delivery) < .5 s", "percentile", "delivery", "<", 0.5, Unit.SECONDS),
        ("p50(GET /users/me) < 1min", "percentile", "GET /users/me", "<", 60.0, Unit.SECONDS),
        ("max(POST  /posts) < 5s", "max", "POST /posts", "<", 5.0, Unit.SECONDS),
        ("avg(Create*) < 1s", "avg", "Create*", "<", 1.0, Unit.SECONDS),
        ("errors < 0.1%", "errors", "requests", "<", 0.001, Unit.SHARE),
        ("errors(GET *) <= 3", "errors", "GET *", "<=", 3.0, Unit.COUNT),
        ("errors(logins) == 0", "errors", "logins", "==", 0.0, Unit.COUNT),
        ("missing == 0", "missing", "delivery", "==", 0.0, Unit.COUNT),
        ("delivery.late < 1%", "late", "delivery", "<", 0.01, Unit.SHARE),
        ("delivery.out_of_order <= 5", "out_of_order", "delivery", "<=", 5.0, Unit.COUNT),
        ("rate > 50/s", "rate", "requests", ">", 50.0, Unit.PER_SECOND),
        ("rate(actions) >= 120/min", "rate", "actions", ">=", 2.0, Unit.PER_SECOND),
        ("count(LogoutLogin) >= 10", "count", "LogoutLogin", ">=", 10.0, Unit.COUNT),
        ("p99(reconnect) < 10s", "percentile", "reconnect", "<", 10.0, Unit.SECONDS),
        ("  p99(schedule_lag)  <  100 ms ", "percentile", "schedule_lag", "<", 0.1, Unit.SECONDS),
    ],
)
def test_thresholds_say_what_must_hold(
    text: str, measure: str, subject: str, operator: str, limit: float, unit: Unit
) -> None:
    """Blanks and units as people write them."""
    found = parse(text)

    assert (found.measure, found.subject, found.operator) == (measure, subject, operator)
    assert found.limit == pytest.approx(limit)
    assert found.unit is unit
    assert found.text == text.strip()


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "expected a figure"),
        ("< 2s", 1, "expected a figure"),
        ("p99(CreatePost", 4, "this parenthesis is not closed"),
        ("p99 < 2s", 1, "it needs a subject: p99(requests)"),
        ("mising == 0", 1, "did you mean missing?"),
        ("delivery.mising == 0", 10, "did you mean missing?"),
        ("p99(CreatePost) 2s", 17, "expected <, <=, >, >= or =="),
        ("p99(CreatePost) = 2s", 17, "expected <, <=, >, >= or =="),
        ("p99(CreatePost) < ", 19, "expected a number"),
        ("p99(CreatePost) < two", 19, "expected a number"),
        ("p99(CreatePost) < 2", 20, "a time needs a unit: ms, s or min"),
        ("p99(CreatePost) < 2%", 20, "a time needs a unit"),
        ("p99(CreatePost) < 2 hours", 21, "a time needs a unit"),
        ("p99(CreatePost) < 2s please", 22, "expected the end"),
        ("p100(CreatePost) < 2s", 1, "there is no measure p100"),
        ("p0(CreatePost) < 2s", 1, "there is no measure p0"),
        ("p99() < 2s", 5, "expected an action"),
        ("p99(CreatePots) < 2s", 5, "did you mean CreatePost?"),
        ("p99(get /users/me) < 2s", 5, "expected an action"),
        ("errors(delivery) < 1%", 1, "delivery has times and a count, but no errors"),
        ("errors < 0.1s", 13, "s does not fit errors"),
        ("errors < 0.1", 13, "expected a whole number, or a share such as 0.1%"),
        ("rate > 50", 10, "a rate needs /s or /min"),
        ("sent > 5%", 1, "not a figure by itself"),
        ("delivery.sent > 5%", 18, "% does not fit sent"),
        ("missing(CreatePost) == 0", 1, "there is no measure missing"),
    ],
)
def test_a_refusal_points_at_the_place_and_says_what_would_do(text: str, column: int, said: str) -> None:
    """Somebody will type it wrongly in a CI file and see nothing but this sentence."""
    with pytest.raises(ThresholdRefused) as refused:
        parse(text, ACTIONS)

    assert f"column {column}:" in str(refused.value)
    assert said in str(refused.value)
    assert repr(text) in str(refused.value)


def test_an_action_that_nobody_knows_is_told_only_where_the_actions_are_known() -> None:
    """A user class of one's own has actions of its own."""
    assert parse("p99(Dance) < 2s").subject == "Dance"
    with pytest.raises(ThresholdRefused, match="there is no action Dance"):
        parse("p99(Dance) < 2s", ACTIONS)


_UNITS = {Unit.SECONDS: ("ms", "s", "min"), Unit.PER_SECOND: ("/s", "/min"), Unit.SHARE: ("%",), Unit.COUNT: ("",)}
_TIMES = st.sampled_from(["p50", "p95", "p99", "p99.9", "min", "avg", "max"])
_SUBJECTS = st.sampled_from([*WHOLES, "CreatePost", "Create*", "*", "GET /users/me", "POST /posts", "GET /users/*"])


@st.composite
def thresholds(draw: st.DrawFn) -> str:
    """Any threshold that the grammar allows."""
    unit = draw(st.sampled_from(list(Unit)))
    subject = draw(_SUBJECTS)
    if unit is Unit.SECONDS:
        figure = f"{draw(_TIMES)}({subject})"
    elif unit is Unit.PER_SECOND:
        figure = f"rate({draw(st.sampled_from(['requests', 'actions', 'logins', 'CreatePost']))})"
    else:
        figure = draw(st.sampled_from(["errors", "missing", "errors(logins)", "delivery.late", "extra(delivery)"]))
    number = draw(st.integers(0, 10**6)) if unit is Unit.COUNT else draw(st.decimals(0, 10**4, places=3))
    blank = draw(st.sampled_from(["", " ", "  "]))
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "=="]))
    return f"{figure}{blank}{operator}{blank}{number}{draw(st.sampled_from(_UNITS[unit]))}{blank}"


@given(thresholds())
def test_whatever_the_grammar_allows_is_understood_and_can_be_said_again(text: str) -> None:
    """The text that is kept means the same."""
    found = parse(text)

    assert parse(found.text) == found
    assert found.limit >= 0


@given(st.text(max_size=40))
def test_any_other_text_is_refused_with_a_column_inside_it(text: str) -> None:
    """Never a traceback, and never a place that is not there."""
    try:
        assert isinstance(parse(text), Threshold)
    except ThresholdRefused as refused:
        found = re.search(r"column (\d+): .", str(refused), re.DOTALL)
        assert found is not None
        assert 1 <= int(found[1]) <= len(text) + 1


@pytest.mark.parametrize("name", DELIVERY_COUNTS)
def test_every_count_of_the_account_can_be_a_threshold(name: str) -> None:
    assert parse(f"delivery.{name} <= 10").measure == parse(f"{name}(delivery) <= 10").measure == name


def test_a_bad_threshold_refuses_the_configuration_by_its_name() -> None:
    """Before anything runs; the environment names several with semicolons."""
    variable = "MMLOAD_RUNCONFIGURATION_THRESHOLDS"
    good, _ = load_settings(environ={variable: "errors < 1%; missing == 0"})
    with pytest.raises(ConfigurationError, match="did you mean missing") as refused:
        load_settings(environ={variable: "errors < 1%; mising == 0"})

    assert [text.strip() for text in good.config.run.thresholds] == ["errors < 1%", "missing == 0"]
    assert variable in str(refused.value)
