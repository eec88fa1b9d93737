"""What a client remembers, and for how long."""

from __future__ import annotations

import random
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mmload.collections import Bounded, Numbers, SeenKeys
from mmload.models import Channel, Post, Preference, Team, User
from mmload.store import POSTS_KEPT, KnownPeople, SharedObjects, Store, pick, pick_skewed


def store() -> Store:
    made = Store(SharedObjects())
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


def test_a_bounded_dict_takes_no_more_memory_for_being_written_to_again_and_again() -> None:
    bounded: Bounded[int, int] = Bounded(POSTS_KEPT)
    bounded.update(dict.fromkeys(range(POSTS_KEPT), 0))
    full = sys.getsizeof(bounded)
    for key in range(20 * POSTS_KEPT):
        bounded[key] = key
        assert sys.getsizeof(bounded) <= full


def test_a_bounded_dict_with_reserved_memory_takes_no_more_when_it_is_full() -> None:
    """Else it would grow by and by, and the process with it."""
    bounded: Bounded[str, int] = Bounded(POSTS_KEPT)
    bounded.reserve()
    assert not bounded
    reserved = sys.getsizeof(bounded)
    for key in range(3 * POSTS_KEPT):
        bounded[str(key)] = key
        assert sys.getsizeof(bounded) == reserved

    assert list(bounded.values()) == list(range(2 * POSTS_KEPT, 3 * POSTS_KEPT))


def test_posts_are_bounded_and_the_oldest_go_first() -> None:
    """A user that scrolls all day must not grow."""
    kept = store()
    kept.current_channel_id = "c"
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


def test_the_channel_that_was_open_last_is_remembered_for_each_team() -> None:
    kept = store()
    for team, channel in (("first", "a"), ("first", "b"), ("second", "c")):
        kept.current_team_id = team
        kept.turn_to(channel, 1)
    kept.clear()

    assert kept.last_channels == {"first": "b", "second": "c"}


def test_only_what_people_wrote_in_the_current_channel_can_be_answered() -> None:
    kept = store()
    kept.current_channel_id = "c"
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
    assert kept.other_people() == []

    kept.remember_users([User(id="you"), User(id="gone", delete_at=1)])
    assert [user.id for user in kept.other_people()] == ["you"]


def test_people_are_one_object_for_all_clients_of_a_process() -> None:
    """Two thousand clients that know five hundred people each would otherwise hold a million objects."""
    shared_objects = SharedObjects()
    first, second = Store(shared_objects), Store(shared_objects)
    first.remember_users([User(id="u", username="ann")])
    second.remember_users([User(id="u", username="ann")])

    assert first.users.get("u") is second.users.get("u") is not None


@given(st.lists(st.integers(0, 30)), st.integers(1, 10))
def test_a_client_knows_the_people_whom_it_met_last(met: list[int], limit: int) -> None:
    """Those of all clients have numbers; nobody knows somebody because another does."""
    shared_objects = SharedObjects()
    Store(shared_objects).remember_users(User(id=f"stranger-{n}") for n in range(5))
    known = KnownPeople(shared_objects, limit)
    model: list[str] = []
    for number in met:
        user = shared_objects.user(User(id=str(number), username=f"user-{number}"))
        known.meet(user)
        model = model if user.id in model else [*model, user.id][-limit:]

        assert user.id in known and known.get(user.id) is user
    assert list(known) == [user.id for user in known.values()] == model
    assert len(known) == len(model)
    assert [known.get(str(n)) is not None for n in range(31)] == [str(n) in model for n in range(31)]
    assert "stranger-1" not in known and known.get("stranger-1") is None


def test_a_client_sees_people_as_they_were_last_seen_by_anybody() -> None:
    """A server tells everybody at once of a new picture."""
    shared_objects = SharedObjects()
    first, second = Store(shared_objects), Store(shared_objects)
    first.remember_users([User(id="u", username="ann")])
    second.remember_users([User(id="u", username="ann", last_picture_update=5)])

    seen = first.users.get("u")
    assert seen is not None and seen.last_picture_update == 5


def test_more_people_than_there_are_numbers_do_no_harm() -> None:
    """Whose number is given again is known no longer: the new one is taken for known."""
    shared_objects = SharedObjects()
    shared_objects.people = Numbers(3)
    kept = Store(shared_objects)
    kept.remember_users(User(id=str(n)) for n in range(5))

    assert [user.id for user in kept.users.values()] == ["3", "4", "2"]
    assert [str(n) in kept.users for n in range(5)] == [False, False, True, True, True]
    assert kept.users.get("0") is None


def test_posts_share_their_ids_and_times() -> None:
    """What is the same text or number is one object: 20,000 posts are kept."""
    kept = store()
    kept.remember_posts([Post(id=read("root"), create_at=int("1700000000000"), update_at=int("1700000000000"))])
    kept.remember_posts([Post(id=read("reply"), root_id=read("root"), user_id=read("ann"))])
    kept.remember_posts([Post(id=read("root"), create_at=int("1700000000000"), update_at=int("1700000000001"))])
    root, reply = kept.posts["root"], kept.posts["reply"]

    assert (root.update_at, root.id, reply.root_id) == (1700000000001, "root", "root")
    assert reply.root_id is root.id is next(iter(kept.posts)) is next(iter(kept.shared_objects.posts))
    assert kept.shared_objects.posts["reply"].create_at is reply.update_at


def test_posts_are_one_object_for_all_clients_of_a_process() -> None:
    """People look at the same channels: what one of them holds costs the others a reference."""
    shared_objects = SharedObjects()
    first, second = Store(shared_objects), Store(shared_objects)
    for kept in (first, second):
        kept.remember_posts([Post(id=read("p"), channel_id="c", pending_post_id="ann:1", message="hello")])

    assert first.posts["p"] is second.posts["p"]
    assert (first.posts["p"].message, first.posts["p"].pending_post_id) == ("", "")


def test_the_newest_version_of_a_post_is_the_one_that_counts() -> None:
    """Answers overtake each other: an older version must not bring back what was before."""
    kept = store()
    kept.remember_posts([Post(id="p", channel_id="c", update_at=2, reply_count=1)])
    kept.remember_posts([Post(id="p", channel_id="c", update_at=1)])
    assert kept.posts["p"].reply_count == 1

    kept.remember_posts([Post(id="p", channel_id="c", update_at=3, reply_count=2)])
    assert kept.posts["p"].reply_count == 2


def read(text: str) -> str:
    """A text of its own, as each answer brings."""
    return text.encode().decode()


def test_ids_are_one_text_however_often_they_were_read() -> None:
    """Two thousand clients that know five hundred people each would hold a million texts."""
    shared_objects = SharedObjects()
    stores = [Store(shared_objects) for _ in range(2)]
    for kept in stores:
        kept.remember_users([User(id=read("user"))])

    [first], [second] = (list(kept.users) for kept in stores)
    assert first is second


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30))))
def test_what_was_seen_is_a_set_of_each_clients_own(steps: list[tuple[bool, int]]) -> None:
    numbers = Numbers(32)
    seen, others = SeenKeys(numbers), SeenKeys(numbers)
    model: set[int] = set()
    others.add(-1)
    for adds, key in steps:
        (seen.add if adds else seen.discard)(key)
        (model.add if adds else model.discard)(key)

    assert {key for key in range(-1, 31) if key in seen} == model
    assert {key for key in range(-1, 31) if key in others} == {-1}


def test_numbers_are_as_many_as_they_may_be_and_the_oldest_is_given_again() -> None:
    """A process that meets new people all day must not grow."""
    numbers = Numbers(3)
    assert [numbers.of(key) for key in "abcabd"] == [0, 1, 2, 0, 1, 0]
    assert [numbers.known(key, -1) for key in ("a", "b", "d")] == [-1, 1, 0]


def test_another_picture_of_the_same_person_was_not_seen() -> None:
    kept = store()
    kept.images.add(("u", 1))
    assert ("u", 1) in kept.images
    assert ("u", 2) not in kept.images


def test_a_new_picture_or_name_replaces_what_the_directory_knows() -> None:
    shared_objects = SharedObjects()
    shared_objects.user(User(id="u", username="ann", last_picture_update=1))

    assert shared_objects.user(User(id="u", username="ann", last_picture_update=2)).last_picture_update == 2
    assert shared_objects.user(User(id="u", username="anna", last_picture_update=2)).username == "anna"
    assert shared_objects.team(Team(id="t", name="x")) is shared_objects.team(Team(id="t", name="x"))


def test_a_page_load_starts_from_nothing_but_who_and_where_we_are() -> None:
    kept = store()
    kept.current_channel_id = "c"
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
