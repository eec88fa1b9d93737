"""The agents' own measures: only what happened in the window counts, and too little is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from coordinator import agent_metrics
from coordinator.agent_metrics import BY, Answers, Recent, Sums, quantile, slowest_action, snapshot
from mmload.config.coordinator_tables import ActionLimit, Measures
from mmload.metrics.exposition import escaped
from tests.coordinator.pages import page

LIMITS = Measures(
    action_p99_seconds=3.0,
    delivery_p99_seconds=4.0,
    action_limits=(ActionLimit("CreatePost", 2.5),),
    window_seconds=30.0,
)


def readings(*pages: str, every: float = 30.0) -> dict[str, float | None]:
    recent = Recent(LIMITS)
    for number, each in enumerate(pages):
        recent.add(snapshot({"lt0": each}, number * every))
    return {reading.name: reading.value for reading in recent.readings()}


def test_only_what_happened_since_the_window_began_counts() -> None:
    """The counters go on from the start of the test: ten slow minutes must not be remembered for ever."""
    found = readings(page([9.0] * 100), page([9.0] * 100 + [0.12] * 1000))

    assert found["p99 of requests (s)"] == pytest.approx(0.1245, abs=0.001)


def test_the_window_is_as_long_as_configured() -> None:
    """Slow requests of the fifth second are gone after it, and not before."""
    slow, recent = [9.0] * 10, Recent(LIMITS)
    seen: dict[int, float | None] = {}
    for second in range(40):
        done = [0.12] * (10 * second) + (slow if second >= 5 else [])
        recent.add(snapshot({"lt0": page(done)}, float(second)))
        seen[second] = recent.readings()[0].value

    assert seen[34] == pytest.approx(9.2, abs=0.1)
    assert seen[36] == pytest.approx(0.12, abs=0.01)


def test_fewer_than_five_requests_say_nothing() -> None:
    recent = Recent(LIMITS)
    recent.add(snapshot({"lt0": page()}, 0.0))
    recent.add(snapshot({"lt0": page([0.1] * 4)}, 1.0))

    assert {(reading.value, reading.unknown) for reading in recent.readings()[:2]} == {(None, "only 4 in the window")}


def test_log_ins_are_no_part_of_it() -> None:
    """They are the most expensive requests, and there are many of them only because users are being added."""
    assert readings(page(), page([0.1] * 100, logins=[5.0] * 100))["p99 of requests (s)"] < 0.16  # type: ignore[operator]


def test_the_page_loads_of_users_who_are_starting_are_no_part_of_it() -> None:
    """They are slow on any small server, and a search would measure how fast it adds users."""
    earlier = page([0.12] * 200 + [4.0] * 30, starting=[4.0] * 30)
    later = page([0.12] * 1200 + [4.0] * 90, starting=[4.0] * 90)

    assert readings(earlier, later)["p99 of requests (s)"] == pytest.approx(0.1245, abs=0.001)


def test_as_long_as_there_are_only_users_who_are_starting_their_requests_count() -> None:
    """A server that is too slow to let anybody in is breached, and not unknown."""
    assert readings(page(), page([4.0] * 30, starting=[4.0] * 28))["p99 of requests (s)"] == pytest.approx(4.1, abs=0.2)


def test_failures_are_a_share_of_the_requests() -> None:
    assert readings(page([0.1] * 100), page([0.1] * 300, failures=4))["failed requests (%)"] == 2.0


def test_a_limit_of_one_action_and_of_deliveries() -> None:
    found = readings(page(), page(actions={"CreatePost": [2.4] * 50, "Look": [0.1] * 50}, deliveries=[0.3] * 50))

    assert found["p99 of CreatePost (s)"] == pytest.approx(2.49, abs=0.02)
    assert found["p99 of actions (s)"] == pytest.approx(2.48, abs=0.03)
    assert found["p99 of delivery (s)"] == pytest.approx(0.3, abs=0.01)


def test_no_limit_is_no_reading() -> None:
    recent = Recent(Measures(request_p99_seconds=0.0, failure_percent=0.0))

    assert recent.readings() == () and recent.unknown("gone") == ()


def test_several_agents_are_added_up() -> None:
    """The p99 of two agents is not the mean of theirs."""
    recent = Recent(LIMITS)
    recent.add(snapshot({"a": page(), "b": page()}, 0.0))
    both = snapshot({"a": page([0.12] * 990, present=10), "b": page([9.0] * 200, present=3)}, 30.0)
    recent.add(both)

    assert recent.readings()[0].value == pytest.approx(9.85, abs=0.1)
    assert both.present == 13


def test_an_agent_that_was_started_anew_begins_a_new_window() -> None:
    """Its counters are smaller than before: a difference would be negative."""
    assert readings(page([9.0] * 100), page([0.1] * 50))["p99 of requests (s)"] is None


# -- whether the server answers ----------------------------------------------------------------------------------


def answers(*pages: str) -> list[str]:
    seen = Answers()
    return [seen.add(snapshot({"lt0": each}, float(second))) for second, each in enumerate(pages)]


def test_a_server_answers_nothing_from_its_last_answer_on() -> None:
    """A look at which no request ended changes nothing; one answer to a log-in does."""
    good, gone = [0.1] * 100, [0.1] * 107
    told = "7 requests in a row, timed out"

    said = answers(page(good), page(gone, 7), page(gone, 7), page(gone, 7, logins=[0.1]))

    assert said == ["", told, told, ""]


def test_one_request_without_an_answer_is_none() -> None:
    assert answers(page([0.1] * 100), page([0.1] * 101, 1)) == ["", ""]


def test_an_error_is_an_answer() -> None:
    pages = page([0.1] * 100), page([0.1] * 150, 50, reason="500 app.error")

    assert answers(*pages) == ["", ""]


def test_a_failure_that_is_counted_before_its_request_is_no_answer_at_the_next_look() -> None:
    """A page is not made in one moment."""
    pages = page([0.1] * 100), page([0.1] * 103, 4), page([0.1] * 104, 4)

    assert answers(*pages) == ["", *2 * ["4 requests in a row, timed out"]]


def test_an_agent_that_was_started_anew_has_not_lost_the_server() -> None:
    pages = page([0.1] * 100), page([0.1] * 150, 50), page([0.1] * 3)

    assert answers(*pages) == ["", "50 requests in a row, timed out", ""]


# -- the generator -----------------------------------------------------------------------------------------------


def test_a_saturated_generator_is_named_with_its_state() -> None:
    """The worst of its processes; a low CPU alone would not explain it."""
    late = 'mmload_generator_loop_lag_seconds{process="worker 1"} 0.34\nmmload_generator_steal_ratio{process="x"} 0\n'
    told = snapshot({"a": page(), "b": page(saturated=True) + late}, 0.0).saturated

    assert told == "agent b is at its limit: CPU 97% of a core, event-loop lag up to 340 ms"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("loop_lag_seconds 0.099", ""),
        ("loop_lag_seconds 0.1", "event-loop lag up to 100 ms"),
        ("steal_ratio 0.25", "25% of the machine's CPU stolen by its host"),
        ("backlog_sockets 2000", "2000 sockets readable at once"),
        ("throttled_seconds 0.3", "throttled by its CPU quota for 300 ms"),
        ("gc_seconds 0.02", ""),
    ],
)
def test_a_generator_that_was_saturated_minutes_ago_is_trusted_again(state: str, told: str) -> None:
    """An agent remembers for ten minutes; the search would end for three bad seconds at its beginning."""
    page = f"mmload_generator_saturated 1\nmmload_generator_{state}\n"

    assert snapshot({"a": page}, 0.0).saturated == (f"agent a is at its limit: {told}" if told else "")


def test_a_saturated_generator_that_says_no_more_is_believed() -> None:
    assert (
        snapshot({"a": "mmload_generator_saturated 1\n"}, 0.0).saturated
        == "agent a is at its limit: according to itself"
    )


def test_the_slowest_action_is_named_if_it_was_done_often() -> None:
    """One slow log-in must not be what an answer names."""
    earlier, later = (
        snapshot({"a": page(actions={"CreatePost": [2.4] * n, "Look": [0.1] * n, "Search": [9.0] * (n // 30)})}, n)
        for n in (0, 60)
    )

    assert slowest_action(earlier, later) == "CreatePost 2.5 s"
    assert slowest_action(earlier, earlier) == ""


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    """Evenly where nothing lies above it; beyond the last edge nothing is known but the edge."""
    assert quantile({1.0: 50.0, 2.0: 100.0, float("inf"): 100.0}, 0.75) == 1.5
    assert quantile({1.0: 0.0, float("inf"): 10.0}, 0.99) == 1.0
    assert quantile({}, 0.99) is None


@given(st.floats(0.02, 1.0), st.floats(0.5, 0.999))
def test_a_quantile_of_durations_with_an_exponential_tail_is_exact(mean: float, share: float) -> None:
    """As those of a queue have: wherever the limit lies in its bucket, it is crossed at the load where it really is."""
    edges = (0.0, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
    buckets = {edge: 1e6 * -math.expm1(-edge / mean) for edge in edges} | {math.inf: 1e6}

    found = quantile(buckets, share)

    assert found == pytest.approx(-mean * math.log(1.0 - share), rel=1e-3)


# -- the text of a page ------------------------------------------------------------------------------------------


def test_a_page_that_is_no_prometheus_text_has_no_sums() -> None:
    assert Sums({"a": ()}).of("a 1\na broken\na{x=\n") == {}
    assert Sums({"a": ()}).of("<html>\na sad page</html>") == {}


def test_series_are_added_up_by_the_labels_that_matter() -> None:
    """Labels are unescaped, lines of other metrics left out."""
    text = '# HELP a b\na{x="1\\"2\\\\n\\n",y="}"} 3\na_total 5\nb 7\na{x="2",y="p q"} 1\na{x="2",y="r"} 4 1700000000\n'

    assert Sums({"a": ("x",)}).of(text) == {("a", '1"2\\n\n'): 3, ("a", "2"): 5}
    assert Sums({"a": ("z",), "b": ()}).of(text) == {("a", ""): 8, ("b",): 7}


LABELS = st.text(max_size=8)
PAGES = st.lists(st.lists(st.tuples(LABELS, LABELS, st.integers(0, 10**6)), max_size=8), min_size=2, max_size=4)


@settings(max_examples=30)
@given(PAGES)
def test_a_page_that_is_read_after_others_has_the_same_sums(pages: list[list[tuple[str, str, int]]]) -> None:
    """Series come and go, whatever is in their labels."""
    reader = Sums({"a": ("x", "y")})
    for page_ in pages:
        rows = {(x, y): value for x, y, value in page_}
        text = "".join(
            f'a{{x="{escaped(x)}",y="{escaped(y)}"}} {value}\nab{{x="{escaped(y)}"}} 1\n'
            for (x, y), value in rows.items()
        )
        anew = Sums({"a": ("x", "y")}).of(text)

        assert reader.of(text) == anew == {("a", x, y): value for (x, y), value in rows.items()}


@pytest.mark.parametrize(
    "line", ["a 5 {}", "a\t{}", "a {} ", "a  {}", "a {}\r", 'a{{x="y z"}}\t{}', 'a{{x="y z"}} {} 7', 'a{{x="y z"}}{}']
)
def test_a_value_is_found_however_the_line_is_spaced(line: str) -> None:
    """Also of a series that was read before; a time behind the value is none."""
    reader = Sums({"a": ()})
    read = [reader.of(line.format(number) + "\n") for number in (1, 2)]

    assert read == ([{("a",): 5}] * 2 if line == "a 5 {}" else [{("a",): 1}, {("a",): 2}])


def test_a_page_is_not_parsed_again_where_only_its_values_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a look each second takes a fifth of a core."""
    parsed: list[str] = []

    def parse(text: str) -> Iterable[Metric]:
        parsed.append(text)
        return text_string_to_metric_families(text)

    monkeypatch.setattr(agent_metrics, "text_string_to_metric_families", parse)
    sums = Sums(BY)
    first = snapshot({"a": page([0.1] * 10, present=3)}, 0.0, sums)
    before = len(parsed)
    second = snapshot({"a": page([0.1] * 30, failures=1, present=7)}, 1.0, sums)

    assert (first.requests, second.requests, second.present) == (10, 30, 7)
    assert before > 0 and len(parsed) == before
    assert second == snapshot({"a": page([0.1] * 30, failures=1, present=7)}, 1.0)


def test_series_that_are_ever_new_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_metrics, "MOST_SERIES", 10)
    sums = Sums({"a": ()})
    read = [sums.of(f'a{{x="{number}"}} 1\n') for number in range(50)]

    assert read == [{("a",): 1}] * 50
    assert len(sums._known) <= 11
