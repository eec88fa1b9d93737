"""Threads of people who see them collapsed: the list of followed threads, reading, following."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mmload.behaviours import drafts
from mmload.behaviours.channel_view import fetch_faces, read_posts, view_channel
from mmload.behaviours.person import NothingToDo, Person, forget_if_deleted
from mmload.errors import MmloadError
from mmload.models import Channel, Thread

MOST_PAGES_SCROLLED = 3
# A thread longer than this is not read to its end in one go.
MOST_THREAD_PAGES = 20


def view_global_threads(person: Person) -> None:
    """Open the list of followed threads, scroll it, open a thread, open the unread tab, and return to the channel."""
    _require_collapsed(person)
    store = person.store
    here, store.current_channel_id = store.channels.get(store.current_channel_id), ""
    try:
        _look_through_threads(person)
    except MmloadError:
        store.current_channel_id = here.id if here is not None else ""
        raise
    if here is not None:
        _return_to_channel(person, here)


def _return_to_channel(person: Person, channel: Channel) -> None:
    """The channel comes back on the screen, its box with it; what is new in it is asked for at once, and once more."""
    store = person.store
    new = partial(person.api.posts_since, channel.id, store.viewed_at.get(channel.id, 0), store.collapsed_threads)
    view_channel(person, channel, *([new] if channel.id in store.viewed_at else []), *drafts.appeared(person))


def _look_through_threads(person: Person) -> None:
    listed: list[str] = []
    person.together(
        [
            partial(person.api.thread_totals, person.id, person.store.current_team_id),
            lambda: listed.extend(_fetch_threads(person)),
        ]
    )
    # Only ids are held while somebody pauses: a page is large.
    if listed:
        thread = person.store.threads.get(person.rng.choice(listed))
        if thread is not None:
            read_thread(person, thread, in_list=True)
    last = listed[-1] if listed else ""
    _scroll_threads(person, last, unread=False)
    _scroll_threads(person, last, unread=True)


def _scroll_threads(person: Person, last: str, *, unread: bool) -> None:
    for _ in range(person.rng.randint(1, MOST_PAGES_SCROLLED)):
        page = _fetch_threads(person, unread=unread, before=last)
        if not page:
            return
        last = page[-1]
        person.pause(1, 10)


def view_thread(person: Person) -> None:
    """Open a thread in the right-hand sidebar and read all of its pages."""
    read_thread(person, _some_thread(person))


def read_thread(person: Person, thread: Thread, *, in_list: bool = False) -> None:
    """Open a thread, beside the channel or in the list of threads; read it; close it again."""
    channel_id = thread.post.channel_id if thread.post else person.store.current_channel_id
    with open_thread(person, channel_id, thread.id, in_list=in_list):
        if thread.unread_replies:
            mark_thread_read(person, thread.id)
            thread.unread_replies = 0
        person.pause(2, 10)


@contextmanager
def open_thread(person: Person, channel_id: str, root_id: str, *, in_list: bool = False) -> Iterator[None]:
    """A thread on the screen: the server is told which channel's it is, and that it is closed at the end."""
    with forget_if_deleted(partial(person.store.forget_post, root_id)):
        _fetch_pages(person, root_id)
    person.together(drafts.appeared(person))
    scope = person.context.capabilities.web_socket_event_scope
    if scope:
        person.tell("presence", {"thread_channel_id": channel_id, "is_thread_view": in_list})
    person.store.open_thread_id = root_id
    try:
        yield
    finally:
        person.store.open_thread_id = ""
        if scope:
            person.tell("presence", {"thread_channel_id": "", "is_thread_view": in_list})
    person.together(drafts.left(person, channel_id, root_id))


def _fetch_pages(person: Person, root_id: str) -> None:
    listed = person.api.thread(root_id, person.store.collapsed_threads)
    for _ in range(MOST_THREAD_PAGES):
        posts = listed.listed()
        read_posts(person, posts)
        if not listed.has_next or not posts:
            return
        last = max(posts, key=lambda post: post.create_at)
        listed = person.api.thread(
            root_id, person.store.collapsed_threads, from_post=last.id, from_create_at=last.create_at
        )


def mark_thread_read(person: Person, root_id: str) -> None:
    """Say that the thread on the screen is read until now, if this person sees threads collapsed."""
    if person.store.collapsed_threads:
        team_id = person.store.current_team_id
        with forget_if_deleted(partial(person.store.forget_post, root_id)):
            person.api.read_thread(person.id, team_id, root_id, person.now_ms())


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
    for thread in person.store.threads.values():
        thread.unread_replies = 0
    _fetch_threads(person, unread=True)


def _require_collapsed(person: Person) -> None:
    if not person.store.collapsed_threads:
        raise NothingToDo("collapsed reply threads are off for this user")


def _fetch_threads(person: Person, *, unread: bool = False, before: str = "") -> list[str]:
    """A page of followed threads: their ids."""
    page = person.api.threads(person.id, person.store.current_team_id, unread=unread, before=before)
    person.store.listed_threads = True
    authors = dict.fromkeys(thread.post.user_id for thread in page if thread.post is not None)
    for thread in page:
        if thread.post is not None:
            thread.post = person.store.shared_objects.post(thread.post)
        person.store.threads[thread.id] = thread
    fetch_faces(person, authors)
    return [thread.id for thread in page]


def _some_thread(person: Person) -> Thread:
    """A thread we follow; the list is fetched if we know none, once."""
    _require_collapsed(person)
    if not person.store.threads and not person.store.listed_threads:
        _fetch_threads(person)
    return person.pick(list(person.store.threads.values()), "no followed thread")
