"""What `mmload doctor` says of the sources: those that work, those that do not, and those nobody configured."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from coordinator.observe.sources import SourceFound, sources_found, unused
from mmload.cli.locust_process import free_port
from mmload.config import Settings
from mmload.config.coordinator_tables import Coordinator, Monitor, Observe
from mmload.population.probing import Contact, ServerProbe
from mmload.population.readiness import Case, sources
from tests.coordinator.serving import Answer, Asked, serving

ELSEWHERE = "http://192.0.2.1:8065"


def asked(sign: str) -> list[str]:
    return {"node_uname_info": ["app0:9100", "db0:9100"], "pg_up": ["db0:9187"]}.get(sign, [])


def test_exporters_that_nobody_configured_are_named_with_their_key() -> None:
    told = {each.what: each.fix for each in unused(Observe(), asked)}

    assert told == {
        "Prometheus has node_exporter": "set ObserveConfiguration.ServerNode (or DatabaseNode) to one of "
        "app0:9100, db0:9100",
        "Prometheus has postgres_exporter": "set ObserveConfiguration.PostgresExporter to one of db0:9187",
    }
    assert list(unused(Observe(server_node="app0:9100", postgres_exporter="db0:9187"), asked)) == []


def test_a_prometheus_is_asked_for_them() -> None:
    def answering(each: Asked) -> Answer:
        [query] = parse_qs(urlsplit(each.path).query)["query"]
        result = [{"metric": {"instance": "app0:9100"}, "value": [0, "1"]}] if "node_uname_info" in query else []
        return Answer(200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}))

    with serving(answering) as url:
        found = sources_found(ELSEWHERE, Coordinator(monitor=Monitor(prometheus_url=url)))

    assert [each.what for each in found] == ["Prometheus has node_exporter"]


def test_nothing_is_said_of_what_is_neither_there_nor_configured() -> None:
    nowhere = Monitor(prometheus_url=f"http://127.0.0.1:{free_port()}")

    assert sources_found(ELSEWHERE, Coordinator(monitor=nowhere)) == ()


def test_what_is_configured_and_does_not_answer_is_a_warning() -> None:
    monitor = Monitor(prometheus_url=f"http://127.0.0.1:{free_port()}")
    observe = Observe(server_node="app0:9100", postgres_url=f"postgresql://127.0.0.1:{free_port()}/mm")
    exporters, postgres = sources_found(ELSEWHERE, Coordinator(monitor=monitor, observe=observe))

    assert exporters.trouble and "connection refused" in exporters.what
    assert postgres.trouble and postgres.what.startswith("cannot observe PostgreSQL at postgresql://127.0.0.1:")


def test_doctor_tells_them_as_findings() -> None:
    facts = ServerProbe(Contact(), sources=(SourceFound("seen"), SourceFound("refused", "why", "fix", trouble=True)))
    seen, refused = sources(Case(facts, Settings(), 1))

    assert (seen.level, seen.what) == ("info", "seen")
    assert (refused.level, refused.sentence) == ("warning", "refused (why): fix")
