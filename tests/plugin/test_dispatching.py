"""Which worker gets how many users."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from locust import User
from locust.runners import WorkerNode

from mmload.locust_internals import by_index, in_turn

# Names say nothing about the order in which workers came.
INDEXES = {"here_d": 0, "there_a": 1, "here_c": 2, "there_b": 3, "here_a": 4}


class Person(User):
    abstract = False


def nodes() -> list[WorkerNode]:
    made = [WorkerNode(name) for name in INDEXES]
    random.Random(7).shuffle(made)
    return made


def test_hosts_take_turns_and_each_begins_with_its_lowest_index() -> None:
    assert in_turn([each.id for each in nodes()], INDEXES.__getitem__) == [
        "here_d",
        "there_a",
        "here_c",
        "there_b",
        "here_a",
    ]


def test_the_users_left_over_are_on_the_workers_with_the_lowest_indexes() -> None:
    """Also once a worker went and another came."""
    dispatcher = by_index(INDEXES.__getitem__)(nodes(), [Person])
    dispatcher.new_dispatch(target_user_count=7, spawn_rate=7)

    assert counts(list(dispatcher)[-1]) == {"here_d": 2, "there_a": 2, "here_c": 1, "there_b": 1, "here_a": 1}

    dispatcher.remove_worker(WorkerNode("there_a"))
    dispatcher.new_dispatch(target_user_count=7, spawn_rate=7)

    assert counts(list(dispatcher)[-1]) == {"here_d": 2, "there_b": 2, "here_c": 2, "here_a": 1}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.integers(1, 9)), max_size=30))
def test_however_often_the_number_changes_and_changes_again_before_it_is_reached_the_shares_are_even(
    wishes: list[tuple[int, int, int]],
) -> None:
    dispatcher = by_index(INDEXES.__getitem__)(nodes(), [Person])
    for users, spawn_rate, steps in wishes:
        dispatcher.new_dispatch(target_user_count=users, spawn_rate=spawn_rate)
        dispatcher._wait_between_dispatch = 0
        for _, on_workers in zip(range(steps), dispatcher, strict=False):
            shares = list(counts(on_workers).values())
            assert max(shares) - min(shares) <= 1


def counts(users_on_workers: dict[str, dict[str, int]]) -> dict[str, int]:
    return {worker: sum(users.values()) for worker, users in users_on_workers.items()}
