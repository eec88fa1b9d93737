"""What somebody else has deleted meanwhile: the client forgets it, the action is skipped, nothing counts as failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mmload.behaviours.channel_view import read_posts
from mmload.behaviours.person import outcome_of
from mmload.client.api.posts import CREATE_POST, ROOT_DELETED
from mmload.client.http.client import Route
from mmload.client.http.rules import is_expected
from mmload.errors import NotAvailable, Refused, RequestFailed, ServerFault, WebSocketFailed
from mmload.metrics.recorder import ActionOutcome
from mmload.models import Bookmark, FileInfo, Post, PostMetadata, ScheduledPost, Thread
from tests.behaviours.conftest import Scene, make_scene
from tests.conftest import running_sandbox
from tests.support import crowd

GONE = "abcdefghijklmnopqrstuvwxy3"
REPLIES_ONLY = {"MMLOAD_SIMULCONTROLLER_PERCENTREPLIES": "1"}


@pytest.fixture(scope="module")
def licensed() -> Iterator[Scene]:
    with running_sandbox("--licensed") as address, crowd(address, **REPLIES_ONLY) as here:
        yield make_scene(here)


def server_without_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that names it is refused as Mattermost refuses it: 404, or 400 for a reply to it."""
    rest = scene.ann.api.rest
    ask = rest.call

    def call(route: Route, path: str, body: bytes = b"", **options: Any) -> Any:
        if GONE not in path and GONE.encode() not in body:
            return ask(route, path, body, **options)
        refusal = Refused("404", status=404, error_id="app.post.get.app_error", route=str(route))
        if route == CREATE_POST:
            refusal = Refused("400", status=400, error_id=ROOT_DELETED, route=str(route))
        refusal.expected = is_expected(route.expected, refusal)
        scene.crowd.report(route, 0.0, 0.0, 0, refusal)
        raise refusal

    monkeypatch.setattr(rest, "call", call)


def on_the_screen(scene: Scene, author: str) -> None:
    here = scene.ann.store.current_channel_id
    scene.ann.store.posts[GONE] = Post(id=GONE, user_id=author, channel_id=here, create_at=1)


def by_bob(scene: Scene) -> None:
    on_the_screen(scene, scene.bob.id)


def by_ann(scene: Scene) -> None:
    on_the_screen(scene, scene.ann.id)


def followed(scene: Scene) -> None:
    scene.ann.store.threads[GONE] = Thread(id=GONE)


def reacted(scene: Scene) -> None:
    scene.ann.store.reactions[GONE, "smile"] = None


def linked(scene: Scene) -> None:
    scene.ann.store.permalinks[GONE] = None


def urgent(scene: Scene) -> None:
    scene.ann.store.urgent_posts[GONE] = None


def bookmarked(scene: Scene) -> None:
    scene.ann.store.bookmarks[scene.ann.store.current_channel_id] = [Bookmark(id=GONE), Bookmark(id=GONE)]


def scheduled(scene: Scene) -> None:
    scene.ann.store.scheduled[GONE] = ScheduledPost(id=GONE, channel_id=scene.ann.store.current_channel_id)


def is_known(scene: Scene) -> bool:
    """Whether anything of it is left in ann's memory."""
    store = scene.ann.store
    bookmarks = store.bookmarks.get(store.current_channel_id, [])
    return (
        any(GONE in kept for kept in (store.posts, store.threads, store.permalinks, store.urgent_posts))
        or any(GONE in key for key in store.reactions)
        or GONE in store.scheduled
        or len(bookmarks) > 1
    )


@pytest.mark.parametrize(
    ("action", "known"),
    [
        ("AddReaction", by_bob),
        ("RemoveReaction", reacted),
        ("EditPost", by_ann),
        ("DeletePost", by_ann),
        ("CreatePost", by_bob),
        ("CreatePostReminder", by_bob),
        ("FollowThread", by_bob),
        ("ViewThread", followed),
        ("UpdateThreadRead", followed),
        ("UnfollowThread", followed),
        ("ClickPermalink", linked),
        ("AckToPost", urgent),
        ("UpdateChannelBookmark", bookmarked),
        ("UpdateChannelBookmarkSortOrder", bookmarked),
        ("UpdateScheduledPost", scheduled),
    ],
)
def test_an_action_on_it_is_skipped_and_it_is_forgotten(
    licensed: Scene, action: str, known: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = licensed.ann.store
    licensed.at(0)
    server_without_it(licensed, monkeypatch)
    store.collapsed_threads = True
    for kept in (store.posts, store.threads, store.permalinks, store.urgent_posts, store.reactions, store.scheduled):
        kept.clear()
    known(licensed)

    asked = licensed.does(action, ActionOutcome.SKIPPED)

    assert asked, "it was tried"
    assert not licensed.crowd.failed
    assert not is_known(licensed)


def test_a_deleted_message_takes_its_replies_reactions_and_links_along(licensed: Scene) -> None:
    store = licensed.ann.store
    licensed.at(0)
    for remember in (by_bob, followed, reacted, linked, urgent):
        remember(licensed)
    reply = Post(id="z" * 26, root_id=GONE, channel_id=store.current_channel_id, create_at=2)
    store.remember_posts([reply])

    store.remember_posts([Post(id=GONE, delete_at=5)])

    assert not is_known(licensed)
    assert reply.id not in store.posts


def test_a_picture_that_is_gone_leaves_the_others_to_be_shown(licensed: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows a blank place; the messages are read all the same."""
    files = [FileInfo(id=GONE, extension="png", has_preview_image=True)]
    shown = Post(id="y" * 26, channel_id=licensed.at(1), user_id=licensed.bob.id, metadata=PostMetadata(files=files))
    server_without_it(licensed, monkeypatch)
    licensed.crowd.failed.clear()

    read_posts(licensed.ann, [shown])

    assert shown.id in licensed.ann.store.posts
    assert not licensed.crowd.failed


@pytest.mark.parametrize("failure", [Refused("403", status=403), ServerFault("500", status=500)])
def test_a_picture_that_is_refused_for_another_reason_is_a_failure(
    licensed: Scene, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file_id: str) -> None:
        raise failure

    files = [FileInfo(id=GONE, extension="png", has_preview_image=True), FileInfo(id="f" * 26, extension="txt")]
    shown = Post(id="x" * 26, channel_id=licensed.at(1), user_id=licensed.bob.id, metadata=PostMetadata(files=files))
    monkeypatch.setattr(licensed.ann.api, "thumbnail", refuse)

    with pytest.raises(type(failure)):
        read_posts(licensed.ann, [shown])


@pytest.mark.parametrize(
    ("error", "expected", "outcome"),
    [
        (Refused("404 gone", status=404), True, ActionOutcome.SKIPPED),
        (Refused("403 no", status=403), False, ActionOutcome.FAILED),
        (ServerFault("500", status=500), False, ActionOutcome.FAILED),
    ],
)
def test_only_an_expected_refusal_is_no_failure_of_the_action(
    error: RequestFailed, expected: bool, outcome: ActionOutcome
) -> None:
    error.expected = expected

    assert outcome_of(error) is outcome
    assert outcome_of(NotAvailable("501")) is ActionOutcome.SKIPPED
    assert outcome_of(WebSocketFailed("down")) is ActionOutcome.FAILED
