"""Looking at channels: what the web application asks for when a channel is opened, and around every list of posts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from mmload.behaviours import drafts, pictures
from mmload.behaviours.person import Person, unless_refused
from mmload.client.api.channels import FILLING_PAGE
from mmload.errors import NoAnswer, RateLimited, ServerFault
from mmload.models import DIRECT, Channel, Post, PostList, Preference

_MENTION = re.compile(r"@([a-z0-9][a-z0-9._-]*)")
_SPECIAL_MENTIONS = frozenset({"all", "channel", "here"})
POSTS_ON_SCREEN = 60
# So many messages fill the window of a laptop (768 pixels).
FILLING = 10

Request = Callable[[], object]


def view_channel(person: Person, channel: Channel, *beside: Request) -> None:
    """Open a channel: say so over the socket, fetch what is new, then tell the server that it is read.

    `beside`: what is asked in the same moment.
    """
    began = person.clock()
    if channel.id != person.store.current_channel_id:
        tell_channel(person, channel.id)
    show_channel(person, channel, beside)
    person.measured.append(("channel_switch", (person.clock() - began) * 1000, person.now_ms()))


def tell_channel(person: Person, channel_id: str) -> None:
    """Tell the server over the socket which channel is on the screen, where it wants to know."""
    if person.context.capabilities.web_socket_event_scope:
        person.tell("presence", {"channel_id": channel_id})


def show_channel(
    person: Person, channel: Channel, beside: Iterable[Request] = (), then: Iterable[Request] = ()
) -> None:
    """Have a channel on the screen; `beside` is asked while it is loaded, `then` when its posts are shown.

    One whose posts this page has (it was open before, or they were prefetched) is shown at once: its threads and
    faces are asked for together with what has changed since. Any other is shown when its posts are there.
    """
    store = person.store
    opening: list[Request] = drafts.left(person, store.current_channel_id)
    if store.shows_past:
        # A message in a channel's past is shown without a box to write into.
        opening += drafts.appeared(person)
        store.shows_past = False
    store.turn_to(channel.id, person.now_ms())
    opening.append(partial(_count_members, person, channel.id))
    if channel.personal:
        opening.append(partial(show_in_sidebar, person, channel))
    loaded_at = store.viewed_at.get(channel.id)
    listed: list[PostList] = []
    if loaded_at is None:
        fetch = partial(person.api.posts_around_unread, person.id, channel.id, store.collapsed_threads)
        person.together([*opening, lambda: listed.append(fetch()), *beside])
    else:
        fetch = partial(person.api.posts_since, channel.id, loaded_at, store.collapsed_threads)
        person.together([*opening, *beside])
        shown = [*pictures.shown_again(person), *_waiting_to_be_shown(person, channel.id)]
        person.together([lambda: listed.append(fetch()), *shown])
    store.viewed_at[channel.id] = person.now_ms()
    posts = [post for each in listed for post in each.listed()]
    filled = loaded_at is not None or fills_window(post.type for post in posts)
    if loaded_at is None:
        note_beginning(person, channel.id, listed[0])
    older = [] if filled or not listed[0].prev_post_id else [partial(_fill, person, channel.id, posts[-1].id)] * 2
    read_posts(person, posts, partial(mark_read, person, channel.id), *older, *then)
    if not filled and not channel.personal and not store.user_count_known:
        # The channel's beginning is on the screen, and tells how many people could be invited.
        store.user_count_known = True
        person.api.user_count()


def fills_window(types: Iterable[str]) -> bool:
    """Whether posts of these types fill the window: who joined and left in a row is told in one line."""
    lines, told = 0, False
    for kind in types:
        by_system = kind.startswith("system_")
        lines += not (by_system and told)
        told = by_system
    return lines >= FILLING


def _fill(person: Person, channel_id: str, post_id: str) -> None:
    """Older posts, where those that came leave the window empty; the application asks for them twice."""
    older = person.api.posts_before(channel_id, post_id, person.store.collapsed_threads, FILLING_PAGE)
    note_beginning(person, channel_id, older)
    person.store.remember_posts(older.listed())


def note_beginning(person: Person, channel_id: str, listed: PostList) -> None:
    """Nothing was written in the channel before the posts of this list: nobody scrolls back from there."""
    if not listed.prev_post_id:
        person.store.beginnings.add(channel_id)


def _count_members(person: Person, channel_id: str) -> None:
    person.store.member_counts[channel_id] = person.api.channel_stats(channel_id).member_count


def mark_read(person: Person, channel_id: str) -> None:
    """Tell the server that this channel is on the screen, and so read; "": that none is."""
    person.store.unread.pop(channel_id, None)
    person.api.view_channel(channel_id, person.store.collapsed_threads)


def prefetch(person: Person, channel_id: str) -> None:
    """Fetch the posts of a channel that nobody looks at yet; threads, faces and pictures wait until it is opened."""
    store = person.store
    listed = person.api.posts_around_unread(person.id, channel_id, store.collapsed_threads)
    note_beginning(person, channel_id, listed)
    posts = listed.listed()
    store.viewed_at[channel_id] = person.now_ms()
    alive = [post for post in posts if not post.delete_at]
    threads = [post.id for post in alive if post.reply_count and post.is_following]
    authors = tuple(dict.fromkeys(post.user_id for post in alive))
    store.unshown[channel_id] = (tuple(threads), authors, tuple(pictures.noted(person, alive)))
    meet_people(person, alive)
    store.remember_posts(posts)


def _waiting_to_be_shown(person: Person, channel_id: str) -> list[Request]:
    """The threads, faces and pictures among the posts of a channel that were prefetched."""
    threads, authors, several = person.store.unshown.pop(channel_id, ((), (), ()))
    seen = pictures.thumbnails(person, several)
    return [*_thread_requests(person, threads), *_face_requests(person, authors), *seen]


def show_in_sidebar(person: Person, channel: Channel) -> None:
    """Opening a direct or group channel makes it visible."""
    opened = Preference(person.id, "channel_open_time", channel.id, str(person.now_ms()))
    preferences = [shown_by(person, channel), opened]
    person.api.set_preferences(person.id, preferences)
    person.store.remember_preferences(preferences)


def shown_by(person: Person, channel: Channel) -> Preference:
    """What makes a direct or group channel visible: under the partner's id or the channel's own."""
    if channel.type == DIRECT:
        return Preference(person.id, "direct_channel_show", person.store.direct_partner(channel), "true")
    return Preference(person.id, "group_channel_show", channel.id, "true")


def read_posts(person: Person, posts: list[Post], *also: Request) -> None:
    """Have posts on the screen: pictures, threads one follows, faces of their authors, people they mention.

    `also`: what is asked in the same moment.
    """
    alive = [post for post in posts if not post.delete_at]
    mentions = _unknown_mentions(person, alive)
    threads = [post.id for post in alive if post.reply_count and post.is_following]
    requests = [*pictures.shown(person, alive), *_thread_requests(person, threads)]
    person.together([*requests, *_face_requests(person, dict.fromkeys(post.user_id for post in alive)), *also])
    meet_people(person, alive)
    if mentions:
        person.store.remember_users(person.api.users_by_usernames(mentions))
    person.store.remember_posts(posts)


def _thread_requests(person: Person, root_ids: Iterable[str]) -> Iterator[Request]:
    """The full form of each thread that one follows: asked when its message is first shown, once per page load."""
    store = person.store
    if not store.collapsed_threads or not store.current_team_id:
        return
    for root_id in root_ids:
        if root_id not in store.loaded_threads:
            store.loaded_threads.add(root_id)
            fetch = partial(person.api.extended_thread, person.id, store.current_team_id)
            yield partial(unless_refused, fetch, root_id)


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


def meet_people(person: Person, posts: Iterable[Post]) -> None:
    """Note the authors of whom we don't know profile or status: looked up at the page's next look."""
    for post in posts:
        person.meet(post.user_id)


def people_on_screen(person: Person) -> list[str]:
    """Whose status is shown: oneself, the authors of the newest posts of the channel, the partners in the sidebar."""
    authors = [post.user_id for post in person.store.written_posts()[-POSTS_ON_SCREEN:]]
    return list(dict.fromkeys([person.id, *authors, *person.store.shown_partners()]))


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
    person.together(_face_requests(person, user_ids))


def _face_requests(person: Person, user_ids: Iterable[str]) -> list[Request]:
    """Requests of the faces not in this browser's cache; the time of the last change is part of their address.

    Of somebody whose profile is not there yet no address is known: their face comes with it.
    """
    store = person.store
    missing: list[Request] = []
    for user_id in user_ids:
        user = store.users.get(user_id)
        if user is not None and not store.has_picture((user.id, user.last_picture_update)):
            store.images.add((user.id, user.last_picture_update))
            missing.append(partial(_face, person, user.id, user.last_picture_update))
    return missing


def _face(person: Person, user_id: str, changed: int) -> None:
    try:
        person.api.profile_image(user_id, changed)
    except (NoAnswer, ServerFault, RateLimited):
        # Nothing is in the cache; a refusal (no such picture) is not asked for again.
        person.store.images.discard((user_id, changed))
        raise
