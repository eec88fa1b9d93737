"""Messages begun and not sent."""

from __future__ import annotations

from mmload.behaviours.composing import compose, show_typing
from mmload.behaviours.person import NothingToDo, Person
from mmload.models import Draft
from mmload.store import pick

# Most drafts are begun replies: they stay behind when another thread is opened.
REPLY_DRAFT_SHARE = 0.87


def upsert_draft(person: Person) -> None:
    """Begin a message and leave it."""
    channel_id = person.store.current_channel_id
    root_id = ""
    if person.rng.random() < REPLY_DRAFT_SHARE:
        post = pick(person.rng, person.store.written_posts())
        if post is None:
            raise NothingToDo("no message to begin an answer to")
        root_id = post.root_id or post.id
    show_typing(person, channel_id, root_id)
    now = person.now_ms()
    draft = Draft(person.id, channel_id, root_id, compose(person, channel_id, reply=bool(root_id)), now, now)
    person.api.upsert_draft(draft)
    draft.message = ""
    person.store.drafts[channel_id, root_id] = draft


def delete_draft(person: Person) -> None:
    """Throw a begun message away. It is gone then: nobody deletes it twice."""
    key = pick(person.rng, list(person.store.drafts))
    if key is None:
        raise NothingToDo("no draft to delete")
    del person.store.drafts[key]
    person.api.delete_draft(person.id, *key)


def get_drafts(person: Person) -> None:
    """Open the list of drafts."""
    for draft in person.api.drafts(person.id, person.store.current_team_id):
        draft.message = ""
        person.store.drafts[draft.channel_id, draft.root_id] = draft
