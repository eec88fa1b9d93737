"""docs/run-folder.md is the contract of the run's folder: every field is in it, and nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmload.errors import UsageError
from mmload.metrics import recorder
from mmload.metrics.counts import DeliveryCounts, SessionCounts, SocketCounts
from mmload.metrics.delta import ActionFigures, Delta, Failures, Loss, ProcessHealth, RouteFigures
from mmload.metrics.histogram import Histogram
from mmload.results.folder import FACTS, FIGURES, NOTES, ORDERS, SECONDS, SERVER, STORMS, TOTALS, Order, read_run
from mmload.results.model import Facts, Figures, Machine, Note, Second, Server, ServerSample, Storm, Totals

TEXT = (Path(__file__).parents[2] / "docs" / "run-folder.md").read_text()
# Told by other processes of ours, not in the sums that are kept.
NOT_KEPT = {"users", "health"}


def fields(*kinds: Any) -> set[str]:
    return {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}


def section(heading: str) -> str:
    return TEXT.partition(f"## `{heading}`\n")[2].partition("\n## ")[0]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def first_column(heading: str) -> set[str]:
    """What the table of a section has a row for."""
    rows = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return {name for row in rows for name in quoted(row.split("|")[1])}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((FACTS, Facts), (SECONDS, Second), (NOTES, Note), (SERVER, ServerSample)),
        *((STORMS, Storm), (TOTALS, Totals)),
    ],
)
def test_the_table_of_a_file_has_exactly_its_fields(name: str, kind: Any) -> None:
    """Others read these files; a field that is described and never written misleads as much as one that is not."""
    assert first_column(name) == fields(kind)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (FACTS, (Server, Machine)),
        (SECONDS, (ProcessHealth,)),
        (FIGURES, (Figures,)),
        (TOTALS, (ActionFigures, RouteFigures, Failures, Loss, Histogram)),
    ],
)
def test_what_is_inside_of_a_field_is_described_in_its_section(name: str, kinds: tuple[Any, ...]) -> None:
    assert fields(*kinds) <= quoted(section(name))


def test_every_table_of_the_sums_is_described() -> None:
    listed = re.findall(r"^- `(\w+)`", section(TOTALS), re.MULTILINE)

    assert set(listed) == fields(Delta) - NOT_KEPT


def test_every_count_and_every_span_has_its_name_there() -> None:
    """Whatever the recorder counts ends up in these files."""
    spans = {value for name, value in vars(recorder).items() if name.isupper() and isinstance(value, str)}

    assert spans | fields(DeliveryCounts, SocketCounts, SessionCounts) <= quoted(section(TOTALS))


@pytest.mark.parametrize("schema", [1, 3])
def test_a_run_of_another_schema_is_refused_with_what_to_do(tmp_path: Path, schema: int) -> None:
    """Its counts have other names: read as they are, they would all be 0."""
    (tmp_path / FACTS).write_text(json.dumps({"schema": schema}))

    with pytest.raises(UsageError, match=rf"run\.json: written by an? .* mmload \(schema {schema}"):
        read_run(tmp_path)


def test_orders_are_described_where_the_files_are_listed() -> None:
    [row] = [line for line in TEXT.splitlines() if line.startswith(f"| `{ORDERS}`")]

    assert fields(Order) <= quoted(row)


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    listed = {name for row in re.findall(r"^\| (`[a-z.]+`) \|", TEXT, re.MULTILINE) for name in quoted(row)}

    assert {name for name in listed if "." in name} == {
        *(FACTS, SECONDS, FIGURES, TOTALS, NOTES, ORDERS, STORMS, SERVER),
        "locust.log",
    }
