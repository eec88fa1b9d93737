"""Capacity search in the HTML report: what was seen, what was decided, and what came of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from coordinator.answer import Limits, PlannedCapacity
from coordinator.journal import NAME, Cycle, End, Head, Journal, JournalWriter
from coordinator.observe.causes import Cause
from coordinator.observe.state import ObservedState
from mmload.report.findings import findings
from mmload.report.page import html_of_folder, html_report
from mmload.report.search_chart import decisions, read_search
from tests.coordinator.simulated import Searched, hard_limit, search
from tests.report.made_up import START, rich, written
from tests.report.test_page import HOSTILE, Read

CAPACITY = 200


@pytest.fixture(scope="module")
def searched() -> Searched:
    return search(Limits(lowest_users=30, highest_users=5000, arrival_seconds=60.0), hard_limit(CAPACITY))


def journal(searched: Searched) -> Journal:
    """What the coordinator would have written of it, from the second in which the made-up run begins."""
    pairs = zip(searched.seen, searched.steps, strict=True)
    cycles = tuple(Cycle(1000 * START + int(1000 * s.seconds), s, step.users, step.reason) for s, step in pairs)
    return Journal(Head(searched.limits), cycles, End(0, searched.answer))


def page(searched: Journal | str | None) -> Read:
    run, _ = rich(seconds=900, per_second=1)
    return Read(html_report(findings(run), search=searched))


def test_the_answer_the_limit_and_every_decision_are_on_the_page(searched: Searched) -> None:
    found = journal(searched)
    words, answer = page(found).words(), searched.answer
    decided = decisions(found.cycles)

    assert f"about {answer.users} users ({answer.low}–{answer.high}, 95 %)" in words
    assert f"the result ({answer.users})" in words and f"interval, from {answer.low}" in words
    assert "limit (1)" in words
    assert len(decided) >= 5
    assert all(f"{cycle.users} users: {cycle.reason}" in words for cycle in decided)


def test_why_the_limit_was_crossed_is_on_the_page_with_the_servers_figures(searched: Searched) -> None:
    whole = journal(searched)
    busy = ObservedState(server_cpu=1.9, server_cores=2, database_cpu=0.4, database_cores=2, blocker=HOSTILE)
    cycles = tuple(msgspec.structs.replace(cycle, server=busy) for cycle in whole.cycles)
    cause = Cause("server CPU", True, ("the server's CPU was at 95 % of 2 cores", HOSTILE), "raise the server's CPU")
    end = End(0, searched.answer, "", cause, (PlannedCapacity(2.0, 240, 230, 250),))
    shown = page(dataclasses.replace(whole, cycles=cycles, end=end))

    assert "cause: server CPU: raise the server's CPU" in shown.words()
    assert "p99 2 s: 240 users (230–250)" in shown.words()
    assert "CPU of the server" in shown.words() and "CPU of the database" in shown.words()
    assert "connections to the database" not in shown.words()
    assert "img" not in shown.names()
    assert "CPU of the server" not in page(whole).words()


def test_decisions_are_few_and_tell_of_every_turn(searched: Searched) -> None:
    """Hundreds of cycles hold their users; a reader wants those that did not."""
    cycles = journal(searched).cycles
    decided = decisions(cycles)
    turns = [cycle for cycle in cycles if "breached by" in cycle.reason or "recovered" in cycle.reason]

    assert turns and len(decided) <= 30 < len(cycles)
    assert turns[0] in decided
    assert [cycle.ms for cycle in decided] == sorted({cycle.ms for cycle in decided})


def test_a_climb_is_one_decision() -> None:
    climbed = journal(search(Limits(lowest_users=1, highest_users=5000), hard_limit(CAPACITY)))
    before = [cycle for cycle in climbed.cycles if cycle.reason.startswith("climb")]

    assert len({cycle.users for cycle in before}) > 15
    assert len([cycle for cycle in decisions(climbed.cycles) if cycle in before]) <= 3


def test_a_search_that_was_cut_off_shows_how_far_it_came(searched: Searched) -> None:
    whole = journal(searched)
    words = page(dataclasses.replace(whole, end=None, cycles=whole.cycles[:100])).words()

    assert "No result: the search was interrupted." in words
    assert "interval, from" not in words


def test_a_run_without_a_search_has_no_such_section() -> None:
    assert "Capacity search" not in page(None).words()


def test_reasons_are_words_and_never_markup(searched: Searched) -> None:
    """They have error messages of other servers in them."""
    whole = journal(searched)
    hostile = tuple(Cycle(each.ms, each.seen, each.users, HOSTILE) for each in whole.cycles[:3])

    names = page(dataclasses.replace(whole, cycles=hostile)).names()

    assert names.count("script") == 1 and "img" not in names


def test_the_journal_in_a_runs_folder_is_found(searched: Searched, tmp_path: Path) -> None:
    run, figures = rich()
    folder = written(run, figures, tmp_path)
    writer, whole = JournalWriter(folder / NAME), journal(searched)
    for line in (whole.head, *whole.cycles, whole.end):
        assert line is not None
        writer.add(line)
    writer.close()

    assert read_search(folder) == whole
    found = findings(msgspec.structs.replace(run, folder=str(folder)))
    assert "Capacity search" in Read(html_of_folder(found)).words()


def test_a_journal_that_cannot_be_read_is_told_in_its_place(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{}\n")

    told = read_search(tmp_path)

    assert isinstance(told, str) and "line 1: not a journal line" in told
    assert "line 1: not a journal line" in page(told).words()
    assert read_search(tmp_path / "elsewhere") is None
