"""The run's folder: written as it goes, read in whatever state it was left."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmload.errors import UsageError
from mmload.results import folder
from mmload.results.folder import (
    FACTS,
    NOTES,
    SECONDS,
    TOTALS,
    RunFolder,
    folder_name,
    make_folder,
    read_facts,
    read_run,
    totals_parts,
)
from mmload.results.model import SCHEMA, Facts, Machine, Note, NoteKind, RunEnding, Second, Server, Totals
from mmload.results.verdict import VerdictKind, verdict
from tests.results import records

WHEN = datetime(2026, 1, 31, 12, 0, 5)
DOCUMENT = Path(__file__).parents[2] / "docs" / "run-folder.md"


def written(folder: Path, seconds: int = 10) -> RunFolder:
    """A folder as a run leaves it that ended in order."""
    files = RunFolder(folder)
    run = records.run()
    files.write_facts(run.facts)
    files.write_totals(run.totals)
    for second in run.seconds[:seconds]:
        files.add_second(second)
    files.add_note(Note(records.START * 1000, NoteKind.PHASE, "steady: 10 of 10 users are in"))
    files.close()
    return files


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The whole record, through the disk."""
    written(tmp_path)

    run = read_run(tmp_path)

    expected = records.run()
    assert (run.facts, run.totals, run.seconds) == (expected.facts, expected.totals, expected.seconds)
    assert [note.text for note in run.notes] == ["steady: 10 of 10 users are in"]
    assert run.missing == ()


def test_sums_are_written_in_parts_between_which_others_have_a_turn(tmp_path: Path) -> None:
    """What the parts make up is what the sums would be in one piece; packed ones are read as any others."""
    totals = records.run().totals
    turns: list[str] = []
    totals.whole.pack()
    RunFolder(tmp_path).write_totals(totals, lambda: turns.append("turn"))

    content = (tmp_path / TOTALS).read_bytes()
    assert msgspec.json.decode(content, type=Totals) == totals
    assert msgspec.json.decode(content).keys() == set(Totals.__struct_fields__)
    assert len(turns) == len(list(totals_parts(totals))) > 10


def test_sums_of_nothing_can_be_written(tmp_path: Path) -> None:
    """A test may end in its first second."""
    RunFolder(tmp_path).write_totals(Totals())

    assert msgspec.json.decode((tmp_path / TOTALS).read_bytes(), type=Totals) == Totals()


def test_a_folder_is_named_by_time_and_name() -> None:
    """They sort by time; without a name there is no dash left over."""
    assert folder_name(WHEN, "demo") == "2026-01-31T12-00-05-demo"
    assert folder_name(WHEN, "") == "2026-01-31T12-00-05"


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    """Neither writes into the other's record."""
    first = make_folder(tmp_path / "runs", WHEN, "a")
    second = make_folder(tmp_path / "runs", WHEN, "a")

    assert first != second
    assert first.is_dir() and second.is_dir()


def test_a_folder_that_cant_be_made_is_said(tmp_path: Path) -> None:
    """One clear message instead of a traceback."""
    (tmp_path / "runs").write_text("a file is in the way")

    with pytest.raises(UsageError, match="cannot create the results folder"):
        make_folder(tmp_path / "runs", WHEN, "a")


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    """`kill -9` in the middle of a write must not lose the rest."""
    written(tmp_path)
    with (tmp_path / SECONDS).open("ab") as file:
        file.write(b'{"ms":18000000100')

    run = read_run(tmp_path)

    assert len(run.seconds) == 10
    assert run.missing == ()


def test_a_broken_line_in_the_middle_is_told(tmp_path: Path) -> None:
    """That is not what an interrupted write leaves."""
    written(tmp_path)
    lines = (tmp_path / SECONDS).read_bytes().splitlines()
    lines[4] = b"@@@"
    (tmp_path / SECONDS).write_bytes(b"\n".join(lines) + b"\n")

    run = read_run(tmp_path)

    assert len(run.seconds) == 9
    assert f"{SECONDS}: 1 lines cannot be read" in run.missing


@pytest.mark.parametrize("name", [FACTS, TOTALS, SECONDS])
def test_a_missing_part_is_told(tmp_path: Path, name: str) -> None:
    """What is left is still reported."""
    written(tmp_path)
    (tmp_path / name).unlink()

    assert f"{name} is missing" in read_run(tmp_path).missing


def test_a_run_without_an_end_was_cut_off(tmp_path: Path) -> None:
    """And its totals may lack the last seconds."""
    files = written(tmp_path)
    files.write_facts(msgspec.structs.replace(records.run().facts, ended_ms=0))
    files.write_totals(msgspec.structs.replace(records.run().totals, seconds=7))

    missing = read_run(tmp_path).missing

    assert "the run was cut off: its end was never recorded" in missing
    assert "the totals do not include the last 3 s of the run" in missing


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """So is none at all."""
    with pytest.raises(UsageError, match="not a run folder"):
        read_run(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        read_run(tmp_path / "nowhere")


def test_a_record_of_a_newer_form_is_refused(tmp_path: Path) -> None:
    """It would be misread."""
    written(tmp_path).write_facts(Facts(schema=SCHEMA + 1))

    with pytest.raises(UsageError, match="newer mmload"):
        read_run(tmp_path)


def test_new_fields_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    """A record may grow without a new schema."""
    written(tmp_path)
    facts = msgspec.json.decode((tmp_path / FACTS).read_bytes())
    (tmp_path / FACTS).write_bytes(msgspec.json.encode({**facts, "weather": "fine"}))

    assert read_run(tmp_path).facts.name == "demo"


def test_facts_are_replaced_as_a_whole(tmp_path: Path) -> None:
    """What the starter knew stays, when the Locust process reads and completes it; no half file is left."""
    files = RunFolder(tmp_path)
    files.write_facts(Facts(command=("mmload", "run")))
    files.write_facts(msgspec.structs.replace(read_facts(tmp_path), ending=RunEnding.INTERRUPTED))

    assert read_facts(tmp_path) == Facts(command=("mmload", "run"), ending=RunEnding.INTERRUPTED)
    assert [path.name for path in tmp_path.iterdir()] == [FACTS]


@pytest.mark.parametrize("kind", [Facts, Server, Machine, Second, Totals, Note])
def test_every_field_of_the_record_is_documented(kind: type[msgspec.Struct]) -> None:
    """Others read these files: docs/run-folder.md is their contract."""
    text = DOCUMENT.read_text()

    missing = [field.encode_name for field in msgspec.structs.fields(kind) if f"`{field.encode_name}`" not in text]

    assert missing == []


@pytest.mark.parametrize("name", [FACTS, TOTALS, SECONDS, NOTES, *NoteKind, *RunEnding])
def test_every_file_and_kind_is_documented(name: str) -> None:
    """The same for the files, the kinds of notes and the endings."""
    assert f"`{name}`" in DOCUMENT.read_text()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /dev/shm."""
    made = tmp_path / "memory"
    made.mkdir()
    monkeypatch.setattr(folder, "_MEMORY", made)
    return made


@pytest.mark.parametrize("largest", [0, 300, 1500, 4000])
def test_a_full_disk_costs_no_figure(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """Whichever file is the first that can't be written."""
    there = tmp_path / "run"
    there.mkdir()
    with file_size_limit(largest, there, monkeypatch):
        files = written(there)

    run = read_run(there)

    expected = records.run()
    assert (run.facts, run.totals, run.seconds) == (expected.facts, expected.totals, expected.seconds)
    told = [note.text for note in run.notes if note.kind is NoteKind.RECORD]
    assert told == [files.trouble]
    assert f"cannot write to {there}: No space left on device; the record continues in memory" in files.trouble
    assert verdict(run).outcome is VerdictKind.INCONCLUSIVE


def test_a_disk_with_room_is_used(tmp_path: Path, memory: Path) -> None:
    there = tmp_path / "run"
    there.mkdir()

    assert written(there).trouble == ""
    assert list(memory.iterdir()) == []


def test_where_memory_is_full_too_the_error_is_raised(tmp_path: Path, memory: Path) -> None:
    memory.rmdir()

    with pytest.raises(FileNotFoundError):
        RunFolder(tmp_path / "nowhere").add_second(records.second(0))


@contextmanager
def file_size_limit(largest: int, there: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files of this folder can't grow beyond so many bytes."""
    open_file = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, data: bytes) -> int:
            room = largest - self._file.tell()
            if room < len(data):
                self._file.write(data[: max(0, room)])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self._file.write(data))

        def writelines(self, parts: Iterable[bytes]) -> None:
            for part in parts:
                self.write(part)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            self._file.close()

    def limited(path: Path, *arguments: Any, **options: Any) -> Any:
        file = open_file(path, *arguments, **options)
        return Full(file) if path.parent == there and file.writable() else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", limited)
        yield
