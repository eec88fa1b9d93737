"""Generative users fill a server: what is asked for arrives, no more and no less."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from mmload.behaviours.catalogue import WeightedChoice
from mmload.behaviours.generative import BESIDE, GENERATED, choices, enter_to_generate, join_all_teams, make_one
from mmload.behaviours.goals import (
    DIRECT_CHANNELS,
    PHASES,
    Generation,
    Goals,
    targets,
)
from mmload.behaviours.person import Person
from mmload.config import ChannelMembers, GenController
from mmload.metrics.recorder import ActionOutcome
from mmload.users import new_person
from tests.behaviours.conftest import ACTIONS
from tests.support import Crowd, crowd

WANTED = GenController(
    num_teams=2,
    num_channels_dm=5,
    num_channels_gm=2,
    num_channels_private=3,
    num_channels_public=4,
    num_posts=40,
    num_reactions=12,
    num_post_reminders=3,
    num_sidebar_categories=3,
    num_followed_threads=6,
    percent_replies_in_long_threads=0.25,
)
ASKED = {
    "CreateTeam": "POST /teams",
    "CreatePublicChannel": "POST /channels",
    "CreatePrivateChannel": "POST /channels",
    "CreateDirectChannel": "POST /channels/direct",
    "CreateGroupChannel": "POST /channels/group",
    "CreatePost": "POST /posts",
    "CreateReply": "POST /posts",
    "CreateReplyInLongThread": "POST /posts",
    "AddReaction": "POST /reactions",
    "CreatePostReminder": "POST /users/{user_id}/posts/{post_id}/reminder",
    "CreateSidebarCategory": "POST /users/{user_id}/teams/{team_id}/channels/categories",
    "FollowThread": "PUT /users/{user_id}/teams/{team_id}/threads/{thread_id}/following",
    "AddChannelMember": "POST /channels/{channel_id}/members",
    "GetPosts": "GET /channels/{channel_id}/posts",
}


class Filling:
    """Four people who fill a server in turns, as their greenlets would."""

    def __init__(self, here: Crowd) -> None:
        self.crowd = here
        self.made = Generation(Goals(targets(WANTED)))
        self.routes: dict[str, set[str]] = {}
        self.people = [self._come(number) for number in range(1, 5)]

    def _come(self, number: int) -> Person:
        person = new_person(self.crowd.context, number, self.crowd.report)
        person.sleep = lambda seconds: None
        person.poll_due = float("inf")
        self.crowd.people.append(person)
        enter_to_generate(person, self.made)
        self.made.people[person.id] = person
        return person

    def fill(self) -> None:
        joined = False
        for person in itertools.islice(itertools.cycle(self.people), 5000):
            if self.made.goals.phase() > 0 and not joined:
                joined = True
                for each in self.people:
                    join_all_teams(each)
            wanted = choices(self.made, 5)
            if not wanted:
                return
            name = WeightedChoice(wanted).draw(person.rng)
            self.crowd.asked.clear()
            outcome = make_one(person, self.made, name)
            assert outcome is not ActionOutcome.FAILED, (name, self.crowd.failed)
            if outcome is ActionOutcome.OK:
                self.routes.setdefault(name, set()).update(self.crowd.asked)
        raise AssertionError("the goals are never met")


@pytest.fixture(scope="module")
def filled(server: str) -> Iterator[Filling]:
    with crowd(server) as here:
        filling = Filling(here)
        filling.fill()
        yield filling


def channels_of(filled: Filling) -> dict[str, dict[str, Any]]:
    """All channels that our people are in, as the server has them."""
    found = {}
    for person in filled.people:
        for channel in filled.crowd.admin.ask("GET", f"/users/{person.id}/channels"):
            found[channel["id"]] = channel
    return found


def needs_reminders(filled: Filling) -> None:
    filled.crowd.needs("CreatePostReminder", ACTIONS["CreatePostReminder"].offered)


def test_every_goal_is_met_exactly(filled: Filling) -> None:
    needs_reminders(filled)
    assert {name: goal.made for name, goal in filled.made.goals.goals.items()} == targets(WANTED)
    assert filled.crowd.failed == []


def test_each_thing_is_made_by_its_request(filled: Filling) -> None:
    needs_reminders(filled)
    for name in (*GENERATED, *BESIDE):
        if name in filled.routes:
            assert ASKED[name] in filled.routes[name], name
    assert set(filled.routes) >= set(GENERATED) - {"CreateTeam"}


def test_the_channels_are_at_the_server(filled: Filling) -> None:
    ours = [channel for channel in channels_of(filled).values() if channel["creator_id"] in filled.made.people]
    kinds = Counter(channel["type"] for channel in ours if channel["name"] not in ("town-square", "off-topic"))
    personal = Counter(channel["type"] for channel in channels_of(filled).values())

    assert (kinds["O"], kinds["P"]) == (4, 3)
    assert (personal["D"], personal["G"]) == (5, 2)


def test_the_messages_are_at_the_server(filled: Filling) -> None:
    """Forty, half of them replies, a quarter of these in threads of which no channel has more than two."""
    posts = [
        post
        for channel_id in channels_of(filled)
        for post in filled.crowd.admin.posts(channel_id)
        if post["user_id"] in filled.made.people
    ]

    assert len(posts) == filled.crowd.context.recorder.deliveries.sent == 40
    assert sum(bool(post["root_id"]) for post in posts) == 20
    assert all(len(threads) <= 2 for threads in filled.made.long_threads.values())
    reactions = [
        reaction for post in posts for reaction in filled.crowd.admin.ask("GET", f"/posts/{post['id']}/reactions") or ()
    ]
    assert len(reactions) == 12


def test_the_sections_are_in_the_sidebars(filled: Filling) -> None:
    sections = [
        category
        for person in filled.people
        for team_id in person.store.teams
        for category in person.api.categories(person.id, team_id)
        if category.type == "custom"
    ]

    assert len(sections) == WANTED.num_sidebar_categories


def test_the_sandbox_counts_the_same(filled: Filling) -> None:
    answer = requests.get(f"{filled.crowd.server}/sandbox/counts", timeout=10)
    if not answer.headers["Content-Type"].startswith("application/json"):
        return  # a real server, of which the tests above have asked the same
    counts = answer.json()

    assert (counts["posts"], counts["reactions"], counts["teams"]) == (40, 12, 2)
    assert {kind: counts["channels"][kind] for kind in "DGP"} == {"D": 5, "G": 2, "P": 3}


def test_a_channel_gets_no_more_members_than_the_distribution_allows(server: str) -> None:
    """However often somebody is added, nobody becomes the third."""
    with crowd(server) as here:
        settings = here.context.settings
        limited = replace(settings.generate, channel_members_distribution=(ChannelMembers(2, 1.0, 1.0),))
        here.context.settings = replace(settings, generate=limited)
        filling = Filling(here)
        filling.fill()
        for person in itertools.islice(itertools.cycle(filling.people), 100):
            make_one(person, filling.made, "AddChannelMember")

        for made in filling.made.channels:
            members = here.admin.ask("GET", f"/channels/{made.channel.id}/members?page=0&per_page=100")
            assert {member["user_id"] for member in members} == made.members
        assert {len(made.members) for made in filling.made.channels} == {2}


def test_more_direct_channels_than_pairs_end_instead_of_being_tried_for_ever(filled: Filling) -> None:
    """Four people are six pairs, and they have five channels already."""
    everybody = Generation(
        Goals(dict.fromkeys((name for names in PHASES for name in names), 0) | {DIRECT_CHANNELS: 9}),
        people=dict(filled.made.people),
    )
    for person in itertools.islice(itertools.cycle(filled.people), 400):
        if everybody.goals.finished:
            break
        make_one(person, everybody, DIRECT_CHANNELS)

    goal = everybody.goals.goals[DIRECT_CHANNELS]
    assert everybody.goals.finished and goal.given_up
    assert goal.made <= 6
