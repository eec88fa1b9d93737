"""All tuned numbers of the search are in one place, go into the journal, and parts of it can be left out."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.capacity.parts import PARTS
from benchmarks.capacity.runs import Run
from benchmarks.capacity.servers import Kind
from benchmarks.capacity.tables import ablations
from coordinator.answer import Limits
from coordinator.journal import NAME, Changes, Cycle, Head, JournalWriter, read, replayed
from coordinator.search.decide import Search
from coordinator.search.tuning import DEFAULT, Tuning
from tests.coordinator.simulated import hard_limit, search

SEARCH = Path("coordinator/search")
# A level of confidence that the interval is made for, a bound that keeps logarithms finite, from when connections
# are told beside users, and which of two servers it is: not tuned.
NOT_TUNED = {"CONFIDENCE", "FAR", "_SEVERAL", "BASE", "NEW"}


def numbers_of_modules() -> set[str]:
    """Names that a module of the search gives to a number, or to several."""
    trees = [ast.parse(path.read_text()) for path in SEARCH.glob("*.py")]
    assigned = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    numeric = [each for each in assigned if any(isinstance(n, ast.Constant) and isinstance(n.value, float | int)
                                                 for n in ast.walk(each.value or each))]  # fmt: skip
    return {n.id for each in numeric for n in ast.walk(each) if isinstance(n, ast.Name) and n.id.isupper()}


def test_no_module_of_the_search_has_a_tuned_number_of_its_own() -> None:
    assert numbers_of_modules() <= NOT_TUNED


def test_each_tuned_number_is_used() -> None:
    code = "\n".join(path.read_text() for path in SEARCH.glob("*.py") if path.name != "tuning.py")

    assert [field.name for field in dataclasses.fields(Tuning) if f"tuning.{field.name}" not in code] == []


def test_a_search_is_decided_again_by_the_tuning_in_its_journal(tmp_path: Path) -> None:
    limits = Limits(highest_users=500, tuning=dataclasses.replace(DEFAULT, first_users=60, flights=((0.0, 1.2),)))
    searched = search(limits, hard_limit(120), seconds=90)
    writer = JournalWriter(tmp_path / NAME)
    writer.add(Head(limits))
    for seen, step in zip(searched.seen, searched.steps, strict=True):
        writer.add(Cycle(0, seen, step.users, step.reason))
    writer.close()

    journal = read(tmp_path)

    assert json.loads((tmp_path / NAME).read_text().splitlines()[0])["limits"]["tuning"]["first_users"] == 60
    assert journal.head.limits == limits
    assert replayed(journal, Changes(), Search).differences == ()
    assert replayed(journal, Changes({"tuning": DEFAULT}), Search).differences != ()


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_left_out_by_another_tuning(name: str) -> None:
    assert dataclasses.replace(DEFAULT, **PARTS[name].without) != DEFAULT


def test_the_table_has_the_whole_search_first_and_how_many_runs_came_out_otherwise() -> None:
    right = Run(Kind.NOISY, "noisy-2-0", 600.0, "found", 1.01, 0.95, 1.05, 100, 10)
    wrong = dataclasses.replace(right, ratio=1.2, low=1.1, high=1.3, seconds=400.0)

    shown = ablations({"nothing": [right, right], "leave": [right, wrong]})

    assert [row[:6] for row in shown.rows] == [
        ("nothing", 2, 0, "100", "100", "600"),
        ("leave", 2, 1, "50.0", "50.0", "500"),
    ]
