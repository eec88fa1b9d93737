"""The progress of a run: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec

from mmload.cli.progress import RunProgress, Tail, progress_line
from mmload.results.model import RunPhase
from tests.results.records import second


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def add(path: Path, *elapsed: int) -> None:
    """Record some more seconds."""
    with path.open("ab") as file:
        for each in elapsed:
            file.write(msgspec.json.encode(second(each)) + b"\n")


def test_the_line_says_how_the_run_stands() -> None:
    """Time, users, load, failures, latency, messages."""
    ramp = second(11, phase=RunPhase.RAMP, active=8, waiting=2, failures=1, p95_ms=123.4)

    assert progress_line(ramp, 90, 1234, 5_678_901) == (
        "0:12/1:30 ramp: 8/10 users, 2 waiting to log in · 5 req/s · 1 failed/s · p95 123 ms · 1,234 posts · "
        "5,678,901 events"
    )


def test_a_second_without_requests_has_no_latency() -> None:
    """A dash, not a zero."""
    assert "p95 - ms" in progress_line(second(0, requests=0, p95_ms=None), 60, 0, 0)


def test_lines_are_followed_as_they_come(tmp_path: Path) -> None:
    """Each once, and none before it is whole."""
    path = tmp_path / "seconds.jsonl"
    tail = Tail(path)
    assert tail.new() == []
    add(path, 0, 1)
    with path.open("ab") as file:
        file.write(b'{"ms":18')

    assert [each.elapsed for each in tail.new()] == [0, 1]
    assert tail.new() == []


def test_in_a_log_there_is_a_line_every_five_seconds(tmp_path: Path) -> None:
    """Posts and events are those of the whole run so far."""
    now = [0.0]
    out = io.StringIO()
    progress = RunProgress(tmp_path / "seconds.jsonl", 60, out, clock=lambda: now[0])
    for elapsed in range(11):
        now[0] = elapsed + 1.0
        add(tmp_path / "seconds.jsonl", elapsed)
        progress.update()

    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("0:05/1:00")
    assert lines[1].endswith("10 posts · 200 events")
    assert "\033" not in out.getvalue()


def test_on_a_terminal_one_line_is_kept_up_to_date(tmp_path: Path) -> None:
    """And taken away before the report."""
    out = Terminal()
    progress = RunProgress(tmp_path / "seconds.jsonl", 60, out)
    add(tmp_path / "seconds.jsonl", 0)
    progress.update()
    add(tmp_path / "seconds.jsonl", 1)
    progress.update()
    progress.end()

    assert out.getvalue().count("users") == 2
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\033[K")
