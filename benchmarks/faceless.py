"""People who see no profile pictures: loaded by Locust beside our locustfile, for `person --without-images`.

The Go tool was measured without them, too: it keeps no cache of them, so that they are most of what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmload.behaviours import channel_view
from mmload.behaviours.actions import channels
from mmload.behaviours.person import Person


def _none(person: Person, user_ids: Iterable[str]) -> None:
    """In place of `fetch_faces`."""


channel_view.fetch_faces = _none
channels.fetch_faces = _none  # type: ignore[attr-defined]
