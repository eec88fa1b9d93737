"""The client itself: its connection, its page, its session."""

from __future__ import annotations

from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.login import close_socket, log_in, log_out, open_socket
from mmload.behaviours.page_load import fetch_site, load_page, load_team_channels, open_some_team
from mmload.behaviours.person import NothingToDo, Person
from mmload.errors import Refused


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
    """Open a permalink: the post's channel is opened, and joined if necessary."""
    store, api = person.store, person.api
    post_id = person.pick(list(store.permalinks), "no permalink was seen")
    try:
        linked = (api.thread(post_id, per_page=25).posts or {}).get(post_id)
    except Refused as gone:
        # Deleted since, or in a channel that is not for us: the client says so and forgets it.
        store.forget_post(post_id)
        raise NothingToDo("the linked post is deleted, or in a channel that this user cannot see") from gone
    if linked is None:
        store.forget_post(post_id)
        raise NothingToDo("the linked post is deleted")
    channel = store.channels.get(linked.channel_id) or api.channel(linked.channel_id)
    if channel.id not in store.members:
        api.add_channel_member(channel.id, person.id)
    store.remember_channels([channel], member=True)
    if channel.team_id:
        load_team_channels(person, channel.team_id, include_deleted=False)
    view_channel(person, channel)
