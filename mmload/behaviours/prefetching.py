"""Posts of channels that nobody has opened yet: fetched when a channel becomes unread, so that it opens at once."""

from __future__ import annotations

import random
from functools import partial

from mmload.behaviours.channel_view import meet_people, prefetch, read_posts
from mmload.behaviours.person import Person, carry_out
from mmload.behaviours.unread import PREFETCHED_AT_ONCE, to_prefetch

PREFETCH = "Prefetch"
# Clients that hear of the same message do not all ask in the same moment.
LONGEST_DELAY_SECONDS = 1.0


def became_unread(person: Person, channel_id: str, *, mentioned: bool) -> None:
    """A message of somebody else came into a channel that is not being read. Runs in the hub; never waits.

    Each channel is fetched once until the socket is lost or the page loaded anew, also if it was opened before.
    """
    store = person.store
    mentions = store.unread.get(channel_id)
    if mentions or (mentions is not None and not mentioned):
        return
    channel = store.channels.get(channel_id)
    if channel is None or channel_id in store.muted:
        return
    store.unread[channel.id] = int(mentioned)
    wanted = [each for each in to_prefetch(unread_here(person)) if each not in store.prefetched]
    if wanted:
        for each in wanted:
            store.prefetched.add(each)
        person.start_job(partial(_fetch, person, wanted))


def unread_here(person: Person) -> dict[str, int]:
    """The unread channels of the team, and the unread direct and group channels."""
    store = person.store
    return {
        channel_id: mentions
        for channel_id, mentions in store.unread.items()
        if channel_id in store.members
        and (channel := store.channels.get(channel_id)) is not None
        and channel.team_id in ("", store.current_team_id)
    }


def _fetch(person: Person, channel_ids: list[str]) -> None:
    person.together((partial(_fetch_later, person, each) for each in channel_ids), PREFETCHED_AT_ONCE)


def _fetch_later(person: Person, channel_id: str) -> None:
    if channel_id not in person.store.viewed_at:
        person.sleep(delay_seconds(person, channel_id))
    carry_out(person, PREFETCH, partial(fetch_new, person, channel_id))


def delay_seconds(person: Person, channel_id: str) -> float:
    """Not from the person's own random numbers: when others write would change what this one does."""
    chance = random.Random(f"{person.context.seed}:prefetch:{person.account.number}:{channel_id}")
    return chance.uniform(0, LONGEST_DELAY_SECONDS)


def fetch_new(person: Person, channel_id: str) -> None:
    """What is new in a channel since what the page has of it, or all around the first unread post if it has nothing."""
    store, now = person.store, person.now_ms()
    loaded_at = store.viewed_at.get(channel_id)
    if loaded_at is None:
        prefetch(person, channel_id)
        return
    came = (post.create_at for post in store.posts.values() if post.channel_id == channel_id)
    posts = person.api.posts_since(channel_id, max((loaded_at, *came)), store.collapsed_threads).listed()
    store.viewed_at[channel_id] = now
    if channel_id == store.current_channel_id:
        read_posts(person, posts)
        return
    meet_people(person, posts)
    store.remember_posts(posts)
