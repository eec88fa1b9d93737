"""What all charts over a run's time share: the axis, the phases, and what happened along it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmload.report.findings import Findings
from mmload.report.scales import Axis, time_axis
from mmload.report.svg import Band, Chart, Line, Mark
from mmload.report.wording import clock, span
from mmload.results.model import Note, NoteKind
from mmload.results.series import phase_spans, runs_of, window_seconds

# The phases are shaded, the end is the end of the axis.
_UNMARKED = (NoteKind.PHASE, NoteKind.END)
MOST_MARKS = 30


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The axis of a run's time; `first_ms` is where it begins."""

    axis: Axis
    first_ms: int
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    width: int  # seconds that make one point of a rate

    def chart(
        self,
        title: str,
        unit: str,
        lines: Sequence[Line],
        y: Axis,
        *,
        height: int = 200,
        limit: tuple[float, str] | None = None,
    ) -> Chart:
        """A chart over time."""
        return Chart(title, unit, lines, self.axis, y, height=height, bands=self.bands, marks=self.marks, limit=limit)


def timeframe(found: Findings) -> Timeframe:
    """The time of a run."""
    seconds = found.run.seconds
    whole = max((second.elapsed + 1 for second in seconds), default=1)
    first_ms = seconds[0].ms if seconds else found.run.facts.started_ms
    axis = time_axis(whole)
    marks = tuple(
        Mark(axis.place((note.ms - first_ms) / 1000), number, note.text) for number, note in numbered(found.run.notes)
    )
    return Timeframe(axis, first_ms, tuple(_bands(found, axis, first_ms)), marks, window_seconds(whole))


def numbered(notes: Sequence[Note]) -> list[tuple[int, Note]]:
    """The notes that are marked on the axis, with their numbers there."""
    marked = [note for note in notes if note.kind not in _UNMARKED]
    return list(enumerate(sorted(marked, key=lambda note: note.ms)[:MOST_MARKS], start=1))


def _bands(found: Findings, axis: Axis, first_ms: int) -> Iterator[Band]:
    for each in phase_spans(found.run.seconds):
        yield Band(axis.place(each.start), axis.place(each.end), str(each.phase), each.phase, label_inside=True)
    for outage in found.outages:
        start, end = ((ms - first_ms) / 1000 for ms in (outage.start_ms, outage.end_ms))
        yield Band(axis.place(start), axis.place(end), "outage", "no answer from the server")
    for first, last in runs_of(found.trust.saturated_seconds):
        yield Band(axis.place(first), axis.place(last), "saturated", "generator saturated")


def note_texts(found: Findings) -> list[str]:
    """The marked notes in words, in the order of their numbers on the axis."""
    return [f"{clock(note.ms / 1000)} {note.text}" for _, note in numbered(found.run.notes)]


def outage_texts(found: Findings) -> list[str]:
    """The outages in words."""
    return [
        f"no answer from {clock(outage.start_ms / 1000)} to {clock(outage.end_ms / 1000)} ({span(outage.seconds)})"
        for outage in found.outages
    ]
