"""What the process of a watched page is told, and what it tells: one JSON document a line, on its stdin and stdout."""

from __future__ import annotations

from typing import Literal

import msgspec

from mmload.browser.messages import Opening


class OpenPage(Opening, frozen=True, kw_only=True, tag="open"):
    """Open an empty page in a browser without a past."""


Deed = Literal[
    "go",
    "reload",
    "click",
    "alt_click",
    "hover",
    "fill",
    "type",
    "press",
    "wheel",
    "attach",
    "see",
    "shows",
    "window",
    "offline",
    "rest",
]


class PageAct(msgspec.Struct, frozen=True, omit_defaults=True, tag="act"):
    """Do this at what has this CSS. `text`: what is typed (may be a password), a key, a path or an event.

    `number`: milliseconds between keys, or pixels of the wheel.
    """

    deed: Deed
    css: str = ""
    text: str = ""
    number: float = 0.0

    def __repr__(self) -> str:
        return f"PageAct({self.deed} {self.css})"


class TakeTraffic(msgspec.Struct, frozen=True, tag="take"):
    """Tell what was sent since the last time, when nothing was under way for so long."""

    quiet_seconds: float
    longest_seconds: float


PageOrder = OpenPage | PageAct | TakeTraffic


class SeenRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that left the browser. `body` None: it is no text. `at`, `until`: milliseconds of any clock."""

    method: str
    url: str
    at: float
    body: str | None = ""
    until: float | None = None


class SeenSocket(msgspec.Struct, frozen=True):
    """A WebSocket that the page tried to open."""

    url: str
    at: float


class SeenFrame(msgspec.Struct, frozen=True):
    """A text that the page sent over a WebSocket."""

    text: str
    at: float


class SeenTraffic(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that the page sent to the server; nothing else than the conversion into a recording reads it."""

    requests: tuple[SeenRequest, ...] = ()
    sockets: tuple[SeenSocket, ...] = ()
    frames: tuple[SeenFrame, ...] = ()

    def __repr__(self) -> str:
        """Without what is in them: cookies of a person, messages, ids."""
        return f"SeenTraffic({len(self.requests)} requests)"


class PageAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order was carried out; or not, then `problem` says why."""

    problem: str = ""
    shown: bool = False
    traffic: SeenTraffic = SeenTraffic()
