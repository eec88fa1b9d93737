"""A channel that becomes unread is fetched before anybody opens it: once, by the application's rule."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import send_post
from mmload.behaviours.prefetching import LONGEST_DELAY_SECONDS, MOST_UNREAD, became_unread, delay_seconds
from mmload.models import Channel
from tests.behaviours.conftest import Scene, eventually, make_scene
from tests.support import crowd

AROUND = "GET /users/{user_id}/channels/{channel_id}/posts/unread"
SINCE = "GET /channels/{channel_id}/posts"


@pytest.fixture(scope="module")
def two(sandbox: str) -> Iterator[Scene]:
    with crowd(sandbox) as here:
        yield make_scene(here)


@pytest.fixture
def scene(two: Scene) -> Scene:
    """Ann's window is in front, on the first channel; nothing is unread, and nothing was fetched ahead."""
    store = two.ann.store
    two.at(0)
    two.ann.window.in_front = True
    store.unread.clear()
    store.viewed_at.clear()
    store.forget_prefetched()
    two.bob.store.current_channel_id = ""
    return two


def hears(scene: Scene, number: int, root_id: str = "") -> list[str]:
    """Bob writes into a channel; what ann asks because of that."""
    counts = scene.ann.context.recorder.sockets
    scene.crowd.asked.clear()
    before = counts.posted_of_others
    send_post(scene.bob, scene.channels[number]["id"], "hello", root_id)
    eventually(lambda: counts.posted_of_others > before and not scene.ann.jobs)
    asked_by_bob = {"POST /posts", "DELETE /users/{user_id}/channels/{channel_id}/drafts"}
    asked_by_bob |= {"DELETE /users/{user_id}/channels/{channel_id}/drafts/{root_id}"}
    return [route for route in scene.crowd.asked if route not in asked_by_bob]


def test_a_channel_that_this_page_has_not_loaded_is_fetched_around_the_message_and_once(scene: Scene) -> None:
    """`receive_post_unloaded_channel`."""
    assert hears(scene, 1) == [AROUND]
    assert hears(scene, 1) == []


def test_one_that_was_opened_before_is_fetched_from_where_the_page_has_it(scene: Scene) -> None:
    for number in (1, 0):
        view_channel(scene.ann, scene.ann.store.channels[scene.channels[number]["id"]])

    assert hears(scene, 1) == [SINCE]
    assert hears(scene, 1) == []


def test_so_is_the_channel_on_the_screen_of_a_window_without_focus(scene: Scene) -> None:
    """`receive_post_current_blurred`."""
    view_channel(scene.ann, scene.ann.store.channels[scene.channels[0]["id"]])
    scene.ann.window.in_front = False

    assert hears(scene, 0) == [SINCE]


def test_what_was_read_and_becomes_unread_once_more_is_not_fetched_again(scene: Scene) -> None:
    hears(scene, 1)
    for number in (1, 0):
        view_channel(scene.ann, scene.ann.store.channels[scene.channels[number]["id"]])

    assert hears(scene, 1) == []


def test_a_reply_makes_no_channel_unread_where_threads_are_collapsed(scene: Scene) -> None:
    root = send_post(scene.bob, scene.channels[2]["id"], "who can help?")
    eventually(lambda: root.channel_id in scene.ann.store.unread and not scene.ann.jobs)
    scene.ann.store.unread.clear()

    assert hears(scene, 2, root.id) == []
    assert not scene.ann.store.unread


def test_with_many_unread_channels_nothing_is_fetched(scene: Scene) -> None:
    store = scene.ann.store
    others = [Channel(id=f"unread{number}", team_id=store.current_team_id) for number in range(MOST_UNREAD)]
    store.remember_channels(others, member=True)
    for channel in others:
        store.unread[channel.id] = 0

    assert hears(scene, 1) == []
    for channel in others:
        store.forget_channel(channel.id)


def test_a_muted_channel_is_never_unread(scene: Scene) -> None:
    scene.ann.store.muted = frozenset({scene.channels[1]["id"]})
    assert hears(scene, 1) == []
    scene.ann.store.muted = frozenset()

    assert hears(scene, 1) == [AROUND]


def test_of_a_channel_that_nobody_knows_yet_nothing_is_fetched(scene: Scene) -> None:
    became_unread(scene.ann, "x" * 26, mentioned=True)

    assert not scene.ann.jobs and not scene.ann.store.unread


def test_clients_do_not_all_ask_in_the_same_moment(scene: Scene) -> None:
    delays = [*map(partial(delay_seconds, scene.ann), map(str, range(200)))]

    assert 0 <= min(delays) < LONGEST_DELAY_SECONDS / 10 < 9 * LONGEST_DELAY_SECONDS / 10 < max(delays)
    assert max(delays) <= LONGEST_DELAY_SECONDS
