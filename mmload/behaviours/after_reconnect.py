"""What a page asks for when its WebSocket is back: all that it may have missed.

Beside the person's actions, as in a browser, over the same six connections: at once when the socket is open again, and
once more when the server then says that it is a new connection and events are lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mmload.behaviours.channel_view import Request, people_on_screen
from mmload.behaviours.page_load import load_categories
from mmload.behaviours.person import Person, carry_out, unless_refused
from mmload.behaviours.prefetching import PREFETCHED_AT_ONCE, fetch_new, take_in, to_prefetch, unread_here
from mmload.models import Channel, ChannelMember

CATCH_UP = "CatchUp"


def say_where(person: Person) -> None:
    """Tell the server what is on the screen; of a connection that is back it knows nothing. Never waits."""
    if person.store.current_team_id and person.context.capabilities.web_socket_event_scope:
        person.tell("presence", {"channel_id": person.store.current_channel_id})
        person.tell("presence", {"team_id": person.store.current_team_id})


def catch_up(person: Person, lost_at_ms: int, *, renewed: bool = False) -> None:
    """Ask for what may have been missed since the socket was lost. A failure is counted under its name, once."""
    person.catch_ups += 1
    carry_out(person, CATCH_UP, partial(_ask, person, lost_at_ms, renewed))


def _ask(person: Person, lost_at_ms: int, renewed: bool) -> None:
    turn = person.catch_ups
    channels: list[Channel] = []
    members: list[ChannelMember] = []
    requests = [*_requests(person, lost_at_ms, channels, members)]
    if renewed:
        requests.append(person.api.client_config)
    before = set(person.store.members)
    person.together(partial(unless_refused, request) for request in requests)
    if renewed:
        # That we were taken out of a channel may be among what was lost.
        for channel_id in before.difference(channel.id for channel in channels):
            person.store.forget_channel(channel_id)
    if person.catch_ups > turn:
        # The socket was renewed, or lost and back once more: what is left to do is left to that.
        return
    store = person.store
    take_in(store, channels, members)
    store.unread.pop(store.current_channel_id, None)
    others = to_prefetch(unread_here(person))
    for channel_id in others:
        store.prefetched.add(channel_id)
    person.together((partial(fetch_new, person, channel_id) for channel_id in others), PREFETCHED_AT_ONCE)
    if person.context.capabilities.user_statuses:
        person.api.statuses(people_on_screen(person))


def _requests(
    person: Person, lost_at_ms: int, channels: list[Channel], members: list[ChannelMember]
) -> Iterator[Request]:
    """All that is asked for at once, in the application's order; channels and memberships are put into the lists."""
    api, store, can = person.api, person.store, person.context.capabilities
    if store.current_team_id:
        yield partial(_load_channels, person, channels)
        yield from _of_team(person, store.current_team_id, members)
    if can.plugins:
        yield api.webapp_plugins
    if can.profile_attributes_route:
        yield api.custom_profile_fields
    if known := list(store.users):
        yield lambda: store.remember_users(api.users_by_ids(known, since=lost_at_ms))


def _of_team(person: Person, team_id: str, members: list[ChannelMember]) -> Iterator[Request]:
    api, store, can = person.api, person.store, person.context.capabilities
    if can.scheduled_posts_route:
        yield partial(api.scheduled_posts, team_id)
    if can.member_stream:
        yield lambda: members.extend(api.all_own_channel_members(person.id))
    yield partial(load_categories, person, team_id)
    if store.current_channel_id:
        yield partial(fetch_new, person, store.current_channel_id)
    yield partial(api.teams_unread, person.id, store.collapsed_threads)
    if store.collapsed_threads and store.threads:
        newest = max(thread.last_reply_at for thread in store.threads.values())
        yield partial(api.threads_since, person.id, team_id, newest)


def _load_channels(person: Person, channels: list[Channel]) -> None:
    channels.extend(person.api.all_own_channels())
    person.store.remember_channels(channels, member=True)
