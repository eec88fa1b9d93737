"""Faults on demand, so that a client can be seen to survive them. Deciding only; the app acts on it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from mmload.sandbox.state import Document

ANY_ROUTE = "*"


@dataclass(slots=True)
class Fault:
    """What goes wrong with the requests of a route ("POST /api/v4/posts", "GET /api/v4/websocket" or "*").

    `share`: of how many of them; `times`: how often at most (-1: until taken back). `after`: the request is carried
    out all the same, only its answer is lost.
    """

    route: str = ANY_ROUTE
    status: int = 0
    error_id: str = "sandbox.fault"
    delay_ms: float = 0.0
    share: float = 1.0
    times: int = -1
    hang_up: bool = False
    after: bool = False

    def document(self) -> Document:
        return {name: getattr(self, name) for name in self.__slots__}


class Faults:
    """The faults that are on."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._items: list[Fault] = []

    def add(self, fields: Document) -> Fault:
        """Switch one on. Raises ValueError for what is no fault."""
        fault = Fault(**_checked(fields))
        self._items.append(fault)
        return fault

    def clear(self) -> None:
        self._items.clear()

    def documents(self) -> list[Document]:
        return [fault.document() for fault in self._items]

    def strike(self, route: str) -> list[Fault]:
        """Those that hit this request."""
        if not self._items:
            return []
        hits = []
        for fault in self._items:
            if fault.route in (ANY_ROUTE, route) and fault.times != 0 and self._rng.random() < fault.share:
                fault.times -= fault.times > 0
                hits.append(fault)
        return hits


def _checked(fields: Document) -> dict[str, Any]:
    kinds = {name: type(getattr(Fault(), name)) for name in Fault.__slots__}
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(f"a fault has no {name!r}; it has {', '.join(kinds)}")
        wanted = kinds[name]
        if not isinstance(value, (int, float) if wanted is float else wanted):
            raise ValueError(f"{name} is to be of type {wanted.__name__}, not {value!r}")
    return fields
