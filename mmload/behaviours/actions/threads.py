"""Threads of people who see them collapsed: the list of followed threads, reading, following."""

from __future__ import annotations

from functools import partial

from mmload.behaviours.channel_view import read_posts
from mmload.behaviours.person import NothingToDo, Person, forget_if_deleted
from mmload.models import Thread

MOST_PAGES_SCROLLED = 3
# A thread longer than this is not read to its end in one go.
MOST_THREAD_PAGES = 20


def view_global_threads(person: Person) -> None:
    """Open the list of followed threads and scroll it, then its unread tab."""
    _require_collapsed(person)
    for unread in (False, True):
        _scroll_threads(person, unread)


def _scroll_threads(person: Person, unread: bool) -> None:
    last = _last_id(_fetch(person, unread=unread))
    for _ in range(person.rng.randint(1, MOST_PAGES_SCROLLED)):
        if not last:
            return
        person.pause(1, 10)
        last = _last_id(_fetch(person, unread=unread, before=last))


def _last_id(page: list[Thread]) -> str:
    """Where the next page begins, "" after an empty one. Only that is held while somebody pauses: a page is large."""
    return page[-1].id if page else ""


def view_thread(person: Person) -> None:
    """Open a followed thread and read all of its pages."""
    thread = _some_thread(person)
    scope = person.context.capabilities.web_socket_event_scope
    channel_id = thread.post.channel_id if thread.post else ""
    if scope:
        person.tell("presence", {"thread_channel_id": channel_id, "is_thread_view": True})
    with forget_if_deleted(partial(person.store.forget_post, thread.id)):
        listed = person.api.thread(thread.id)
    for _ in range(MOST_THREAD_PAGES):
        posts = listed.listed()
        read_posts(person, posts)
        if not listed.has_next or not posts:
            break
        last = max(posts, key=lambda post: post.create_at)
        listed = person.api.thread(thread.id, from_post=last.id, from_create_at=last.create_at)
    if scope:
        person.tell("presence", {"thread_channel_id": "", "is_thread_view": True})


def update_thread_read(person: Person) -> None:
    """Mark a thread as read up to its last reply."""
    thread = _some_thread(person)
    team_id = person.store.current_team_id
    with forget_if_deleted(partial(person.store.forget_post, thread.id)):
        read = person.api.read_thread(person.id, team_id, thread.id, thread.last_reply_at or person.now_ms())
    thread.unread_replies = read.unread_replies


def follow_thread(person: Person) -> None:
    """Follow the thread of a post on the screen."""
    _require_collapsed(person)
    written = person.store.written_posts()
    in_threads = [post for post in written if post.root_id or post.reply_count]
    post = person.pick(in_threads or written, "no thread to follow")
    root_id = post.root_id or post.id
    with forget_if_deleted(partial(person.store.forget_post, root_id)):
        person.api.follow_thread(person.id, person.store.current_team_id, root_id)


def unfollow_thread(person: Person) -> None:
    """Stop following a thread."""
    thread = _some_thread(person)
    with forget_if_deleted(partial(person.store.forget_post, thread.id)):
        person.api.unfollow_thread(person.id, person.store.current_team_id, thread.id)
    person.store.threads.pop(thread.id, None)


def mark_all_threads_in_team_as_read(person: Person) -> None:
    """Mark all threads of the team as read."""
    _require_collapsed(person)
    person.api.read_all_threads(person.id, person.store.current_team_id)


def _require_collapsed(person: Person) -> None:
    if not person.store.collapsed_threads:
        raise NothingToDo("collapsed reply threads are off for this user")


def _fetch(person: Person, *, unread: bool = False, before: str = "") -> list[Thread]:
    page = person.api.threads(person.id, person.store.current_team_id, unread=unread, before=before)
    for thread in page:
        if thread.post is not None:
            thread.post = person.store.shared_objects.post(thread.post)
        person.store.threads[thread.id] = thread
    return page


def _some_thread(person: Person) -> Thread:
    """A thread we follow; the list is fetched if we know none."""
    _require_collapsed(person)
    return person.pick(list(person.store.threads.values()) or _fetch(person), "no followed thread")
