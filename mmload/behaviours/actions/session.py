"""The client itself: its connection, its page, its session."""

from __future__ import annotations

from functools import partial

from mmload.behaviours import drafts
from mmload.behaviours.actions.channels import become_member
from mmload.behaviours.channel_view import read_posts
from mmload.behaviours.login import close_socket, log_in, log_out, start_application
from mmload.behaviours.page_load import LOG_IN_AGAIN, OPEN, RELOAD, ask
from mmload.behaviours.person import NothingToDo, Person
from mmload.behaviours.site import open_page
from mmload.client.api.calls import ME
from mmload.errors import NotAvailable, Refused
from mmload.models import Channel, Post, Preference

# Of those who load the application anew: who opens it, in another tab or after closing it, and does not press reload.
OPENED_SHARE = 0.5


def reconnect_web_socket(person: Person) -> None:
    """Lose the network for a moment; the client catches up when its WebSocket is back (`CatchUp`)."""
    if person.socket is None or not person.socket.connected:
        raise NothingToDo("the WebSocket is not connected")
    person.socket.drop()


def reload(person: Person) -> None:
    """Reload the application, or close and open it again: a new WebSocket, static files from the browser's cache."""
    if person.rng.random() < OPENED_SHARE:
        close_and_open(person)
    else:
        press_reload(person)


def close_and_open(person: Person) -> None:
    """Leave the page, and open the application at its root."""
    _unload(person, cached=True)
    open_page(person)
    start_application(person, OPEN)


def press_reload(person: Person, *, cold: bool = False) -> None:
    """Load the page anew at the channel on the screen; `cold`: with an empty cache."""
    store, path = person.store, _address(person)
    channel_id = store.current_channel_id
    leaving = [partial(_keep_view_time, person, channel_id)] if channel_id else []
    if channel_id and person.context.capabilities.synced_drafts:
        leaving.append(partial(person.api.delete_draft, channel_id, ""))
    _unload(person, cached=not cold)
    ask(person, partial(open_page, person, path, cold=cold), *leaving)
    person.cold = cold
    start_application(person, RELOAD)


def full_reload(person: Person) -> None:
    """Reload the application with an empty cache: static files and pictures are fetched again."""
    press_reload(person, cold=True)


def _unload(person: Person, *, cached: bool) -> None:
    close_socket(person)
    person.store.clear(cached=cached)


def _address(person: Person) -> str:
    """The page's address: of the team and channel on the screen, else the root."""
    team = person.store.teams.get(person.store.current_team_id)
    channel = person.store.channels.get(person.store.current_channel_id)
    return f"/{team.name}/channels/{channel.name}" if team and channel else "/"


def _keep_view_time(person: Person, channel_id: str) -> None:
    """What the application stores of the channel that it leaves."""
    seen = Preference(person.id, "channel_approximate_view_time", channel_id, str(person.now_ms()))
    person.api.set_preferences(person.id, [seen])


def logout_login(person: Person) -> None:
    """Log out and log in again. The login waits in the login queue like any other."""
    log_out(person)
    log_in(person)
    start_application(person, LOG_IN_AGAIN)


def click_permalink(person: Person) -> None:
    """Open a permalink: the channel opens at that post, and is joined first if necessary."""
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
    store.turn_to(channel.id, person.now_ms())
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
