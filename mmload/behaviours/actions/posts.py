"""Reading on and writing; messages begun and not sent."""

from __future__ import annotations

from functools import partial

from mmload import text
from mmload.behaviours import drafts
from mmload.behaviours.actions.channels import switch_channel
from mmload.behaviours.actions.threads import mark_thread_read, open_thread
from mmload.behaviours.channel_view import note_beginning, read_posts
from mmload.behaviours.composing import is_urgent, send_post, show_typing, upload, write
from mmload.behaviours.person import NothingToDo, Person, forget_if_deleted
from mmload.models import Post, Preference
from mmload.store import pick

MOST_PAGES_SCROLLED = 5
# More is not made up for: where all channels are short, nobody ever reads so much.
MOST_PAGES_LEFT = 50
REMINDER_SECONDS = 600
# So often the picker asks for the same page of emoji when it opens.
CUSTOM_EMOJI_REQUESTS = 3


def scroll_channel(person: Person) -> None:
    """Scroll back in the current channel by one to five pages, or to its beginning.

    Pages that a short channel did not have are added for the next users who scroll, so the average stays at 3 pages.
    """
    store, context = person.store, person.context
    if store.current_channel_id in store.beginnings or not store.oldest_post_id():
        raise NothingToDo("the channel's beginning is on the screen")
    others = min(context.pages_left_unread, MOST_PAGES_SCROLLED)
    context.pages_left_unread -= others
    for missing in reversed(range(person.rng.randint(1, MOST_PAGES_SCROLLED) + others)):
        # In a function of its own: while somebody pauses, a page's texts (40 KB) are not held.
        _read_back(person)
        _look_at(person, 1)
        if store.current_channel_id in store.beginnings:
            taken = min(missing, MOST_PAGES_LEFT - context.pages_left_unread)
            context.pages_left_unread += taken
            _look_at(person, missing - taken)
            return


def read_screen(person: Person) -> None:
    """In the time that scrolling takes, read what is on the screen, as nobody has anything to scroll back to.

    Else users did everything else more often on a server that has little to read, and ever more often during a test:
    five times as often if they hardly rest.
    """
    _look_at(person, person.rng.randint(1, MOST_PAGES_SCROLLED))


def _look_at(person: Person, pages: int) -> None:
    for _ in range(pages):
        person.pause(1, 10)


def _read_back(person: Person) -> None:
    """Read the page before the oldest post in the store."""
    store, channel_id = person.store, person.store.current_channel_id
    page = person.api.posts_before(channel_id, store.oldest_post_id(), store.collapsed_threads)
    note_beginning(person, channel_id, page)
    read_posts(person, page.listed())


def create_post(person: Person) -> None:
    """Create a post, or a reply to one, in the current channel."""
    channel_id = person.current_channel_id()
    simul = person.context.settings.simul
    root_id = _thread_to_answer(person) if person.rng.random() < simul.percent_replies else ""
    if root_id:
        with open_thread(person, channel_id, root_id):
            _write_and_send(person, channel_id, root_id)
            mark_thread_read(person, root_id)
    else:
        _write_and_send(person, channel_id)


def _write_and_send(person: Person, channel_id: str, root_id: str = "") -> None:
    simul = person.context.settings.simul
    files = upload(person, channel_id) if person.rng.random() < simul.percent_posts_with_files else ()
    message = write(person, channel_id, root_id)
    urgent = not root_id and is_urgent(person, simul.percent_urgent_posts)
    send_post(person, channel_id, message, root_id, files, urgent=urgent)


def _thread_to_answer(person: Person) -> str:
    """The root of a post on the screen; "" (a new post then) where there is none."""
    post = pick(person.rng, person.store.written_posts())
    return (post.root_id or post.id) if post else ""


# Who reacts takes one of the emoji used last, in the menu of the message, or looks for another one.
PICKER_SHARE = 0.25


def add_reaction(person: Person) -> None:
    """Add a reaction that the user has not given yet to a post on the screen."""
    post = person.pick(person.store.written_posts(), "no post to react to")
    emoji_name = person.rng.choice(text.REACTIONS)
    if (post.id, emoji_name) in person.store.reactions:
        raise NothingToDo("already reacted with this emoji")
    if person.rng.random() < PICKER_SHARE:
        _look_for_emoji(person, emoji_name)
    react(person, post.id, emoji_name)


def _look_for_emoji(person: Person, emoji_name: str) -> None:
    """Open the picker, which loads the emoji that people have added, and type a name into it."""
    person.api.search_emoji(emoji_name[:1])
    for _ in range(CUSTOM_EMOJI_REQUESTS):
        person.api.custom_emoji()
    person.api.search_emoji(emoji_name)


def react(person: Person, post_id: str, emoji_name: str) -> None:
    """Give the reaction; it is the first of the emoji used last from now on."""
    recent = [Preference(person.id, "recent_emojis", person.id, f'[{{"name":"{emoji_name}","usageCount":1}}]')]

    def give() -> None:
        with forget_if_deleted(partial(person.store.forget_post, post_id)):
            person.api.react(person.id, post_id, emoji_name)

    person.together([partial(person.api.set_preferences, person.id, recent), give])
    person.store.reactions[post_id, emoji_name] = None


def edit_post(person: Person) -> None:
    """Edit one of the user's own posts, while the server still allows it."""
    can = person.context.capabilities
    oldest = 0 if can.edit_limit_seconds < 0 else person.now_ms() - can.edit_limit_seconds * 1000
    post = _own_post(person, oldest)
    message = text.message(person.rng, person.context.settings.simul.avg_words_per_reply)[: can.longest_message]
    person.together(drafts.appeared(person))
    show_typing(person, post.channel_id, post.root_id)
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.patch_post(post, message)
    # The box of the message and that of the channel both say that nothing is left in them.
    person.together([partial(drafts.forget, person, post.channel_id)] * 2)


def delete_post(person: Person) -> None:
    """Delete one of the user's own posts."""
    post = _own_post(person)
    person.store.forget_post(post.id)
    person.api.delete_post(post.id)


def create_post_reminder(person: Person) -> None:
    """Set a reminder for a post, in ten minutes."""
    post = person.pick(person.store.written_posts(), "no post to set a reminder for")
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.remind(person.id, post.id, person.now_ms() // 1000 + REMINDER_SECONDS)


def remove_reaction(person: Person) -> None:
    """Remove one of the user's own reactions."""
    key = person.pick(list(person.store.reactions), "no reaction of this user")
    del person.store.reactions[key]
    with forget_if_deleted(partial(person.store.forget_post, key[0])):
        person.api.unreact(person.id, *key)


def _own_post(person: Person, oldest_ms: int = 0) -> Post:
    """One of this user's posts on the screen that was written since then (milliseconds since 1970)."""
    written = person.store.written_posts()
    own = [post for post in written if post.user_id == person.id and post.create_at >= oldest_ms]
    return person.pick(own, "no post of this user in this channel")


# A begun reply stays behind when its thread is closed, a begun message when another channel is opened.
REPLY_DRAFT_SHARE = 0.1


def upsert_draft(person: Person) -> None:
    """Start writing a message or a reply, and leave it unsent."""
    channel_id = person.current_channel_id()
    root_id = _thread_to_answer(person) if person.rng.random() < REPLY_DRAFT_SHARE else ""
    if root_id:
        with open_thread(person, channel_id, root_id):
            write(person, channel_id, root_id)
    else:
        write(person, channel_id)
        switch_channel(person)


def delete_draft(person: Person) -> None:
    """Delete a draft in the list of drafts; without drafts, start writing a message and clear the box again."""
    kept = list(person.store.drafts)
    if kept:
        drafts.forget(person, *person.rng.choice(kept))
        return
    channel_id = person.current_channel_id()
    write(person, channel_id)
    drafts.typed(person, channel_id)
    drafts.forget(person, channel_id)


def get_drafts(person: Person) -> None:
    """Open the list of drafts."""
    for draft in person.api.drafts(person.store.current_team_id):
        draft.message = ""
        person.store.drafts[draft.channel_id, draft.root_id] = draft


def mark_unread(person: Person) -> None:
    """Mark the channel as unread from a post on."""
    post = person.pick(person.store.written_posts(), "no post to mark as unread")
    with forget_if_deleted(partial(person.store.forget_post, post.id)):
        person.api.set_unread(person.id, post.id, person.store.collapsed_threads)
