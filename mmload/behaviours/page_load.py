"""Loading the web application: what a client asks for when its page opens and when it turns to a team.

Nobody gets in without a team, its channels and the socket. Whatever else fails is counted as a failed request and gone
on from, as a browser does: asking for all of it again would load a server the more, the more it refuses.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

from mmload.behaviours.channel_view import look_up_statuses, look_up_users, view_channel
from mmload.behaviours.person import Person
from mmload.client.capabilities import threads_collapsed
from mmload.errors import RequestFailed
from mmload.models import Channel, ChannelMember, Team
from mmload.store import pick

MEMBERS_PER_PAGE = 200
# More pages of memberships than any person has: a server that never ends its list is not followed for ever.
MOST_MEMBER_PAGES = 50
DEFAULT_CHANNEL = "town-square"
_ASSET = re.compile(r"""<(?:link|script)\b[^>]*?\b(?:href|src)=["']?(/[^"'\s>]+)""")


# Around requests that the application can do without.
optional = suppress(RequestFailed)


def fetch_site(person: Person) -> None:
    """The page and its scripts and style sheets, as a browser with an empty cache does."""
    with optional:
        assets = dict.fromkeys(_ASSET.findall(person.api.site_page()))
        person.together(partial(person.api.site_asset, asset) for asset in assets)


def load_page(person: Person) -> None:
    """Everything the application asks for before it shows something, then the team and its channel."""
    api, store = person.api, person.store
    with optional:
        store.remember_users(api.users(0, 100))
    with optional:
        _load_preferences(person)
    _load_self(person)
    with optional:
        api.teams(per_page=50)
    store.remember_teams(api.own_teams(person.id))
    with optional:
        api.own_team_members(person.id)
    if not store.teams:
        # Who has no team sees the list of open ones first; only then are there channels (recorded: 404 before).
        join_team(person)
    elif store.current_team_id in store.teams:
        load_team_channels(person, store.current_team_id)
    with optional:
        _load_all_channels(person)
    with optional:
        api.teams_unread(person.id, False)
    _load_people(person)
    if store.current_channel_id:
        with optional:
            api.channel_stats(store.current_channel_id)
            api.channel_unread(person.id, store.current_channel_id)


def _load_people(person: Person) -> None:
    partners = person.store.shown_partners()
    with optional:
        look_up_users(person, partners)
    with optional:
        look_up_statuses(person, partners)
        if person.context.capabilities.user_statuses:
            person.api.status(person.id)


def _load_preferences(person: Person) -> None:
    store = person.store
    store.remember_preferences(person.api.preferences(person.id))
    for (category, channel_id), value in list(store.preferences.items()):
        if category == "group_channel_show" and value == "true":
            store.remember_users(person.api.users_in_channel(channel_id, 8))
    store.collapsed_threads = threads_collapsed(
        person.context.capabilities.collapsed_threads,
        store.preferences.get(("display_settings", "collapsed_reply_threads")),
    )


def _load_self(person: Person) -> None:
    api, me = person.api, person.store.me
    with optional:
        if "system_admin" in me.roles:
            api.server_config()
        else:
            api.client_config()
    with optional:
        person.store.me = me = api.me()
    with optional:
        api.roles(sorted({*me.roles.split(), "team_user", "channel_user"}))
    if person.context.capabilities.plugins:
        with optional:
            api.webapp_plugins()


def load_team_channels(person: Person, team_id: str, *, include_deleted: bool = True) -> None:
    """The user's channels in a team, and its memberships in them."""
    person.store.remember_channels(person.api.own_channels(person.id, team_id, include_deleted), member=True)
    with optional:
        person.api.own_channel_members(person.id, team_id)


def _load_all_channels(person: Person) -> None:
    person.store.remember_channels(person.api.all_own_channels(), member=True)
    _all_own_channel_members(person)


def _all_own_channel_members(person: Person) -> list[ChannelMember]:
    """The person's memberships in all teams: at once, or page by page from a server that cannot do that."""
    if person.context.capabilities.member_stream:
        return person.api.all_own_channel_members(person.id)
    members: list[ChannelMember] = []
    for page in range(MOST_MEMBER_PAGES):
        found = person.api.all_own_channel_members(person.id, page, MEMBERS_PER_PAGE)
        members += found
        if len(found) < MEMBERS_PER_PAGE:
            break
    return members


def load_team(person: Person, team_id: str) -> None:
    """What the application asks for when it turns to a team."""
    api, store = person.api, person.store
    with optional:
        api.teams_unread(person.id, store.collapsed_threads)
    if store.collapsed_threads:
        with optional:
            api.thread_totals(person.id, team_id)
    with optional:
        store.categories = api.categories(person.id, team_id)
    with optional:
        look_up_statuses(person, [person.id])
    if person.context.capabilities.scheduled_posts:
        with optional:
            api.scheduled_posts(team_id)


def open_team(person: Person, team: Team, looking: AbstractContextManager[object] | None = None) -> None:
    """Turn to a team and to a channel in it; `looking` is around what shows the channel."""
    began = person.clock()
    load_team(person, team.id)
    person.store.current_team_id = team.id
    if not person.store.team_channels():
        load_team_channels(person, team.id)
    if person.context.capabilities.web_socket_event_scope:
        person.tell("presence", {"team_id": team.id})
    channel = first_channel(person)
    with looking or nullcontext():
        view_channel(person, channel)
    person.measured.append(("team_switch", (person.clock() - began) * 1000, person.now_ms()))


def first_channel(person: Person) -> Channel:
    """The channel to look at first: where we were, else the team's default one, else any."""
    channels = person.store.team_channels()
    for channel in channels:
        if channel.id == person.store.current_channel_id:
            return channel
    for channel in channels:
        if channel.name == DEFAULT_CHANNEL:
            return channel
    chosen = pick(person.rng, channels)
    if chosen is None:
        raise RequestFailed("no channel in this team", route="OpenTeam")
    return chosen


def open_some_team(person: Person) -> None:
    """Turn to the team where we were, or to one of ours, and look at one of its channels."""
    store = person.store
    team = store.teams.get(store.current_team_id) or pick(person.rng, list(store.teams.values()))
    if team is None:
        raise RequestFailed("not a member of any team", route="OpenTeam")
    # The channel is on the screen even if its posts, or a picture in them, are not there.
    open_team(person, team, optional)


def join_team(person: Person) -> Team:
    """Join one of the open teams. `RequestFailed` when there is none."""
    teams = [team for team in person.api.teams() if team.allow_open_invite and not team.delete_at]
    with optional:
        person.store.remember_users(person.api.users(0, 100))
    team = pick(person.rng, [team for team in teams if team.id not in person.store.teams])
    if team is None:
        raise RequestFailed("there is no open team to join: run mmload init", route="JoinTeam")
    person.api.join_team(team.id, person.id)
    load_joined_team(person, team)
    return team


def load_joined_team(person: Person, team: Team) -> None:
    """Add a team that the user has just become a member of to the store, with its channels."""
    person.store.remember_teams([*person.store.teams.values(), team])
    load_team_channels(person, team.id)
