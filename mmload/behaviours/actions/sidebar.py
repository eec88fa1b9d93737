"""One's own order of the channels."""

from __future__ import annotations

from mmload import text
from mmload.behaviours.person import NothingToDo, Person

# Sections whose channels people move; what the server sorts into "direct messages" by itself stays there.
_MOVABLE = frozenset({"custom", "favorites", "channels"})


def create_sidebar_category(person: Person) -> None:
    """Make a section in the sidebar."""
    team_id = person.store.current_team_id
    person.api.create_category(person.id, team_id, "category " + text.words(person.rng, 1)[0])
    person.store.categories = person.api.categories(person.id, team_id)


def update_sidebar_category(person: Person) -> None:
    """Move a channel from one section to another."""
    movable = [category for category in person.store.categories if category.type in _MOVABLE]
    sources = [category for category in movable if len(category.channel_ids or ()) > 1]
    if not sources or len(movable) < 2:
        raise NothingToDo("no two sections to move a channel between")
    source = person.rng.choice(sources)
    target = person.rng.choice([category for category in movable if category is not source])
    channel_id = person.rng.choice(source.channel_ids or [""])
    source.channel_ids = [kept for kept in source.channel_ids or () if kept != channel_id]
    target.channel_ids = [channel_id, *(target.channel_ids or ())]
    team_id = person.store.current_team_id
    person.api.update_categories(person.id, team_id, [source, target])
    person.store.categories = person.api.categories(person.id, team_id)
