"""Looking at channels: what the web client asks for when a channel is opened, and around every list of posts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from mmload.behaviours.person import Person
from mmload.errors import NoAnswer, RateLimited, Refused, ServerFault
from mmload.models import DIRECT, Channel, Post, Preference

_MENTION = re.compile(r"@([a-z0-9][a-z0-9._-]*)")
_SPECIAL_MENTIONS = frozenset({"all", "channel", "here"})
_PICTURES = frozenset({"png", "jpg", "jpeg", "gif"})
# One opening of a channel in a hundred also opens its side panel, which counts the files.
SIDE_PANEL_SHARE = 0.01


def view_channel(person: Person, channel: Channel) -> None:
    """Open a channel: mark what was read before, fetch what is new, tell the server where we look."""
    began = person.clock()
    store, api = person.store, person.api
    previous = store.current_channel_id
    if previous:
        api.view_channel(person.id, previous, "", store.collapsed_threads)
    posts = fetch_posts(person, channel)
    store.current_channel_id = channel.id
    read_posts(person, posts)
    stats = api.channel_stats(channel.id, exclude_files_count=person.rng.random() >= SIDE_PANEL_SHARE)
    store.member_counts[channel.id] = stats.member_count
    if channel.personal:
        show_in_sidebar(person, channel)
    api.view_channel(person.id, channel.id, previous if previous != channel.id else "", store.collapsed_threads)
    store.viewed_at[channel.id] = person.now_ms()
    person.measured.append(("channel_switch", (person.clock() - began) * 1000, person.now_ms()))
    if person.context.capabilities.web_socket_event_scope:
        person.tell("presence", {"channel_id": channel.id})


def fetch_posts(person: Person, channel: Channel) -> list[Post]:
    """The first time the posts around the first unread one, afterwards what changed since the last look."""
    seen = person.store.viewed_at.get(channel.id)
    collapsed = person.store.collapsed_threads
    if seen is None:
        return person.api.posts_around_unread(person.id, channel.id, collapsed).listed()
    return person.api.posts_since(channel.id, seen, collapsed).listed()


def show_in_sidebar(person: Person, channel: Channel) -> None:
    """Opening a direct or group channel makes it visible, under the partner's id or the channel's own."""
    if channel.type == DIRECT:
        shown = ("direct_channel_show", person.store.direct_partner(channel))
    else:
        shown = ("group_channel_show", channel.id)
    preferences = [
        Preference(person.id, *shown, "true"),
        Preference(person.id, "channel_open_time", channel.id, str(person.now_ms())),
    ]
    person.api.set_preferences(person.id, preferences)
    person.store.remember_preferences(preferences)


def read_posts(person: Person, posts: list[Post]) -> None:
    """Have posts on the screen: pictures, their authors with status and face, people they mention."""
    alive = [post for post in posts if not post.delete_at]
    mentions = _unknown_mentions(person, alive)
    person.together(_picture_requests(person, alive))
    authors = dict.fromkeys(post.user_id for post in alive)
    look_up_statuses(person, [author for author in authors if author not in person.store.statuses])
    look_up_users(person, [author for author in authors if author not in person.store.users])
    fetch_faces(person, authors)
    if mentions:
        person.store.remember_users(person.api.users_by_usernames(mentions))
    person.store.remember_posts(posts)


def _picture_requests(person: Person, posts: Iterable[Post]) -> list[Callable[[], object]]:
    """Thumbnails, and previews where there are, of attached pictures."""
    requests: list[Callable[[], object]] = []
    for post in posts:
        for file in (post.metadata and post.metadata.files) or ():
            if file.extension in _PICTURES:
                requests.append(partial(_picture, person.api.thumbnail, file.id))
                if file.has_preview_image:
                    requests.append(partial(_picture, person.api.preview, file.id))
    return requests


def _picture(fetch: Callable[[str], object], file_id: str) -> None:
    """One that was deleted meanwhile stays blank; the others are shown all the same."""
    try:
        fetch(file_id)
    except Refused as refusal:
        if not refusal.expected:
            raise


def _unknown_mentions(person: Person, posts: Iterable[Post]) -> list[str]:
    """Names mentioned that we know nobody by: the first of each post, each once."""
    names: dict[str, None] = {}
    for post in posts:
        found = _MENTION.search(post.message)
        # A full stop may end a sentence as well as belong to a name; names do not end in one.
        if found and (name := found[1].rstrip(".-_")) not in _SPECIAL_MENTIONS:
            names[name] = None
    # Made only where somebody is mentioned: there may be hundreds.
    known = {user.username for user in person.store.users.values()} if names else ()
    return [name for name in names if name not in known]


def look_up_users(person: Person, user_ids: list[str]) -> None:
    if user_ids:
        person.store.remember_users(person.api.users_by_ids(user_ids))


def look_up_statuses(person: Person, user_ids: list[str]) -> None:
    if not user_ids or not person.context.capabilities.user_statuses:
        return
    # Somebody without a status (never logged in) counts as offline, and is not asked for again and again.
    for user_id in user_ids:
        person.store.statuses.add(user_id)
    person.api.statuses(user_ids)


def fetch_faces(person: Person, user_ids: Iterable[str]) -> None:
    """Profile pictures not in this browser's cache; the time of the last change is part of their address."""
    missing = []
    for user_id in user_ids:
        user = person.store.users.get(user_id)
        changed = user.last_picture_update if user else 0
        if (user_id, changed) not in person.store.images:
            person.store.images.add((user.id if user else user_id, changed))
            missing.append((user_id, changed))
    person.together(partial(_face, person, user_id, changed) for user_id, changed in missing)


def _face(person: Person, user_id: str, changed: int) -> None:
    try:
        person.api.profile_image(user_id, changed)
    except (NoAnswer, ServerFault, RateLimited):
        # Nothing is in the cache; a refusal (no such picture) is not asked for again.
        person.store.images.discard((user_id, changed))
        raise
