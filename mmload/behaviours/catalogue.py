"""The table of actions: what a simulated user does, how often, and what the server must offer for it.

Also what a threshold can refer to, known before a test starts: the actions of each user class, and the routes.
Imports no Locust: `mmload run` reads it before it starts one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Generic, TypeVar

from mmload.behaviours import focus, goals
from mmload.behaviours.actions import channels, licensed, people, posts, session, threads
from mmload.behaviours.after_reconnect import CATCH_UP
from mmload.behaviours.background import LOOK_UP, POLL
from mmload.behaviours.events import VIEW_ON_ARRIVAL
from mmload.behaviours.focus import BLUR, FOCUS
from mmload.behaviours.login import HANDSHAKE
from mmload.behaviours.person import Person
from mmload.behaviours.prefetching import PREFETCH
from mmload.browser.steps import STEPS
from mmload.client import api
from mmload.client.capabilities import Capabilities
from mmload.client.http.client import Route
from mmload.config.tables import SIMPLE_ACTIONS, SimulController
from mmload.config.threshold_syntax import BROWSER, ThresholdRefused, parse

T = TypeVar("T")


class WeightedChoice(Generic[T]):
    """A random choice by frequency (any unit; only the proportions matter)."""

    __slots__ = ("_cumulative", "_things")

    def __init__(self, weighted: Sequence[tuple[T, float]]) -> None:
        kept = [(thing, weight) for thing, weight in weighted if weight > 0]
        if not kept:
            raise ValueError("a weighted choice needs at least one item with a frequency above 0")
        self._things = [thing for thing, _ in kept]
        self._cumulative = list(itertools.accumulate(weight for _, weight in kept))

    def draw(self, rng: random.Random) -> T:
        return rng.choices(self._things, cum_weights=self._cumulative)[0]


@dataclass(frozen=True, slots=True)
class Offered:
    """What an action needs of a server, in words, and whether a server has it."""

    needs: str
    has: Callable[[Capabilities], bool]

    def __call__(self, can: Capabilities) -> bool:
        return self.has(can)


def _since(major: int, minor: int) -> Offered:
    return Offered(f"Mattermost {major}.{minor}", lambda can: can.at_least(major, minor))


_EVERYWHERE = Offered("", lambda can: True)
_THREADS = Offered("collapsed threads", lambda can: can.collapsed_threads != "disabled")
_DRAFTS = Offered("synchronised drafts", lambda can: can.synced_drafts)
_BOOKMARKS = Offered("a licence, channel bookmarks", lambda can: can.channel_bookmarks)
_SCHEDULED = Offered("a licence, scheduled posts", lambda can: can.scheduled_posts)
_ATTRIBUTES = Offered("a licence, custom profile attributes", lambda can: can.custom_profile_attributes)
_URGENT = Offered("a licence, message priority", lambda can: can.licensed and can.post_priority and can.at_least(8, 0))
_CUSTOM_STATUSES = Offered("custom statuses", lambda can: can.custom_statuses)
_STATUSES = Offered("user statuses", lambda can: can.user_statuses)
_EDITING = Offered("a time limit for editing other than 0", lambda can: can.edit_limit_seconds != 0)


@dataclass(frozen=True, slots=True)
class Action:
    """`frequency` is relative to CreatePost = 1 (the proportions of production servers); 0 = only when triggered.

    `at_once`: it happens to a connection, and never waits: who is ordered to do it does it in the middle of whatever
    they do, at all of their devices. `passed_on`: who has nothing to do it on leaves it to another person. `instead`:
    what whoever gives it up does in the time that it takes.
    """

    name: str
    run: Callable[[Person], None]
    frequency: float
    offered: Offered = _EVERYWHERE
    at_once: bool = False
    passed_on: bool = True
    instead: Callable[[Person], None] | None = None


SIMULATIVE: tuple[Action, ...] = (
    Action("SwitchChannel", channels.switch_channel, 4.95),
    Action("ScrollChannel", posts.scroll_channel, 1.9873, instead=posts.read_screen),
    Action("DeleteDraft", posts.delete_draft, 0.07, _DRAFTS),
    # Who skips it has done it without being told.
    Action("UnreadCheck", focus.unread_check, 0.99, passed_on=False),
    Action("CreatePost", posts.create_post, 1.0),
    Action("OpenDirectOrGroupChannel", channels.open_direct_or_group_channel, 0.9843),
    Action("ViewGlobalThreads", threads.view_global_threads, 0.097, _THREADS),
    Action("UpsertDraft", posts.upsert_draft, 0.504, _DRAFTS),
    Action("UpdateThreadRead", threads.update_thread_read, 0.11, _THREADS),
    # One message in a hundred has a link (PercentPostsWithPermalink), and each is followed once.
    Action("ClickPermalink", session.click_permalink, 0.01),
    Action("ViewThread", threads.view_thread, 0.0142, _THREADS),
    Action("ReconnectWebSocket", session.reconnect_web_socket, 0.144, at_once=True),
    Action("AddReaction", posts.add_reaction, 0.1306),
    Action("EditPost", posts.edit_post, 0.04, _EDITING),
    Action("GetDrafts", posts.get_drafts, 0.037, _DRAFTS),
    Action("SearchUsers", people.search_users, 0.0167),
    Action("ClickUserProfile", people.click_user_profile, 0.03),
    Action("SearchPosts", people.search_posts, 0.0109),
    Action("SearchGroupChannels", people.search_group_channels, 0.0114),
    Action("SearchChannels", people.search_channels, 0.0008),
    Action("SearchPostsAllTeams", people.search_posts_all_teams, 0.0109, _since(10, 7)),
    Action("CreateDirectChannel", channels.create_direct_channel, 0.0055),
    Action("UnfollowThread", threads.unfollow_thread, 0.005, _THREADS),
    # Nobody knows that there is none to join before they have looked for it.
    Action("JoinChannel", channels.join_channel, 0.0043, passed_on=False),
    Action("DeletePost", posts.delete_post, 0.0049),
    Action("UpdateSidebarCategory", channels.update_sidebar_category, 0.004),
    Action("CreateGroupChannel", channels.create_group_channel, 0.0029),
    Action("UpdateCustomStatus", people.update_custom_status, 0.0028, _CUSTOM_STATUSES),
    Action("RemoveCustomStatus", people.remove_custom_status, 0.0026, _CUSTOM_STATUSES),
    Action("FullReload", session.full_reload, 0.0008),
    Action("LogoutLogin", session.logout_login, 0.0006),
    Action("CreatePostReminder", posts.create_post_reminder, 0.0005, _since(7, 2)),
    Action("FollowThread", threads.follow_thread, 0.0005, _THREADS),
    Action("CreatePrivateChannel", channels.create_private_channel, 0.0002),
    Action("CreateScheduledPost", licensed.create_scheduled_post, 0.001, _SCHEDULED),
    Action("UpdateScheduledPost", licensed.update_scheduled_post, 0.001, _SCHEDULED),
    Action("DeleteScheduledPost", licensed.delete_scheduled_post, 0.001, _SCHEDULED),
    Action("SendScheduledPost", licensed.send_scheduled_post, 0.001, _SCHEDULED),
    Action("UpdateCustomAttribute", licensed.update_custom_attribute, 0.004, _ATTRIBUTES),
    Action("AddChannelBookmark", licensed.add_channel_bookmark, 0.0003, _BOOKMARKS),
    Action("UpdateChannelBookmark", licensed.update_channel_bookmark, 0.0002, _BOOKMARKS),
    Action("UpdateChannelBookmarkSortOrder", licensed.update_channel_bookmark_sort_order, 0.0002, _BOOKMARKS),
    Action("DeleteChannelBookmark", licensed.delete_channel_bookmark, 0.0001, _BOOKMARKS),
    Action("CreateAckPost", licensed.create_ack_post, 0.0001, _URGENT),
    Action("AckToPost", licensed.ack_to_post, 0.0001, _URGENT),
    Action("CreatePersistentNotificationPost", licensed.create_persistent_notification_post, 0.0001, _URGENT),
    Action("GenerateUserReport", licensed.generate_user_report, 0.0001, _since(8, 0)),
    Action("RemoveReaction", posts.remove_reaction, 0.0261),
    Action("SwitchTeam", channels.switch_team, 0.0001),
    Action("CreateSidebarCategory", channels.create_sidebar_category, 0.0001),
    Action("CreatePublicChannel", channels.create_public_channel, 0.0001),
    Action("MarkAllThreadsInTeamAsRead", threads.mark_all_threads_in_team_as_read, 0.0001, _THREADS),
    # Nobody has measured these.
    Action("LeaveChannel", channels.leave_channel, 0.001),
    Action("BrowseChannels", channels.search_in_browser, 0.001),
    Action("MarkUnread", posts.mark_unread, 0.001),
    Action("UpdateStatus", people.update_status, 0.001, _STATUSES),
    Action("Reload", session.reload, 0),
    # What all do together in a storm.
    Action("MentionAll", channels.mention_all, 0),
    Action("OpenTownSquare", channels.open_town_square, 0),
    Action("PostInTownSquare", channels.post_in_town_square, 0),
)


def frequency(settings: SimulController, action: Action) -> float:
    """How often the simulative user does an action: as configured, else the action's own frequency. Pure."""
    configured = (each.frequency for each in settings.action_frequencies if each.action_id == action.name)
    return next(configured, action.frequency)


_BACKGROUND = (POLL, LOOK_UP, CATCH_UP, VIEW_ON_ARRIVAL, PREFETCH, BLUR, FOCUS)
# By the names of the classes (`mmload.user_classes.CLASSES`). What is not in reach without Locust is written out
# here, and a test holds it against the classes' own tasks.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "SimulatedUser": (*(action.name for action in SIMULATIVE), *_BACKGROUND),
    "SimpleUser": (*SIMPLE_ACTIONS, *_BACKGROUND),
    "IdleUser": _BACKGROUND,
    "ClusterUser": ("GetLogs", "GetAnalytics", "GetClusterStatus", "GetPluginStatuses", "UpdateConfig", *_BACKGROUND),
    "GenerateUser": (
        *(name for phase in goals.PHASES for name in phase),
        *("JoinAllTeams", "AddChannelMember", "GetPosts"),
        *_BACKGROUND,
    ),
    "BrowserUser": tuple(f"{BROWSER}.{step}" for step in STEPS),
}


def routes() -> tuple[str, ...]:
    """The names of all routes that users request, logins included."""
    modules = [each for each in vars(api).values() if isinstance(each, ModuleType)]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, Route)]
    return tuple(dict.fromkeys([*(str(route) for route in found), HANDSHAKE]))


def unknown_subjects(thresholds: Iterable[str], classes: Sequence[str]) -> list[str]:
    """What is wrong with thresholds on a run of these user classes: subjects that cannot occur in it."""
    known = (*(name for each in classes for name in ACTIONS[each]), *routes())
    wrong = []
    for text in thresholds:
        try:
            parse(text, known)
        except ThresholdRefused as refusal:
            wrong.append(str(refusal))
    return wrong
