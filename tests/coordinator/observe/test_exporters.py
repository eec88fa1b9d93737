"""The presets, asked of a real Prometheus that scrapes what exporters show."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest

from coordinator.observe.exporters import Exporters, presets, state_of
from coordinator.polling import Unanswered
from coordinator.search.sample import Reading
from mmload.cli.locust_process import free_port
from mmload.config.coordinator_tables import Monitor, Observe
from tests.coordinator.serving import Answer, Asked, serving
from tests.plugin import prometheus

PATIENCE_SECONDS = 60
ALL = Observe(server_node="app.*", database_node="db0:9100", mattermost="app0:8067", postgres_exporter="db0:9187")


def page(seconds: float) -> str:
    """What all of them show together: counters grow as on a server with its two cores three quarters busy."""
    counters = {
        'node_cpu_seconds_total{cpu="0",mode="idle"}': 0.2,
        'node_cpu_seconds_total{cpu="0",mode="iowait"}': 0.05,
        'node_cpu_seconds_total{cpu="0",mode="user"}': 0.75,
        'node_cpu_seconds_total{cpu="1",mode="idle"}': 0.25,
        'node_cpu_seconds_total{cpu="1",mode="iowait"}': 0.0,
        'node_cpu_seconds_total{cpu="1",mode="user"}': 0.75,
        'node_disk_io_time_seconds_total{device="sda"}': 0.9,
        'node_disk_io_time_seconds_total{device="sdb"}': 0.1,
        'node_network_transmit_bytes_total{device="eth0"}': 1e6,
        'node_network_receive_bytes_total{device="eth0"}': 9e6,
        'node_network_receive_bytes_total{device="lo"}': 9e9,
        "mattermost_process_cpu_seconds_total": 1.6,
        'go_sql_wait_duration_seconds_total{db_name="master"}': 3.0,
        'pg_stat_database_blks_hit{datname="mm"}': 90.0,
        'pg_stat_database_blks_read{datname="mm"}': 10.0,
    }
    gauges = {
        'node_network_speed_bytes{device="eth0"}': 1e7,
        'node_network_speed_bytes{device="lo"}': -1,
        "go_sched_gomaxprocs_threads": 2,
        'go_sql_in_use_connections{db_name="master"}': 20,
        'go_sql_in_use_connections{db_name="replica-0"}': 3,
        'go_sql_max_open_connections{db_name="master"}': 20,
        'pg_stat_activity_count{state="active",wait_event_type="Lock"}': 5,
        'pg_stat_activity_count{state="active",wait_event_type="IO"}': 2,
        'pg_stat_activity_count{state="idle",wait_event_type="Client"}': 15,
        "pg_settings_max_connections": 100,
    }
    told = {name: rate * seconds for name, rate in counters.items()} | gauges
    return "".join(f"{name} {value}\n" for name, value in told.items())


def test_what_exporters_show_becomes_the_state(tmp_path: Path) -> None:
    if not prometheus.is_installed():
        pytest.skip("the program `prometheus` is not installed")

    def show(_: Asked) -> Answer:
        return Answer(200, page(time.time()), "text/plain")

    with serving(show) as url:
        here, nowhere = url.removeprefix("http://"), f"127.0.0.1:{free_port()}"
        with prometheus.running_prometheus(tmp_path, here, nowhere) as running:
            named = Observe(server_node=here, database_node=here, mattermost=here, postgres_exporter=here)
            await_told(Exporters(Monitor(prometheus_url=running.url), named))


RATES = {
    "machine_cpu": 0.75,
    "machine_io_wait": 0.025,
    "machine_disk": 0.9,
    "machine_network": 0.9,
    "database_machine_cpu": 0.75,
    "server_cpu": 1.6,
    "pool_waiting": 3.0,
    "cache_hits": 0.9,
}
COUNTS = {
    "machine_cores": 2,
    "server_cores": 2,
    "pool_in_use": 20,
    "pool_most": 20,
    "connections": 22,
    "connections_most": 100,
    "backends_active": 7,
    "backends_in_locks": 5,
    "backends_in_io": 2,
}


def await_told(exporters: Exporters) -> None:
    """Once there are two scrapes; on a busy machine their distance is not what Prometheus takes it for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            state = msgspec.to_builtins(exporters.look())
        except Unanswered as error:
            state = {"": str(error)}
        near = {name: pytest.approx(rate, rel=0.3) for name, rate in RATES.items()}
        wrong = {name: state.get(name) for name, value in (near | COUNTS).items() if state.get(name) != value}
        if not wrong:
            return
        assert time.monotonic() < deadline, wrong
        time.sleep(0.2)


def test_only_what_is_configured_is_asked_and_of_that_instance() -> None:
    assert presets(Observe()) == {}
    assert set(presets(Observe(database_node="db0:9100"))) == {
        f"database_machine_{name}" for name in ("cpu", "io_wait", "disk", "network")
    }
    for query in presets(ALL).values():
        assert re.search(r'instance=~"(app\.\*|db0:9100|app0:8067|db0:9187)"', query)
        assert "$" not in query


def test_every_preset_tells_a_figure_of_the_state() -> None:
    readings = {name: Reading(name, 1.0, float("inf")) for name in presets(ALL)}

    assert {name for name in presets(ALL) if getattr(state_of(readings), name) != 1.0} == set()


def test_mattermost_may_use_its_whole_machine_unless_it_says_otherwise() -> None:
    readings = {
        "machine_cores": Reading("machine_cores", 8.0, float("inf")),
        "server_cores": Reading("server_cores", None, float("inf"), "no data"),
    }
    assert state_of(readings).server_cores == 8
    assert state_of({**readings, "server_cores": Reading("server_cores", 4.0, 0)}).server_cores == 4


def test_a_prometheus_that_is_not_there_is_told() -> None:
    monitor = Monitor(prometheus_url=f"http://127.0.0.1:{free_port()}", query_timeout_seconds=5)

    with pytest.raises(Unanswered, match="connection refused"):
        Exporters(monitor, ALL).look()
