"""The message boxes of a client: what was begun in one, and what becomes of it at the server.

A box that somebody typed in is saved when it is left: with text in it as a draft, emptied (the message was sent, or
thrown away) by deleting the draft, whether there was one or not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from mmload.behaviours.person import Person, if_possible
from mmload.errors import RequestFailed
from mmload.models import Draft


def appeared(person: Person) -> list[Callable[[], object]]:
    """The requests of a box that comes on the screen: which AI agents may be asked in it."""
    api = person.api
    if not person.context.capabilities.agents:
        return []
    return [partial(if_possible, ask) for ask in (api.agents, api.agents_status, api.agents)]


def typed(person: Person, channel_id: str, root_id: str = "", text: str = "") -> None:
    """Somebody typed in a box; `text` is what stands in it now."""
    person.store.typed[channel_id, root_id] = text


def left(person: Person, channel_id: str, root_id: str = "") -> list[Callable[[], object]]:
    """The requests with which a box is left: none if nobody typed in it since it was opened."""
    text = person.store.typed.pop((channel_id, root_id), None)
    if text is None or not person.context.capabilities.synced_drafts:
        return []
    return [partial(save, person, channel_id, root_id, text) if text else partial(forget, person, channel_id, root_id)]


def save(person: Person, channel_id: str, root_id: str, text: str) -> None:
    """Keep a message that was begun. A failure is counted, and the person goes on."""
    now = person.now_ms()
    draft = Draft(person.id, channel_id, root_id, text, now, now)
    with suppress(RequestFailed):
        person.api.upsert_draft(draft)
        # What it says, nobody reads again.
        draft.message = ""
        person.store.drafts[channel_id, root_id] = draft


def forget(person: Person, channel_id: str, root_id: str = "") -> None:
    """Delete what was kept of a message, where drafts are kept. A failure is counted, and the person goes on."""
    person.store.drafts.pop((channel_id, root_id), None)
    if person.context.capabilities.synced_drafts:
        with suppress(RequestFailed):
            person.api.delete_draft(channel_id, root_id)
