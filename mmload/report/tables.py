"""Tables of text for a terminal or a log: columns as wide as they need, never wider than the page. Pure."""

from __future__ import annotations

from collections.abc import Sequence

PAGE_WIDTH = 100
_GAP = "  "


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Lines of a table: the first column on the left (cut if the page is too narrow), the others on the right."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1) + len(indent)
    widths[0] = min(widths[0], PAGE_WIDTH - others)
    return [indent + _line(row, widths) for row in (headings, *rows)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = cut(row[0], widths[0]).ljust(widths[0])
    return _GAP.join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def cut(text: str, width: int) -> str:
    """The text in at most `width` characters, with a mark where its middle was left out."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    tail = width - 1 - head
    return f"{text[:head]}…{text[-tail:]}" if tail else f"{text[:head]}…"


def wrapped(items: Sequence[str], indent: str = "  ", separator: str = ", ") -> list[str]:
    """Items one after the other, on as many lines as they need."""
    lines: list[str] = []
    for index, item in enumerate(items):
        piece = item + (separator.rstrip() if index < len(items) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(piece) <= PAGE_WIDTH:
            lines[-1] += " " + piece
        else:
            lines.append(indent + piece)
    return lines
