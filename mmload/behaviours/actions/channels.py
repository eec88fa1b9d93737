"""Switching teams and channels, joining and creating channels, sidebar categories; what all do together in a storm."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

from mmload import text
from mmload.behaviours.actions.people import look_up_in_switcher
from mmload.behaviours.channel_view import (
    Request,
    fetch_faces,
    look_up_statuses,
    mark_read,
    prefetch,
    show_in_sidebar,
    tell_channel,
    view_channel,
)
from mmload.behaviours.composing import compose, growing, send_post, write
from mmload.behaviours.page_load import DEFAULT_CHANNEL, load_categories, load_team_channels, open_team
from mmload.behaviours.person import NothingToDo, Person
from mmload.client.api.calls import ME
from mmload.errors import NotAvailable
from mmload.models import PRIVATE, PUBLIC, Channel, User
from mmload.store import pick_skewed

DIALOG_PAGE = 100
MOST_MEMBERS_ADDED = 4
MOST_LETTERS_TYPED = 4


def switch_channel(person: Person) -> None:
    """Open another public or private channel of the team."""
    here = person.store.current_channel_id
    others = [channel for channel in person.store.team_channels() if channel.id != here]
    channel = _one_of(person, others)
    if channel is None:
        raise NothingToDo("no other channel in this team")
    view_channel(person, channel)
    if person.context.capabilities.channel_bookmarks:
        with suppress(NotAvailable):
            person.store.bookmarks[channel.id] = person.api.bookmarks(channel.id)


def _one_of(person: Person, channels: list[Channel]) -> Channel | None:
    """A channel by popularity: the order of the ids, the same for everybody, so that some channels are busy for all."""
    exponent = person.context.settings.simul.channel_pick_exponent
    return pick_skewed(person.rng, channels, exponent, rank=lambda channel: channel.id)


def open_direct_or_group_channel(person: Person) -> None:
    """Open a direct or group channel, which becomes the current channel."""
    here = person.store.current_channel_id
    others = [channel for channel in person.store.personal_channels() if channel.id != here]
    channel = _one_of(person, others)
    if channel is None:
        raise NothingToDo("no other direct or group channel")
    view_channel(person, channel)


def switch_team(person: Person) -> None:
    """Switch to another team of the user."""
    others = [team for team in person.store.teams.values() if team.id != person.store.current_team_id]
    team = person.pick(others, "member of only one team")
    open_team(person, team)


def join_channel(person: Person) -> None:
    """Find a public channel of the team in the channel switcher, join it and open it."""
    store = person.store
    found = _unjoined(person)
    team = store.teams[store.current_team_id]
    channel = person.api.channel_by_name(team.name, found.name)
    if not person.api.is_channel_member(channel.id, person.id):
        become_member(person, channel)
        # It opens before the page knows that its posts are there.
        store.viewed_at.pop(channel.id, None)
    view_channel(person, channel)


def _unjoined(person: Person) -> Channel:
    """Type into the channel switcher until it shows a channel that one is not in, then go on with its name."""
    store = person.store
    letters = sorted({(each.display_name or each.name)[:1] for each in store.team_channels()})
    new: list[Channel] = []
    for letter in person.rng.sample(letters, min(MOST_LETTERS_TYPED, len(letters))):
        listed = look_up_in_switcher(person, letter)
        new = [each for each in listed if each.type == PUBLIC and each.team_id == store.current_team_id]
        new = [each for each in new if each.id not in store.members]
        if new:
            break
    channel = person.pick(new, "no public channel found to join")
    for term in growing(channel.display_name or channel.name, MOST_LETTERS_TYPED)[1:]:
        person.pause(0.1, 0.3)
        look_up_in_switcher(person, term)
    return channel


def become_member(person: Person, channel: Channel) -> None:
    """Join a public channel; only a membership that the server confirms counts.

    The event about it, and the application itself, both have the channel and the membership fetched; then its posts.
    """
    api = person.api
    api.add_channel_member(channel.id, person.id)
    person.store.remember_channels([channel], member=True)
    for _ in range(2):
        person.together([partial(api.channel, channel.id), partial(api.channel_member, channel.id, ME)])
    prefetch(person, channel.id)


def browse_channels(person: Person) -> list[Channel]:
    """Open the dialog that lists the public channels of the team."""
    api, team_id = person.api, person.store.current_team_id
    found: list[Channel] = []
    person.together([lambda: found.extend(api.public_channels(team_id)), partial(api.deleted_channels, team_id)])
    _count_members(person, found)
    return found


def search_in_browser(person: Person) -> None:
    """Open the dialog that lists the public channels and type the beginning of a name into it."""
    channel = person.pick(browse_channels(person), "no public channel in this team")
    found: list[Channel] = []
    for end in range(1, min(MOST_LETTERS_TYPED, len(channel.name)) + 1):
        found = person.api.browse_channels(person.store.current_team_id, channel.name[:end])
        person.pause(0.1, 0.3)
    _count_members(person, found)


def _count_members(person: Person, channels: list[Channel]) -> None:
    if channels:
        with suppress(NotAvailable):
            person.api.member_counts([channel.id for channel in channels])


def leave_channel(person: Person) -> None:
    """Leave the channel on the screen (unless it is the default channel); the default channel opens."""
    store = person.store
    channel = store.channels.get(person.current_channel_id())
    if channel is None or channel.personal or channel.name == DEFAULT_CHANNEL:
        raise NothingToDo("not in a channel to leave")
    others = [each for each in store.team_channels() if each.id != channel.id]
    default = next((each for each in others if each.name == DEFAULT_CHANNEL), None)
    opened = default or person.pick(others, "no other channel in this team")
    tell_channel(person, "")
    view_channel(person, opened, partial(_leave, person, channel))


def _leave(person: Person, channel: Channel) -> None:
    """What was left is known while the other channel opens; then the channels of the team are listed anew."""
    person.api.remove_channel_member(channel.id, person.id)
    leave_behind(person, channel)
    load_team_channels(person, person.store.current_team_id)


def leave_behind(person: Person, channel: Channel) -> None:
    """Forget a channel that was left. Its posts can no longer be replied to, nor reactions to them removed."""
    store = person.store
    store.forget_channel(channel.id)
    for post in [post for post in store.posts.values() if post.channel_id == channel.id]:
        del store.posts[post.id]
    for key in [key for key in store.reactions if key[0] not in store.posts]:
        del store.reactions[key]
    if store.current_channel_id == channel.id:
        tell_channel(person, "")
        store.current_channel_id = ""


def create_public_channel(person: Person) -> None:
    """Create a public channel."""
    _create_channel(person, PUBLIC)


def create_private_channel(person: Person) -> None:
    """Create a private channel and add one to four users."""
    channel, candidates = _create_channel(person, PRIVATE)
    invited = min(len(candidates), person.rng.randint(1, MOST_MEMBERS_ADDED))
    for user in person.rng.sample(candidates, invited):
        person.api.add_channel_member(channel.id, user.id)


def _create_channel(person: Person, channel_type: str) -> tuple[Channel, list[User]]:
    """Create a channel and open the dialog that adds members: the channel, and who could be added."""
    store, api = person.store, person.api
    name = new_name(person.rng, person.now_ms())
    channel = api.create_channel(store.current_team_id, name, f"Channel {name}", channel_type)
    store.remember_channels([channel], member=True)
    api.team_stats(store.current_team_id)
    inside = api.users_in_channel(channel.id, 50)
    outside = api.users_not_in_channel(store.current_team_id, channel.id, DIALOG_PAGE)
    store.remember_users([*inside, *outside])
    look_up_statuses(person, [user.id for user in inside])
    look_up_statuses(person, [user.id for user in outside])
    mark_read(person, channel.id)
    return channel, outside


def create_direct_channel(person: Person) -> None:
    """Find a user in the channel switcher, open a direct channel with them and post a message."""
    someone = person.pick(person.store.other_people(), "no other user is known")
    for term in growing(someone.username, MOST_LETTERS_TYPED):
        look_up_in_switcher(person, term)
        person.pause(0.1, 0.3)
    channel = person.api.create_direct_channel(person.id, someone.id)
    person.together([partial(person.api.channel, channel.id), partial(person.api.channel_member, channel.id, ME)])
    # What was picked is to be in the sidebar; opening it says the same once more.
    _write_into(person, channel, partial(show_in_sidebar, person, channel))


def create_group_channel(person: Person) -> None:
    """Open a group channel with two other users and post a message."""
    # The dialog that starts one: a page of users with their pictures.
    people = [user for user in person.api.users(0, DIALOG_PAGE) if user.id != person.id and not user.delete_at]
    person.store.remember_users(people)
    fetch_faces(person, [user.id for user in people])
    if len(people) < 2:
        raise NothingToDo("fewer than two other users are known")
    chosen = person.rng.sample(people, 2)
    _write_into(person, person.api.create_group_channel([user.id for user in chosen]))


def _write_into(person: Person, channel: Channel, *beside: Request) -> None:
    person.store.remember_channels([channel], member=True)
    view_channel(person, channel, *beside)
    send_post(person, channel.id, write(person, channel.id))


# Sections whose channels people move; what the server sorts into "direct messages" by itself stays there.
_MOVABLE = frozenset({"custom", "favorites", "channels"})


def create_sidebar_category(person: Person) -> None:
    """Create a sidebar category."""
    team_id = person.store.current_team_id
    person.api.create_category(person.id, team_id, "category " + text.words(person.rng, 1)[0])
    load_categories(person, team_id)


def update_sidebar_category(person: Person) -> None:
    """Move a channel to another sidebar category."""
    movable = [category for category in person.store.categories if category.type in _MOVABLE]
    sources = [category for category in movable if len(category.channel_ids or ()) > 1]
    if not sources or len(movable) < 2:
        raise NothingToDo("no two sidebar categories to move a channel between")
    source = person.rng.choice(sources)
    target = person.rng.choice([category for category in movable if category is not source])
    channel_id = person.rng.choice(source.channel_ids or [""])
    source.channel_ids = [kept for kept in source.channel_ids or () if kept != channel_id]
    target.channel_ids = [channel_id, *(target.channel_ids or ())]
    team_id = person.store.current_team_id
    person.api.update_categories(person.id, team_id, [source, target])
    load_categories(person, team_id)


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_name(rng: random.Random, now_ms: int) -> str:
    """A unique name of 26 letters and digits; it ends with the time, so runs with the same seed do not collide."""
    time_part = f"{now_ms:x}"
    return "".join(rng.choices(_LETTERS, k=26 - len(time_part))) + time_part


# -- in a storm, in the one channel that everybody is in --------------------------------------------------------


def mention_all(person: Person) -> None:
    """Post a message that mentions everybody in the default channel of the first team, which all users are in."""
    channel = _meeting_place(person)
    send_post(person, channel.id, f"@all {compose(person)}"[: person.context.capabilities.longest_message])


def open_town_square(person: Person) -> None:
    """Open the channel that all users are in, as after a notification."""
    view_channel(person, _meeting_place(person))


def post_in_town_square(person: Person) -> None:
    """Post a message in the channel that all users are in, without opening it."""
    channel = _meeting_place(person)
    send_post(person, channel.id, compose(person))


def _meeting_place(person: Person) -> Channel:
    """The same for all who are in the same teams."""
    store = person.store
    teams = {team.id: team.name for team in store.teams.values()}
    places = [each for each in store.channels.values() if each.name == DEFAULT_CHANNEL and each.team_id in teams]
    if not places:
        raise NothingToDo("there is no channel that all users are in")
    return min(places, key=lambda each: teams[each.team_id])
