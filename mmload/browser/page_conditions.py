"""What must be so on the page before a person can go on: looked at in every frame, in the page (`page_measures.js`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """Something of this CSS is shown, and of those: one has the text, an id of this pattern, all their pictures.

    `gone`: none is shown. `fresh`: none of those shown was there before. `first_is_new`: the first of them was not.
    `path`: the page's path ends so. `any`: one of these lists holds, in place of all else. `name`: for the failure.
    """

    name: str
    css: str = ""
    text: str = ""
    id: str = ""
    path: str = ""
    gone: bool = False
    fresh: bool = False
    first_is_new: bool = False
    pictures: bool = False
    any: tuple[tuple[Condition, ...], ...] = ()

    def wire(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


def either(name: str, *alternatives: Condition) -> Condition:
    """One of these holds."""
    return Condition(name, any=tuple((each,) for each in alternatives))
