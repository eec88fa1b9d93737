"""Profiles and custom status; searching for users, channels and posts (names are typed letter by letter)."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from mmload import text
from mmload.behaviours.composing import growing
from mmload.behaviours.person import Person
from mmload.errors import NotAvailable
from mmload.models import Channel
from mmload.store import pick

CUSTOM_STATUS_MINUTES = 30


def click_user_profile(person: Person) -> None:
    """Open the profile of a post's author."""
    post = person.pick(person.store.written_posts(), "no post on the screen")
    team_id = person.store.current_team_id
    person.together(
        [
            partial(person.api.is_team_member, team_id, post.user_id),
            partial(person.api.is_channel_member, post.channel_id, post.user_id),
        ]
    )
    if person.context.capabilities.custom_profile_attributes:
        with suppress(NotAvailable):  # Told once in the report; the profile opens without.
            person.api.custom_profile_attributes(post.user_id)


def update_status(person: Person) -> None:
    """Set the user's own status to away and, later, back to online."""
    person.api.set_status(person.id, "away")
    person.pause(5, 30)
    person.api.set_status(person.id, "online")


def update_custom_status(person: Person) -> None:
    """Set a custom status for half an hour."""
    until = datetime.datetime.fromtimestamp(person.now_ms() / 1000 + CUSTOM_STATUS_MINUTES * 60, tz=datetime.UTC)
    word = text.words(person.rng, 1)[0]
    emoji = person.rng.choice(text.EMOJI)
    person.api.set_custom_status(emoji, word, "thirty_minutes", until.strftime("%Y-%m-%dT%H:%M:%SZ"))


def remove_custom_status(person: Person) -> None:
    """Remove the custom status."""
    person.api.remove_custom_status()


FROM_SHARE = IN_SHARE = DATE_SHARE = EXCLUDED_SHARE = PHRASE_SHARE = 0.2
MOST_SEARCH_WORDS = 4
MOST_LETTERS = 4


def search_users(person: Person) -> None:
    """Search for a user by name."""
    someone = person.pick(person.store.other_people(), "no other user is known")
    full_name = f"{someone.first_name} {someone.last_name}".strip()
    terms = [full_name[:end] for end in range(1, len(full_name) + 1)] or growing(someone.username, MOST_LETTERS)
    for term in terms:
        person.store.remember_users(person.api.search_users(term))
        person.pause(0.1, 0.3)


def search_channels(person: Person) -> None:
    """Search for a channel or a user in the channel switcher."""
    channel = person.pick(
        [channel for channel in person.store.channels.values() if channel.team_id], "no channel to search for"
    )
    name = channel.display_name or channel.name
    for end in range(1, person.rng.randint(1, min(MOST_LETTERS, len(name))) + 1):
        look_up_in_switcher(person, name[:end])
        person.pause(0.1, 0.3)


def look_up_in_switcher(person: Person, term: str) -> list[Channel]:
    """What the channel switcher asks when a letter is typed into it: for users and for channels, at once."""
    found: list[Channel] = []

    def users() -> None:
        person.store.remember_users(person.api.autocomplete_users("", "", term).everyone())

    person.together([users, lambda: found.extend(person.api.search_channels(term))])
    return found


def search_group_channels(person: Person) -> None:
    """Search for a group channel by a member's name."""
    someone = person.pick(person.store.other_people(), "no other user is known")
    for term in growing(someone.username, MOST_LETTERS):
        person.api.search_group_channels(term)
        person.pause(0.1, 0.3)


def search_posts(person: Person) -> None:
    """Search the posts and files of the team."""
    team_id, terms = person.store.current_team_id, _terms(person, in_team=True)
    requests: list[Callable[[], object]] = [
        partial(person.api.search_team_posts, team_id, terms),
        partial(person.api.search_team_files, team_id, terms),
    ]
    if person.context.capabilities.at_least(8, 0):
        requests.append(person.api.server_limits)
    person.together(requests)
    # The list of results asks for its next page at once.
    person.api.search_team_posts(team_id, terms, page=1)


def search_posts_all_teams(person: Person) -> None:
    """Search the posts of all teams."""
    person.api.search_posts(_terms(person, in_team=False))


def type_channel(person: Person, channel: Channel) -> str:
    """Type `in:` and a name into the search box, which suggests channels from the colon on."""
    for end in range(min(MOST_LETTERS, len(channel.name)) + 1):
        person.api.autocomplete_channels(person.store.current_team_id, channel.name[:end])
    return f"in:{channel.name}"


def _terms(person: Person, *, in_team: bool) -> str:
    """The search terms: words, some searches with modifiers."""
    rng = person.rng
    parts = text.words(rng, rng.randint(1, MOST_SEARCH_WORDS))
    if in_team and rng.random() < FROM_SHARE and (someone := pick(rng, person.store.other_people())):
        for term in growing(someone.username, MOST_LETTERS):
            person.api.autocomplete_users(person.store.current_team_id, "", term)
        parts.append(f"from:{someone.username}")
    if in_team and rng.random() < IN_SHARE and (channel := pick(rng, person.store.team_channels())):
        parts.append(type_channel(person, channel))
    if rng.random() < DATE_SHARE:
        today = datetime.datetime.fromtimestamp(person.now_ms() / 1000, tz=datetime.UTC).date()
        day = today - datetime.timedelta(days=rng.randint(0, 6))
        parts.append(f"{rng.choice(('on', 'before', 'after'))}:{day.isoformat()}")
    if rng.random() < EXCLUDED_SHARE:
        parts.append("-" + text.words(rng, 1)[0])
    if rng.random() < PHRASE_SHARE:
        parts.append('"' + " ".join(text.words(rng, 2)) + '"')
    return " ".join(parts)
