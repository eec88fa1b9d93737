"""Prometheus as a process of its own, on the project's own configuration, and what it answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from mmload.cli.locust_process import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 180


def is_installed() -> bool:
    return shutil.which("prometheus") is not None


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def api(self, path: str, **query: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=10)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return answer.json()["data"]

    def ask(self, expression: str, **query: str) -> list[dict[str, Any]]:
        """The series of an instant query that have a value (0/0 is none)."""
        found: list[dict[str, Any]] = self.api("query", query=expression, **query)["result"]
        return [series for series in found if series["value"][1] != "NaN"]

    def value(self, expression: str) -> float:
        """The only value of a query."""
        [series] = self.ask(expression)
        return float(series["value"][1])

    def await_targets(self, count: int) -> None:
        """Wait until so many targets are up."""
        self.await_value("count(up == 1)", count)

    def await_value(self, expression: str, at_least: float) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := max((float(series["value"][1]) for series in self.ask(expression)), default=0)) < at_least:
            assert time.monotonic() < deadline, f"{expression} is {found}, not {at_least} yet"
            time.sleep(0.2)


@contextmanager
def running_prometheus(folder: Path, agent: str, mattermost: str) -> Iterator[Prometheus]:
    """Prometheus with config/prometheus.yml, these targets (host:port) in place of its own, asked every two seconds."""
    text = (ROOT / "config" / "prometheus.yml").read_text()
    for place, target in (("localhost:8089", agent), ("localhost:8067", mattermost)):
        assert place in text
        text = text.replace(place, target)
    text = re.sub(r"scrape_interval: \S+", "scrape_interval: 2s", text)
    text = re.sub(r"scrape_timeout: \S+", "scrape_timeout: 2s", text)
    (folder / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}")
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(["prometheus", *options], cwd=folder, stdout=log, stderr=log)
    try:
        _await_ready(address)
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(timeout=180)


def _await_ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if requests.get(f"http://{address}/-/ready", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, "Prometheus did not start"
        time.sleep(0.1)
