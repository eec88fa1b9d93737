"""Every action of the table: what it asks, in order, and what it leaves in the client's memory.

Those that a free server offers run on the sandbox and on the real one, the others on a licensed sandbox. A route with a
`+` may come several times in a row. Looking up people one has not met yet may come at any point (`LOOK_UPS`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import gevent
import pytest
from msgspec.structs import replace

from mmload.behaviours.catalogue import SIMULATIVE
from mmload.behaviours.composing import send_post
from mmload.behaviours.page_load import open_team
from mmload.models import Team
from tests.behaviours.action_reference import LOOK_UPS
from tests.behaviours.conftest import Scene, make_scene
from tests.conftest import running_sandbox
from tests.support import crowd

CALM = {
    "MMLOAD_SIMULCONTROLLER_PERCENTREPLIES": "0",
    "MMLOAD_SIMULCONTROLLER_PERCENTPOSTSWITHFILES": "0",
    "MMLOAD_SIMULCONTROLLER_PERCENTPOSTSWITHMENTION": "0",
    "MMLOAD_SIMULCONTROLLER_PERCENTPOSTSWITHPERMALINK": "0",
}

Requests = Sequence[str | tuple[str, ...]]

VIEW = "POST /channels/members/{user_id}/view"
POSTS = "GET /channels/{channel_id}/posts"
STATS = "GET /channels/{channel_id}/stats"
PREFERENCES = "PUT /users/{user_id}/preferences"
BOX = ("GET /agents", "GET /agents/status", "GET /agents")
OPEN_THREAD: Requests = ["GET /posts/{post_id}/thread+", BOX]
BROWSE: Requests = [
    ("GET /teams/{team_id}/channels", "GET /teams/{team_id}/channels/deleted"),
    "POST /channels/stats/member_count",
]
MEMBERSHIP = ("GET /channels/{channel_id}", "GET /channels/{channel_id}/members/{user_id}")
UNREAD_POSTS = "GET /users/{user_id}/channels/{channel_id}/posts/unread"
JOIN: Requests = ["POST /channels/{channel_id}/members", MEMBERSHIP, MEMBERSHIP, UNREAD_POSTS]
THREADS = "GET /users/{user_id}/teams/{team_id}/threads"
THREAD = "/users/{user_id}/teams/{team_id}/threads/{thread_id}"
CATEGORIES = "/users/{user_id}/teams/{team_id}/channels/categories"
OWN_CHANNELS = "GET /users/{user_id}/teams/{team_id}/channels"
OWN_MEMBERS = "GET /users/{user_id}/teams/{team_id}/channels/members"
MY_CHANNELS = [f"{OWN_CHANNELS}|{OWN_MEMBERS}"] * 2
DRAFTS = "/users/{user_id}/channels/{channel_id}/drafts"
BOOKMARKS = "/channels/{channel_id}/bookmarks"

PLUGINS = "GET /plugins/webapp"

FIRST_VISIT: Requests = [(STATS, UNREAD_POSTS), VIEW, "GET /users/stats+?"]
DIRECT_VISIT: Requests = [(STATS, UNREAD_POSTS, PREFERENCES), VIEW]
ANY_VISIT = [*[f"{STATS}|{UNREAD_POSTS}|{POSTS}"] * 2, VIEW]
SETTINGS = ["GET /config/client|GET /license/client"] * 2
ACCOUNT = "|".join(
    (
        "GET /users/me",
        "GET /users/{user_id}/preferences",
        "GET /users/{user_id}/teams",
        "GET /users/{user_id}/teams/members",
    )
)
ROLES, LIMITS = "POST /roles/names", "GET /limits/server"
SCHEDULED = "GET /posts/scheduled/team/{team_id}"
UNREAD_TEAMS = "GET /users/{user_id}/teams/unread"
OWN = ("GET /trial-license/prev", "GET /users/{user_id}/channels", "GET /users/{user_id}/channel_members")
AROUND = ("GET /system/notices/{team_id}", THREADS, "GET /users/{user_id}/teams/{team_id}/drafts", "GET /users")
AGENTS = ("GET /agents", "GET /agents/status")
SHOWN = (STATS, UNREAD_POSTS, POSTS, PREFERENCES, VIEW, "GET /users/stats", "POST /users/group_channels", ROLES)
SITE = "GET site page"
# Groups of a page load: requests of one are made together, and those of several may be the same.
FRAME = "|".join((ROLES, UNREAD_TEAMS, LIMITS, OWN_CHANNELS, OWN_MEMBERS, PLUGINS, SCHEDULED, "GET /teams"))
CHANNEL = "|".join((*AROUND, *AGENTS, *SHOWN))
APPLICATION = [f"{FRAME}+", "|".join((*OWN, f"GET {CATEGORIES}")) + "+", f"{CHANNEL}+"]
PAGE = [*SETTINGS, f"{ACCOUNT}+", *APPLICATION]
LEAVING = f"{SITE}|{PREFERENCES}|DELETE {DRAFTS}|GET site asset+"
LOG_IN = "|".join((LIMITS, *SETTINGS, ACCOUNT, ROLES))
DIALOG = ["POST /channels", "GET /teams/{team_id}/stats", "GET /users", "GET /users", VIEW]

FREE: dict[str, Requests] = {
    "SwitchChannel": FIRST_VISIT,
    "ScrollChannel": [POSTS + "+"],
    "DeleteDraft": [f"DELETE {DRAFTS}|DELETE {DRAFTS}/{{root_id}}"],
    "UnreadCheck": [VIEW, *[f"{VIEW}|{OWN_CHANNELS}|{OWN_MEMBERS}"] * 3],
    "CreatePost": [("POST /posts", f"DELETE {DRAFTS}")],
    "OpenDirectOrGroupChannel": DIRECT_VISIT,
    "ViewGlobalThreads": [
        THREADS + "+",
        *OPEN_THREAD,
        f"PUT {THREAD}/read/{{timestamp}}+?",
        THREADS + "+",
        (*BOX, STATS, POSTS),
        POSTS,
        VIEW,
    ],
    "UpsertDraft": [("POST /drafts", STATS, UNREAD_POSTS), VIEW],
    "UpdateThreadRead": [f"PUT {THREAD}/read/{{timestamp}}"],
    "ClickPermalink": [
        "GET /posts/{post_id}/info",
        "GET /posts/{post_id}/thread",
        (*BOX, OWN_CHANNELS, OWN_MEMBERS, STATS, STATS),
        (POSTS, "GET /posts/{post_id}/thread", POSTS),
    ],
    "ViewThread": [*OPEN_THREAD, f"PUT {THREAD}/read/{{timestamp}}+?"],
    "ReconnectWebSocket": [],
    "AddReaction": ["POST /emoji/search+?", "GET /emoji+?", "POST /emoji/search+?", (PREFERENCES, "POST /reactions")],
    "EditPost": [BOX, "PUT /posts/{post_id}/patch", *[f"DELETE {DRAFTS}"] * 2],
    "GetDrafts": ["GET /users/{user_id}/teams/{team_id}/drafts"],
    "SearchUsers": ["POST /users/search+"],
    "ClickUserProfile": [
        ("GET /teams/{team_id}/members/{user_id}", "GET /channels/{channel_id}/members/{user_id}"),
    ],
    "SearchPosts": [
        "GET /users/autocomplete+?",
        "GET /teams/{team_id}/channels/search_autocomplete+?",
        ("POST /teams/{team_id}/posts/search", "POST /teams/{team_id}/files/search", "GET /limits/server"),
        "POST /teams/{team_id}/posts/search",
    ],
    "SearchGroupChannels": ["POST /channels/group/search+"],
    "SearchChannels": ["GET /users/autocomplete|POST /channels/search+"],
    "SearchPostsAllTeams": ["POST /posts/search"],
    "CreateDirectChannel": [
        "GET /users/autocomplete|POST /channels/search+",
        "POST /channels/direct",
        MEMBERSHIP,
        (STATS, UNREAD_POSTS, PREFERENCES, PREFERENCES),
        VIEW,
        ("POST /posts", f"DELETE {DRAFTS}"),
    ],
    "UnfollowThread": [f"DELETE {THREAD}/following"],
    "JoinChannel": [
        "GET /users/autocomplete|POST /channels/search+",
        "GET /teams/name/{team_name}/channels/name/{channel_name}",
        "GET /channels/{channel_id}/members/{user_id}",
        *JOIN,
        *FIRST_VISIT,
    ],
    "DeletePost": ["DELETE /posts/{post_id}"],
    "UpdateSidebarCategory": [f"PUT {CATEGORIES}", f"GET {CATEGORIES}"],
    "CreateGroupChannel": ["GET /users", "POST /channels/group", *DIRECT_VISIT, ("POST /posts", f"DELETE {DRAFTS}")],
    "UpdateCustomStatus": ["PUT /users/{user_id}/status/custom"],
    "RemoveCustomStatus": ["DELETE /users/{user_id}/status/custom"],
    "FullReload": [LEAVING, *SETTINGS, f"{ACCOUNT}+", "GET site asset+?", *APPLICATION],
    "LogoutLogin": [
        *("POST /users/logout", SITE, *SETTINGS, f"{PLUGINS}+?", "POST /users/login"),
        *(f"{LOG_IN}+", *APPLICATION),
    ],
    "CreatePostReminder": ["POST /users/{user_id}/posts/{post_id}/reminder"],
    "FollowThread": [f"PUT {THREAD}/following"],
    "CreatePrivateChannel": [*DIALOG, "POST /channels/{channel_id}/members+"],
    "GenerateUserReport": ["GET /reports/users+"],
    "RemoveReaction": ["DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}"],
    "SwitchTeam": [*MY_CHANNELS, f"GET {CATEGORIES}|{CHANNEL}+"],
    "CreateSidebarCategory": [f"POST {CATEGORIES}", f"GET {CATEGORIES}"],
    "CreatePublicChannel": DIALOG,
    "MarkAllThreadsInTeamAsRead": ["PUT /users/{user_id}/teams/{team_id}/threads/read", THREADS],
    "LeaveChannel": [
        ("DELETE /channels/{channel_id}/members/{user_id}", OWN_CHANNELS, OWN_MEMBERS, STATS),
        POSTS,
        VIEW,
    ],
    "BrowseChannels": [*BROWSE, "POST /channels/search+", "POST /channels/stats/member_count+?"],
    "MarkUnread": ["POST /users/{user_id}/posts/{post_id}/set_unread"],
    "UpdateStatus": ["PUT /users/{user_id}/status", "PUT /users/{user_id}/status"],
    "Reload": [LEAVING, *PAGE],
    "MentionAll": [("POST /posts", f"DELETE {DRAFTS}")],
    "OpenTownSquare": FIRST_VISIT,
    "PostInTownSquare": [("POST /posts", f"DELETE {DRAFTS}")],
}
LICENSED: dict[str, Requests] = {
    "CreateScheduledPost": ["POST /posts/schedule"],
    "UpdateScheduledPost": ["PUT /posts/schedule/{scheduled_post_id}"],
    "DeleteScheduledPost": ["DELETE /posts/schedule/{scheduled_post_id}"],
    "SendScheduledPost": [("POST /posts", f"DELETE {DRAFTS}"), "DELETE /posts/schedule/{scheduled_post_id}"],
    "UpdateCustomAttribute": ["PATCH /custom_profile_attributes/values"],
    "AddChannelBookmark": [f"POST {BOOKMARKS}"],
    "UpdateChannelBookmark": [f"PATCH {BOOKMARKS}/{{bookmark_id}}"],
    "UpdateChannelBookmarkSortOrder": [f"POST {BOOKMARKS}/{{bookmark_id}}/sort_order"],
    "DeleteChannelBookmark": [f"DELETE {BOOKMARKS}/{{bookmark_id}}"],
    "CreateAckPost": ["POST /posts"],
    "AckToPost": ["POST /users/{user_id}/posts/{post_id}/ack"],
    "CreatePersistentNotificationPost": ["GET /channels/{channel_id}/members", "POST /posts"],
}


def in_order(asked: list[str], expected: Sequence[str | tuple[str, ...]]) -> bool:
    """Whether the requests are the expected ones, in order, but for looking up people."""
    rest = "".join(f"{route}\n" for route in asked if route not in LOOK_UPS)
    return re.fullmatch("".join(map(_pattern, expected)), rest) is not None


def _pattern(route: str | tuple[str, ...]) -> str:
    """Requests made at once are answered in any order."""
    if isinstance(route, tuple):
        return f"(?:(?:{'|'.join(map(re.escape, route))})\n){{{len(route)}}}"
    bare = route.rstrip("?").rstrip("+")
    one = "(?:" + "|".join(re.escape(part) for part in bare.split("|")) + ")\n"
    return f"(?:{one})" + ("*" if route.endswith("+?") else "+" if route.endswith("+") else "")


def needs_nothing(scene: Scene) -> None:
    """The stage is enough."""


def needs_draft(scene: Scene) -> None:
    scene.does("UpsertDraft")
    scene.at(1)


def needs_reaction(scene: Scene) -> None:
    scene.ann.store.reactions.clear()
    scene.does("AddReaction")


def needs_thread(scene: Scene) -> None:
    """A followed thread with an answer."""
    root = send_post(scene.ann, scene.at(1), "who can help?")
    send_post(scene.bob, scene.at(1), "I can", root.id)
    scene.ann.api.follow_thread(scene.ann.id, scene.team.id, root.id)
    scene.ann.store.threads.clear()
    scene.does("ViewGlobalThreads")


def needs_direct_channel(scene: Scene) -> None:
    for channel in scene.ann.store.personal_channels():
        scene.ann.store.forget_channel(channel.id)
    channel = scene.ann.api.create_direct_channel(scene.ann.id, scene.bob.id)
    scene.ann.store.remember_channels([channel], member=True)
    scene.ann.store.viewed_at.clear()


def needs_second_team(scene: Scene) -> None:
    made = scene.crowd.admin.team()
    scene.ann.api.join_team(made["id"], scene.ann.id)
    here, there = scene.team, Team(id=made["id"], name=made["name"])
    scene.ann.store.remember_teams([here, there])


def needs_permalink(scene: Scene) -> None:
    scene.ann.store.viewed_at.clear()
    post = send_post(scene.bob, scene.at(1), "linked")
    scene.ann.store.permalinks.clear()
    scene.ann.store.permalinks[post.id] = None


def needs_unjoined_channel(scene: Scene) -> None:
    scene.crowd.admin.channel(scene.team.id)


def needs_channel_to_leave(scene: Scene) -> None:
    """The scene's own channels are kept for the other actions. The page has the posts of the one that opens."""
    for channel in scene.ann.store.team_channels():
        scene.ann.store.viewed_at.setdefault(channel.id, scene.ann.now_ms())
    made = scene.crowd.admin.channel(scene.team.id)
    scene.ann.api.add_channel_member(made["id"], scene.ann.id)
    scene.ann.store.remember_channels([scene.ann.api.channel(made["id"])], member=True)
    scene.ann.store.current_channel_id = made["id"]


def needs_first_visit(scene: Scene) -> None:
    scene.ann.store.viewed_at.clear()


def needs_two_categories(scene: Scene) -> None:
    scene.does("CreateSidebarCategory")


def needs_administrator(scene: Scene) -> None:
    """Bob, made an administrator, lends ann his role for one action: only the admin may read the report."""
    scene.crowd.admin.ask("PUT", f"/users/{scene.ann.id}/roles", {"roles": "system_user system_admin"})
    scene.does("LogoutLogin")


def needs_scheduled_post(scene: Scene) -> None:
    scene.does("CreateScheduledPost")


def needs_attribute(scene: Scene) -> None:
    scene.ann.store.attribute_ids = [made["id"] for made in attribute_fields(scene)]


def attribute_fields(scene: Scene) -> list[dict[str, str]]:
    fields: list[dict[str, str]] = scene.crowd.admin.ask("GET", "/custom_profile_attributes/fields")
    if not fields:
        body = {"name": "Favourite colour", "type": "text"}
        fields = [scene.crowd.admin.ask("POST", "/custom_profile_attributes/fields", body)]
    return fields


def needs_bookmarks(scene: Scene) -> None:
    scene.at(1)
    scene.does("AddChannelBookmark")
    scene.does("AddChannelBookmark")


def needs_urgent_post(scene: Scene) -> None:
    post = scene.bob.api.create_priority_post(
        scene.at(1), "read this", scene.bob.pending_post_id(), acknowledge=True, persistent=False
    )
    scene.ann.store.remember_posts([post])


def needs_more_to_read(scene: Scene) -> None:
    scene.ann.store.beginnings.discard(scene.at(1))


PREPARED: dict[str, Callable[[Scene], None]] = {
    "SwitchChannel": needs_first_visit,
    "ScrollChannel": needs_more_to_read,
    "UpsertDraft": needs_first_visit,
    "OpenTownSquare": needs_first_visit,
    "ViewGlobalThreads": needs_thread,
    "DeleteDraft": needs_draft,
    "OpenDirectOrGroupChannel": needs_direct_channel,
    "CreateDirectChannel": needs_first_visit,
    "CreateGroupChannel": needs_first_visit,
    "UpdateThreadRead": needs_thread,
    "ViewThread": needs_thread,
    "UnfollowThread": needs_thread,
    "ClickPermalink": needs_permalink,
    "JoinChannel": needs_unjoined_channel,
    "LeaveChannel": needs_channel_to_leave,
    "UpdateSidebarCategory": needs_two_categories,
    "GenerateUserReport": needs_administrator,
    "RemoveReaction": needs_reaction,
    "AddReaction": lambda scene: scene.ann.store.reactions.clear(),
    "SwitchTeam": needs_second_team,
    "UpdateScheduledPost": needs_scheduled_post,
    "DeleteScheduledPost": needs_scheduled_post,
    "SendScheduledPost": needs_scheduled_post,
    "UpdateCustomAttribute": needs_attribute,
    "UpdateChannelBookmark": needs_bookmarks,
    "UpdateChannelBookmarkSortOrder": needs_bookmarks,
    "DeleteChannelBookmark": needs_bookmarks,
    "AckToPost": needs_urgent_post,
}


def stage(scene: Scene) -> None:
    """Ann is in her team, looks at a channel with messages of hers and of others, and knows where she has been."""
    ann = scene.ann
    if ann.store.current_team_id != scene.team.id:
        open_team(ann, scene.team)
    channel_id = scene.at(1)
    ann.store.posts.clear()
    ann.store.remember_posts([send_post(scene.bob, channel_id, "hello"), send_post(ann, channel_id, "hello yourself")])
    answered = send_post(ann, channel_id, "any news?")
    ann.store.remember_posts([answered, send_post(scene.bob, channel_id, "none", answered.id)])
    channel = ann.store.channels[channel_id]
    ann.store.viewed_at.setdefault(channel.id, ann.now_ms())
    ann.store.typed.clear()


def check(scene: Scene, name: str, expected: Requests) -> None:
    scene.needs(name)
    if not scene.ann.context.capabilities.plugins:
        expected = [route for route in expected if route != PLUGINS]
    stage(scene)
    PREPARED.get(name, needs_nothing)(scene)
    if name not in ("ScrollChannel", "LeaveChannel"):
        scene.at(1)
    before = summary_of(scene)
    asked = scene.does(name)
    assert in_order(asked, expected), f"{name} asked {asked}"
    assert scene.crowd.failed == []
    assert_effect(scene, name, before)


def summary_of(scene: Scene) -> dict[str, int]:
    store = scene.ann.store
    return {
        "members": len(store.members),
        "drafts": len(store.drafts),
        "reactions": len(store.reactions),
        "threads": len(store.threads),
        "own": sum(post.user_id == scene.ann.id for post in store.posts.values()),
        "scheduled": len(store.scheduled),
        "bookmarks": len(store.bookmarks.get(store.current_channel_id, [])),
    }


# What an action changes in the store: the part, and by how much.
EFFECTS = {
    "CreatePost": ("own", 1),
    "DeletePost": ("own", -1),
    "DeleteDraft": ("drafts", -1),
    "AddReaction": ("reactions", 1),
    "RemoveReaction": ("reactions", -1),
    "UnfollowThread": ("threads", -1),
    "JoinChannel": ("members", 1),
    "LeaveChannel": ("members", -1),
    "CreatePublicChannel": ("members", 1),
    "CreatePrivateChannel": ("members", 1),
    "CreateScheduledPost": ("scheduled", 1),
    "DeleteScheduledPost": ("scheduled", -1),
    "SendScheduledPost": ("scheduled", -1),
    "AddChannelBookmark": ("bookmarks", 1),
    "DeleteChannelBookmark": ("bookmarks", -1),
}
ELSEWHERE = {
    *("SwitchChannel", "OpenDirectOrGroupChannel", "CreateDirectChannel", "CreateGroupChannel", "SwitchTeam"),
    *("UpsertDraft", "JoinChannel", "LeaveChannel", "OpenTownSquare"),
}


def assert_effect(scene: Scene, name: str, before: dict[str, int]) -> None:
    if name in EFFECTS:
        part, change = EFFECTS[name]
        expected = before[part] + change
        # The socket's events of the action itself may still be on their way.
        with gevent.Timeout(60, AssertionError(f"{name}: {part} never came to {expected}")):
            while summary_of(scene)[part] != expected:
                gevent.sleep(0.02)
    here = scene.ann.store.current_channel_id
    assert (here != scene.channels[1]["id"]) == (name in ELSEWHERE), f"{name} ended in {here}"


@pytest.fixture(scope="module")
def calm_scene(server: str) -> Iterator[Scene]:
    with crowd(server, **CALM) as here:
        # Groups need a third person.
        yield make_scene(here, people=3)


@pytest.fixture(scope="module")
def licensed_scene() -> Iterator[Scene]:
    with running_sandbox("--licensed") as address, crowd(address, **CALM) as here:
        yield make_scene(here)


@pytest.mark.parametrize("name", [name for name in FREE if name != "GenerateUserReport"])
def test_what_an_action_asks_and_changes(calm_scene: Scene, name: str) -> None:
    check(calm_scene, name, FREE[name])


@pytest.mark.parametrize("name", [*LICENSED, "GenerateUserReport"])
def test_what_an_action_asks_and_changes_on_a_licensed_server(licensed_scene: Scene, name: str) -> None:
    check(licensed_scene, name, {**FREE, **LICENSED}[name])


def test_no_action_is_left_out() -> None:
    assert {*FREE, *LICENSED} == {action.name for action in SIMULATIVE}


def test_root_posts_are_urgent_with_the_configured_share(licensed_scene: Scene) -> None:
    """PercentUrgentPosts of simulcontroller.json, on servers that have message priority; replies never are."""
    scene = licensed_scene
    context = scene.ann.context
    before = context.settings
    for percent, replies, expected in ((1.0, 0.0, True), (0.0, 0.0, False), (1.0, 1.0, False)):
        simul = replace(before.simul, percent_urgent_posts=percent, percent_replies=replies)
        context.settings = replace(before, simul=simul)
        try:
            channel_id = scene.at(1)
            if replies:
                scene.ann.store.remember_posts([send_post(scene.bob, channel_id, "who can help?")])
            scene.does("CreatePost")
        finally:
            context.settings = before
        newest = scene.crowd.admin.posts(channel_id)[0]
        assert bool(newest["metadata"].get("priority")) is expected
