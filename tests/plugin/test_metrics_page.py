"""The text of `/metrics`: that it follows the format, and says what the record says."""

from __future__ import annotations

import math
import random
import re
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
import requests
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from mmload.errors import UsageError
from mmload.metrics.counts import DeliveryCounts
from mmload.metrics.delta import Delta, ProcessHealth
from mmload.metrics.exposition import EDGES_SECONDS, PEER_EDGES_SECONDS, Kind, buckets, escaped, number, together
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY, ActionOutcome, Recorder
from mmload.plugin.web import metrics
from mmload.plugin.web.metrics import FAMILIES, METRICS, page
from mmload.plugin.web.run_view import View
from mmload.results.model import Facts, RunPhase, Second, Server, Totals

DURATIONS = st.lists(st.floats(0, 200), max_size=60)


def histogram(seconds: list[float]) -> Histogram:
    made = Histogram()
    for one in seconds:
        made.record(one)
    return made


@given(DURATIONS)
def test_each_edge_counts_what_did_not_exceed_it(seconds: list[float]) -> None:
    """To the precision of our own buckets: one part in a thousand."""
    found = buckets(histogram(seconds))

    for edge, seen in zip(EDGES_SECONDS, found.cumulative, strict=True):
        assert sum(one <= edge * 0.9999 for one in seconds) <= seen <= sum(one <= edge * 1.0011 for one in seconds)
    assert found.count == len(seconds)
    assert math.isclose(found.total_us / 1e6, sum(seconds), abs_tol=1e-4)


@given(DURATIONS, DURATIONS)
def test_two_histograms_together_are_that_of_all_durations(one: list[float], other: list[float]) -> None:
    assert together([buckets(histogram(one)), buckets(histogram(other))]) == buckets(histogram(one + other))


def test_the_peers_edges_are_among_ours() -> None:
    """Else its histogram could not be told from ours."""
    assert set(PEER_EDGES_SECONDS) <= set(EDGES_SECONDS)
    assert list(EDGES_SECONDS) == sorted(EDGES_SECONDS)


def test_a_histogram_is_cumulative_and_ends_with_infinity_sum_and_count() -> None:
    lines = (
        METRICS["mmload_request_seconds"]
        .histogram(buckets(histogram([0.001, 0.2, 99.0])), "load", "GET /x", "ok")
        .splitlines()
    )

    labels = 'kind="load",route="GET /x",outcome="ok"'
    assert lines[0] == f'mmload_request_seconds_bucket{{{labels},le="0.001"}} 1'
    assert lines[-4:] == [
        f'mmload_request_seconds_bucket{{{labels},le="60"}} 2',
        f'mmload_request_seconds_bucket{{{labels},le="+Inf"}} 3',
        f"mmload_request_seconds_sum{{{labels}}} 99.201",
        f"mmload_request_seconds_count{{{labels}}} 3",
    ]


@given(st.text())
def test_whatever_is_in_a_label_stays_on_its_line(text: str) -> None:
    found = escaped(text)

    assert "\n" not in found
    assert re.fullmatch(r'([^"\\]|\\["\\n])*', found)
    assert re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), found) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53))
def test_no_value_loses_anything(value: float) -> None:
    assert float(number(value)) == value


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and labels, as they stand in the text."""
    found: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert (match[1], match[2] or "") not in found, f"twice: {line}"
            found[match[1], match[2] or ""] = float(match[3])
    return found


def second(**given: Any) -> Second:
    zeros = {name: 0 for name in Second.__struct_fields__ if name != "health"}
    return Second(**(zeros | {"phase": RunPhase.STEADY} | given))


def view(**given: Any) -> View:
    recorder = Recorder(clock=lambda: 1000.0)
    recorder.request("GET /users/{user_id}/posts/{post_id}/reactions/{emoji_name}", 0.2)
    recorder.request("GET /posts/{post_id}", 0.3, "404 store.missing")
    recorder.request("GET /posts/{post_id}", 0.3, "404 other")
    recorder.request("GET /posts/{post_id}", 30.0, "timed out")
    recorder.request("GET /users/{user_id}", 0.3, "404 gone", expected=True)
    recorder.request("POST /users/login", 0.5, login=True)
    recorder.action("CreatePost", 0.4, ActionOutcome.OK)
    recorder.action("CreatePost", 0.9, ActionOutcome.FAILED)
    recorder.action("CreatePost", 0.0, ActionOutcome.SKIPPED)
    recorder.span(DELIVERY, 0.05)
    recorder.span("reconnect", 1.5)
    recorder.events["posted"] += 4
    recorder.deliveries = DeliveryCounts(delivered=3, late=1, resumed=1, never_came=2)
    recorder.sessions.relogins += 1
    totals = Totals(seconds=12, whole=recorder.take())
    health = {"worker 0": ProcessHealth(cpu=0.9, lag_ms=12.0), "worker 1": ProcessHealth(cpu=0.1, steal=0.02)}
    recent = (
        second(health={"worker 0": ProcessHealth(cpu=0.5, lag_ms=80.0)}),
        second(active=7, waiting=2, sockets=6, health=health),
    )
    facts = Facts(mmload="1.0", server=Server(url="http://x", version="11.6.0"), started_ms=5000)
    return replace(View(facts=facts, totals=totals, recent=recent, running=True, target=10), **given)


def test_every_line_of_the_page_is_a_sample_of_a_known_family() -> None:
    text = "".join(page(view()))
    families = {metric.name: metric for metric, _ in FAMILIES}

    current = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            current = line.split()[2]
        elif not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            assert re.sub("_(bucket|sum|count)$", "", name) == current or name == current, line
            assert re.findall(r'([a-z_]+)="(?:[^"\\]|\\.)*"', line) in (
                list(families[current].labels),
                [*families[current].labels, "le"],
            )
    assert len(families) == len(FAMILIES)


def test_the_page_says_what_the_record_says() -> None:
    found = samples("".join(page(view())))

    assert found["mmload_users", 'state="active"'] == 7
    assert found["mmload_users", 'state="target"'] == 10
    assert found["mmload_sockets", ""] == found["loadtest_websocket_connections_total", ""] == 6
    assert found["mmload_requests_total", 'kind="load",route="GET /posts/{post_id}"'] == 3
    assert found["mmload_requests_total", 'kind="login",route="POST /users/login"'] == 1
    reason = 'kind="load",route="GET /posts/{post_id}",reason="timed out"'
    assert found["mmload_request_failures_total", reason] == 1
    reason = 'kind="load",route="GET /users/{user_id}",reason="404 gone"'
    assert found["mmload_request_expected_refusals_total", reason] == 1
    assert found["mmload_actions_total", 'action="CreatePost",outcome="skipped"'] == 1
    assert found["mmload_action_seconds_sum", 'action="CreatePost",outcome="failed"'] == 0.9
    assert found["mmload_delivery_seconds_count", ""] == 1
    assert found["mmload_span_seconds_count", 'span="reconnect"'] == 1
    assert found["mmload_deliveries_total", 'outcome="in_time"'] == 2
    assert found["mmload_deliveries_total", 'outcome="late"'] == found["mmload_resumed_deliveries_total", ""] == 1
    assert found["mmload_deliveries_missing", 'reason="never_came"'] == 2
    assert found["mmload_delivery_account", 'part="missing"'] == 2
    assert found["mmload_events_total", 'event="posted"'] == 4
    assert found["mmload_relogins_total", ""] == 1
    assert found["mmload_test_start_timestamp_seconds", ""] == 5
    assert found["mmload_test_phase", 'phase="steady"'] == 1


def test_each_delivery_has_one_outcome() -> None:
    """They add up to all that came: one that is late is not counted in another outcome, too."""
    found = samples("".join(page(view())))

    outcomes = [value for (name, _), value in found.items() if name == "mmload_deliveries_total"]
    assert sum(outcomes) == found["mmload_delivery_account", 'part="delivered"'] == 3


def test_every_counter_of_the_record_is_on_the_page() -> None:
    """Whatever is counted can be queried, with a name and a help text of its own."""
    whole = Delta()
    counts = (whole.deliveries, whole.sockets, whole.sessions)
    fields = [(count, name) for count in counts for name in count.__struct_fields__ if name != "late"]
    for at, (count, name) in enumerate(fields):
        setattr(count, name, 1000 + at)

    found = set(samples("".join(page(View(totals=Totals(whole=whole))))).values())

    assert [name for at, (_, name) in enumerate(fields) if 1000 + at not in found] == []


def test_what_may_be_taken_back_is_no_counter() -> None:
    """A missing delivery may come after all; a counter that falls would be read as one that began anew."""
    counters = {metric.name for metric, _ in FAMILIES if metric.kind is Kind.COUNTER}
    falls = 'part="(expected|missing|withdrawn)"|never_came|uncertain'
    falling = [line for line in page(view()) if re.search(falls, line) and line[0] != "#"]

    assert len(falling) == 5
    assert not [line for line in falling if re.split("[{ ]", line)[0] in counters]


def test_the_health_of_a_process_is_its_worst_second_of_late() -> None:
    """And what the system does not tell is left out."""
    found = samples("".join(page(view())))

    assert found["mmload_generator_loop_lag_seconds", 'process="worker 0"'] == 0.08
    assert found["mmload_generator_cpu_ratio", 'process="worker 0"'] == 0.9
    assert found["mmload_generator_steal_ratio", 'process="worker 1"'] == 0.02
    assert ("mmload_generator_steal_ratio", 'process="worker 0"') not in found


def test_the_peers_names_have_its_labels_and_sums() -> None:
    found = samples("".join(page(view())))

    errors = 'path="/api/v4/posts/$ID",method="GET",status_code="404"'
    assert {key: value for key, value in found.items() if key[0] == "loadtest_http_errors_total"} == {
        ("loadtest_http_errors_total", errors): 2
    }
    assert found["loadtest_http_timeouts_total", 'path="/api/v4/posts/$ID",method="GET"'] == 1
    assert found["loadtest_http_request_time_count", ""] == 6
    assert found["loadtest_http_request_time_bucket", 'le="0.25"'] == 1
    assert found["loadtest_http_request_time_bucket", 'le="+Inf"'] == 6
    edges = [labels for name, labels in found if name == "loadtest_http_request_time_bucket"]
    assert len(edges) == len(PEER_EDGES_SECONDS) + 1


def test_before_the_first_test_the_page_is_whole() -> None:
    """Queries of a coordinator that starts first find their metrics."""
    found = samples("".join(page(View())))

    assert found["loadtest_http_request_time_count", ""] == 0
    assert found["mmload_users", 'state="active"'] == 0
    assert found["mmload_test_running", ""] == 0


def test_what_is_no_call_of_the_api_is_no_path_of_the_peer() -> None:
    recorder = Recorder()
    recorder.request("GET site page", 0.1, "502 no answer of ours")
    text = "".join(page(View(totals=Totals(whole=recorder.take()))))

    assert 'loadtest_http_errors_total{path="site page",method="GET",status_code="502"} 1\n' in text


def long_run(routes: int, each: int) -> Delta:
    """The totals of a test of hours: each route with thousands of different durations."""
    rng = random.Random(7)
    recorder = Recorder()
    for number_ in range(routes):
        for _ in range(each):
            recorder.request(f"GET /route/{number_}", rng.lognormvariate(-4, 1))
            recorder.action(f"Action{number_}", rng.lognormvariate(-3, 1), ActionOutcome.OK)
    return recorder.take()


def test_making_a_long_page_holds_nobody_up_for_more_than_20_ms() -> None:
    """60 routes and 60 actions of a long test. Of our own CPU time: other programs run on this machine, too."""
    whole = long_run(60, 3000)
    longest = []
    for _ in range(3):
        stretches: list[float] = []
        watcher = gevent.spawn(_watch, stretches)
        gevent.sleep(0)
        text = gevent.spawn(metrics.in_turns, page(view(totals=Totals(whole=whole)))).get()
        watcher.kill()
        longest.append(max(stretches))

    assert text.count(b"\n") > 60 * 2 * len(EDGES_SECONDS)
    assert min(longest) < 0.020


def _watch(stretches: list[float]) -> None:
    """Measure for how long others compute until it is this greenlet's turn."""
    while True:
        asked = time.thread_time()
        gevent.sleep(0)
        stretches.append(time.thread_time() - asked)


def environment(**given: Any) -> Any:
    runner = SimpleNamespace(target_user_count=3, user_count=3)
    return SimpleNamespace(runner=runner, parsed_options=SimpleNamespace(**({"web_base_path": None} | given)))


def test_the_route_lies_below_the_base_path() -> None:
    app = Flask(__name__)
    app.register_blueprint(metrics.blueprint(environment(web_base_path="/locust")))

    answer = app.test_client().get("/locust/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"mmload_info" in answer.data


def test_without_a_web_ui_a_server_of_its_own_tells_the_same() -> None:
    server = metrics.serve(environment(), "127.0.0.1:0")
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert "mmload_users" in requests.get(f"{url}/metrics", timeout=5).text
        assert requests.get(f"{url}/swarm", timeout=5).status_code == 404
        assert requests.post(f"{url}/metrics", timeout=5).status_code == 404
        with pytest.raises(UsageError, match=r"MetricsAddress.*already in use"):
            metrics.serve(environment(), f"127.0.0.1:{server.server_port}")
    finally:
        server.stop()
