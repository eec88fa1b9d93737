"""A real Prometheus scrapes a real distributed test: every metric, the record's figures, the data of the board."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from mmload.cli.locust_process import free_port
from mmload.metrics.exposition import Kind
from mmload.plugin.web.metrics import FAMILIES
from mmload.plugin.web.metrics import page as page_of
from mmload.plugin.web.run_view import View
from mmload.results.folder import read_run
from mmload.results.generator_health import trust_in
from mmload.results.model import Run
from tests.conftest import running_sandbox
from tests.plugin.prometheus import ROOT, Prometheus, is_installed, running_prometheus
from tests.run.processes import distributed, mmload_here

pytestmark = pytest.mark.skipif(not is_installed(), reason="prometheus is not installed (make system-packages)")

USERS = 16
TEST_SECONDS = 22
DOCS = ROOT / "docs" / "metrics.md"
BOARD = ROOT / "config" / "grafana" / "mmload.json"
# People who hardly pause, and who do not wait long for an answer.
HASTE = {
    "MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100",
    "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "700",
    "MMLOAD_CONNECTIONCONFIGURATION_REQUESTTIMEOUTSEC": "1.5",
}
# Nobody in this test gives up a delivery or has a browser; the rest is what a system may not tell.
MAY_BE_EMPTY = {
    "mmload_deliveries_missing",
    "mmload_generator_steal_ratio",
    "mmload_generator_throttled_seconds",
    *(metric.name for metric, _ in FAMILIES if metric.name.startswith("mmload_browser_")),
}


@dataclass(frozen=True)
class Scraped:
    """A test that has ended, and what Prometheus has of it. `during`: a moment of its steady phase."""

    prometheus: Prometheus
    run: Run
    during: str


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("scraped")
    with running_sandbox() as server:
        assert mmload_here(folder, "init", "--server", server).returncode == 0
        agent = f"127.0.0.1:{free_port()}"
        locust = start_locust(folder, server, agent)
        try:
            with running_prometheus(folder, agent, server.removeprefix("http://")) as prometheus:
                prometheus.await_targets(2)
                during = go_through(prometheus, server, agent)
                requests.post(f"http://{agent}/stop", timeout=60).raise_for_status()
                # The page of the test that has ended is scraped once more.
                prometheus.await_value("1 - max(mmload_test_running)", 1)
                yield Scraped(prometheus, read_run(next(folder.glob("runs/*"))), during)
        finally:
            locust.terminate()
            locust.wait(timeout=180)


def start_locust(folder: Path, server: str, agent: str) -> subprocess.Popen[bytes]:
    """A master with its web UI and two workers; the test begins by itself."""
    host, port = agent.split(":")
    options = ["--host", server, "--web-host", host, "--web-port", port, "--stop-timeout", "5", *distributed(2)]
    options += ["--autostart", "-u", str(USERS), "-r", str(USERS)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}
    with (folder / "locust.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfile.py"), *options],
            cwd=folder,
            env=clean | HASTE,
            stdout=log,
            stderr=log,
        )


def go_through(prometheus: Prometheus, server: str, agent: str) -> str:
    """All that a board can show: failures, time-outs, lost sockets. Gives a moment when it shows it."""
    prometheus.await_value('mmload_users{state="active"}', USERS)
    faults: tuple[dict[str, Any], ...] = (
        {"route": "POST /api/v4/channels/members/{user_id}/view", "status": 500, "share": 0.3},
        {"route": "POST /api/v4/users/ids", "delay_ms": 3000.0, "times": 2},
        {"drop_sockets": True},
    )
    for fault in faults:
        requests.post(f"{server}/sandbox/faults", json=fault, timeout=10).raise_for_status()
    prometheus.await_value("mmload_test_seconds_total", TEST_SECONDS)
    return str(prometheus.value("vector(time())"))


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels by name, as docs/metrics.md has them."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) ?\| \S", DOCS.read_text(), re.MULTILINE)
    return {name: (kind, tuple(re.findall("`([a-z_]+)`", labels))) for name, kind, labels in rows}


def test_the_documented_metrics_are_those_of_the_page() -> None:
    assert documented() == {metric.name: (metric.kind, metric.labels) for metric, _ in FAMILIES}


def test_prometheus_has_every_documented_metric_with_its_labels(scraped: Scraped) -> None:
    for name, (kind, labels) in documented().items():
        series = scraped.prometheus.ask(f"{name}_count" if kind == Kind.HISTOGRAM else name)
        if not series:
            assert name in MAY_BE_EMPTY, name
        for one in series:
            assert set(one["metric"]) - {"__name__", "job", "instance"} == {
                label for label in labels if one["metric"].get(label)
            }, name
            assert one["metric"]["job"] == "mmload"


def test_its_types_are_the_documented_ones(scraped: Scraped) -> None:
    known = scraped.prometheus.api("metadata")

    for name, (kind, _) in documented().items():
        assert known[name][0]["type"] == kind, name


def by_labels(prometheus: Prometheus, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(series["metric"][label] for label in labels): float(series["value"][1])
        for series in prometheus.ask(expression)
    }


def test_requests_and_actions_are_those_of_the_runs_folder(scraped: Scraped) -> None:
    prometheus, whole = scraped.prometheus, scraped.run.totals.whole

    assert by_labels(prometheus, "mmload_requests_total", "kind", "route") == {
        **{("load", route): figures.count for route, figures in whole.routes.items()},
        **{("login", route): figures.count for route, figures in whole.logins.items()},
    }
    assert by_labels(prometheus, "mmload_request_failures_total", "kind", "route", "reason") == {
        (kind, route, reason): failures.count
        for kind, routes in (("load", whole.routes), ("login", whole.logins))
        for route, figures in routes.items()
        for reason, failures in figures.failures.items()
    }
    assert by_labels(prometheus, 'mmload_actions_total{outcome="ok"}', "action") == {
        (name,): figures.times.count for name, figures in whole.actions.items()
    }
    assert by_labels(prometheus, 'mmload_action_seconds_sum{outcome="ok"}', "action") == {
        (name,): pytest.approx(figures.times.total) for name, figures in whole.actions.items()
    }
    assert prometheus.value("loadtest_http_request_time_count") == sum(
        figures.count for routes in (whole.routes, whole.logins) for figures in routes.values()
    )
    timeouts = sum(
        figures.failures["timed out"].count for figures in whole.routes.values() if "timed out" in figures.failures
    )
    assert prometheus.value("sum(loadtest_http_timeouts_total)") == timeouts > 0
    errors = prometheus.value('sum(loadtest_http_errors_total{status_code="500"})')
    assert errors == prometheus.value('sum(mmload_request_failures_total{reason=~"500.*"})') > 0


def sample(line: str) -> tuple[frozenset[tuple[str, str]], float]:
    """A line of the page as Prometheus keeps it: labels without a value are none."""
    head, _, value = line.rpartition(" ")
    name, _, labels = head.partition("{")
    pairs = [(label, json.loads(f'"{text}"')) for label, text in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)]
    return frozenset([("__name__", name), *((label, text) for label, text in pairs if text)]), float(value)


def test_all_samples_are_those_that_follow_from_the_runs_folder(scraped: Scraped) -> None:
    """Every metric of the page but the three that tell of now; how they follow is tested in test_metrics_page."""
    run = scraped.run
    view = View(facts=run.facts, totals=run.totals, recent=run.seconds, saturated=trust_in(run.seconds).saturated)
    of_now = ('mmload_users{state="target"}', 'mmload_users{state="spawned"}', "mmload_workers")
    lines = [line for line in "".join(page_of(view)).splitlines() if not line.startswith(("#", *of_now))]
    found = {
        frozenset((label, text) for label, text in series["metric"].items() if label not in ("job", "instance")): float(
            series["value"][1]
        )
        for series in scraped.prometheus.ask('{job="mmload"}')
    }

    expected = dict(sample(line) for line in lines)

    assert len(expected) > 1000
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)


def test_messages_and_users_are_those_of_the_runs_folder(scraped: Scraped) -> None:
    prometheus, run = scraped.prometheus, scraped.run
    whole = run.totals.whole

    assert by_labels(prometheus, "mmload_events_total", "event") == {
        (name,): count for name, count in run.totals.whole.events.items()
    }
    assert prometheus.value("mmload_posts_total") == whole.deliveries.sent > 0
    assert prometheus.value("sum(mmload_deliveries_total)") == whole.deliveries.delivered
    assert prometheus.value('mmload_socket_changes_total{change="dropped"}') == whole.sockets.dropped >= USERS
    # Some log out and in again.
    assert prometheus.value('mmload_logins_total{outcome="ok"}') == whole.sessions.logins
    assert prometheus.value("mmload_kept_sessions_total") == whole.sessions.kept_sessions
    assert whole.sessions.logins + whole.sessions.kept_sessions >= USERS
    assert prometheus.value("mmload_test_seconds_total") == run.totals.seconds
    assert prometheus.value('max_over_time(mmload_users{state="active"}[5m])') == run.totals.highest_active == USERS
    assert prometheus.value('mmload_users{state="active"}') == prometheus.value("mmload_sockets") == 0
    assert prometheus.value("mmload_test_start_timestamp_seconds") == run.facts.started_ms / 1000


def test_percentiles_are_near_those_of_the_record(scraped: Scraped) -> None:
    """Within the bucket: the edges around it are at most 2.5 times apart."""
    times = scraped.run.totals.whole.routes["GET /users/{user_id}/image"].times
    query = 'histogram_quantile(0.95, mmload_request_seconds_bucket{route="GET /users/{user_id}/image",outcome="ok"})'

    exact = times.percentile(95)
    assert exact is not None
    assert exact / 2.5 < scraped.prometheus.value(query) < exact * 2.5


def test_health_is_told_of_the_master_and_of_each_worker(scraped: Scraped) -> None:
    found = by_labels(scraped.prometheus, "mmload_generator_rss_bytes", "process")

    assert set(found) == {("local",), ("worker 0",), ("worker 1",)}
    assert min(found.values()) > 10e6


def queries() -> list[str]:
    """All expressions of the board, its variables filled in."""
    board = json.loads(BOARD.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    filled = [re.sub(r"\$(agent|server)", ".*", each).replace("$__rate_interval", "20s") for each in expressions]
    assert not [each for each in filled if "$" in each]
    return filled


def test_each_query_of_the_board_returns_data(scraped: Scraped) -> None:
    empty = [each for each in queries() if not scraped.prometheus.ask(each, time=scraped.during)]

    assert not [each for each in empty if not any(name in each for name in MAY_BE_EMPTY)]


PEER_QUERIES = (
    "sum(rate(loadtest_http_request_time_sum[1m])) / sum(rate(loadtest_http_request_time_count[1m]))",
    "histogram_quantile(0.99, sum by (le) (rate(loadtest_http_request_time_bucket[1m])))",
    'sum(rate(loadtest_http_errors_total{status_code=~"5.."}[1m])) / sum(rate(loadtest_http_request_time_count[1m]))',
    "sum(rate(loadtest_http_timeouts_total[1m])) / sum(rate(loadtest_http_request_time_count[1m]))",
)


@pytest.mark.parametrize("query", PEER_QUERIES)
def test_the_queries_of_the_peers_coordinator_return_data(scraped: Scraped, query: str) -> None:
    assert scraped.prometheus.value(query) >= 0


def test_the_variables_of_the_board_find_their_values(scraped: Scraped) -> None:
    board = json.loads(BOARD.read_text())
    found = {}
    for variable in board["templating"]["list"]:
        if match := re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.get("definition", "")):
            found[variable["name"]] = len(scraped.prometheus.api(f"label/{match[2]}/values", **{"match[]": match[1]}))

    assert found == {"agent": 1, "server": 1}


def test_the_board_is_whole() -> None:
    """What Grafana needs to load it: panels with numbers of their own that do not overlap, and a source to choose."""
    board = json.loads(BOARD.read_text())
    panels = board["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert all(panel["datasource"]["uid"] == "${datasource}" and panel["targets"] for panel in shown)
    assert board["templating"]["list"][0]["type"] == "datasource"
    assert board["uid"] and board["title"] and board["schemaVersion"] >= 36


def test_a_headless_run_is_scraped_at_an_address_of_its_own(fresh_sandbox: str, tmp_path: Path) -> None:
    """`mmload run` has no web UI."""
    assert mmload_here(tmp_path, "init", "--server", fresh_sandbox).returncode == 0
    address = f"127.0.0.1:{free_port()}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "mmload", "run", "--server", fresh_sandbox, "--users", "4", "--run-time", "60s"],
        cwd=tmp_path,
        env=clean | {"MMLOAD_RUNCONFIGURATION_METRICSADDRESS": address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 40
        while 'mmload_users{state="active"} 4\n' not in page(address):
            assert time.monotonic() < deadline, page(address)
            time.sleep(0.2)
        assert requests.get(f"http://{address}/swarm", timeout=5).status_code == 404
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=40)


def page(address: str) -> str:
    try:
        return requests.get(f"http://{address}/metrics", timeout=5).text
    except requests.ConnectionError:
        return ""


def test_an_address_that_cannot_be_had_is_refused_with_the_reason(sandbox: str, tmp_path: Path) -> None:
    address = sandbox.removeprefix("http://")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(ROOT / "locustfile.py"),
            "--host",
            sandbox,
            "--headless",
            "-t",
            "1s",
        ],
        cwd=tmp_path,
        env=os.environ | {"MMLOAD_RUNCONFIGURATION_METRICSADDRESS": address, "MMLOAD_CHECKED": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 2, ran.stderr
    said = (
        f"mmload: RunConfiguration.MetricsAddress: cannot listen on {address}: Address already in use; choose another"
    )
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
