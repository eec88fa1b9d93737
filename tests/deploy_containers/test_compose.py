"""compose.yml: by Compose's own schema, and that its parts fit each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml

from mmload.cli import parsed
from mmload.plugin.web.metrics import METRICS
from tests.plugin.prometheus import is_installed

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCHEMA = Path(__file__).parent / "schemas" / "compose.json"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
BOARD = ROOT / "config" / "grafana" / "mmload.json"


def test_it_is_what_compose_reads() -> None:
    check = fastjsonschema.compile(json.loads(SCHEMA.read_text()))

    check(COMPOSE)
    with pytest.raises(fastjsonschema.JsonSchemaValueException, match="restrat"):
        check({"services": {"worker": {"image": "mmload", "restrat": "on-failure"}}})


def test_master_and_workers_have_commands_that_mmload_knows() -> None:
    master = [re.sub(r"\$\{.*\}", "http://chat.example.com", part) for part in SERVICES["master"]["command"]]

    assert parsed(master).master
    assert parsed(SERVICES["worker"]["command"].split()).worker_of == "master"


def test_they_have_the_same_settings_and_no_secret_is_written_down() -> None:
    master, worker = SERVICES["master"], SERVICES["worker"]

    assert master["environment"] == worker["environment"]
    assert master["environment"]["MMLOAD_AGENT_TOKEN"].startswith("${MMLOAD_AGENT_TOKEN:?")
    assert not [name for name, value in master["environment"].items() if "PASSWORD" in name and value]


def test_they_may_do_no_more_than_they_must() -> None:
    for name in ("master", "worker"):
        assert SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_ports_are_published_on_loopback_only_and_the_workers_is_not() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not [port for port in published if "5557" in port]


def test_what_is_mounted_is_there() -> None:
    mounted = [part.split(":")[0] for service in SERVICES.values() for part in service.get("volumes", ())]

    for source in mounted:
        assert (DEPLOY / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_prometheus_scrapes_what_is_there_with_the_token() -> None:
    mmload, mattermost = PROMETHEUS["scrape_configs"]

    assert mmload["static_configs"] == [{"targets": ["master:4000"]}]
    assert mmload["authorization"]["credentials_file"] == "/run/secrets/agent_token"
    assert SERVICES["prometheus"]["secrets"] == list(COMPOSE["secrets"]) == ["agent_token"]
    assert mattermost["static_configs"][0]["targets"][0].split(":")[0] in SERVICES


@pytest.mark.skipif(not is_installed(), reason="prometheus is not installed (make system-packages)")
def test_prometheus_reads_its_configuration() -> None:
    promtool = shutil.which("promtool") or "promtool"
    checked = subprocess.run(
        [promtool, "check", "config", "--syntax-only", str(DEPLOY / "prometheus.yml")], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_has_the_board_and_reads_from_prometheus() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasources.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yml").read_text())["providers"]
    grafana = SERVICES["grafana"]
    (mounted,) = [part.split(":")[1] for part in grafana["volumes"] if part.startswith("../config/grafana/mmload.json")]

    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]
    assert str(Path(mounted).parent) == provider["options"]["path"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == mounted


def test_the_board_asks_for_metrics_that_there_are() -> None:
    asked = set(
        re.findall(r"\b(?:mmload|loadtest)_[a-z_]+", " ".join(re.findall(r'"expr": "(.*?)",', BOARD.read_text())))
    )
    known = {f"{name}{end}" for name in METRICS for end in ("", "_bucket", "_sum", "_count")}

    assert len(asked) > 20
    assert asked <= known
