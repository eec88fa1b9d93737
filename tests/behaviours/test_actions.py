"""Each action asks what the web application asks, in its order, and leaves its mark at the server and in the store."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable

import pytest

from mmload.behaviours.actions.posts import MOST_PAGES_LEFT
from mmload.behaviours.background import poll
from mmload.behaviours.catalogue import SIMULATIVE, Action
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import send_post
from mmload.behaviours.login import close_socket
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import perform
from mmload.metrics.recorder import ActionOutcome
from mmload.models import Post
from tests.behaviours.action_reference import LOOK_UPS, REQUESTS, description
from tests.behaviours.conftest import Scene

VIEW = "POST /channels/members/{user_id}/view"
STATS = "GET /channels/{channel_id}/stats"
UNREAD_POSTS = "GET /users/{user_id}/channels/{channel_id}/posts/unread"
POSTS = "GET /channels/{channel_id}/posts"


def main_requests(asked: list[str]) -> list[str]:
    """Without the looking up of people, which depends on whom one has met before."""
    return [route for route in asked if route not in LOOK_UPS]


def test_opening_a_channel_for_the_first_time_asks_for_what_is_unread(scene: Scene) -> None:
    scene.at(0)
    scene.ann.store.viewed_at.clear()

    asked = scene.does("SwitchChannel")

    asked = main_requests(asked)
    assert (sorted(asked[:2]), asked[2:]) == ([STATS, UNREAD_POSTS], [VIEW])
    assert scene.ann.store.current_channel_id != scene.channels[0]["id"]


def test_coming_back_to_a_channel_asks_only_for_what_is_new(scene: Scene) -> None:
    for channel in scene.ann.store.team_channels():
        scene.ann.store.viewed_at[channel.id] = scene.ann.now_ms()

    assert main_requests(scene.does("SwitchChannel")) == [STATS, POSTS, VIEW]


def test_a_message_arrives_at_the_server_as_it_was_sent(scene: Scene) -> None:
    channel_id = scene.at(1)
    before = scene.ann.context.recorder.deliveries.sent

    asked = scene.does("CreatePost")

    assert set(asked[-2:]) == {"POST /posts", "DELETE /users/{user_id}/channels/{channel_id}/drafts"}
    posts = scene.crowd.admin.posts(channel_id)
    assert posts[0]["user_id"] == scene.ann.id
    assert posts[0]["pending_post_id"] in ("", f"{scene.ann.id}:{scene.ann.last_pending_ms}")
    assert posts[0]["message"]
    assert scene.ann.context.recorder.deliveries.sent == before + 1
    assert posts[0]["id"] in scene.ann.store.posts


def test_replies_answer_the_thread_of_a_message_on_the_screen(scene: Scene) -> None:
    """18 % of the messages are replies; forty give at least one, but for one run in two thousand."""
    channel_id = scene.at(1)
    for _ in range(40):
        scene.does("CreatePost")

    replies = [post for post in scene.crowd.admin.posts(channel_id) if post["root_id"]]
    roots = {post["id"] for post in scene.crowd.admin.posts(channel_id) if not post["root_id"]}
    assert replies
    assert {post["root_id"] for post in replies} <= roots


def show_the_newest_only(scene: Scene, channel_id: str, posts: int) -> list[Post]:
    """Of so many posts that Bob writes, Ann has not read but the last."""
    written = [send_post(scene.bob, channel_id, f"message {number}") for number in range(posts)]
    scene.ann.store.posts.clear()
    scene.ann.store.beginnings.discard(channel_id)
    newest = Post(id=written[-1].id, channel_id=channel_id, create_at=written[-1].create_at)
    scene.ann.store.remember_posts([newest])
    return written


def test_scrolling_goes_back_page_by_page_to_the_beginning(scene: Scene) -> None:
    """The peer reads the newest page again and again."""
    channel_id = scene.at(2)
    sent = show_the_newest_only(scene, channel_id, posts=70)

    pages = 0
    while sent[0].id not in scene.ann.store.posts and pages < 20:
        pages += main_requests(scene.does("ScrollChannel")).count(POSTS)

    # 69 older posts in pages of 30; two in one millisecond at a page's edge are skipped by the server.
    assert pages == 3
    assert len(scene.ann.store.written_posts()) >= 60
    assert scene.does("ScrollChannel", ActionOutcome.SKIPPED) == [], "there is nothing before the beginning"


def test_pages_that_a_channel_lacks_are_read_by_the_next_who_scroll(scene: Scene) -> None:
    """Else how much is read would depend on how long the channels of the server are."""
    channel_id, context = scene.at(0), scene.crowd.context
    show_the_newest_only(scene, channel_id, posts=35)
    context.pages_left_unread = 2

    assert main_requests(scene.does("ScrollChannel")).count(POSTS) == 2, "34 older posts, and no more"
    assert 1 <= context.pages_left_unread <= 5, "of one to five and two more, two were read"


def test_pages_that_nobody_can_read_take_their_time_all_the_same(scene: Scene) -> None:
    channel_id, context = scene.at(0), scene.crowd.context
    show_the_newest_only(scene, channel_id, posts=35)
    # Five of them are taken: there is room for as many again.
    context.pages_left_unread = MOST_PAGES_LEFT
    before, chance = scene.ann.paused_seconds, random.Random()
    chance.setstate(scene.ann.rng.getstate())
    pages = chance.randint(1, 5) + 5

    read = main_requests(scene.does("ScrollChannel")).count(POSTS)

    passed_on = min(pages - read, 5)
    assert 2 <= read <= pages and context.pages_left_unread == MOST_PAGES_LEFT - 5 + passed_on
    assert pages - passed_on <= scene.ann.paused_seconds - before <= 10 * (pages - passed_on)
    context.pages_left_unread = 0


def open_new_channel(scene: Scene, posts: int) -> None:
    """A channel that nobody has seen before, with so many posts of Bob's, is opened by Ann."""
    channel_id, ann = scene.crowd.admin.channel(scene.team.id)["id"], scene.ann
    for person in (ann, scene.bob):
        person.api.add_channel_member(channel_id, person.id)
    ann.store.remember_channels(ann.api.own_channels(ann.id, scene.team.id, True), member=True)
    for number in range(posts):
        send_post(scene.bob, channel_id, f"hello {number}")
    view_channel(ann, ann.store.channels[channel_id])


def test_who_opens_a_long_channel_for_the_first_time_sees_its_newest_posts(scene: Scene) -> None:
    open_new_channel(scene, posts=65)

    assert main_requests(scene.does("ScrollChannel")).count(POSTS) >= 1, "there are older ones"


def test_who_opens_a_short_channel_has_nothing_to_scroll(scene: Scene) -> None:
    """The application asks for nothing before the first post: the posts of a channel say that it is among them."""
    open_new_channel(scene, posts=1)

    assert scene.ann.store.oldest_post_id()
    assert scene.does("ScrollChannel", ActionOutcome.SKIPPED) == []


def test_an_empty_channel_has_nothing_to_scroll(scene: Scene) -> None:
    scene.at(0)
    scene.ann.store.posts.clear()

    assert scene.does("ScrollChannel", ActionOutcome.SKIPPED) == []


def test_a_reaction_is_one_the_server_accepts_and_can_be_taken_back(scene: Scene) -> None:
    """The peer's names carry colons: every one of its reactions is refused."""
    channel_id = scene.at(1)
    post = send_post(scene.ann, channel_id, "what do you think?")
    scene.ann.store.posts.clear()
    scene.ann.store.reactions.clear()
    scene.ann.store.remember_posts([post])

    assert set(scene.does("AddReaction")[-2:]) == {"PUT /users/{user_id}/preferences", "POST /reactions"}
    reactions = scene.crowd.admin.ask("GET", f"/posts/{post.id}/reactions")
    assert [(reaction["user_id"], reaction["emoji_name"]) for reaction in reactions] == [
        (scene.ann.id, next(iter(scene.ann.store.reactions))[1])
    ]

    assert scene.does("RemoveReaction") == ["DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}"]
    assert not scene.crowd.admin.ask("GET", f"/posts/{post.id}/reactions")


def test_coming_back_to_the_window_checks_what_is_unread(scene: Scene) -> None:
    asked = scene.does("UnreadCheck")

    assert asked[0] == VIEW
    assert sorted(asked[1:]) == [
        "GET /users/{user_id}/teams/{team_id}/channels",
        "GET /users/{user_id}/teams/{team_id}/channels/members",
        VIEW,
    ]


def test_a_direct_channel_becomes_current_and_is_written_to(scene: Scene) -> None:
    """The peer opens direct channels but never writes into one; its preference carries the channel's id."""
    asked = main_requests(scene.does("CreateDirectChannel"))

    opened = asked.index("POST /channels/direct")
    assert set(asked[:opened]) == {"GET /users/autocomplete", "POST /channels/search"}
    assert set(asked[opened + 1 : opened + 3]) == {
        "GET /channels/{channel_id}",
        "GET /channels/{channel_id}/members/{user_id}",
    }
    assert "PUT /users/{user_id}/preferences" in asked
    assert set(asked[-2:]) == {"POST /posts", "DELETE /users/{user_id}/channels/{channel_id}/drafts"}
    channel = scene.ann.store.channels[scene.ann.store.current_channel_id]
    assert channel.type == "D"
    partner = scene.ann.store.direct_partner(channel)
    assert scene.ann.store.preferences["direct_channel_show", partner] == "true"
    assert partner in scene.ann.store.shown_partners()


def test_opening_a_direct_channel_again_shows_it_in_the_sidebar(scene: Scene) -> None:
    channel = scene.ann.api.create_direct_channel(scene.ann.id, scene.bob.id)
    scene.ann.store.remember_channels([channel], member=True)
    scene.at(0)

    asked = main_requests(scene.does("OpenDirectOrGroupChannel"))

    assert {STATS, "PUT /users/{user_id}/preferences"} <= {*asked[:3]}
    assert len(asked) == 4
    assert asked[-1] == VIEW
    assert scene.ann.store.channels[scene.ann.store.current_channel_id].personal


def test_nothing_is_opened_where_nobody_wrote_directly(scene: Scene) -> None:
    kept = dict(scene.ann.store.channels)
    for channel in scene.ann.store.personal_channels():
        scene.ann.store.forget_channel(channel.id)

    assert scene.does("OpenDirectOrGroupChannel", ActionOutcome.SKIPPED) == []
    scene.ann.store.remember_channels(kept.values(), member=True)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("DeletePost", ["DELETE /posts/{post_id}"]),
        ("UpdateCustomStatus", ["PUT /users/{user_id}/status/custom"]),
        ("RemoveCustomStatus", ["DELETE /users/{user_id}/status/custom"]),
    ],
)
def test_small_actions_ask_just_this(scene: Scene, name: str, asked: list[str]) -> None:
    channel_id = scene.at(1)
    send_post(scene.ann, channel_id, "something of my own")

    assert scene.does(name) == asked


def test_a_draft_is_kept_and_deleted_once(scene: Scene) -> None:
    """The peer deletes the same draft over and over: a tenth of its actions."""
    scene.needs("UpsertDraft")
    channel_id = scene.at(1)
    send_post(scene.ann, channel_id, "to be answered")
    scene.ann.store.drafts.clear()

    assert "POST /drafts" in scene.does("UpsertDraft")
    kept = scene.ann.api.drafts(scene.team.id)
    assert [(draft.channel_id, draft.root_id) for draft in kept] == list(scene.ann.store.drafts)

    assert len(scene.does("DeleteDraft")) == 1
    assert scene.ann.api.drafts(scene.team.id) == []
    # With no draft left, a message is begun, and the box emptied again.
    assert scene.does("DeleteDraft")[-1] == "DELETE /users/{user_id}/channels/{channel_id}/drafts"


def test_joining_counts_only_when_the_server_confirms_it(scene: Scene) -> None:
    made = scene.crowd.admin.channel(scene.team.id)

    assert "POST /channels/{channel_id}/members" in scene.does("JoinChannel")

    assert made["id"] in scene.ann.store.members
    members = scene.crowd.admin.ask("GET", f"/channels/{made['id']}/members?page=0&per_page=100")
    assert scene.ann.id in {member["user_id"] for member in members}
    assert "POST /channels/{channel_id}/members" not in scene.does("JoinChannel", ActionOutcome.SKIPPED)


def test_a_reload_of_everything_causes_no_failure(scene: Scene) -> None:
    """The peer's first load of every user fails and is done again."""
    asked = scene.does("FullReload")

    assert scene.crowd.failed == []
    for route in (
        "GET /users/{user_id}/preferences",
        "GET /config/client",
        "GET /users/me",
        "GET /users/{user_id}/teams/members",
        "GET /users/{user_id}/channel_members",
        "GET /users/{user_id}/teams/{team_id}/channels/categories",
    ):
        assert route in asked
    assert scene.ann.store.current_team_id in scene.ann.store.teams


def test_logging_out_and_in_gives_a_new_session(scene: Scene) -> None:
    token = scene.ann.api.rest.token

    asked = scene.does("LogoutLogin")

    assert asked[:2] == ["POST /users/logout", "GET site page"]
    assert "POST /users/login" in asked
    assert scene.ann.api.rest.token not in ("", token)


def test_a_person_left_without_a_socket_gets_one_at_the_next_poll(scene: Scene) -> None:
    """A reload that fails between closing the old socket and opening the new one must not leave a deaf user."""
    close_socket(scene.ann)

    poll(scene.ann)

    assert scene.ann.socket is not None
    assert scene.ann.socket.connected


def test_every_action_of_a_free_server_can_be_done_without_a_failure(scene: Scene) -> None:
    """What a person can not do now is skipped; nothing that is done fails."""
    channel_id = scene.at(1)
    send_post(scene.bob, channel_id, f"@{scene.ann.account.username} hello")
    can = scene.ann.context.capabilities
    for action in SIMULATIVE:
        if action.offered(can):
            outcome, asked = scene.tries(action)
            assert outcome is not ActionOutcome.FAILED, (action.name, scene.crowd.failed)
            assert scene.crowd.failed == [], action.name
            assert not set(asked) - set(REQUESTS[action.name]) - set(LOOK_UPS), action.name


def test_the_page_about_the_actions_is_up_to_date() -> None:
    """`python -m tests.behaviours.action_reference > docs/behaviours.md` makes it."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "behaviours.md"

    assert page.read_text() == description()
    assert set(REQUESTS) == {action.name for action in SIMULATIVE}


@pytest.mark.parametrize(
    "ask",
    [
        lambda person, gone: person.api.thread(gone),
        lambda person, gone: person.api.unreact(person.id, gone, "smile"),
        lambda person, gone: person.api.patch_post(Post(id=gone), "changed"),
        lambda person, gone: person.api.delete_post(gone),
        lambda person, gone: person.api.thumbnail(gone),
        lambda person, gone: send_post(person, person.store.current_channel_id, "reply", root_id=gone),
    ],
    ids=["thread", "unreact", "patch", "delete", "thumbnail", "reply"],
)
def test_what_somebody_deleted_meanwhile_is_no_failure(scene: Scene, ask: Callable[[Person, str], object]) -> None:
    """A real client is refused as well: the action is skipped, the request reported as an expected refusal."""
    post = send_post(scene.ann, scene.at(2), "soon gone")
    scene.crowd.admin.ask("DELETE", f"/posts/{post.id}")
    scene.crowd.failed.clear()
    scene.crowd.refused_as_expected.clear()

    def run(person: Person) -> None:
        ask(person, post.id)

    outcome = perform(scene.ann, Action("Ask", run, 1))

    assert scene.crowd.failed == []
    assert len(scene.crowd.refused_as_expected) == 1
    assert outcome is ActionOutcome.SKIPPED
