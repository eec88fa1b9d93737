"""Finding the planned history in what a channel holds."""

from __future__ import annotations

from typing import Any

from mmload.population.history import ChannelHistory, matched
from mmload.population.plan import PlannedPost

PLANNED = [
    (PlannedPost(0, channel=0, author=0), "ann", "hello"),
    (PlannedPost(1, channel=0, author=0), "ann", "hello"),
    (PlannedPost(2, channel=0, author=1), "bob", "hello"),
]


def post(post_id: str, author: str, message: str, **fields: Any) -> dict[str, Any]:
    return {"id": post_id, "user_id": author, "message": message, "type": "", "root_id": "", "edit_at": 0, **fields}


def found(*posts: dict[str, Any]) -> ChannelHistory:
    result = ChannelHistory()
    result.add(posts)
    return result


def test_who_said_the_same_twice_is_found_as_often_as_it_was_said() -> None:
    """Comparing sets would lose the second "hello", or write it anew each time."""
    assert matched(PLANNED, found(post("a", "ann", "hello"))) == {0: "a"}
    assert matched(PLANNED, found(post("a", "ann", "hello"), post("b", "ann", "hello"))) == {0: "a", 1: "b"}


def test_the_same_words_of_another_are_another_post() -> None:
    assert matched(PLANNED, found(post("c", "bob", "hello"))) == {2: "c"}


def test_a_reply_is_no_root_post_with_the_same_words() -> None:
    """Messages of one word are often the same; a reply that is taken for a root can't be answered."""
    assert matched(PLANNED, found(post("d", "ann", "hello", root_id="x"))) == {}


def test_a_post_that_comes_on_two_pages_is_one() -> None:
    """Pages shift while somebody writes."""
    assert matched(PLANNED, found(post("a", "ann", "hello"), post("a", "ann", "hello"))) == {0: "a"}


def test_messages_of_the_server_are_no_history() -> None:
    """ "ann joined the channel" is of ann, too."""
    assert matched(PLANNED, found(post("a", "ann", "hello", type="system_join_channel"))) == {}


def test_a_post_that_its_author_edited_is_not_written_again() -> None:
    """Simulated people edit; after a run their old posts say something else."""
    assert matched(PLANNED, found(post("a", "ann", "hallo", edit_at=5))) == {0: "a"}
