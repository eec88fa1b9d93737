"""Every measure and subject that a threshold may name is in docs/measures.md, and none is there that is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmload.config.threshold_syntax import _MEASURES, DELIVERY_COUNTS, RECOVERY, RECOVERY_PARTS, WHOLES, parse

DOCUMENT = Path(__file__).parents[2] / "docs" / "measures.md"
RECOVERIES = (RECOVERY, *(f"{RECOVERY}({part})" for part in RECOVERY_PARTS))
UNITS = {"count": "", "errors": "", "rate": "/s"}


def table(column: str) -> list[str]:
    """The names in the first column of the table of docs/measures.md that is headed so."""
    section = DOCUMENT.read_text().partition("## Thresholds\n")[2]
    rows = section.partition(f"| {column} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_measure_is_documented_and_no_other() -> None:
    """Who writes a threshold reads docs/measures.md."""
    assert {*_MEASURES, *DELIVERY_COUNTS, "delivery", *RECOVERIES} == set(table("measure"))


def test_every_whole_is_documented() -> None:
    assert set(WHOLES) <= set(table("subject"))


@pytest.mark.parametrize(
    "measure", [name for name in table("measure") if name not in (*DELIVERY_COUNTS, "delivery", *RECOVERIES)]
)
def test_every_documented_measure_is_understood(measure: str) -> None:
    text = f"{measure}(CreatePost) < 1{UNITS.get(measure, 's')}"

    assert (parse(text).subject, parse(text).limit) == ("CreatePost", 1.0)


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_every_documented_part_of_a_recovery_is_understood(recovery: str) -> None:
    assert parse(f"{recovery} < 60s").limit == 60.0


@pytest.mark.parametrize("count", DELIVERY_COUNTS)
def test_every_documented_count_of_deliveries_is_understood(count: str) -> None:
    assert parse(f"delivery.{count} < 1").measure == count


@pytest.mark.parametrize("subject", [name for name in table("subject") if "…" not in name])
def test_every_documented_subject_is_understood(subject: str) -> None:
    assert parse(f"count({subject}) < 1").subject == subject
