"""What Prometheus says is a number, or a reason why there is none: never good news by mistake."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from coordinator.polling import Question, Unanswered, all_at_once
from coordinator.prometheus import Element, Prometheus, elements, reading, refusal
from coordinator.search.sample import Reading
from mmload.cli.locust_process import free_port
from mmload.config.coordinator_tables import Monitor, Query
from mmload.errors import ConfigurationError, ServerNotReady
from tests.coordinator.serving import Answer, Asked, serving

QUERY = Query(description="busy", query="busy", threshold=85.0, alert=True)
NOW = 1_000_000.0


def told(*values: float, query: Query = QUERY, age: float = 0.0) -> Reading:
    return reading(query, [Element(NOW - age, value) for value in values], NOW, 30.0)


def test_a_value_below_the_threshold_is_healthy() -> None:
    assert told(80.0) == Reading("busy", 80.0, 85.0)


def test_the_worst_of_several_elements_counts() -> None:
    """The peer looks at the first one only: a second server may be on its knees."""
    assert told(10.0, 97.0, 20.0).value == 97.0


def test_a_breach_counts_although_another_element_is_no_number() -> None:
    assert told(float("nan"), 97.0).value == 97.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_unknown(value: float) -> None:
    assert told(value, 3.0) == Reading("busy", None, 85.0, "not a number (a division by zero?)")


def test_an_empty_answer_is_unknown() -> None:
    """An expression over a metric that does not exist must not look like a healthy server."""
    assert told() == Reading("busy", None, 85.0, "no data (empty result)")


def test_an_empty_answer_is_zero_where_the_query_says_so() -> None:
    """Rates of errors have no element before the first error."""
    assert told(query=Query(description="errors", threshold=1.0, empty_is_zero=True)) == Reading("errors", 0.0, 1.0)


def test_an_old_sample_is_unknown() -> None:
    assert told(3.0, age=31.0) == Reading("busy", None, 85.0, "stale: the last sample is 31 s old")


def test_vectors_and_scalars_are_read() -> None:
    vector = [{"metric": {}, "value": [5.0, "1.5"]}, {"metric": {}, "value": [5.0, "NaN"]}]

    assert elements(vector)[0] == Element(5.0, 1.5)
    assert elements([5.0, "2"]) == (Element(5.0, 2.0),)
    assert elements([]) == ()


@pytest.mark.parametrize("result", [{}, "x", [{"metric": {}, "values": [[1, "2"]]}], [5.0, "text"], None])
def test_any_other_form_of_answer_is_unknown(result: Any) -> None:
    with pytest.raises(Unanswered):
        elements(result)


def test_a_refusal_says_what_prometheus_said() -> None:
    body = b'{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": it\'s wrong"}'
    said = str(refusal(f"HTTP Status Code 400 ({body!r})"))

    assert said == 'the query is refused: invalid parameter "query": it\'s wrong'


def test_another_status_is_named() -> None:
    assert str(refusal("HTTP Status Code 503 (b'<html>')")) == "HTTP status 503"


def vector(value: str) -> str:
    result = [{"metric": {}, "value": [time.time(), value]}]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def monitor(url: str, *names: str, seconds: float = 5.0) -> Monitor:
    queries = tuple(Query(description=name, query=name, threshold=1.0, alert=True) for name in names)
    return Monitor(prometheus_url=url, queries=queries, query_timeout_seconds=seconds)


def test_a_slow_query_delays_no_other_and_is_unknown() -> None:
    """Each is asked in a thread of its own; the slow one's limit is the configured time."""
    released = Event()

    def answering(asked: Asked) -> Answer:
        if "slow" in asked.path:
            released.wait(20)
        return Answer(200, vector("0.5"))

    with serving(answering) as url:
        began = time.monotonic()
        readings = Prometheus(monitor(url, "slow", "quick", seconds=2.0)).readings(0.0, time.time())
        took = time.monotonic() - began
        released.set()

    assert readings["quick"].value == 0.5
    assert readings["slow"].unknown == "timed out"
    assert took < 15, "the slow one was waited for"


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [
        (Answer(503, "busy", "text/plain"), "HTTP status 503"),
        (Answer(200, "<html>", "text/html"), "the response is not JSON: is this Prometheus?"),
        (Answer(200, "{}"), "this is not a Prometheus response"),
        (Answer(200, "[]"), "this is not a Prometheus response"),
    ],
)
def test_a_bad_answer_is_unknown_with_its_reason_after_one_request(answer: Answer, unknown: str) -> None:
    """The client library would ask three times more, for six seconds, and tell nobody."""
    asked_once_and_unknown(answer, unknown)


def test_a_division_by_zero_is_unknown_with_its_reason_after_one_request() -> None:
    """The sample's time is now, not when the tests were collected: it would be stale."""
    asked_once_and_unknown(Answer(200, vector("NaN")), "not a number (a division by zero?)")


def asked_once_and_unknown(answer: Answer, unknown: str) -> None:
    asked: list[str] = []

    def answering(request: Asked) -> Answer:
        asked.append(request.path)
        return answer

    with serving(answering) as url:
        found = Prometheus(monitor(url, "one")).readings(0.0, time.time())["one"]

    assert (found.value, found.unknown) == (None, unknown)
    assert len([path for path in asked if "query=one" in path]) == 1


def test_a_prometheus_that_is_down_is_unknown_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        readings = Prometheus(monitor(f"http://127.0.0.1:{unused.getsockname()[1]}", "one")).readings(0.0, time.time())

    # The client library's own three further attempts take six seconds: it would be "timed out".
    assert readings["one"].unknown == "connection refused"


def test_a_query_is_not_asked_before_its_min_interval() -> None:
    """A rate over a minute says nothing in the first minute."""
    queries = (Query(description="early", query="a"), Query(description="late", query="b", min_interval_seconds=60.0))
    with serving(lambda _: Answer(200, vector("0"))) as url:
        prometheus = Prometheus(Monitor(prometheus_url=url, queries=queries))

        assert set(prometheus.readings(59.0, time.time())) == {"early"}
        assert set(prometheus.readings(60.0, time.time())) == {"early", "late"}


def test_a_search_does_not_begin_without_prometheus() -> None:
    with pytest.raises(ServerNotReady, match=r"Prometheus at http://127.0.0.1:9 does not respond: connection refused"):
        Prometheus(monitor("http://127.0.0.1:9", "one")).check()


def test_a_search_without_queries_needs_no_prometheus() -> None:
    Prometheus(monitor("http://127.0.0.1:9")).check()


def test_a_question_whose_answer_is_late_is_not_asked_twice() -> None:
    """A Prometheus that hangs must not collect a thread a second."""
    asked, released = [], Event()

    def ask() -> int:
        asked.append(1)
        released.wait(20)
        return 7

    question = Question(ask)
    first = all_at_once([question], 0.01)
    second = all_at_once([question], 0.01)
    released.set()
    third = all_at_once([question], 20)

    assert [str(each) for each in (*first, *second)] == ["timed out"] * 2
    assert third == [7] and len(asked) == 1


@pytest.fixture(scope="module")
def real_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real one (Debian's package) that scrapes itself every three seconds."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("the program prometheus is not installed")
    folder, address = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}"
    scrape = {"job_name": "itself", "static_configs": [{"targets": [address]}]}
    config = {"global": {"scrape_interval": "3s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(program, f"--config.file={folder}/prometheus.yml", f"--web.listen-address={address}"),
                f"--storage.tsdb.path={folder}/data",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for_samples(f"http://{address}", folder)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=180)


def _wait_for_samples(url: str, folder: Path) -> None:
    up = Monitor(prometheus_url=url, queries=(Query(description="up", query="up", threshold=2.0),))
    prometheus, deadline = Prometheus(up), time.monotonic() + 60
    while prometheus.readings(0.0, time.time())["up"].value != 1.0:
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)


def test_a_real_prometheus_is_read(real_prometheus: str) -> None:
    """Values, scalars, several elements, nothing, no number: as it really answers."""
    asked = {
        "value": "up * 3",
        "scalar": "scalar(up) + 4",
        "several": 'label_replace(up, "n", "1", "", "") * 2 or label_replace(up, "n", "2", "", "") * 9',
        "nothing": "no_such_metric",
        "no number": "up * 0 / 0",
        "a range": "up[10s]",
    }
    queries = tuple(Query(description=name, query=query, threshold=100.0) for name, query in asked.items())

    found = Prometheus(Monitor(prometheus_url=real_prometheus, queries=queries)).readings(0.0, time.time())

    assert [found[name].value for name in ("value", "scalar", "several")] == [3.0, 5.0, 9.0]
    assert found["nothing"].unknown == "no data (empty result)"
    assert found["no number"].unknown.startswith("not a number")
    assert found["a range"].unknown.startswith("the query does not return a single value")


def test_a_real_prometheus_gives_no_sample_older_than_asked_for(real_prometheus: str) -> None:
    """Its default looks back five minutes: a server that is gone would look as healthy as it was."""
    up = Query(description="up", query="up", threshold=2.0)

    def found(seconds: float) -> Reading:
        monitor = Monitor(prometheus_url=real_prometheus, queries=(up,), stale_after_seconds=seconds)
        return Prometheus(monitor).readings(0.0, time.time())["up"]

    # It scrapes once a second: nearly no moment has a sample of the last millisecond.
    reasons = " ".join(found(0.001).unknown for _ in range(5))
    assert "scraped nothing for" in reasons or "no data" in reasons
    assert found(30.0).value == 1.0


def test_a_faulty_query_is_refused_before_the_search(real_prometheus: str) -> None:
    queries = (Query(description="typing error", query="sum(up", threshold=1.0), Query(description="up", query="up"))

    with pytest.raises(ConfigurationError, match=r"Queries: 'typing error': the query is refused: .*parse error"):
        Prometheus(Monitor(prometheus_url=real_prometheus, queries=queries)).check()


def test_answers_are_unknown_when_prometheus_no_longer_scrapes() -> None:
    """It goes on answering from the last samples it has."""
    with serving(lambda asked: Answer(200, vector("31" if "timestamp" in asked.path else "0.5"))) as url:
        readings = Prometheus(monitor(url, "one")).readings(0.0, time.time())

    assert readings["one"].unknown == "stale: Prometheus has scraped nothing for 31 s"
