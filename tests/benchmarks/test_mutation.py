"""The mutation tool on a module of three lines: what a test notices, what none does, and what is accepted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutation import TESTS, mutants_of

ROOT = Path(__file__).parents[2]
MODULE = """
def grown_up(age: int) -> bool:
    return age >= 18

def spare(amount: float, price: float) -> float:
    return amount - price
"""
TEST = """
from shop import grown_up

def test_children_are_not_grown_up() -> None:
    assert grown_up(40) and not grown_up(17)
"""


def tried(folder: Path, accepted: list[dict[str, str]], *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(MODULE)
    (folder / "test_shop.py").write_text(TEST)
    (folder / "accepted.json").write_text(json.dumps({"shop.py": accepted}))
    command = [sys.executable, "-m", "benchmarks", "mutation", "shop.py", "--tests", "test_shop.py"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command += ["--accepted", "accepted.json", *options]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=240, check=False)


def figures(folder: Path, accepted: list[dict[str, str]]) -> dict[str, Any]:
    done = tried(folder, accepted, "--json", "--processes", "2")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["modules"]["shop.py"]
    return found


def test_a_fault_that_a_test_notices_is_killed_and_others_survive_or_are_accepted(tmp_path: Path) -> None:
    boundary = {"line": "return age >= 18", "change": "age >= 18 → age > 18", "reason": "nobody is 18"}
    gone = {"line": "return age >= 18", "change": "age >= 18 → age < 18", "reason": "no longer true"}

    found = figures(tmp_path, [boundary, gone])

    assert (found["mutants"], found["killed"], found["accepted"]) == (7, 3, 1)
    assert [(each["at"], each["change"]) for each in found["survived"]] == [
        (3, "18 → 19"),
        (6, "amount - price → amount + price"),
        (6, "return amount - price → return None"),
    ]
    assert found["stale"] == ["return age >= 18: age >= 18 → age < 18"]


def test_tests_that_fail_without_a_change_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_red.py").write_text("def test_red() -> None:\n    assert False\n")

    done = tried(tmp_path, [], "--tests", "test_red.py")

    assert done.returncode != 0
    assert "do not pass without a change" in done.stderr


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("x = a < b", {"a < b → a <= b", "a < b → a >= b", "x = a < b → pass"}),
        ("x += 1.5", {"x += 1.5 → x -= 1.5", "1.5 → 2.5", "x += 1.5 → pass"}),
        ("f(True)", {"True → False", "f(True) → pass"}),
        ("x = a and not b", {"a and (not b) → a or not b", "not b → b", "x = a and (not b) → pass"}),
        ("return a << 3", {"return a << 3 → return None", "a << 3 → a >> 3", "3 → 4", "3 → 2"}),
        ("'''Words.'''", set()),
        ("x: int | None", set()),
    ],
)
def test_each_kind_of_line_has_its_mutants(line: str, changes: set[str]) -> None:
    assert {mutant.change for mutant in mutants_of(f"def f(a, b, x):\n    {line}\n")} == changes


def test_the_listed_tests_are_there() -> None:
    for module, tests in TESTS.items():
        assert all((ROOT / file).is_file() for file in (module, *tests)), module
