"""Other people's profiles, and one's own custom status."""

from __future__ import annotations

import datetime
from contextlib import suppress

from mmload import text
from mmload.behaviours.person import NothingToDo, Person
from mmload.errors import NotAvailable
from mmload.store import pick

CUSTOM_STATUS_MINUTES = 30


def click_user_profile(person: Person) -> None:
    """Open the profile of a message's author."""
    post = pick(person.rng, person.store.written_posts())
    if post is None:
        raise NothingToDo("no message whose author to look at")
    person.api.is_channel_member(post.channel_id, post.user_id)
    if person.context.capabilities.custom_profile_attributes:
        with suppress(NotAvailable):  # Told once in the report; the profile opens without.
            person.api.custom_profile_attributes(post.user_id)
    person.api.is_team_member(person.store.current_team_id, post.user_id)


def update_custom_status(person: Person) -> None:
    """Say what one is doing, for half an hour."""
    until = datetime.datetime.fromtimestamp(person.now_ms() / 1000 + CUSTOM_STATUS_MINUTES * 60, tz=datetime.UTC)
    word = text.words(person.rng, 1)[0]
    emoji = person.rng.choice(text.EMOJI)
    person.api.set_custom_status(person.id, emoji, word, "thirty_minutes", until.strftime("%Y-%m-%dT%H:%M:%SZ"))


def remove_custom_status(person: Person) -> None:
    """Be just here again."""
    person.api.remove_custom_status(person.id)
