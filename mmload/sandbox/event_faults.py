"""Events that get lost, come twice, late or out of order, on demand: what a client says of them can be held against it.

The author of a post is spared: a client knows its own posts by the answers. No event's number shows what was done.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

import msgspec

from mmload.sandbox.events import Event
from mmload.sandbox.state import Document

# An event held back to be overtaken comes all the same when no other overtakes it within this time.
HELD_SECONDS = 2.0


class Doing(StrEnum):
    """What happens to an event on its way to one reader."""

    LOSE = "lose"
    DOUBLE = "double"
    DELAY = "delay"
    REORDER = "reorder"


class Reader(Protocol):
    """A connection."""

    user_id: str


@dataclass(slots=True)
class EventFault:
    """`share`: of how many deliveries of that event; `times`: how many at most (-1: until taken back)."""

    event: str
    what: Doing
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
    """The faults that are on. `done` counts what was done, by delivery."""

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
        """Switch one on. Raises ValueError for what is no fault."""
        try:
            fault = msgspec.convert(document, EventFault)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        if unknown := document.keys() - {field.name for field in fields(EventFault)}:
            raise ValueError(f"a fault of events has no {sorted(unknown)[0]!r}")
        self._items.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all off; what is held back comes."""
        self._items.clear()
        for key in list(self._held):
            self._release(key)

    def documents(self) -> list[Document]:
        return [fault.document() for fault in self._items]

    def offer(self, reader: Reader, event: Event, send: Callable[[], None]) -> None:
        """Do to this delivery what is asked for; `send` carries it out."""
        author = _AUTHOR.decode(event.data["post"]) if "post" in event.data else _Author()
        if author.user_id == reader.user_id:
            send()
            return
        key = id(reader), author.channel_id
        if event.name == "posted" and key in self._held:
            send()
            self._release(key)
            self.done[Doing.REORDER] += 1
            return
        fault = self._strike(event.name)
        if fault is None:
            send()
        else:
            self._do(fault, key, send)

    def _do(self, fault: EventFault, key: tuple[int, str], send: Callable[[], None]) -> None:
        if fault.what is Doing.REORDER:
            self._held[key] = send
            self._later(HELD_SECONDS, lambda: self._release_if(key, send))
            return
        self.done[fault.what] += 1
        if fault.what is Doing.DELAY:
            self._later(fault.delay_ms / 1000, send)
        elif fault.what is Doing.DOUBLE:
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
