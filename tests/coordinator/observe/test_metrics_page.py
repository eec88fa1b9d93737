"""Mattermost's metrics without a Prometheus: the page itself, and a sandbox whose slots are all taken."""

from __future__ import annotations

import time
from threading import Event, Thread

import pytest
import requests

from coordinator.agent_metrics import Sums
from coordinator.observe.causes import CauseKind, cause_of
from coordinator.observe.metrics_page import BY, MetricsPage, figures, state_between
from coordinator.observe.state import Moment, ObservedState, merged
from coordinator.polling import Unanswered
from mmload.cli.locust_process import free_port
from tests.conftest import running_sandbox
from tests.coordinator.serving import Answer, serving

PATIENCE_SECONDS = 60
PAGE = """
mattermost_process_cpu_seconds_total {cpu}
go_sched_gomaxprocs_threads 2
go_sql_in_use_connections{{db_name="master"}} 20
go_sql_in_use_connections{{db_name="replica-0"}} 3
go_sql_max_open_connections{{db_name="master"}} 20
go_sql_wait_duration_seconds_total{{db_name="master"}} {waited}
"""


def test_rates_are_of_the_time_between_two_pages() -> None:
    sums = Sums(BY)
    before, after = figures(sums.of(PAGE.format(cpu=10, waited=5))), figures(sums.of(PAGE.format(cpu=13, waited=11)))

    assert state_between(before, after, 2.0) == ObservedState(
        server_cpu=1.5, server_cores=2, pool_in_use=20, pool_most=20, pool_waiting=3.0
    )
    assert state_between({}, after, 2.0).server_cpu is None
    assert state_between(after, before, 2.0).server_cpu is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [(Answer(404, "not found"), "HTTP status 404"), (Answer(200, "<html>"), "not Mattermost's metrics page")],
)
def test_what_is_no_page_of_metrics_is_told(answer: Answer, why: str) -> None:
    with serving(lambda _: answer) as url, pytest.raises(Unanswered, match=why):
        MetricsPage(f"{url}/metrics").look()


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Unanswered, match="connection refused"):
        MetricsPage(f"http://127.0.0.1:{free_port()}/metrics").look()


def test_a_sandbox_whose_slots_are_taken_breaks_by_its_pool() -> None:
    """Its slots stand for the connections; what is known of CPU is that there is enough."""
    with running_sandbox("--slots", "2", "--service-ms", "400") as url:
        over = Event()
        clients = [Thread(target=_asking, args=(url, over), daemon=True) for _ in range(8)]
        watched = MetricsPage(f"{url}/metrics")
        for client in clients:
            client.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ((state := watched.look()).pool_in_use == 2 and (state.pool_waiting or 0.0) >= 1.0):
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        over.set()
        for client in clients:
            client.join(PATIENCE_SECONDS)

    cpu = ObservedState(server_cpu=0.1, server_cores=2, database_cpu=0.1, database_cores=2)
    moments = [Moment(float(second), 100, second >= 10, False, merged([cpu, state])) for second in range(30)]
    found = cause_of(moments, 30.0)

    assert state.pool_most == 2
    # Nobody sees the database's locks.
    assert found is not None and (found.kind, found.sure) == (CauseKind.POOL, False)


def _asking(url: str, over: Event) -> None:
    with requests.Session() as session:
        while not over.is_set():
            session.get(f"{url}/api/v4/system/ping", timeout=PATIENCE_SECONDS)
