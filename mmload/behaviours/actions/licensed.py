"""What people do on a licensed server only: bookmarks, scheduled and urgent posts, profile attributes."""

from __future__ import annotations

from functools import partial

from mmload import text
from mmload.behaviours.composing import send_post, write
from mmload.behaviours.person import NothingToDo, Person, forget_if_deleted
from mmload.client.api.licensed import REPORT_PAGE
from mmload.models import Bookmark, ScheduledPost
from mmload.store import pick

BOOKMARK_NAMES = ("Documentation", "Runbook", "Dashboard", "Meeting notes")
EMOJI_SHARE = 0.1
SCHEDULED_REPLY_SHARE = 0.25
DAY_MS = 24 * 3600 * 1000


def add_channel_bookmark(person: Person) -> None:
    """Add a link as a bookmark of the channel."""
    channel_id = person.current_channel_id()
    bookmark = {
        "display_name": person.rng.choice(BOOKMARK_NAMES),
        "type": "link",
        "link_url": text.link(person.rng),
        **_perhaps_emoji(person),
    }
    made = person.api.create_bookmark(channel_id, bookmark)
    person.store.bookmarks[channel_id] = [*person.store.bookmarks.get(channel_id, []), made]


def update_channel_bookmark(person: Person) -> None:
    """Rename a bookmark of the channel."""
    channel_id, bookmark = _bookmark(person)
    changes = {"display_name": person.rng.choice(BOOKMARK_NAMES), **_perhaps_emoji(person)}
    with forget_if_deleted(partial(person.store.bookmarks[channel_id].remove, bookmark)):
        person.api.patch_bookmark(channel_id, bookmark.id, changes)


def update_channel_bookmark_sort_order(person: Person) -> None:
    """Change the position of a bookmark."""
    channel_id, bookmark = _bookmark(person)
    known = person.store.bookmarks[channel_id]
    if len(known) < 2:
        raise NothingToDo("fewer than two bookmarks")
    with forget_if_deleted(partial(known.remove, bookmark)):
        person.api.sort_bookmark(channel_id, bookmark.id, person.rng.randrange(len(known)))


def delete_channel_bookmark(person: Person) -> None:
    """Delete a bookmark."""
    channel_id, bookmark = _bookmark(person)
    person.store.bookmarks[channel_id].remove(bookmark)
    person.api.delete_bookmark(channel_id, bookmark.id)


def create_scheduled_post(person: Person) -> None:
    """Schedule a post for a later day."""
    channel_id = person.current_channel_id()
    root_id = ""
    if person.rng.random() < SCHEDULED_REPLY_SHARE and (post := pick(person.rng, person.store.written_posts())):
        root_id = post.root_id or post.id
    message = write(person, channel_id, root_id)
    made = person.api.schedule_post(person.id, channel_id, root_id, message, _some_days_ahead(person))
    person.store.scheduled[made.id] = made


def update_scheduled_post(person: Person) -> None:
    """Change a scheduled post."""
    post = _scheduled_post(person)
    message = text.message(person.rng, person.context.settings.simul.avg_words_per_post)
    with forget_if_deleted(partial(person.store.scheduled.pop, post.id)):
        person.store.scheduled[post.id] = person.api.reschedule_post(person.id, post, message, _some_days_ahead(person))


def delete_scheduled_post(person: Person) -> None:
    """Delete a scheduled post."""
    post = _scheduled_post(person)
    del person.store.scheduled[post.id]
    person.api.unschedule_post(post.id)


def send_scheduled_post(person: Person) -> None:
    """Send a scheduled post now: create the post and delete the scheduled one."""
    post = _scheduled_post(person)
    message = text.message(person.rng, person.context.settings.simul.avg_words_per_post)
    send_post(person, post.channel_id, message, post.root_id)
    del person.store.scheduled[post.id]
    person.api.unschedule_post(post.id)


def create_ack_post(person: Person) -> None:
    """Create an urgent post that requests acknowledgements."""
    message = text.message(person.rng, person.context.settings.simul.avg_words_per_post)
    person.api.create_priority_post(
        person.current_channel_id(), message, person.pending_post_id(), acknowledge=True, persistent=False
    )


def ack_to_post(person: Person) -> None:
    """Acknowledge an urgent post."""
    post_id = person.pick(list(person.store.urgent_posts), "no post requests an acknowledgement")
    del person.store.urgent_posts[post_id]
    with forget_if_deleted(partial(person.store.forget_post, post_id)):
        person.api.acknowledge(person.id, post_id)


def create_persistent_notification_post(person: Person) -> None:
    """Create an urgent post with persistent notifications for one user."""
    channel_id = person.current_channel_id()
    members = [member.user_id for member in person.api.channel_members(channel_id) if member.user_id != person.id]
    someone = person.store.users.get(pick(person.rng, members) or "")
    if someone is None:
        raise NothingToDo("no known user in this channel")
    message = f"@{someone.username} " + text.message(person.rng, person.context.settings.simul.avg_words_per_reply)
    person.api.create_priority_post(channel_id, message, person.pending_post_id(), acknowledge=False, persistent=True)


def update_custom_attribute(person: Person) -> None:
    """Change a custom attribute of the user's own profile."""
    field_id = person.pick(person.store.attribute_ids, "no profile attribute is defined")
    person.api.set_custom_profile_attributes({field_id: text.words(person.rng, 1)[0]})


def generate_user_report(person: Person) -> None:
    """As a system administrator, page through the report of all users."""
    if "system_admin" not in person.store.me.roles:
        raise NothingToDo("not a system administrator")
    last_name = last_id = ""
    while page := person.api.report_users(last_name, last_id):
        last_name, last_id = page[-1].username, page[-1].id
        if len(page) < REPORT_PAGE:
            return


def _bookmark(person: Person) -> tuple[str, Bookmark]:
    channel_id = person.current_channel_id()
    bookmark = person.pick(person.store.bookmarks.get(channel_id, []), "no bookmark in this channel")
    return channel_id, bookmark


def _scheduled_post(person: Person) -> ScheduledPost:
    return person.pick(list(person.store.scheduled.values()), "no scheduled post")


def _perhaps_emoji(person: Person) -> dict[str, str]:
    return {"emoji": f":{person.rng.choice(text.EMOJI)}:"} if person.rng.random() < EMOJI_SHARE else {}


def _some_days_ahead(person: Person) -> int:
    return person.now_ms() + person.rng.randrange(2 * DAY_MS, 12 * DAY_MS)
