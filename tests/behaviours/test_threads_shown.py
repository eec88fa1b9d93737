"""The full form of threads: asked when a message with replies is shown, for those one follows, once per page load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.behaviours.actions.session import press_reload
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import send_post
from mmload.behaviours.prefetching import fetch_new
from mmload.models import Post
from tests.behaviours.conftest import Scene, eventually, make_scene
from tests.support import crowd

THREAD = "GET /users/{user_id}/teams/{team_id}/threads/{thread_id}"


@pytest.fixture
def scene(sandbox: str) -> Iterator[Scene]:
    """Ann looks at the first channel, and knows none of the others' messages."""
    with crowd(sandbox) as here:
        made = make_scene(here)
        made.at(0)
        yield made


def writes(scene: Scene, text: str, root: Post | None = None, *, by_ann: bool = False) -> Post:
    """Into the second channel, which ann does not look at."""
    channel_id = scene.channels[1]["id"]
    return send_post(scene.ann if by_ann else scene.bob, channel_id, text, root.id if root else "")


def opens(scene: Scene, number: int) -> int:
    """Ann opens a channel; how many threads she asks for."""
    eventually(lambda: not scene.ann.jobs)
    scene.crowd.asked.clear()
    view_channel(scene.ann, scene.ann.store.channels[scene.channels[number]["id"]])
    return scene.crowd.asked.count(THREAD)


def test_one_follows_what_one_began_answered_or_was_mentioned_in_and_nothing_else(scene: Scene) -> None:
    began, answered, mentioned, foreign = (
        writes(scene, text, by_ann=text == "mine") for text in ("mine", "a", "b", "c")
    )
    writes(scene, "an answer", began)
    writes(scene, "an answer", answered, by_ann=True)
    writes(scene, f"an answer, @{scene.ann.store.me.username}", mentioned)
    writes(scene, "an answer", foreign)
    writes(scene, "without an answer", by_ann=True)

    assert opens(scene, 1) == 3


def test_each_is_asked_for_once_until_the_page_is_loaded_anew(scene: Scene) -> None:
    writes(scene, "an answer", writes(scene, "mine", by_ann=True))

    assert opens(scene, 1) == 1
    opens(scene, 0)
    writes(scene, "new, so that the message comes once more")
    assert opens(scene, 1) == 0
    scene.crowd.asked.clear()
    # The page may come back at this channel by itself.
    press_reload(scene.ann)
    in_all = scene.crowd.asked.count(THREAD) + opens(scene, 1)
    assert in_all == 1


def test_what_was_fetched_ahead_is_asked_for_when_it_is_shown(scene: Scene) -> None:
    writes(scene, "an answer", writes(scene, "mine", by_ann=True))
    scene.ann.store.viewed_at.pop(scene.channels[1]["id"], None)
    scene.crowd.asked.clear()
    fetch_new(scene.ann, scene.channels[1]["id"])

    assert THREAD not in scene.crowd.asked
    assert opens(scene, 1) == 1


def test_who_does_not_see_threads_collapsed_asks_for_none(scene: Scene) -> None:
    scene.ann.store.collapsed_threads = False
    writes(scene, "an answer", writes(scene, "mine", by_ann=True))

    assert opens(scene, 1) == 0
