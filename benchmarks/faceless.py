"""People who see no profile pictures: loaded by Locust beside our locustfile, for `person --without-images`.

The Go tool was measured without them, too: it keeps no cache of them, so that they are most of what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmload.behaviours import channel_view
from mmload.behaviours.channel_view import Request
from mmload.behaviours.person import Person


def _none(person: Person, user_ids: Iterable[str]) -> list[Request]:
    """In place of `_face_requests`."""
    return []


channel_view._face_requests = _none
