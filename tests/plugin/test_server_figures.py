"""The server's own figures of a run: from a real Prometheus into the run's folder, and what happens without one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from mmload.cli.locust_process import free_port
from mmload.config.coordinator_tables import Monitor, Query
from mmload.errors import ConfigurationError
from mmload.plugin.record.server_metrics import MOST_POINTS, configured, samples_of, server_figures, step
from mmload.report.findings import findings, read_server
from mmload.report.page import html_of_folder
from mmload.results.folder import read_notes, read_run
from mmload.results.model import NoteKind, ServerSample
from tests.plugin import prometheus
from tests.run.processes import distributed, end, locust, start, the_folder


def answer(*series: list[tuple[float, str]]) -> dict[str, Any]:
    return {"status": "success", "data": {"result": [{"metric": {}, "values": values} for values in series]}}


CPU = Query(description="CPU", query="cpu", threshold=0.9, alert=True)


def test_of_several_series_the_greatest_counts() -> None:
    """As for the coordinator: the worst node is the one to look at. What is no number is left out."""
    found = samples_of(CPU, answer([(10.0, "0.5"), (11.0, "0.7")], [(10.0, "0.6"), (11.0, "NaN"), (12.0, "+Inf")]))

    assert found == [ServerSample(10_000, "CPU", 0.6, limit=0.9), ServerSample(11_000, "CPU", 0.7, limit=0.9)]


def test_a_query_that_does_not_alert_has_no_limit() -> None:
    [sample] = samples_of(Query(description="CPU", query="cpu", threshold=0.9), answer([(10.0, "0.5")]))

    assert sample.limit is None


@pytest.mark.parametrize(("seconds", "width"), [(0.5, 1), (300, 1), (301, 2), (86_400, 288)])
def test_there_are_never_more_points_than_a_chart_shows(seconds: float, width: int) -> None:
    assert step(seconds) == width
    assert seconds / step(seconds) <= MOST_POINTS


def refusing(*_: Any) -> Any:
    raise requests.ConnectionError("http://user:secret@prometheus:9090 refused")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"status": "success", "data": {"result": []}}, "Prometheus has no data for this time"),
        ({"status": "success"}, "this is not a Prometheus response (KeyError)"),
        ([], "this is not a Prometheus response (TypeError)"),
        (answer([(1.0, "many")]), "this is not a Prometheus response (ValueError)"),
    ],
)
def test_an_answer_that_is_none_becomes_a_sentence(document: Any, said: str) -> None:
    found, complaints = server_figures(Monitor(queries=(CPU,)), 0, 9, lambda *_: document)

    assert found == []
    assert complaints == [f"no server metrics for 'CPU': {said}"]


def test_one_bad_query_does_not_cost_the_others() -> None:
    """And no secret of the address is told."""

    def ask(query: Query, *_: Any) -> Any:
        return refusing() if query.query == "bad" else answer([(1.0, "1")])

    queries = (Query(description="bad", query="bad"), CPU)
    found, complaints = server_figures(Monitor(queries=queries), 0, 9, ask)

    assert [sample.name for sample in found] == ["CPU"]
    assert complaints == [
        "no server metrics for 'bad': cannot reach Prometheus (MonitorConfig.PrometheusURL): "
        "network error ConnectionError"
    ]


def test_a_slow_prometheus_does_not_hold_up_the_end_of_a_run() -> None:
    """Ten seconds for all of them together."""
    now = 0.0

    def ask(query: Query, start: float, end: float, patience: float) -> Any:
        nonlocal now
        now += patience
        raise requests.Timeout

    queries = tuple(Query(description=f"query {number}", query="x") for number in range(9))
    _, complaints = server_figures(Monitor(queries=queries), 0, 9, ask, lambda: now)

    assert now == 10.0
    assert len(complaints) == 9
    assert complaints[-1].endswith("the previous queries took too long")


def test_the_queries_are_those_of_the_coordinators_document(tmp_path: Path) -> None:
    """Found where the coordinator finds it; without one nothing is asked."""
    document = tmp_path / "coordinator.json"
    assert configured({}, tmp_path).queries == ()
    document.write_text('{"MonitorConfig": {"Queries": [{"Description": "CPU", "Query": "cpu"}]}}')
    assert [query.query for query in configured({}, tmp_path).queries] == ["cpu"]
    assert [query.query for query in configured({"MMLOAD_COORDINATOR": str(document)}).queries] == ["cpu"]
    document.write_text('{"MonitorConfig": {"Querys": []}}')
    with pytest.raises(ConfigurationError, match="Queries"):
        configured({}, tmp_path)


def coordinator(folder: Path, url: str, *queries: str) -> None:
    (folder / "config").mkdir()
    asked = [{"Description": query, "Query": query, "Threshold": 1, "Alert": True} for query in queries]
    document = {"MonitorConfig": {"PrometheusURL": url, "Queries": asked}}
    (folder / "config" / "coordinator.json").write_text(json.dumps(document))


def test_a_run_keeps_the_figures_of_its_time_and_its_page_draws_them(tmp_path: Path) -> None:
    """A real Prometheus, a real run; a query that it refuses is a note, and the verdict stands."""
    if not prometheus.is_installed():
        pytest.skip("the program `prometheus` is not installed")
    (tmp_path / "server").mkdir()
    with prometheus.running_prometheus(tmp_path / "server", "127.0.0.1:1", "127.0.0.1:1") as running:
        running.await_value("count(up)", 1)
        coordinator(tmp_path, running.url, "vector(3) + vector(0)", "rate(oops")
        ended = end(start(locust("-u", "2", "-r", "2", "-t", "5s"), tmp_path))
    folder = the_folder(tmp_path)
    run = read_run(folder)
    [metric] = read_server(folder)

    assert ended.code == 0, ended.err
    assert {value for _, value in metric.values} == {3.0}
    assert run.facts.started_ms - 1000 <= metric.values[0][0] <= metric.values[-1][0] <= run.facts.ended_ms + 1000
    assert metric.limit == 1.0
    [note] = [note for note in read_notes(folder) if note.kind is NoteKind.SERVER]
    assert "Prometheus refused the query: " in note.text
    assert "Server metrics" in html_of_folder(findings(run))


def test_a_prometheus_that_is_not_there_costs_a_run_nothing(tmp_path: Path) -> None:
    """With workers, too: only the master asks."""
    coordinator(tmp_path, f"http://127.0.0.1:{free_port()}", "up")
    began = time.monotonic()
    ended = end(start(locust("-u", "2", "-r", "2", "-t", "4s", *distributed(2)), tmp_path))
    notes = [note.text for note in read_notes(the_folder(tmp_path)) if note.kind is NoteKind.SERVER]

    assert ended.code == 0, ended.err
    assert notes == [
        "no server metrics for 'up': cannot reach Prometheus (MonitorConfig.PrometheusURL): connection refused"
    ]
    assert time.monotonic() - began < 60
    assert "no server metrics for 'up'" in ended.out
