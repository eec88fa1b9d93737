"""What `mmload capacity` hands to its coordinator: the document without secrets, and what it knows of the server."""

from __future__ import annotations

import json

from msgspec.structs import replace

from mmload.cli.capacity import arriving, coordinators, driving, observing
from mmload.config.coordinator_tables import Coordinator, Monitor, Observe

SECRET = "open sesame"


def test_secrets_are_not_written_into_the_runs_folder() -> None:
    monitor = Monitor(prometheus_url="http://prometheus:9090", prometheus_token=SECRET, prometheus_tenant="mm")
    observe = Observe(postgres_url="postgresql://db0:5432/mm", postgres_password=SECRET)
    told = driving(Coordinator(monitor=monitor, observe=observe), 4000).decode()

    assert SECRET not in told
    assert json.loads(told)["MonitorConfig"]["PrometheusTenant"] == "mm"
    assert json.loads(told)["ObserveConfiguration"]["PostgresURL"] == "postgresql://db0:5432/mm"


def test_the_coordinator_has_secrets_from_the_environment_and_the_rest_from_the_document() -> None:
    secrets = {
        "MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN": SECRET,
        "MMLOAD_OBSERVECONFIGURATION_POSTGRESPASSWORD": SECRET,
    }
    environ = {**secrets, "MMLOAD_MONITORCONFIG_PROMETHEUSTENANT": "other", "PATH": "/bin"}

    assert coordinators(environ) == {**secrets, "PATH": "/bin"}


def test_where_no_session_is_kept_everybody_is_reckoned_to_log_in() -> None:
    search = Coordinator().search
    all_by_password = replace(search, arrival_actions=18.0, login_actions=0.0)
    none = replace(search, arrival_actions=0.0)

    assert arriving(search, kept=200) == search
    assert arriving(search, kept=0) == all_by_password
    assert arriving(none, kept=0) == none


def test_the_server_and_its_connections_are_filled_in_where_nothing_was_said() -> None:
    nothing = observing(Coordinator(), "http://localhost:8065", 20).observe
    said = replace(Coordinator(), observe=Observe(server_url="http://app0:8065", max_open_conns=40))

    assert (nothing.server_url, nothing.max_open_conns) == ("http://localhost:8065", 20)
    stand_in = observing(Coordinator(), "http://localhost:1", 0, sandbox=True).observe
    assert stand_in.metrics_url == "http://localhost:1/metrics"
    assert observing(said, "http://localhost:8065", 20) == said
