"""How numbers, times and spans are written for people. Pure."""

from __future__ import annotations

from datetime import datetime

NONE = "-"


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
    if seconds is None:
        return NONE
    ms = seconds * 1000
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
