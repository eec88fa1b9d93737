"""The simple user's steps: their order, what they ask, and that nothing fails while it is logged out."""

from __future__ import annotations

import itertools

import pytest

from mmload.behaviours.composing import send_post
from mmload.behaviours.simple import SIMPLE, only_when_in, schedule
from mmload.behaviours.tasksets import perform
from mmload.config import SimpleAction
from mmload.config.tables import SIMPLE_ACTIONS
from mmload.metrics.recorder import ActionOutcome
from tests.behaviours.conftest import Scene

STEPS = {action.name: only_when_in(action) for action in SIMPLE}


def does(scene: Scene, name: str, outcome: ActionOutcome = ActionOutcome.OK) -> list[str]:
    scene.crowd.asked.clear()
    scene.crowd.failed.clear()
    assert perform(scene.ann, STEPS[name]) is outcome, (name, scene.crowd.failed)
    assert scene.crowd.failed == []
    return list(scene.crowd.asked)


def test_every_action_that_a_document_may_name_is_there() -> None:
    assert sorted(STEPS) == sorted(SIMPLE_ACTIONS)


def test_a_step_comes_in_every_cycle_that_its_period_divides() -> None:
    """Counted from 1: a log-out every 20 cycles is not the first thing a user does."""
    steps = [SimpleAction("CreatePost", 1), SimpleAction("Logout", 3), SimpleAction("Reload", 2)]

    order = [step.action_id for step in itertools.islice(schedule(steps), 7)]

    assert order == ["CreatePost", "CreatePost", "Reload", "CreatePost", "Logout", "CreatePost", "Reload"]


def test_a_period_of_0_is_never_and_alone_it_is_no_endless_search() -> None:
    assert list(schedule([SimpleAction("CreatePost", 0)])) == []
    assert list(schedule([])) == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("GetPinnedPosts", ["GET /channels/{channel_id}/pinned"]),
        ("UpdateProfile", ["PUT /users/{user_id}/patch"]),
        ("UpdateProfileImage", ["POST /users/{user_id}/image"]),
        ("ViewUser", ["GET /channels/{channel_id}/members", "POST /users/ids"]),
    ],
)
def test_small_steps_ask_just_this(scene: Scene, name: str, asked: list[str]) -> None:
    channel_id = scene.at(1)
    scene.ann.store.remember_posts([send_post(scene.bob, channel_id, "something to react to")])

    assert does(scene, name) == asked


def test_a_reaction_is_given_and_taken_back(scene: Scene) -> None:
    channel_id = scene.at(1)
    scene.ann.store.remember_posts([send_post(scene.bob, channel_id, "something to react to")])

    assert "POST /reactions" in does(scene, "AddReaction")
    assert does(scene, "RemoveReaction") == ["DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}"]


def test_messages_and_replies_arrive_where_they_belong(scene: Scene) -> None:
    assert "POST /posts" in does(scene, "CreatePost")
    root = max(scene.ann.store.posts.values(), key=lambda post: (post.user_id == scene.ann.id, post.create_at))
    # Also events have brought posts.
    scene.ann.store.posts.clear()
    scene.ann.store.remember_posts([root])
    assert "POST /posts" in does(scene, "CreatePostReply")

    by_id = {post["id"]: post for post in scene.crowd.admin.posts(root.channel_id)}
    replies = [post for post in by_id.values() if post["root_id"] == root.id]
    assert by_id[root.id]["root_id"] == "" and by_id[root.id]["user_id"] == scene.ann.id
    assert len(replies) == 1


def test_profile_changes_keep_the_user_name(scene: Scene) -> None:
    """The next run, and `mmload init`, find an account by it."""
    does(scene, "UpdateProfile")

    user = scene.crowd.admin.ask("GET", f"/users/{scene.ann.id}")
    assert user["username"] == scene.ann.account.username
    assert user["nickname"] and user["first_name"] == scene.ann.store.me.first_name


def test_a_team_is_renamed_by_its_administrator_only(scene: Scene) -> None:
    assert does(scene, "UpdateTeam", ActionOutcome.SKIPPED) == ["GET /users/{user_id}/teams/members"]

    team = scene.ann.api.create_team(f"own{scene.ann.now_ms()}", "before")
    assert does(scene, "UpdateTeam") == ["GET /users/{user_id}/teams/members", "PUT /teams/{team_id}/patch"]
    assert scene.crowd.admin.ask("GET", f"/teams/{team.id}")["display_name"].startswith("Team ")


def test_teams_and_channels_are_joined_and_left(scene: Scene) -> None:
    scene.crowd.admin.team()
    before = set(scene.ann.store.teams)
    assert does(scene, "JoinTeam")[:2] == ["GET /teams", "POST /teams/{team_id}/members"]
    [joined] = set(scene.ann.store.teams) - before
    assert joined in {team.id for team in scene.ann.api.own_teams(scene.ann.id)}

    left = next(c for c in scene.ann.store.team_channels() if c.name != "town-square")
    scene.ann.store.current_channel_id = left.id
    post = send_post(scene.ann, left.id, "a last word")
    scene.ann.store.reactions[post.id, "tada"] = None
    assert does(scene, "LeaveChannel")[0] == "DELETE /channels/{channel_id}/members/{user_id}"
    assert left.id not in scene.ann.store.members
    assert post.id not in scene.ann.store.posts and (post.id, "tada") not in scene.ann.store.reactions
    assert scene.ann.store.current_channel_id not in ("", left.id)
    scene.bob.api.add_channel_member(left.id, scene.ann.id)
    scene.ann.store.remember_channels([left], member=True)


def test_while_logged_out_nothing_is_asked_until_the_next_log_in(scene: Scene) -> None:
    """The steps between a Logout and a Login must not fail, and not be answered by a log-in of their own."""
    assert does(scene, "Login", ActionOutcome.SKIPPED) == []
    assert does(scene, "Logout")[:2] == ["POST /users/logout", "GET site page"]
    assert scene.ann.socket is None

    for name in sorted(set(STEPS) - {"Login"}):
        assert does(scene, name, ActionOutcome.SKIPPED) == [], name

    assert does(scene, "Login")[0] == "POST /users/login"
    assert scene.ann.api.rest.token and scene.ann.store.current_channel_id
    assert "POST /posts" in does(scene, "CreatePost")


def test_every_step_can_be_done_without_a_failure(scene: Scene) -> None:
    """What does not apply is skipped."""
    scene.ann.store.remember_posts([send_post(scene.bob, scene.at(1), "hello")])
    for name in STEPS:
        if name not in ("Logout", "Login"):
            scene.crowd.failed.clear()
            assert perform(scene.ann, STEPS[name]) is not ActionOutcome.FAILED, (name, scene.crowd.failed)
            assert scene.crowd.failed == [], name
