"""docs/capacity.md names every option, every ending and every key of the answer."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from benchmarks import capacity as simulated
from benchmarks import sweep
from coordinator.answer import Ending, Limits, SearchOutcome, document
from coordinator.settings import parser
from mmload.cli import capacity, replay
from tests.coordinator.made_up import answer

TEXT = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text()
NAMED = set(re.findall(r"--[a-z][a-z0-9-]+", TEXT))
# What every command has.
COMMON = {"--help", "--version"}


def options(made: argparse.ArgumentParser) -> set[str]:
    """The first long form of each option."""
    return {
        next(each for each in action.option_strings if each.startswith("--"))
        for action in made._actions
        if action.option_strings
    }


def of_mmload(command: str) -> set[str]:
    made = argparse.ArgumentParser()
    subparsers = made.add_subparsers()
    for module in (capacity, replay):
        module.add_parser(subparsers)
    return options(subparsers.choices[command])


@pytest.mark.parametrize("command", ["capacity", "replay"])
def test_every_option_of_the_commands_is_described(command: str) -> None:
    assert of_mmload(command) - COMMON - NAMED == set()


def test_every_option_of_the_coordinator_is_described() -> None:
    assert options(parser()) - COMMON - NAMED == set()


def test_no_option_is_described_that_there_is_not() -> None:
    """Of the commands, and of the benchmarks that prove the rule."""
    known = of_mmload("capacity") | of_mmload("replay") | options(parser())
    for benchmark in (simulated, sweep):
        made = argparse.ArgumentParser()
        benchmark.add_options(made)
        known |= options(made)

    assert NAMED - known == set()


@pytest.mark.parametrize("ending", [*Ending, Ending.AGENT_LOST])
def test_every_ending_has_a_row(ending: str) -> None:
    assert f"\n| `{ending}` | " in TEXT


def test_every_key_of_the_answer_is_named() -> None:
    keys = document(SearchOutcome(answer(100, 60.0)), Limits(), {})

    assert [key for key in keys if f"`{key}`" not in TEXT] == []
