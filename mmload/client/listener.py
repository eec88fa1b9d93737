"""Whom a WebSocket tells of what it hears, and what is done when that one fails."""

from __future__ import annotations

import logging
from typing import Protocol

from mmload.client.frames import Event

log = logging.getLogger("mmload.websocket")

LISTENER_ERRORS = "listener_errors"


class Listener(Protocol):
    """Whom a WebSocket tells. All but `on_unauthorised` run in the hub or in passing: they must not block."""

    def on_event(self, event: Event) -> None:
        """Each event once, in order, the `hello` among them."""

    def on_dropped(self, code: int, reason: str) -> None:
        """The connection is lost and will be taken up again. Not told of our own `close`."""

    def on_connected(self, resumed: bool, renewed: bool) -> None:
        """It is up. First time: both False. After a loss `resumed`: nothing was lost; `renewed`: events may be."""

    def on_unauthorised(self) -> str | None:
        """The token is good no longer. Runs in a greenlet and may block: a fresh token, or None to give up."""


_told: set[tuple[str, type[Exception]]] = set()


def tell_once(where: str, error: Exception) -> None:
    """A listener raised: its traceback goes to the log once for each kind, as it may come with every event."""
    kind = where, type(error)
    if kind not in _told:
        _told.add(kind)
        log.error("a listener failed at %s; further ones like it are only counted", where, exc_info=error)
