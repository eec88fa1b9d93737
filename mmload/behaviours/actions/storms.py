"""What all people do together in a storm: in the one channel that everybody is in."""

from __future__ import annotations

from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import compose, send_post
from mmload.behaviours.page_load import DEFAULT_CHANNEL
from mmload.behaviours.person import NothingToDo, Person
from mmload.models import Channel


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
