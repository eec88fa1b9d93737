"""The client itself: its connection, its page, its session."""

from __future__ import annotations

from functools import partial

from mmload.behaviours import drafts
from mmload.behaviours.actions.channels import become_member
from mmload.behaviours.channel_view import read_posts
from mmload.behaviours.login import close_socket, log_in, log_out, open_socket
from mmload.behaviours.page_load import fetch_site, load_page, open_some_team
from mmload.behaviours.person import NothingToDo, Person
from mmload.client.api.calls import ME
from mmload.errors import NotAvailable, Refused
from mmload.models import Channel, Post


def reconnect_web_socket(person: Person) -> None:
    """Lose the network for a moment; the client catches up when its WebSocket is back (`CatchUp`)."""
    if person.socket is None or not person.socket.connected:
        raise NothingToDo("the WebSocket is not connected")
    person.socket.drop()


def reload(person: Person) -> None:
    """Reload the application from the browser cache; the WebSocket stays connected."""
    load_page(person)
    open_some_team(person)


def full_reload(person: Person) -> None:
    """Reload the application without a cache: a new WebSocket, and everything is fetched again."""
    close_socket(person)
    person.store.clear()
    fetch_site(person)
    open_socket(person)
    reload(person)


def logout_login(person: Person) -> None:
    """Log out and log in again. The login waits in the login queue like any other."""
    log_out(person)
    log_in(person)
    open_socket(person)
    reload(person)


def click_permalink(person: Person) -> None:
    """Open a permalink: the post's channel is opened around it, and joined if necessary."""
    store, api = person.store, person.api
    post_id = person.pick(list(store.permalinks), "no permalink was seen")
    try:
        channel = _linked_channel(person, post_id)
        joins = channel.id not in store.members
        if joins:
            become_member(person, channel)
        api.thread(post_id, store.collapsed_threads)
        if joins:
            api.channel_member(channel.id, person.id)
    except Refused as gone:
        # Deleted since, or in a channel that is not for us: the client says so and forgets it.
        store.forget_post(post_id)
        raise NothingToDo("the linked post is deleted, or in a channel that this user cannot see") from gone
    _show_around(person, channel, post_id)


def _linked_channel(person: Person, post_id: str) -> Channel:
    """The channel of a linked message. An older server tells it with the message only."""
    api = person.api
    try:
        channel_id = api.post_info(post_id).channel_id
    except NotAvailable:
        linked = (api.thread(post_id, person.store.collapsed_threads).posts or {}).get(post_id)
        channel_id = linked.channel_id if linked is not None else ""
    if not channel_id:
        raise Refused("the linked post is deleted", route="ClickPermalink")
    return person.store.channels.get(channel_id) or api.channel(channel_id)


def _show_around(person: Person, channel: Channel, post_id: str) -> None:
    """The channel on the screen at a message in its past. It is not read by that: the server is told nothing."""
    store, api = person.store, person.api
    if channel.id != store.current_channel_id:
        person.together(drafts.left(person, store.current_channel_id))
    team_id = channel.team_id or store.current_team_id
    stats = partial(api.channel_stats, channel.id)
    person.together(
        [
            *drafts.appeared(person),
            lambda: store.remember_channels(api.own_channels(ME, team_id, False), member=True),
            partial(api.own_channel_members, ME, team_id),
            stats,
            stats,
        ]
    )
    store.current_channel_id = channel.id
    store.shows_past = True
    posts: list[Post] = []
    person.together(
        [
            lambda: posts.extend(api.posts_after(channel.id, post_id, store.collapsed_threads).listed()),
            partial(api.thread, post_id, store.collapsed_threads),
            lambda: posts.extend(api.posts_before(channel.id, post_id, store.collapsed_threads).listed()),
        ]
    )
    read_posts(person, posts)
