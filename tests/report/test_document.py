"""The report as JSON: the keys that scripts rely on, and figures that are those of the record."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs
from msgspec.structs import replace

from mmload.metrics.histogram import Histogram
from mmload.report.document import SCHEMA, document, json_report, times_document
from mmload.report.findings import findings
from mmload.results.model import Run, Storm, StormKind, Totals
from mmload.results.storms import recoveries
from tests.report.made_up import rich
from tests.results.records import run

DOCUMENT = Path(__file__).parents[2] / "docs" / "report.md"


@pytest.fixture(scope="module")
def made() -> Run:
    return rich()[0]


def report(record: Run) -> Any:
    return json.loads(json_report(findings(record)))


def at(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document[key]
    return document


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("schema", int),
        ("verdict.outcome", str),
        ("verdict.reasons", list),
        ("users.target", int),
        ("users.active", int),
        ("requests.count", int),
        ("requests.failures", int),
        ("delivery.sent", int),
        ("delivery.expected", int),
        ("delivery.delivered", int),
        ("delivery.missing", int),
        ("delivery.duplicated", int),
        ("delivery.out_of_order", int),
        ("delivery.p50_ms", float),
        ("delivery.p95_ms", float),
        ("delivery.p99_ms", float),
        ("generator.saturated", bool),
    ],
)
def test_the_keys_that_scripts_rely_on_are_there(made: Run, path: str, kind: type) -> None:
    """By these names for ever, or with another schema."""
    assert type(at(report(made), path)) is kind
    assert report(made)["schema"] == SCHEMA == 2


def test_its_figures_are_those_of_the_record(made: Run) -> None:
    """Sums of the seconds, not something computed twice."""
    document = report(made)

    assert document["requests"]["count"] == sum(second.requests for second in made.seconds)
    assert document["requests"]["failures"] == sum(second.failures for second in made.seconds)
    assert document["delivery"]["delivered"] == sum(second.delivered for second in made.seconds)
    assert document["delivery"]["missing"] == sum(second.missing for second in made.seconds)
    assert document["users"]["active"] == 100
    assert document["window"]["seconds"] == made.totals.steady_seconds
    assert sum(action["count"] for action in document["actions"]) == document["window"]["actions"]
    assert document["verdict"]["thresholds"][0]["text"] == "p99(CreatePost) < 2s"
    assert [outage["end_ms"] - outage["start_ms"] for outage in document["outages"]] == [10_000]


def test_users_that_are_alive_are_those_before_the_farewell(made: Run) -> None:
    """In the last second of a run all have left: that is no loss."""
    assert made.seconds[-1].phase == "stopping"
    assert report(made)["users"]["active"] == made.seconds[-4].active


def test_what_was_not_measured_is_null_and_not_zero() -> None:
    """A run without any delivery did not deliver in no time."""
    document = report(run(totals=Totals(seconds=10)))

    assert document["delivery"]["p99_ms"] is None
    assert document["window"]["times"]["p99_ms"] is None
    assert document["window"]["phase"] == "whole"


def test_a_run_of_which_nothing_is_left_is_a_document_all_the_same() -> None:
    document = report(run(seconds=(), totals=Totals(), missing=("seconds.jsonl is missing",)))

    assert document["verdict"]["outcome"] == "inconclusive"
    assert document["run"]["missing"] == ["seconds.jsonl is missing"]
    assert document["users"]["active"] == 0


# Tables whose keys are names of the run.
FREE = ("events", "unavailable", "delivery.reasons", "users.kept_out", "run.versions", "run.population")


def paths(value: Any, path: str = "") -> set[str]:
    """Every key with its path; those of a list's elements, and of processes, under its name; distributions whole."""
    value = value[0] if isinstance(value, list | tuple) and value else value
    value = next(iter(value.values())) if path == "generator.processes" else value
    if dataclasses.is_dataclass(value):
        return {f"{path}.{field.name}" for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        value = structs.asdict(value)
    if not isinstance(value, dict) or path in FREE or (path and "p99_9_ms" in value):
        return {path}
    prefix = f"{path}." if path else ""
    return {each for key, below in value.items() for each in paths(below, f"{prefix}{key}")}


def documented(heading: str) -> list[str]:
    """The keys in the table below a heading of docs/report.md."""
    section = DOCUMENT.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1]))


def test_every_key_is_documented_and_every_documented_key_is_there(made: Run) -> None:
    """Who writes a script reads docs/report.md."""
    storms = recoveries([Storm(StormKind.RESTART, made.seconds[60].ms)], made.seconds)
    recorded = findings(replace(made, storms=storms))
    refused = replace(recorded.figures, expected=recorded.figures.failures)
    keys = paths(document(dataclasses.replace(recorded, figures=refused)))

    assert documented("The keys of the JSON") == sorted(keys)
    assert documented("A distribution") == sorted(times_document(Histogram()))
