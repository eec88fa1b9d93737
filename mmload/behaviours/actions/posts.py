"""Reading on and writing.

Messages begun and not sent.
"""

from __future__ import annotations

from functools import partial

from mmload import text
from mmload.behaviours.channel_view import read_posts
from mmload.behaviours.composing import compose, is_urgent, send_post, show_typing, upload
from mmload.behaviours.person import NothingToDo, Person, forget_if_deleted
from mmload.models import Draft, Post
from mmload.store import pick

MOST_PAGES_SCROLLED = 5
REMINDER_SECONDS = 600


def scroll_channel(person: Person) -> None:
    """Scroll back in the current channel by one to five pages, or to its beginning."""
    for _ in range(person.rng.randint(1, MOST_PAGES_SCROLLED)):
        # In a function of its own: while somebody pauses, a page's texts (40 KB) are not held.
        if not _read_back(person):
            return
        person.pause(1, 10)


def _read_back(person: Person) -> bool:
    """Read the page before the oldest post in the store; whether there is one."""
    oldest = person.store.oldest_post_id()
    if not oldest:
        raise NothingToDo("no posts to scroll in this channel")
    channel_id = person.store.current_channel_id
    page = person.api.posts_before(channel_id, oldest, person.store.collapsed_threads).listed()
    if page:
        read_posts(person, page)
    return bool(page)


def create_post(person: Person) -> None:
    """Create a post, or a reply to one, in the current channel."""
    channel_id = person.current_channel_id()
    simul = person.context.settings.simul
    root_id = ""
    if person.rng.random() < simul.percent_replies:
        root_id = _thread_to_answer(person)
    show_typing(person, channel_id, root_id)
    message = compose(person, channel_id, reply=bool(root_id))
    files = upload(person, channel_id) if person.rng.random() < simul.percent_posts_with_files else ()
    urgent = not root_id and is_urgent(person, simul.percent_urgent_posts)
    send_post(person, channel_id, message, root_id, files, urgent=urgent)


def _thread_to_answer(person: Person) -> str:
    """The root of a post on the screen; "" (a new post then) where there is none."""
    post = pick(person.rng, person.store.written_posts())
    return (post.root_id or post.id) if post else ""


def add_reaction(person: Person) -> None:
    """Add a reaction that the user has not given yet to a post on the screen."""
    post = person.pick(person.store.written_posts(), "no post to react to")
    emoji_name = person.rng.choice(text.REACTIONS)
    if (post.id, emoji_name) in person.store.reactions:
        raise NothingToDo("already reacted with this emoji")
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.react(person.id, post.id, emoji_name)
    person.store.reactions[post.id, emoji_name] = None


def edit_post(person: Person) -> None:
    """Edit an own post, while the server allows that."""
    can = person.context.capabilities
    oldest = 0 if can.edit_limit_seconds < 0 else person.now_ms() - can.edit_limit_seconds * 1000
    post = _own_post(person, oldest)
    message = text.message(person.rng, person.context.settings.simul.avg_words_per_reply)[: can.longest_message]
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.patch_post(post.id, message)


def delete_post(person: Person) -> None:
    """Delete an own post."""
    post = _own_post(person)
    person.store.forget_post(post.id)
    person.api.delete_post(post.id)


def create_post_reminder(person: Person) -> None:
    """Set a reminder for a post, in ten minutes."""
    post = person.pick(person.store.written_posts(), "no post to set a reminder for")
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.remind(person.id, post.id, person.now_ms() // 1000 + REMINDER_SECONDS)


def remove_reaction(person: Person) -> None:
    """Remove an own reaction."""
    key = person.pick(list(person.store.reactions), "no reaction of this user")
    del person.store.reactions[key]
    with forget_if_deleted(partial(person.store.forget_post, key[0])):
        person.api.unreact(person.id, *key)


def _own_post(person: Person, oldest_ms: int = 0) -> Post:
    """One of this user's posts on the screen that was written since then (milliseconds since 1970)."""
    written = person.store.written_posts()
    own = [post for post in written if post.user_id == person.id and post.create_at >= oldest_ms]
    return person.pick(own, "no post of this user in this channel")


# Most drafts are begun replies: they stay behind when another thread is opened.
REPLY_DRAFT_SHARE = 0.87


def upsert_draft(person: Person) -> None:
    """Save a draft."""
    channel_id = person.store.current_channel_id
    root_id = ""
    if person.rng.random() < REPLY_DRAFT_SHARE:
        post = person.pick(person.store.written_posts(), "no post to reply to")
        root_id = post.root_id or post.id
    show_typing(person, channel_id, root_id)
    now = person.now_ms()
    draft = Draft(person.id, channel_id, root_id, compose(person, channel_id, reply=bool(root_id)), now, now)
    person.api.upsert_draft(draft)
    draft.message = ""
    person.store.drafts[channel_id, root_id] = draft


def delete_draft(person: Person) -> None:
    """Delete a draft."""
    key = person.pick(list(person.store.drafts), "no draft to delete")
    del person.store.drafts[key]
    person.api.delete_draft(person.id, *key)


def get_drafts(person: Person) -> None:
    """Open the list of drafts."""
    for draft in person.api.drafts(person.id, person.store.current_team_id):
        draft.message = ""
        person.store.drafts[draft.channel_id, draft.root_id] = draft
