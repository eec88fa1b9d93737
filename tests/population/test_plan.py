"""The plan of a population."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mmload.population.plan import LONG_THREADS, ChannelKind, Plan, plan, text_of
from tests.population.making_settings import settings


def planned(seed: int = 1, **instance: object) -> Plan:
    return plan(settings(instance=instance), seed)


def test_the_same_seed_makes_the_same_plan() -> None:
    """Two servers to be compared must hold the same."""
    assert planned(seed=7) == planned(seed=7)
    assert planned(seed=7) != planned(seed=8)


def test_accounts_are_those_that_the_users_of_a_run_will_use() -> None:
    """Otherwise the run signs up others, and the population has nobody to play it."""
    made = plan(settings(instance={"num_users": 3}, users={"username_prefix": "load", "number_offset": 10}), 1)

    assert [account.username for account in made.accounts] == ["load-11", "load-12", "load-13"]
    assert made.accounts[0].email == "load-11@example.com"


def test_lines_of_a_users_file_come_first() -> None:
    """Line k of the users file is account number k, here as in a run."""
    made = plan(settings(instance={"num_users": 2}), 1, [("ann@corp.example", "secret")])

    assert [account.email for account in made.accounts] == ["ann@corp.example", "testuser-2@example.com"]


def test_more_posts_extend_the_history() -> None:
    """`mmload init --posts 400` after `--posts 200` writes 200 more, and finds the others."""
    small, large = planned(num_posts=200), planned(num_posts=400)

    assert large.posts[:200] == small.posts
    assert large.channels == small.channels


def test_more_channels_keep_those_that_are_there() -> None:
    """Names, members and pairs of the smaller plan are in the larger one."""
    small, large = planned(num_channels=10), planned(num_channels=40)
    names = {channel.name: channel for channel in large.channels if channel.name}

    assert all(names[channel.name] == channel for channel in small.channels if channel.name)
    assert {channel.members for channel in small.channels} <= {channel.members for channel in large.channels}


def test_more_accounts_join_and_nobody_leaves() -> None:
    """Members are never removed from a channel, so a larger plan must not want that."""
    small, large = planned(num_users=200, num_channels=50), planned(num_users=220, num_channels=50)
    pairs = zip(small.channels, large.channels, strict=True)
    grown = [
        (set(old.members), set(new.members))
        for old, new in pairs
        if old.kind in (ChannelKind.PUBLIC, ChannelKind.PRIVATE)
    ]
    kept = {channel.members for channel in small.channels} & {channel.members for channel in large.channels}

    assert sum(len(old - new) for old, new in grown) <= 3
    assert len(kept) >= sum(channel.kind in (ChannelKind.DIRECT, ChannelKind.GROUP) for channel in small.channels)


def test_more_accounts_leave_the_history_to_those_who_wrote_it() -> None:
    """Otherwise a second init with more users would write a second history."""
    small, large = planned(num_users=20), planned(num_users=200)
    same = sum(
        old.author == new.author and old.channel == new.channel
        for old, new in zip(small.posts, large.posts, strict=True)
    )

    assert same > 0.85 * len(small.posts)


def test_everybody_is_in_the_first_public_channel_and_most_others_are_small() -> None:
    """Channels of real servers: a few with everybody, many with few."""
    made = planned(num_users=500, num_channels=400, num_posts=0)
    sizes = sorted(len(channel.members) for channel in made.channels if channel.kind is ChannelKind.PUBLIC)

    assert sizes[-1] == 500
    assert sizes[len(sizes) // 2] < 500 / 4
    assert sizes[0] >= 3


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.integers(0, 80))
def test_conversations_are_different_and_possible(users: int, channels: int) -> None:
    """Asking for more pairs than there are must neither loop for ever nor name the same pair twice."""
    made = planned(num_users=users, num_channels=channels, num_posts=0)
    direct = [channel.members for channel in made.channels if channel.kind is ChannelKind.DIRECT]
    groups = [channel.members for channel in made.channels if channel.kind is ChannelKind.GROUP]

    assert len(set(direct)) == len(direct) <= users * (users - 1) // 2
    assert len(set(groups)) == len(groups)
    assert all(len(set(pair)) == 2 for pair in direct)
    assert all(3 <= len(set(group)) <= 8 for group in groups)
    assert len(made.channels) == channels or made.notices


def test_what_cannot_be_is_named() -> None:
    """Three people have three conversations: the user should hear that it wasn't thirty."""
    made = planned(num_users=3, num_channels=50)

    assert made.notices == (
        "3 direct channels instead of 30: 3 accounts cannot have more",
        "1 group channels instead of 5: 3 accounts cannot have more",
    )


def test_without_accounts_nothing_is_written() -> None:
    """Channels may be wanted for accounts that come otherwise; but nobody is there to write."""
    made = planned(num_users=0)

    assert made.posts == ()
    assert made.notices[-1] == "no posts: there are no channels, or no accounts"


def test_without_teams_there_are_only_conversations() -> None:
    """Public and private channels need a team."""
    made = planned(num_teams=0)

    assert {channel.kind for channel in made.channels} == {ChannelKind.DIRECT, ChannelKind.GROUP}
    assert len(made.notices) == 2


@pytest.mark.parametrize(
    ("prefix", "team"),
    [("testuser", "testuser-team-1"), ("a.b_c", "a-b-c-team-1"), ("admin", "mm-admin-team-1"), ("x__", "x-team-1")],
)
def test_team_names_are_such_as_the_server_takes(prefix: str, team: str) -> None:
    """User names may have dots and underscores, and begin with `admin`; names of teams may not."""
    assert plan(settings(users={"username_prefix": prefix}), 1).teams[0].name == team


def test_replies_answer_an_earlier_root_post_of_their_channel() -> None:
    """The server refuses anything else."""
    made = planned(num_posts=2000, num_channels=30)

    for post in made.posts:
        if post.root is not None:
            root = made.posts[post.root]
            assert root.root is None
            assert root.number < post.number
            assert root.channel == post.channel


def test_the_share_of_replies_is_the_configured_one() -> None:
    """PercentReplies is of all messages; the first one of a channel can't be a reply."""
    made = planned(num_posts=4000, percent_replies=0.3)

    assert 0.26 < sum(post.root is not None for post in made.posts) / 4000 < 0.33


def test_long_threads_grow_long() -> None:
    """Load differs between ten threads of ten and one of a hundred."""
    made = planned(num_posts=3000, percent_replies=0.8, percent_replies_in_long_threads=0.5, num_channels=5)
    answers = Counter(post.root for post in made.posts if post.root is not None)
    longest = sum(count for _, count in answers.most_common(LONG_THREADS * len(made.channels)))

    assert longest > 0.4 * sum(answers.values())


def test_authors_are_members_and_few() -> None:
    """Each author must log in, which is dear; and in real channels few write."""
    made = planned(num_posts=3000, num_users=400, num_channels=20)

    for post in made.posts:
        channel = made.channels[post.channel]
        assert post.author in channel.members
    assert len({post.author for post in made.posts}) < 150


def test_texts_follow_from_seed_and_number() -> None:
    """What was written is found again by its text."""
    made = planned(num_posts=300)
    texts = [text_of(1, post) for post in made.posts]

    assert texts == [text_of(1, post) for post in planned(num_posts=300).posts]
    assert len(set(texts)) > 290
    assert 100 < sum(map(len, texts)) / len(texts) < 300


def test_reactions_are_different_and_named_as_the_server_wants_them() -> None:
    """`:tada:` is refused; and the same reaction twice is one."""
    made = planned(num_posts=50, num_reactions=300)

    assert len(set(made.reactions)) == len(made.reactions) == 300
    assert all(":" not in reaction.emoji and reaction.emoji != "thumbsup" for reaction in made.reactions)


def test_administrators_are_accounts_of_their_own() -> None:
    """A simulated user that is an administrator sees another application."""
    made = planned(num_admins=2)

    assert [account.username for account in made.admins] == ["testuser-admin-1", "testuser-admin-2"]
    assert not {account.username for account in made.admins} & {account.username for account in made.accounts}


def test_no_account_is_made_up_beyond_the_file_of_users() -> None:
    """Nobody would log in to it, unless told to."""
    lines = [("ann@corp.example", "a"), ("bob@corp.example", "b")]
    users = {"users_file_path": "users.txt"}
    of_file = plan(settings(instance={"num_users": 3}, users=users), 1, lines)
    beyond = plan(settings(instance={"num_users": 3}, users=users | {"accounts_beyond_file": True}), 1, lines)

    assert [account.email for account in of_file.accounts] == ["ann@corp.example", "bob@corp.example"]
    assert of_file.notices[0] == "2 accounts instead of 3: there are no more in users.txt"
    assert beyond.accounts[2].email == "testuser-3@example.com"
