"""What is there before the first user is no work for the garbage collector while users are there."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from locust.env import Environment
from locust.event import Events

from mmload.plugin import memory


class Node:
    """Something in a cycle of its own."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def begun() -> Iterator[None]:
    events: Any = Events()  # type: ignore[no-untyped-call]
    memory.register(events)
    Node()
    events.test_start.fire(environment=Environment(events=events))
    yield
    gc.unfreeze()


def there() -> int:
    return sum(isinstance(each, Node) for each in gc.get_objects())


def test_what_is_there_before_the_first_user_is_not_looked_at_any_more(begun: None) -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10


def test_what_was_left_over_by_then_is_given_back_first(begun: None) -> None:
    gc.unfreeze()

    assert there() == 0


def test_what_a_user_leaves_behind_is_still_collected(begun: None) -> None:
    Node()
    assert there() == 1
    gc.collect()

    assert there() == 0
