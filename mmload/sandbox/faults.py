"""Faults that tests switch on: of requests, and of WebSocket events (lost, duplicated, late or out of order).

The author of a post is spared event faults: a client knows its own posts from the answers. Sequence numbers show
nothing of them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from mmload.sandbox.events import ServerEvent
from mmload.sandbox.state import Document

ANY_ROUTE = "*"


@dataclass(slots=True)
class Fault:
    """What goes wrong with requests of a route ("POST /api/v4/posts", "GET /api/v4/websocket" or "*").

    `share`: the share of them affected; `times`: how often at most (-1: until cleared). `after`: the request is carried
    out, only its answer is lost.
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
    """The active faults."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._items: list[Fault] = []

    def add(self, fields: Document) -> Fault:
        """Activate one. Raises ValueError if it is not a fault."""
        fault = Fault(**_checked(fields))
        self._items.append(fault)
        return fault

    def clear(self) -> None:
        self._items.clear()

    def documents(self) -> list[Document]:
        return [fault.document() for fault in self._items]

    def strike(self, route: str) -> list[Fault]:
        """The faults that apply to this request."""
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
            raise ValueError(f"a fault has no field {name!r}; its fields are {', '.join(kinds)}")
        wanted = kinds[name]
        if not isinstance(value, (int, float) if wanted is float else wanted):
            raise ValueError(f"{name} must be of type {wanted.__name__}, not {value!r}")
    return fields


# An event held back to be overtaken is sent anyway when no other overtakes it within this time.
MAX_HELD_SECONDS = 2.0


class EventFaultKind(StrEnum):
    """What happens to an event on its way to one recipient."""

    LOSE = "lose"
    DOUBLE = "double"
    DELAY = "delay"
    REORDER = "reorder"


class Reader(Protocol):
    """A connection."""

    user_id: str


@dataclass(slots=True)
class EventFault:
    """`share`: the share of that event's deliveries affected; `times`: how many at most (-1: until cleared)."""

    event: str
    what: EventFaultKind
    share: float = 1.0
    times: int = -1
    delay_ms: float = 0.0

    def document(self) -> Document:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class _Author(msgspec.Struct):
    user_id: str = ""
    channel_id: str = ""


_AUTHOR = msgspec.json.Decoder(_Author)


class EventFaults:
    """The active event faults. `done` counts the affected deliveries."""

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], object] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._later = later or _call_later
        self._rng = rng or random.Random()
        self._items: list[EventFault] = []
        self._held: dict[tuple[int, str], Callable[[], None]] = {}
        self.done: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._items or self._held)

    def add(self, document: Document) -> EventFault:
        """Activate one. Raises ValueError if it is not a fault."""
        try:
            fault = msgspec.convert(document, EventFault)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        if unknown := document.keys() - {field.name for field in fields(EventFault)}:
            raise ValueError(f"an event fault has no field {sorted(unknown)[0]!r}")
        self._items.append(fault)
        return fault

    def clear(self) -> None:
        """Deactivate all; events held back are sent."""
        self._items.clear()
        for key in list(self._held):
            self._release(key)

    def documents(self) -> list[Document]:
        return [fault.document() for fault in self._items]

    def offer(self, reader: Reader, event: ServerEvent, send: Callable[[], None]) -> None:
        """Apply the active faults to this delivery; `send` delivers it."""
        author = _AUTHOR.decode(event.data["post"]) if "post" in event.data else _Author()
        if author.user_id == reader.user_id:
            send()
            return
        key = id(reader), author.channel_id
        if event.name == "posted" and key in self._held:
            send()
            self._release(key)
            self.done[EventFaultKind.REORDER] += 1
            return
        fault = self._strike(event.name)
        if fault is None:
            send()
        else:
            self._do(fault, key, send)

    def _do(self, fault: EventFault, key: tuple[int, str], send: Callable[[], None]) -> None:
        if fault.what is EventFaultKind.REORDER:
            self._held[key] = send
            self._later(MAX_HELD_SECONDS, lambda: self._release_if(key, send))
            return
        self.done[fault.what] += 1
        if fault.what is EventFaultKind.DELAY:
            self._later(fault.delay_ms / 1000, send)
        elif fault.what is EventFaultKind.DOUBLE:
            send()
            send()

    def _strike(self, event: str) -> EventFault | None:
        for fault in self._items:
            if fault.event == event and fault.times != 0 and self._rng.random() < fault.share:
                fault.times -= fault.times > 0
                return fault
        return None

    def _release(self, key: tuple[int, str]) -> None:
        send = self._held.pop(key, None)
        if send is not None:
            send()

    def _release_if(self, key: tuple[int, str], send: Callable[[], None]) -> None:
        if self._held.get(key) is send:
            self._release(key)


def _call_later(seconds: float, do: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, do)
