"""What can be printed: text from a server, made harmless (a terminal carries out what control characters say), and
figures."""

from __future__ import annotations

import logging
import math
import re

# C0 and C1 (an 8-bit terminal takes those as the beginning of a sequence), what turns the direction of a line around,
# line breaks that only some programs see, halves of characters, which cannot be printed at all.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with each of these characters as its number, as JSON writes it; line breaks and tabs stay. Pure."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def harmless_line(text: str) -> str:
    """The same on one line: a name must not look like a line of its own. Pure."""
    return harmless(text).replace("\n", "\\n")


def significant(value: float, digits: int) -> str:
    """The value to so many significant digits, in full: `0.12`, `100`, `1,230`. Pure."""
    rounded = float(f"{value:.{digits - 1}e}")
    if not rounded or not math.isfinite(rounded):
        return f"{rounded:g}"
    whole = math.floor(math.log10(abs(rounded))) + 1
    text = f"{rounded:,.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class HarmlessRecord(logging.LogRecord):
    """A log record whose message is harmless; tracebacks are as they are."""

    def getMessage(self) -> str:  # noqa: N802 — the name in logging
        return harmless(super().getMessage())
