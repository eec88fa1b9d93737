"""The goals of generative users: exact counts, whatever fails; impossible ones end."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from mmload.behaviours.generative import GenerateBehaviour
from mmload.behaviours.goals import (
    DIRECT_CHANNELS,
    FRUITLESS_TRIES_EACH,
    LONG_REPLIES,
    PHASES,
    POSTS,
    PUBLIC_CHANNELS,
    REPLIES,
    TEAMS,
    Generation,
    Goals,
    bucket,
    targets,
)
from mmload.behaviours.person import POLL_SECONDS, NothingToDo
from mmload.config import GenController


def goals(**wanted: int) -> Goals:
    return Goals(dict.fromkeys((name for names in PHASES for name in names), 0) | wanted)


def test_messages_are_split_into_roots_replies_and_those_of_long_threads() -> None:
    wanted = targets(GenController(num_posts=1000, percent_replies=0.5, percent_replies_in_long_threads=0.05))

    assert (wanted[POSTS], wanted[REPLIES], wanted[LONG_REPLIES]) == (500, 475, 25)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_the_parts_of_all_workers_are_the_whole(parts: int) -> None:
    """Not a message more or less than asked for, however many processes there are."""
    each = [targets(GenController(), part, parts) for part in range(parts)]

    assert {name: sum(part[name] for part in each) for name in each[0]} == targets(GenController())


def test_a_slot_is_given_back_when_the_making_failed() -> None:
    here = goals(**{TEAMS: 1})

    with pytest.raises(ValueError, match="x"), here.slot(TEAMS):
        raise ValueError("x")
    assert here.open() == [(TEAMS, 1)]
    with here.slot(TEAMS):
        assert here.open() == []
        assert not here.finished
        with pytest.raises(NothingToDo), here.slot(TEAMS):
            raise AssertionError("a second one was begun")

    assert here.finished


def test_channels_wait_for_the_teams_and_messages_for_the_channels() -> None:
    here = goals(**{TEAMS: 1, PUBLIC_CHANNELS: 1, POSTS: 1})
    seen = []
    while not here.finished:
        [(name, _)] = here.open()
        seen.append(name)
        with here.slot(name):
            pass

    assert seen == [TEAMS, PUBLIC_CHANNELS, POSTS]


def test_what_nobody_can_make_any_more_is_given_up_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """Three people are three pairs: a goal of twenty would never end."""
    here = goals(**{DIRECT_CHANNELS: 20, POSTS: 1})
    for _ in range(3):
        with here.slot(DIRECT_CHANNELS):
            pass
    with caplog.at_level(logging.INFO):
        for _ in range(FRUITLESS_TRIES_EACH * 3):
            assert here.open() == [(DIRECT_CHANNELS, 20)]
            here.fruitless(3)
        assert here.open() == [(POSTS, 1)]
        with here.slot(POSTS):
            pass
        here.tell_once()
        here.tell_once()

    assert caplog.messages == [
        "CreateDirectChannel: 3 of 20 created, the rest cannot be created: 3 users form 3 pairs",
        "finished, but not all goals could be met: CreateDirectChannel 3, CreatePost 1",
    ]


def test_one_success_shows_that_it_is_possible_after_all() -> None:
    here = goals(**{POSTS: 5})
    for _ in range(4):
        for _ in range(FRUITLESS_TRIES_EACH - 1):
            here.fruitless(1)
        with here.slot(POSTS):
            pass

    assert here.open() == [(POSTS, 5)]


def test_channels_belong_to_the_buckets_by_their_shares() -> None:
    assert [list(bucket([0.5, 0.25, 0.25], index, 8)) for index in range(3)] == [[0, 1, 2, 3], [4, 5], [6, 7]]
    assert sum(len(bucket([0.3, 0.3, 0.4], index, 7)) for index in range(3)) == 7


def test_a_channel_has_at_most_two_long_threads() -> None:
    made = Generation(goals())

    threads = {made.long_thread("channel", f"post{number}") for number in range(50)}

    assert len(made.long_threads["channel"]) == 2 and threads <= {"post0", "post1"}


def test_the_end_is_said_before_the_users_begin_a_long_wait(caplog: pytest.LogCaptureFixture) -> None:
    """Two users make the last objects side by side: neither finds nothing left to make, both wait a minute."""
    made = Generation(goals(**{POSTS: 2}))
    user = SimpleNamespace(generation=made, person=SimpleNamespace(rate=1.0))
    with caplog.at_level(logging.INFO):
        with made.goals.slot(POSTS), made.goals.slot(POSTS):
            assert GenerateBehaviour.wait_time(user) < POLL_SECONDS  # type: ignore[arg-type]
        assert GenerateBehaviour.wait_time(user) == POLL_SECONDS  # type: ignore[arg-type]

    assert caplog.messages == ["all goals have been met: CreatePost 2"]
