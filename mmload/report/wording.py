"""How numbers, times and spans are written for people. Pure.

Tables of text for a terminal or a log: columns as wide as they need, never wider than the page. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from mmload.printable import significant

NONE = "-"
# The signs of an outcome: on a page, and in Markdown.
SIGNS = {"passed": ("✓", "✅"), "failed": ("✗", "❌"), "inconclusive": ("?", "❔")}


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def rate(per_second: float) -> str:
    """Three digits that mean something: `0.42`, `4.2`, `1,234`."""
    if per_second >= 100:
        return f"{per_second:,.0f}"
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"


def milliseconds(seconds: float | None) -> str:
    """A duration as milliseconds: `0.8`, `12`, `1,234`; `-` if there is none."""
    return of_ms(None if seconds is None else seconds * 1000)


def of_ms(ms: float | None) -> str:
    """The same of a duration that is in milliseconds."""
    if ms is None:
        return NONE
    return f"{ms:.1f}" if ms < 10 else f"{ms:,.0f}"


def span(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def clock(seconds: float) -> str:
    """Local time of day of a moment (seconds since 1970): `12:03:10`."""
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S")


def plural(number: int, noun: str) -> str:
    """`1 socket`, `2 sockets`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def population_text(population: Mapping[str, int]) -> str:
    """What a server held: `60 users, 1 team, 8 channels`. Its statistics leave direct and group channels out."""
    said = [plural(number, name.removesuffix("s")) for name, number in population.items()]
    return ", ".join(said) + (" (direct and group channels are not counted)" if "posts" in population else "")


def percent(share: float) -> str:
    """A share of 1 as `4 %`, `0.42 %`, `0 %`."""
    hundredths = share * 100
    if hundredths == 0 or hundredths >= 10:
        return f"{hundredths:,.0f} %"
    return f"{hundredths:.1f} %" if hundredths >= 1 else f"{significant(hundredths, 2)} %"


def megabytes(size: int) -> str:
    """Bytes as whole megabytes of 10^6: `85`."""
    return f"{size / 1e6:,.0f}"


PAGE_WIDTH = 100
_GAP = "  "


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[int] = (0,)) -> list[str]:
    """Lines of a table: columns of `words` on the left (cut if the page is too narrow), the others on the right."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    while sum(widths) + len(_GAP) * len(widths) > PAGE_WIDTH:
        widths[max(words, key=widths.__getitem__)] -= 1
    return [_line(row, widths, words) for row in (headings, *rows)]


def _line(row: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    cells = [
        cut(cell, width).ljust(width) if column in words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return (_GAP + _GAP.join(cells)).rstrip()


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
