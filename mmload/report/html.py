"""Elements of HTML and SVG as text: whatever is not made here is escaped. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

# Elements that are closed at once if nothing is in them.
_VOID = ("meta", "line", "rect", "path")


class Markup(str):
    """Text that is HTML already: made by `element`, never from somebody's words."""

    __slots__ = ()


def element(name: str, /, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """One element. `class_` and `aria_label` stand for `class` and `aria-label`; None and False leave one out."""
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID and not any(children):
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{together(children)}</{name}>")


def together(children: Sequence[str | None]) -> Markup:
    """Texts and markup one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else text(child) for child in children if child))


def text(words: str) -> Markup:
    """Somebody's words, escaped; control characters, which no browser shows, are marked."""
    return Markup(escape("".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in words)))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{text(value if isinstance(value, str) else number(value))}"'


def number(value: float) -> str:
    """A coordinate in as few characters as its place needs: a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    words: Collection[int] = (),
    sortable: bool = False,
) -> Markup:
    """A table whose first column names its rows; columns of `words` stand on the left, numbers on the right.

    It scrolls by itself where the page is too narrow.
    """
    if not rows:
        return Markup()
    kinds = ["words" if column in words else None for column in range(len(headings))]
    head = [element("th", heading, scope="col", class_=kind) for heading, kind in zip(headings, kinds, strict=True)]
    inner = element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", element("tr", *head)),
        element("tbody", *(_row(row, kinds) for row in rows)),
        class_="sortable" if sortable else None,
    )
    return element("div", inner, class_="scroll", role="region", tabindex="0", aria_label=caption)


def _row(cells: Sequence[str], kinds: Sequence[str | None]) -> Markup:
    named = element("th", cells[0], scope="row")
    rest = zip(cells[1:], kinds[1:], strict=True)
    return element("tr", named, *(element("td", cell, class_=kind) for cell, kind in rest))


def section(identity: str, heading: str, *parts: str | None) -> Markup:
    """A part of the page; nothing if it is empty."""
    if not any(parts):
        return Markup()
    return element("section", element("h2", heading, id=identity), *parts, aria_labelledby=identity)


def details(summary: str, *parts: str | None) -> Markup:
    """Something to be unfolded."""
    return element("details", element("summary", summary), *parts)


def listed(items: Sequence[str], *, numbered: bool = False) -> Markup:
    """A list of sentences; nothing without any."""
    return element("ol" if numbered else "ul", *(element("li", item) for item in items)) if items else Markup()
