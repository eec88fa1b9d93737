"""Reading posts: pages, around the first unread post, since a moment, threads collapsed or not, and search. Pure."""

from __future__ import annotations

import datetime
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter

from mmload.sandbox import posting, shapes
from mmload.sandbox.state import Document, StoredChannel, StoredPost, StoredUser
from mmload.sandbox.world import World

MAX_POSTS_SINCE = 1000


def _document(world: World, post: StoredPost, reader: StoredUser, *, collapsed: bool) -> Document:
    """A post in a list. Only with collapsed threads does a root carry its reply count."""
    document = posting.post_document(world, post, reply_count=0)
    if not collapsed or post.root_id:
        return document
    if post.replies:
        document |= {
            "reply_count": len(post.replies),
            "last_reply_at": post.last_reply_at,
            "participants": posting.participants(world, post, auth_data=False),
        }
        thread = post.followers.get(reader.id)
        if thread is not None:
            document["is_following"] = thread.following
    return document


def _list(
    world: World, posts: Iterable[StoredPost], reader: StoredUser, *, collapsed: bool, extra: Iterable[StoredPost] = ()
) -> Document:
    """`posts` in order; `extra` are sent along (roots of replies), but are not in the order."""
    shown = list(posts)
    documents = {post.id: _document(world, post, reader, collapsed=collapsed) for post in (*shown, *extra)}
    return shapes.post_list([post.id for post in shown], documents, world.modern)


def _shown(posts: Iterable[StoredPost], *, collapsed: bool) -> Iterator[StoredPost]:
    """Those that stand in a list: not the deleted ones, and with threads collapsed not the replies."""
    return (post for post in posts if not post.delete_at and not (collapsed and post.root_id))


def _older(channel: StoredChannel, place: int) -> Iterator[StoredPost]:
    """The posts below a place, newest first."""
    return (channel.posts[number] for number in range(place - 1, -1, -1))


def _newer(channel: StoredChannel, place: int) -> Iterator[StoredPost]:
    """The posts from a place on, oldest first."""
    return (channel.posts[number] for number in range(place, len(channel.posts)))


def _split(posts: Iterator[StoredPost], skip: int, size: int) -> tuple[list[StoredPost], str, str]:
    """A page of a walk: `size` posts after `skip`, and the ids of the one before the page and the one behind it."""
    window = list(islice(posts, max(0, skip - 1), skip + size + 1))
    before = window.pop(0).id if skip and window else ""
    behind = window[size].id if len(window) > size else ""
    return window[:size], before, behind


def _roots(world: World, posts: list[StoredPost]) -> list[StoredPost]:
    """The threads that replies in a list belong to, which clients get along with them."""
    listed = {post.id for post in posts}
    found: dict[str, StoredPost] = {}
    for post in posts:
        root = world.state.posts.get(post.root_id)
        if root is not None and root.id not in listed and not root.delete_at:
            found[root.id] = root
    return list(found.values())


def page(
    world: World, channel: StoredChannel, reader: StoredUser, number: int, size: int, *, collapsed: bool
) -> Document:
    """A page, newest first."""
    walk = _shown(_older(channel, len(channel.posts)), collapsed=collapsed)
    shown, newer, older = _split(walk, number * size, size)
    document = _list(world, shown, reader, collapsed=collapsed, extra=() if collapsed else _roots(world, shown))
    return document | {"next_post_id": newer, "prev_post_id": older}


def since(world: World, channel: StoredChannel, reader: StoredUser, moment: int, *, collapsed: bool) -> Document:
    """What was written or changed after the moment, the deleted ones too: how a client catches up."""
    first = bisect_right(channel.changes, moment, key=lambda change: change[0])
    found = {post.id: post for _, post in islice(channel.changes, first, None) if not (collapsed and post.root_id)}
    changed = sorted(found.values(), key=lambda post: post.create_at, reverse=True)[:MAX_POSTS_SINCE]
    return _list(world, changed, reader, collapsed=collapsed, extra=() if collapsed else _roots(world, changed))


def beside(
    world: World,
    channel: StoredChannel,
    reader: StoredUser,
    anchor: StoredPost,
    number: int,
    size: int,
    *,
    before: bool,
    collapsed: bool,
) -> Document:
    """A page of the posts before or after one of them."""
    created = attrgetter("create_at")
    if before:
        place = bisect_left(channel.posts, anchor.create_at, key=created)
        walk = _shown(_older(channel, place), collapsed=collapsed)
        shown, newer, older = _split(walk, number * size, size)
        newer = newer or anchor.id
    else:
        place = bisect_right(channel.posts, anchor.create_at, key=created)
        walk = _shown(_newer(channel, place), collapsed=collapsed)
        shown, older, newer = _split(walk, number * size, size)
        older = older or anchor.id
        shown.reverse()
    document = _list(world, shown, reader, collapsed=collapsed)
    return document | {"next_post_id": newer, "prev_post_id": older}


def around_unread(
    world: World, channel: StoredChannel, reader: StoredUser, before: int, after: int, *, collapsed: bool
) -> Document:
    """The last read posts and the first unread ones; the newest, as if they were read, of a channel never viewed."""
    viewed_at = channel.members[reader.id].last_viewed_at
    place = bisect_right(channel.posts, viewed_at, key=attrgetter("create_at")) if viewed_at else len(channel.posts)
    read, _, older = _split(_shown(_older(channel, place), collapsed=collapsed), 0, before)
    unread, _, newer = _split(_shown(_newer(channel, place), collapsed=collapsed), 0, after)
    document = _list(world, [*reversed(unread), *read], reader, collapsed=collapsed)
    return document | {"next_post_id": newer, "prev_post_id": older}


def thread(
    world: World,
    root: StoredPost,
    reader: StoredUser,
    size: int,
    *,
    collapsed: bool,
    from_create_at: int = 0,
    updated_after: int = 0,
) -> Document:
    """A thread, its root first; `size` 0: all of it."""
    replies = [reply for reply in root.replies if reply.create_at > from_create_at and reply.update_at > updated_after]
    shown = replies[:size] if size else replies
    document = _list(world, (root, *shown), reader, collapsed=collapsed)
    root_document = document["posts"][root.id]
    root_document["reply_count"] = len(root.replies)
    follower = root.followers.get(reader.id)
    if collapsed:
        root_document["is_following"] = follower is not None and follower.following
        root_document["last_reply_at"] = root.last_reply_at
        root_document["participants"] = posting.participants(world, root, auth_data=False)
    return document | {"has_next": len(shown) < len(replies)}


def threads_of(world: World, user: StoredUser, team_id: str, *, unread_only: bool) -> list[tuple[StoredPost, Document]]:
    """The threads a user follows in a team (and in direct and group channels), latest reply first."""
    found = []
    for root_id, member in user.threads.items():
        root = world.state.posts[root_id]
        if not member.following or root.delete_at or not root.replies:
            continue
        if unread_only and not member.unread_replies:
            continue
        channel = world.state.channels[root.channel_id]
        if channel.team_id in ("", team_id) and channel.id in user.channels:
            found.append(root)
    found.sort(key=lambda root: root.last_reply_at, reverse=True)
    return [(root, posting.thread_document(world, root, user.threads[root.id])) for root in found]


def thread_totals(world: World, user: StoredUser, team_id: str) -> Document:
    followed = [user.threads[root.id] for root, _ in threads_of(world, user, team_id, unread_only=False)]
    totals: Document = {
        "total": len(followed),
        "total_unread_threads": sum(1 for thread in followed if thread.unread_replies),
        "total_unread_mentions": sum(thread.unread_mentions for thread in followed),
    }
    if world.modern:
        totals["total_unread_urgent_mentions"] = 0
    return totals


MAX_SEARCH_RESULTS = 100
# How far back a search looks in one channel: bounds its cost in a long run.
MAX_SCANNED = 5000
_PART = re.compile(r'(-?)(?:(from|in|on|before|after):)?("[^"]*"|\S+)')


@dataclass(slots=True)
class SearchTerms:
    """A search as typed: `hello -no "a phrase" from:name in:channel before:2026-01-31`."""

    words: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    authors: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    dates: list[tuple[str, int, int]] = field(default_factory=list)


def parse_search(text: str) -> SearchTerms:
    terms = SearchTerms()
    for match in _PART.finditer(text):
        minus, filter_name, raw = match.groups()
        word = raw.strip('"').lower()
        if filter_name == "from":
            terms.authors.add(word.lstrip("@"))
        elif filter_name == "in":
            terms.channels.add(word.lstrip("~"))
        elif filter_name:
            _add_date(terms, filter_name, word)
        elif word:
            (terms.excluded if minus else terms.words).append(word)
    return terms


def _add_date(terms: SearchTerms, filter_name: str, word: str) -> None:
    try:
        day = datetime.datetime.strptime(word, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        return
    start = int(day.timestamp() * 1000)
    terms.dates.append((filter_name, start, start + 86_400_000))


def _in_time(terms: SearchTerms, moment: int) -> bool:
    tests: dict[str, Callable[[int, int], bool]] = {
        "on": lambda start, end: start <= moment < end,
        "before": lambda start, _end: moment < start,
        "after": lambda _start, end: moment >= end,
    }
    return all(tests[name](start, end) for name, start, end in terms.dates)


def find_posts(world: World, reader: StoredUser, text: str, team_id: str, *, any_word: bool) -> list[StoredPost]:
    """The newest posts of the reader's channels that match. `team_id` "": of all teams."""
    terms = parse_search(text)
    found: list[StoredPost] = []
    for channel_id in reader.channels:
        channel = world.state.channels[channel_id]
        if team_id and channel.team_id not in ("", team_id):
            continue
        if terms.channels and channel.name not in terms.channels:
            continue
        found += _in_channel(world, channel, terms, any_word=any_word)
    found.sort(key=lambda post: post.create_at, reverse=True)
    return found[:MAX_SEARCH_RESULTS]


def _in_channel(world: World, channel: StoredChannel, terms: SearchTerms, *, any_word: bool) -> list[StoredPost]:
    found = []
    combine = any if any_word else all
    for post in islice(reversed(channel.posts), MAX_SCANNED):
        if post.delete_at or post.type or not _in_time(terms, post.create_at):
            continue
        if terms.authors and world.state.users[post.user_id].username not in terms.authors:
            continue
        message = post.message.lower()
        if any(word in message for word in terms.excluded):
            continue
        if not terms.words or combine(word in message for word in terms.words):
            found.append(post)
    return found
