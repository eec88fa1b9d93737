"""What a client remembers, and for how long."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mmload.models import Channel, Post, Preference, Team, User
from mmload.store import POSTS_KEPT, Bounded, Directory, Store, pick, pick_skewed


def store() -> Store:
    made = Store(Directory())
    made.me = User(id="me", username="testuser-1")
    made.current_team_id = "team"
    return made


@given(st.lists(st.integers(0, 30)), st.integers(1, 10))
def test_a_bounded_dict_keeps_the_newest_keys(keys: list[int], limit: int) -> None:
    bounded: Bounded[int, int] = Bounded(limit)
    model: list[int] = []
    for key in keys:
        bounded[key] = key
        if key not in model:
            model = [*model, key][-limit:]

    assert list(bounded) == model


def test_posts_are_bounded_and_the_oldest_go_first() -> None:
    """A user that scrolls all day must not grow."""
    kept = store()
    kept.look_at("c")
    kept.remember_posts(Post(id=str(n), channel_id="c", create_at=n) for n in range(POSTS_KEPT + 10))

    assert len(kept.posts) == POSTS_KEPT
    assert kept.oldest_post_id() == "10"


def test_texts_of_posts_are_dropped_but_their_permalinks_are_kept() -> None:
    kept = store()
    linked = "a" * 26
    kept.remember_posts([Post(id="p", channel_id="c", message=f"look http://chat/team/pl/{linked} there")])

    assert kept.posts["p"].message == ""
    assert list(kept.permalinks) == [linked]


def test_deleted_posts_and_channels_are_forgotten() -> None:
    kept = store()
    kept.remember_posts([Post(id="p", channel_id="c")])
    kept.remember_posts([Post(id="p", channel_id="c", delete_at=5)])
    kept.remember_channels([Channel(id="c", team_id="team")], member=True)
    kept.remember_channels([Channel(id="c", team_id="team", delete_at=5)], member=True)

    assert not kept.posts
    assert not list(kept.my_channels())


def test_channels_are_told_apart_by_team_membership_and_kind() -> None:
    kept = store()
    kept.remember_channels(
        [
            Channel(id="here", type="O", team_id="team"),
            Channel(id="secret", type="P", team_id="team"),
            Channel(id="elsewhere", type="O", team_id="other"),
            Channel(id="direct", type="D", name="me__you"),
            Channel(id="group", type="G"),
        ],
        member=True,
    )
    kept.remember_channels([Channel(id="unjoined", type="O", team_id="team")], member=False)

    assert [channel.id for channel in kept.team_channels()] == ["here", "secret"]
    assert [channel.id for channel in kept.personal_channels()] == ["direct", "group"]
    assert kept.direct_partner(kept.channels["direct"]) == "you"


def test_only_what_people_wrote_in_the_current_channel_can_be_answered() -> None:
    kept = store()
    kept.look_at("c")
    kept.remember_posts(
        [
            Post(id="late", channel_id="c", create_at=2),
            Post(id="early", channel_id="c", create_at=1),
            Post(id="joined", channel_id="c", type="system_join_channel"),
            Post(id="elsewhere", channel_id="d"),
        ]
    )

    assert [post.id for post in kept.written_posts()] == ["early", "late"]


def test_a_person_never_picks_themself() -> None:
    kept = store()
    kept.remember_users([kept.me])
    assert kept.pick_person(random.Random(1)) is None

    kept.remember_users([User(id="you"), User(id="gone", delete_at=1)])
    assert {kept.pick_person(random.Random(seed)).id for seed in range(20)} == {"you"}  # type: ignore[union-attr]


def test_people_are_one_object_for_all_clients_of_a_process() -> None:
    """Two thousand clients that know five hundred people each would otherwise hold a million objects."""
    directory = Directory()
    first, second = Store(directory), Store(directory)
    first.remember_users([User(id="u", username="ann")])
    second.remember_users([User(id="u", username="ann")])

    assert first.users["u"] is second.users["u"]


def test_a_new_picture_or_name_replaces_what_the_directory_knows() -> None:
    directory = Directory()
    directory.user(User(id="u", username="ann", last_picture_update=1))

    assert directory.user(User(id="u", username="ann", last_picture_update=2)).last_picture_update == 2
    assert directory.user(User(id="u", username="anna", last_picture_update=2)).username == "anna"
    assert directory.team(Team(id="t", name="x")) is directory.team(Team(id="t", name="x"))


def test_a_page_load_starts_from_nothing_but_who_and_where_we_are() -> None:
    kept = store()
    kept.look_at("c")
    kept.remember_posts([Post(id="p", channel_id="c")])
    kept.remember_preferences([Preference("me", "direct_channel_show", "you", "true")])
    assert kept.shown_partners() == ["you"]

    kept.clear()

    assert (kept.me.id, kept.current_channel_id, kept.current_team_id) == ("me", "c", "team")
    assert not kept.posts
    assert kept.shown_partners() == []


def test_skewed_picks_follow_zipf_and_uniform_ones_do_not() -> None:
    channels = list("abcdefghij")
    rng = random.Random(3)

    skewed = Counter(pick_skewed(rng, channels, 1.0, rank=str) for _ in range(20_000))
    uniform = Counter(pick_skewed(rng, channels, 0.0, rank=str) for _ in range(20_000))

    assert 8.5 < skewed["a"] / skewed["j"] < 11.8
    assert max(uniform.values()) / min(uniform.values()) < 1.2
    assert pick(rng, []) is None
    assert pick_skewed(rng, list[str](), 1.0, rank=str) is None
