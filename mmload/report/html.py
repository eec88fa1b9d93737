"""Pages from the templates beside this module: whatever is not markup already is escaped, and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Control characters and lone surrogates, which no page can hold.
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table whose first column names its rows; columns of `words` stand on the left, numbers on the right.

    Cells are text, which is escaped, or `Markup`. `more` stands below it, quietly.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    words: Collection[int] = ()
    sortable: bool = False
    more: Sequence[str] = ()


def rendered(template: str, **values: Any) -> str:
    """A template with these values."""
    return _UNPRINTABLE.sub("\ufffd", _environment().get_template(template).render(values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mmload.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    return environment


def number(value: float) -> str:
    """A coordinate in as few characters as its place needs: a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")


def in_code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def breakable(text: str, before: str) -> Markup:
    """Text that may go on in the next line at the places that a pattern finds."""
    return Markup("<wbr>").join(re.split(before, text))
