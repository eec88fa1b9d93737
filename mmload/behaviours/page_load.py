"""Starting the web application, and turning to a team: what it asks for, in the groups in which it does so.

Requests of a group are made together, up to six at a time. Nobody gets in without a team, its channels and the socket.
Whatever else fails is counted as a failed request and gone on from, as a browser does: asking for all of it again would
load a server the more, the more it refuses. So a group that failed is repeated with what must not fail, alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mmload.behaviours import drafts
from mmload.behaviours.channel_view import (
    Request,
    look_up_statuses,
    look_up_users,
    prefetch,
    show_channel,
    shown_by,
    tell_channel,
    view_channel,
)
from mmload.behaviours.person import Person, if_possible
from mmload.behaviours.prefetching import PREFETCHED_AT_ONCE, take_in, to_prefetch, unread_here
from mmload.behaviours.site import fetch_rest, optional
from mmload.client.api.calls import ME
from mmload.client.capabilities import threads_collapsed
from mmload.errors import RequestFailed
from mmload.models import DIRECT, GROUP, Channel, ChannelMember, Preference, Team
from mmload.store import pick

MEMBERS_PER_PAGE = 200
# More pages of memberships than any person has: a server that never ends its list is not followed for ever.
MOST_MEMBER_PAGES = 50
DEFAULT_CHANNEL = "town-square"
TEAM_ROLES, CHANNEL_ROLES = ["team_user"], ["channel_user"]


@dataclass(frozen=True, slots=True)
class Start:
    """How the application starts.

    `loads_page`: as a page of its own, not behind the log-in page that is there already. `at_channel`: at an address
    that names team and channel, else it has to find them. `returning`: in a browser that knows the person.
    """

    loads_page: bool
    at_channel: bool
    returning: bool


LOG_IN = Start(loads_page=False, at_channel=False, returning=False)
LOG_IN_AGAIN = Start(loads_page=False, at_channel=False, returning=True)
OPEN = Start(loads_page=True, at_channel=False, returning=True)
RELOAD = Start(loads_page=True, at_channel=True, returning=False)


def ask(person: Person, *requests: Request, essential: Request | None = None) -> None:
    """Make the requests of a group; only the failure of the essential one is raised, and it alone is repeated."""
    others = [] if person.repeats else [partial(if_possible, request) for request in requests]
    person.together([essential, *others] if essential is not None else others)
    if essential is not None:
        person.repeats = False


# -- the account -------------------------------------------------------------------------------------------


def load_account(person: Person, start: Start) -> None:
    """Who we are, our preferences and teams; the server's configuration, for a page of its own before them."""
    api, store = person.api, person.store
    own: list[Request] = [
        partial(_load_me, person),
        lambda: store.remember_preferences(api.preferences(ME)),
        partial(api.own_team_members, ME),
    ]

    def teams() -> None:
        store.remember_teams(api.own_teams(ME))

    if start.loads_page:
        ask(person, *_settings(person))
        ask(person, *own, essential=teams)
    else:
        roles = partial(api.roles, store.me.roles.split())
        ask(person, *_limits(person), *_settings(person), *own, roles, essential=teams)
    fetch_rest(person)
    preference = store.preferences.get(("display_settings", "collapsed_reply_threads"))
    store.collapsed_threads = threads_collapsed(person.context.capabilities.collapsed_threads, preference)


def load_settings(person: Person) -> None:
    """What the log-in page asks of the server: how it is set up, and which plugins it has."""
    config: dict[str, str] = {}
    license: dict[str, str] = {}
    api = person.api
    ask(person, lambda: config.update(api.client_config()), lambda: license.update(api.client_license()))
    if config:
        person.context.foresee(config, license)
    ask(person, *_plugins(person))


def _settings(person: Person) -> list[Request]:
    """The configuration and the licence; what they say of the server is learnt when both are there."""
    told: list[dict[str, str]] = [{}, {}]

    def learn(place: int, fetch: Callable[[], dict[str, str]]) -> None:
        told[place] = fetch()
        if all(told):
            person.context.learn(*told)

    return [partial(learn, 0, person.api.client_config), partial(learn, 1, person.api.client_license)]


def _load_me(person: Person) -> None:
    person.store.me = person.api.me()


def _limits(person: Person) -> list[Request]:
    return [person.api.server_limits] if person.context.capabilities.server_limits else []


def _plugins(person: Person) -> list[Request]:
    return [person.api.webapp_plugins] if person.context.capabilities.plugins else []


# -- the team ----------------------------------------------------------------------------------------------


def choose_team(person: Person) -> None:
    """The team where we were, else one of ours; who is in none joins one."""
    store = person.store
    if not store.teams:
        join_team(person)
    if store.current_team_id not in store.teams:
        store.current_team_id = person.rng.choice(list(store.teams))


def load_team(person: Person, start: Start) -> None:
    """Where we are: the unread state of the teams, and the team's channels unless the address names one."""
    api, store = person.api, person.store
    team_id = store.current_team_id
    group: list[Request] = [partial(api.roles, store.me.roles.split()), partial(api.roles, TEAM_ROLES)]
    group += [partial(api.teams_unread, ME, store.collapsed_threads), *_limits(person)]
    channels: Request | None = None
    if not start.at_channel:
        channels = partial(_load_channels, person, team_id)
        group.append(partial(api.own_channel_members, ME, team_id))
    ask(person, *group, *(_plugins(person) if start.loads_page else ()), essential=channels)
    frame: list[Request] = [] if start.at_channel else [partial(api.roles, CHANNEL_ROLES)]
    if start.returning and person.context.capabilities.scheduled_posts_route:
        frame.append(partial(api.scheduled_posts, team_id))
    ask(person, *frame, partial(_sidebar_face, person, person.id))


def _load_channels(person: Person, team_id: str) -> None:
    person.store.remember_channels(person.api.own_channels(ME, team_id, False), member=True)


def load_team_channels(person: Person, team_id: str) -> None:
    """The user's channels in a team, and its memberships in them."""
    members = partial(person.api.own_channel_members, ME, team_id)
    ask(person, members, essential=partial(_load_channels, person, team_id))


def _sidebar_face(person: Person, user_id: str) -> None:
    """The picture beside a name in the sidebar: another address than beside messages, and so another in the cache."""
    if not person.store.has_picture((user_id, -1)):
        person.store.images.add((user_id, -1))
        person.api.profile_image(user_id, None)


# -- the application ---------------------------------------------------------------------------------------


def open_application(person: Person, start: Start) -> None:
    """Everything around a channel, and the channel itself."""
    api, store, can = person.api, person.store, person.context.capabilities
    team_id = store.current_team_id
    person.repeats = False
    if not start.at_channel:
        tell_team(person, team_id)
    ask(person, *_limits(person), api.team_list)
    channels: list[Channel] = []
    members: list[ChannelMember] = []
    group: list[Request] = [
        api.trial_license,
        lambda: members.extend(all_own_channel_members(person)),
        lambda: channels.extend(api.all_own_channels()),
        partial(look_up_statuses, person, [person.id]),
        partial(load_categories, person, team_id),
    ]
    if can.custom_profile_attributes:
        group.append(partial(_load_attributes, person))
    ask(person, *group)
    store.remember_channels(channels, member=True)
    take_in(store, channels, members)
    channel = first_channel(person)
    if start.at_channel:
        tell_channel(person, channel.id)
    direct, groups = (_unread_outside_sidebar(person, kind) for kind in (DIRECT, GROUP))
    store.remember_preferences([*direct, *groups])
    beside: list[Request] = [*_around_a_team(person), partial(_bring_into_sidebar, person, direct)]
    beside += _sidebar(person, twice=not start.at_channel)
    if start.at_channel:
        beside.append(partial(if_possible, partial(api.roles, CHANNEL_ROLES)))
    beside += _prefetching(person, channel)
    with optional:
        show_channel(person, channel, beside, [partial(_bring_into_sidebar, person, groups)] if groups else ())


def all_own_channel_members(person: Person) -> list[ChannelMember]:
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


def load_categories(person: Person, team_id: str) -> None:
    person.store.categories = person.api.categories(person.id, team_id)


def _load_attributes(person: Person) -> None:
    fields = person.api.custom_profile_fields()
    person.store.attribute_ids = [field.id for field in fields if field.type == "text"]


def _around_a_team(person: Person, *, notices: bool = True) -> list[Request]:
    """What is loaded with every team; each request by itself may fail."""
    api, store, can = person.api, person.store, person.context.capabilities
    team_id = store.current_team_id
    requests: list[Request] = []
    if notices:
        requests.append(partial(api.notices, team_id, ".".join(map(str, can.version))))
    if store.collapsed_threads:
        requests.append(partial(api.thread_totals, person.id, team_id))
    if can.synced_drafts:
        requests.append(partial(api.drafts, team_id))
    requests.append(lambda: store.remember_users(api.users(0, 100)))
    return [*(partial(if_possible, request) for request in requests), *drafts.appeared(person)]


def _sidebar(person: Person, *, twice: bool) -> list[Request]:
    """The people in the sidebar; `twice`: those of direct channels are asked for again before the answer is there."""
    store = person.store
    requests: list[Request] = []
    partners = [user_id for user_id in store.shown_partners() if user_id != person.id]
    groups = [
        name for (kind, name), value in store.preferences.items() if (kind, value) == ("group_channel_show", "true")
    ]
    if partners:
        requests += [partial(look_up_users, person, partners)] * (2 if twice else 1)
    if groups:
        requests.append(partial(_meet_groups, person, groups))
    requests += [partial(_sidebar_face, person, user_id) for user_id in partners]
    return [partial(if_possible, request) for request in requests]


def _unread_outside_sidebar(person: Person, kind: str) -> list[Preference]:
    """The preferences that bring unread direct or group channels into the sidebar, unless they are there."""
    store = person.store
    unread = [store.channels[channel_id] for channel_id in unread_here(person)]
    shown = [shown_by(person, channel) for channel in unread if channel.type == kind]
    return [each for each in shown if store.preferences.get((each.category, each.name)) != "true"]


def _bring_into_sidebar(person: Person, shown: list[Preference]) -> None:
    if shown:
        with optional:
            person.api.set_preferences(person.id, shown)


def _meet_groups(person: Person, channel_ids: list[str]) -> None:
    for people in person.api.users_of_group_channels(channel_ids).values():
        person.store.remember_users(people)


def _prefetching(person: Person, current: Channel) -> list[Request]:
    """Fetch the posts of unread channels that this page has not loaded, a few at a time."""
    loaded = person.store.viewed_at
    queue = [each for each in to_prefetch(unread_here(person)) if each != current.id and each not in loaded]
    for channel_id in (current.id, *queue):
        person.store.prefetched.add(channel_id)
    queue.reverse()
    return [partial(_work_off, person, queue)] * min(PREFETCHED_AT_ONCE, len(queue))


def _work_off(person: Person, queue: list[str]) -> None:
    while queue:
        with optional:
            prefetch(person, queue.pop())


# -- another team ------------------------------------------------------------------------------------------


def tell_team(person: Person, team_id: str) -> None:
    """Tell the server over the socket which team we look at, where it wants to know."""
    if person.context.capabilities.web_socket_event_scope:
        person.tell("presence", {"team_id": team_id})


def open_team(person: Person, team: Team) -> None:
    """Turn to a team and to a channel in it."""
    began = person.clock()
    store = person.store
    store.current_team_id = team.id
    if not store.team_channels():
        load_team_channels(person, team.id)
    tell_team(person, team.id)
    channel = first_channel(person)
    categories = partial(if_possible, partial(load_categories, person, team.id))
    view_channel(person, channel, categories, *_around_a_team(person, notices=False), *_prefetching(person, channel))
    person.measured.append(("team_switch", (person.clock() - began) * 1000, person.now_ms()))


def first_channel(person: Person) -> Channel:
    """The channel to look at first: where we were in this team, else the team's default one, else any."""
    store = person.store
    last = store.channels.get(store.last_channels.get(store.current_team_id, ""))
    if last is not None and last.id in store.members and last.team_id in ("", store.current_team_id):
        return last
    channels = store.team_channels()
    for channel in channels:
        if channel.name == DEFAULT_CHANNEL:
            return channel
    chosen = pick(person.rng, channels)
    if chosen is None:
        raise RequestFailed("no channel in this team", route="OpenTeam")
    return chosen


def join_team(person: Person) -> Team:
    """Join one of the open teams. `RequestFailed` when there is none."""
    teams = [team for team in person.api.teams() if team.allow_open_invite and not team.delete_at]
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
