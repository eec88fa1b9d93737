"""The journal survives whatever cuts it off, and its decisions can be made again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from coordinator.answer import Answer, Ending, Limits, SearchOutcome, capacity_text, document, exit_code, text
from coordinator.journal import NAME, Changes, Cycle, End, Head, JournalWriter, changes_of, read, replayed, same
from coordinator.journal import text as replay_text
from coordinator.search.sample import Observation, Reading
from mmload.errors import ExitCode, UsageError
from tests.coordinator.made_up import Doubling, answer

LIMITS = Limits(lowest_users=10, highest_users=1000)


def cycle(second: int, target: int, value: float | None, decided: int, reason: str = "climbing") -> Cycle:
    reading = Reading("p99", value, 2.0, "" if value is not None else "gone")
    return Cycle(1000 * second, Observation(float(second), target, target, (reading,)), decided, reason)


def written(folder: Path, *cycles: Cycle, end: bool = True) -> Path:
    writer = JournalWriter(folder / NAME)
    writer.add(Head(LIMITS, mmload="1", thresholds={"p99": 2.0}))
    for each in cycles:
        writer.add(each)
    if end:
        writer.add(End(9000, answer(20, 4.0)))
    writer.close()
    return folder / NAME


CYCLES = (cycle(1, 10, 0.5, 20), cycle(2, 20, 1.6, 40), cycle(3, 40, 2.5, 20, "breached"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    journal = read(written(tmp_path, *CYCLES))

    assert journal.head.limits == LIMITS
    assert journal.cycles == CYCLES
    assert journal.end is not None and journal.end.answer.users == 20 and not journal.torn


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    """As after `kill -9`, at every byte of it."""
    path = written(tmp_path, *CYCLES, end=False)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(last + 1, len(whole)):
        path.write_bytes(whole[:cut])
        journal = read(path)
        assert (journal.cycles, journal.torn, journal.end) == (CYCLES[:-1], True, None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "its first line does not contain the limits"),
        ("hello\n", "line 1: not a journal line"),
        ('{"line":"cycle"}\n', "line 1: not a journal line"),
    ],
)
def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "x").write_text(content)

    with pytest.raises(UsageError, match=told):
        read(tmp_path / "x")


def test_a_folder_without_a_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*journal\.jsonl: No such file"):
        read(tmp_path)


def test_a_journal_of_a_later_form_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"schema":2', '"schema":99'))

    with pytest.raises(UsageError, match="a journal with schema 99; this version reads schema 2: update mmload"):
        read(path)


def test_a_journal_of_an_older_form_can_be_read_but_not_replayed(tmp_path: Path) -> None:
    """It does not have the numbers that its search went by; a report can still show it."""
    path = written(tmp_path, *CYCLES)
    path.write_text(path.read_text().replace('"schema":2', '"schema":1'))
    journal = read(path)

    assert journal.cycles == CYCLES
    with pytest.raises(UsageError, match=r"the journal has schema 1, of mmload 1, .*only schema 2 can be replayed"):
        replayed(journal, Changes(), Doubling)


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    written(tmp_path)

    with pytest.raises(UsageError, match="the journal already exists"):
        JournalWriter(tmp_path / NAME)


def test_the_lines_have_the_documented_keys(tmp_path: Path) -> None:
    """docs/capacity.md: other programs read these."""
    lines = [json.loads(line) for line in written(tmp_path, *CYCLES).read_text().splitlines()]

    assert [line["line"] for line in lines] == ["limits", "cycle", "cycle", "cycle", "answer"]
    assert {"schema", "mmload", "started", "limits", "agents", "thresholds"} <= set(lines[0])
    assert {"ms", "seen", "users", "reason"} <= set(lines[1])
    assert set(lines[1]["seen"]) == {"seconds", "target", "users", "readings", "saturated", "unanswered"} | {
        "connections",
        "without_account",
    }
    assert set(lines[1]["seen"]["readings"][0]) == {"name", "value", "limit", "unknown"}
    assert {"ms", "answer"} <= set(lines[-1])


def test_the_same_limits_lead_to_the_same_decisions(tmp_path: Path) -> None:
    journal = read(written(tmp_path, *CYCLES))

    replay = replayed(journal, Changes(), Doubling)

    assert (replay.cycles, replay.differences) == (3, ())
    assert replay.answer is not None and replay.answer.users == 20
    assert same(replay, Changes())


def test_a_decision_that_is_another_one_now_is_found(tmp_path: Path) -> None:
    journal = read(written(tmp_path, CYCLES[0], cycle(2, 20, 1.6, 30), CYCLES[2]))

    replay = replayed(journal, Changes(), Doubling)

    assert [(each.number, each.was.users, each.now.users) for each in replay.differences] == [(2, 30, 40)]
    assert not same(replay, Changes())
    assert "0:02  20 users, p99 1.6 of 2: was 30 (climbing), now 40 (climbing)" in replay_text(replay, journal)


def test_another_threshold_shows_where_it_would_have_decided(tmp_path: Path) -> None:
    journal = read(written(tmp_path, *CYCLES))
    changes = changes_of(journal, ["p99=1.5"], None)

    replay = replayed(journal, changes, Doubling)

    assert [(each.number, each.now.reason) for each in replay.differences] == [(2, "breached")]
    assert replay.answer is not None and replay.answer.users == 10
    assert same(replay, changes)


def test_a_field_of_the_limits_and_the_mode_can_be_others(tmp_path: Path) -> None:
    journal = read(written(tmp_path, *CYCLES))

    changes = changes_of(journal, ["highest_users=20", "precision=0.02"], "classic")

    assert changes.limits == {"mode": "classic", "highest_users": 20, "precision": 0.02}


@pytest.mark.parametrize("given", ["p98=1.5", "p99", "p99=x", "p99=-1", "highest_users=1.5", "mode=classic", "p99=nan"])
def test_an_impossible_limit_is_refused(tmp_path: Path, given: str) -> None:
    journal = read(written(tmp_path, *CYCLES))

    with pytest.raises(UsageError, match="--limit"):
        changes_of(journal, [given], None)


def test_the_answer_is_a_sentence_that_can_be_passed_on() -> None:
    found = answer(1150, 14 * 60.0, reason="the interval is small enough")

    assert text(SearchOutcome(found, "CreatePost 2.4 s")) == (
        "about 1,150 users (1,148–1,152, 95 %); what broke first: p99 2.5 of 2 "
        "(slowest action then: CreatePost 2.4 s); 14 minutes\nended by: found: the interval is small enough"
    )


def test_a_number_without_an_interval_is_told_as_such() -> None:
    """The classic rule has none."""
    found = Answer(1150, None, None, 0.0, "found", "p99 2.5 of 2", 33.0, "level for 30 minutes (classic rule)")

    assert capacity_text(found) == "about 1,150 users (without an interval)"
    assert capacity_text(dataclasses.replace(found, users=900, low=900)) == "at least 900 users"
    assert capacity_text(dataclasses.replace(found, users=None)) == "how many users it holds is not known"


def test_the_answers_document_has_the_documented_keys() -> None:
    told = document(SearchOutcome(answer(100, 60.0)), LIMITS, {"p99": 2.0})

    wanted = {"schema", "users", "low", "high", "confidence", "ended_by", "broke_first", "minutes", "reason"}
    wanted |= {"connections", "cause", "plan"}
    assert wanted | {"slowest_action", "thresholds", "mode", "lowest_users", "highest_users", "agents"} == set(told)


@pytest.mark.parametrize(
    ("ended_by", "users", "code"),
    [
        ("found", 100, ExitCode.PASSED),
        ("wide", 100, ExitCode.PASSED),
        ("at least", 100, ExitCode.PASSED),
        ("time over", 100, ExitCode.PASSED),
        ("time over", None, ExitCode.INCONCLUSIVE),
        ("unknown", None, ExitCode.INCONCLUSIVE),
        ("generator saturated", 100, ExitCode.INCONCLUSIVE),
        ("breached already", None, ExitCode.INCONCLUSIVE),
        (Ending.AGENT_LOST, 100, ExitCode.SERVER_NOT_READY),
        ("server lost", 100, ExitCode.SERVER_NOT_READY),
        ("interrupted", 100, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_says_whether_there_is_a_number(ended_by: str, users: int | None, code: ExitCode) -> None:
    assert exit_code(answer(users, 60.0, ended_by)) is code


def test_what_is_no_file_is_no_journal() -> None:
    """It may have no end."""
    with pytest.raises(UsageError, match="/dev/zero: not a file"):
        read(Path("/dev/zero"))
