"""Faults that tests switch on: of requests, and of WebSocket events (lost, duplicated, late or out of order).

The author of a post is spared event faults: a client knows its own posts from the answers. Sequence numbers show
nothing of them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec

from mmload.sandbox.events import ServerEvent
from mmload.sandbox.state import Document

ANY_ROUTE = "*"


class AnyFault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`share`: the share of what it is about that is affected; `times`: how often at most (-1: until cleared)."""

    delay_ms: float = 0.0
    share: float = 1.0
    times: int = -1


class Fault(AnyFault, kw_only=True):
    """What goes wrong with requests of a route ("POST /api/v4/posts", "GET /api/v4/websocket" or "*").

    `after`: the request is carried out, only its answer is lost.
    """

    route: str = ANY_ROUTE
    status: int = 0
    error_id: str = "sandbox.fault"
    hang_up: bool = False
    after: bool = False


F = TypeVar("F", bound=AnyFault)


class ActiveFaults(Generic[F]):
    """The faults of one kind that are switched on."""

    def __init__(self, kind: type[F], rng: random.Random | None = None) -> None:
        self._kind = kind
        self._rng = rng or random.Random()
        self._items: list[F] = []

    def add(self, document: Document) -> Document:
        """Activate one; what it is in full. Raises ValueError if it is no fault of this kind."""
        fault = msgspec.convert(document, self._kind)
        self._items.append(fault)
        return dict(msgspec.to_builtins(fault))

    def clear(self) -> None:
        self._items.clear()

    def documents(self) -> list[Document]:
        return [msgspec.to_builtins(fault) for fault in self._items]

    def _striking(self, concerns: Callable[[F], bool]) -> Iterator[F]:
        for fault in self._items:
            if concerns(fault) and fault.times != 0 and self._rng.random() < fault.share:
                fault.times -= fault.times > 0
                yield fault


class Faults(ActiveFaults[Fault]):
    """Those of requests."""

    def __init__(self) -> None:
        super().__init__(Fault)

    def strike(self, route: str) -> list[Fault]:
        """The faults that apply to this request."""
        return list(self._striking(lambda fault: fault.route in (ANY_ROUTE, route)))


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


class EventFault(AnyFault, kw_only=True):
    """Of the deliveries of an event."""

    event: str
    what: EventFaultKind


class _Author(msgspec.Struct):
    user_id: str = ""
    channel_id: str = ""


_AUTHOR = msgspec.json.Decoder(_Author)


class EventFaults(ActiveFaults[EventFault]):
    """Those of events. `done` counts the affected deliveries."""

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], object] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(EventFault, rng)
        self._later = later or (lambda seconds, do: asyncio.get_running_loop().call_later(seconds, do))
        self._held: dict[tuple[int, str], Callable[[], None]] = {}
        self.done: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._items or self._held)

    def clear(self) -> None:
        """Deactivate all; events held back are sent."""
        super().clear()
        for key in list(self._held):
            self._release(key)

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
        fault = next(self._striking(lambda fault: fault.event == event.name), None)
        if fault is None:
            send()
        else:
            self._do(fault, key, send)

    def _do(self, fault: EventFault, key: tuple[int, str], send: Callable[[], None]) -> None:
        if fault.what is EventFaultKind.REORDER:
            self._held[key] = send
            self._later(MAX_HELD_SECONDS, lambda: self._release(key) if self._held.get(key) is send else None)
            return
        self.done[fault.what] += 1
        if fault.what is EventFaultKind.DELAY:
            self._later(fault.delay_ms / 1000, send)
        elif fault.what is EventFaultKind.DOUBLE:
            send()
            send()

    def _release(self, key: tuple[int, str]) -> None:
        send = self._held.pop(key, None)
        if send is not None:
            send()
