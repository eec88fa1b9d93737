"""The requests of each action, and the page docs/behaviours.md generated from them.

Usage: python -m tests.behaviours.action_reference > docs/behaviours.md. A test does every action and holds what it
asks against `REQUESTS`, so that the page cannot go out of date.
"""

from __future__ import annotations

import inspect

from mmload.behaviours.catalogue import SIMULATIVE, Action

# Where posts or people come on the screen, their pictures, names and statuses are looked up, unless they are known, and
# the threads one follows.
LOOK_UPS = (
    "GET /users/{user_id}/teams/{team_id}/threads/{thread_id}",
    "GET /users/{user_id}/image",
    "POST /users/ids",
    "POST /users/status/ids",
    "POST /users/usernames",
    "GET /files/{file_id}/thumbnail",
    "GET /files/{file_id}/preview",
    "HEAD /files/{file_id}/thumbnail",
)

_THREAD_DRAFT = "DELETE /users/{user_id}/channels/{channel_id}/drafts/{root_id}"
_CHANNEL_DRAFT = "DELETE /users/{user_id}/channels/{channel_id}/drafts"
_BOX = ("GET /agents", "GET /agents/status")
_MENTION = ("GET /users/autocomplete",)
# A thread opens; its box, if somebody typed in it, is saved when it closes.
_OPEN_THREAD = ("GET /posts/{post_id}/thread", *_BOX, "POST /drafts", _THREAD_DRAFT)
_READ_THREAD = "PUT /users/{user_id}/teams/{team_id}/threads/{thread_id}/read/{timestamp}"
# So does the box of a channel that is left. What is fetched ahead is asked for what has changed since. Behind what has
# no box (all threads, an old message) a channel comes with a new one.
_OPEN_CHANNEL = (
    *_BOX,
    "POST /drafts",
    _CHANNEL_DRAFT,
    "GET /channels/{channel_id}/stats",
    "PUT /users/{user_id}/preferences",
    "GET /users/{user_id}/channels/{channel_id}/posts/unread",
    "GET /channels/{channel_id}/posts",
    "POST /channels/members/{user_id}/view",
    "GET /channels/{channel_id}/bookmarks",
    "GET /users/stats",
)
_SEND = ("POST /files", "POST /posts", _CHANNEL_DRAFT, *_MENTION)
_JOIN = (
    "POST /channels/{channel_id}/members",
    "GET /channels/{channel_id}",
    "GET /channels/{channel_id}/members/{user_id}",
    "GET /users/{user_id}/channels/{channel_id}/posts/unread",
)
_BROWSE = (
    "GET /teams/{team_id}/channels",
    "GET /teams/{team_id}/channels/deleted",
    "POST /channels/stats/member_count",
)
_TEAM_CHANNELS = (
    "GET /users/{user_id}/teams/{team_id}/channels",
    "GET /users/{user_id}/teams/{team_id}/channels/members",
)

# What a page asks for at once when its WebSocket is back; a list of threads only if the person has seen one.
CATCH_UP_REQUESTS = (
    "GET /users/{user_id}/channels",
    "GET /posts/scheduled/team/{team_id}",
    "GET /users/{user_id}/channel_members",
    "GET /users/{user_id}/teams/{team_id}/channels/categories",
    "GET /channels/{channel_id}/posts",
    "GET /users/{user_id}/teams/unread",
    "GET /users/{user_id}/teams/{team_id}/threads",
    "GET /plugins/webapp",
    "GET /custom_profile_attributes/fields",
    "POST /users/ids",
)

# The team and channel on the page: what every page load and every other team ends with.
_TEAM = (
    *_OPEN_CHANNEL,
    "GET /users/{user_id}/teams/{team_id}/channels/categories",
    "GET /users/{user_id}/teams/{team_id}/threads",
    "GET /users/{user_id}/teams/{team_id}/drafts",
    "GET /users",
    "GET /agents",
    "GET /agents/status",
)
# Loading the application: what every reload and log-in ends with.
_PAGE_LOAD = (
    "GET /config/client",
    "GET /license/client",
    "GET /users/me",
    "GET /users/{user_id}/preferences",
    "GET /users/{user_id}/teams",
    "GET /users/{user_id}/teams/members",
    "POST /roles/names",
    "GET /users/{user_id}/teams/unread",
    "GET /limits/server",
    "GET /users/{user_id}/teams/{team_id}/channels",
    "GET /users/{user_id}/teams/{team_id}/channels/members",
    "GET /plugins/webapp",
    "GET /posts/scheduled/team/{team_id}",
    "GET /teams",
    "GET /trial-license/prev",
    "GET /users/{user_id}/channel_members",
    "GET /users/{user_id}/channels",
    "GET /custom_profile_attributes/fields",
    "GET /system/notices/{team_id}",
    "POST /users/group_channels",
    *_TEAM,
)
_LEAVING = (
    "GET site page",
    "PUT /users/{user_id}/preferences",
    "DELETE /users/{user_id}/channels/{channel_id}/drafts",
)

# The routes of each action, in the order in which they are first asked; some depend on chance and on what is known.
REQUESTS: dict[str, tuple[str, ...]] = {
    "SwitchChannel": _OPEN_CHANNEL,
    "ScrollChannel": ("GET /channels/{channel_id}/posts",),
    "DeleteDraft": (_THREAD_DRAFT, *_MENTION, _CHANNEL_DRAFT),
    "UnreadCheck": (
        "POST /channels/members/{user_id}/view",
        "GET /users/{user_id}/teams/{team_id}/channels",
        "GET /users/{user_id}/teams/{team_id}/channels/members",
    ),
    "CreatePost": (*_OPEN_THREAD, *_SEND, _READ_THREAD),
    "OpenDirectOrGroupChannel": _OPEN_CHANNEL,
    "ViewGlobalThreads": ("GET /users/{user_id}/teams/{team_id}/threads", *_OPEN_THREAD, _READ_THREAD, *_OPEN_CHANNEL),
    "UpsertDraft": (*_OPEN_THREAD, *_MENTION, *_OPEN_CHANNEL),
    "UpdateThreadRead": (
        "GET /users/{user_id}/teams/{team_id}/threads",
        "PUT /users/{user_id}/teams/{team_id}/threads/{thread_id}/read/{timestamp}",
    ),
    "ClickPermalink": (
        "GET /posts/{post_id}/info",
        *_JOIN,
        *_OPEN_THREAD,
        *_TEAM_CHANNELS,
        "GET /channels/{channel_id}/stats",
        "GET /channels/{channel_id}/posts",
        _CHANNEL_DRAFT,
    ),
    "ViewThread": ("GET /users/{user_id}/teams/{team_id}/threads", *_OPEN_THREAD, _READ_THREAD),
    "ReconnectWebSocket": (),
    "AddReaction": ("POST /emoji/search", "GET /emoji", "PUT /users/{user_id}/preferences", "POST /reactions"),
    "EditPost": (*_BOX, "PUT /posts/{post_id}/patch", _CHANNEL_DRAFT),
    "GetDrafts": ("GET /users/{user_id}/teams/{team_id}/drafts",),
    "SearchUsers": ("POST /users/search",),
    "ClickUserProfile": (
        "GET /channels/{channel_id}/members/{user_id}",
        "GET /users/{user_id}/custom_profile_attributes",
        "GET /teams/{team_id}/members/{user_id}",
    ),
    "SearchPosts": (
        "GET /users/autocomplete",
        "GET /teams/{team_id}/channels/search_autocomplete",
        "POST /teams/{team_id}/posts/search",
        "POST /teams/{team_id}/files/search",
        "GET /limits/server",
    ),
    "SearchGroupChannels": ("POST /channels/group/search",),
    "SearchChannels": ("GET /users/autocomplete", "POST /channels/search"),
    "SearchPostsAllTeams": ("POST /posts/search",),
    "CreateDirectChannel": (
        "GET /users/autocomplete",
        "POST /channels/search",
        "POST /channels/direct",
        "GET /channels/{channel_id}",
        "GET /channels/{channel_id}/members/{user_id}",
        *_OPEN_CHANNEL,
        *_SEND,
    ),
    "UnfollowThread": (
        "GET /users/{user_id}/teams/{team_id}/threads",
        "DELETE /users/{user_id}/teams/{team_id}/threads/{thread_id}/following",
    ),
    "JoinChannel": (
        "GET /users/autocomplete",
        "POST /channels/search",
        "GET /teams/name/{team_name}/channels/name/{channel_name}",
        "GET /channels/{channel_id}/members/{user_id}",
        *_JOIN,
        *_OPEN_CHANNEL,
    ),
    "DeletePost": ("DELETE /posts/{post_id}",),
    "UpdateSidebarCategory": (
        "PUT /users/{user_id}/teams/{team_id}/channels/categories",
        "GET /users/{user_id}/teams/{team_id}/channels/categories",
    ),
    "CreateGroupChannel": ("GET /users", "POST /channels/group", *_OPEN_CHANNEL, *_SEND),
    "UpdateCustomStatus": ("PUT /users/{user_id}/status/custom",),
    "RemoveCustomStatus": ("DELETE /users/{user_id}/status/custom",),
    "FullReload": (*_LEAVING, "GET site asset", *_PAGE_LOAD),
    "LogoutLogin": ("POST /users/logout", "GET site page", "POST /users/login", *_PAGE_LOAD),
    "CreatePostReminder": ("POST /users/{user_id}/posts/{post_id}/reminder",),
    "FollowThread": ("PUT /users/{user_id}/teams/{team_id}/threads/{thread_id}/following",),
    "CreatePrivateChannel": (
        "POST /channels",
        "GET /teams/{team_id}/stats",
        "GET /users",
        "POST /channels/members/{user_id}/view",
        "POST /channels/{channel_id}/members",
    ),
    "CreateScheduledPost": (
        "GET /users/autocomplete",
        "POST /posts/schedule",
    ),
    "UpdateScheduledPost": ("PUT /posts/schedule/{scheduled_post_id}",),
    "DeleteScheduledPost": ("DELETE /posts/schedule/{scheduled_post_id}",),
    "SendScheduledPost": (*_SEND, "DELETE /posts/schedule/{scheduled_post_id}"),
    "UpdateCustomAttribute": ("PATCH /custom_profile_attributes/values",),
    "AddChannelBookmark": ("POST /channels/{channel_id}/bookmarks",),
    "UpdateChannelBookmark": ("PATCH /channels/{channel_id}/bookmarks/{bookmark_id}",),
    "UpdateChannelBookmarkSortOrder": ("POST /channels/{channel_id}/bookmarks/{bookmark_id}/sort_order",),
    "DeleteChannelBookmark": ("DELETE /channels/{channel_id}/bookmarks/{bookmark_id}",),
    "CreateAckPost": ("POST /posts",),
    "AckToPost": ("POST /users/{user_id}/posts/{post_id}/ack",),
    "CreatePersistentNotificationPost": (
        "GET /channels/{channel_id}/members",
        "POST /posts",
    ),
    "GenerateUserReport": ("GET /reports/users",),
    "RemoveReaction": ("DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}",),
    "SwitchTeam": (
        *_TEAM_CHANNELS,
        *_TEAM,
    ),
    "CreateSidebarCategory": (
        "POST /users/{user_id}/teams/{team_id}/channels/categories",
        "GET /users/{user_id}/teams/{team_id}/channels/categories",
    ),
    "CreatePublicChannel": (
        "POST /channels",
        "GET /teams/{team_id}/stats",
        "GET /users",
        "POST /channels/members/{user_id}/view",
    ),
    "MarkAllThreadsInTeamAsRead": (
        "PUT /users/{user_id}/teams/{team_id}/threads/read",
        "GET /users/{user_id}/teams/{team_id}/threads",
    ),
    "LeaveChannel": ("DELETE /channels/{channel_id}/members/{user_id}", *_TEAM_CHANNELS, *_OPEN_CHANNEL),
    "BrowseChannels": (*_BROWSE, "POST /channels/search"),
    "MarkUnread": ("POST /users/{user_id}/posts/{post_id}/set_unread",),
    "UpdateStatus": ("PUT /users/{user_id}/status",),
    "Reload": (*_LEAVING, *_PAGE_LOAD),
    "MentionAll": ("POST /posts", _CHANNEL_DRAFT),
    "OpenTownSquare": _OPEN_CHANNEL,
    "PostInTownSquare": ("POST /posts", _CHANNEL_DRAFT),
}


_HEAD = """# What simulated users do

Simulated users carry out the [actions](#actions) in the table at the end, with idle time between them. In addition,
their clients send requests in the background, as the web application does. "In the report" below means that these
requests have a row of their own there, under the name given.

## Background requests

**Lookups.** When posts or users appear on the screen, the client looks up those that it does not know yet:
{look_ups}.
It also looks up the users and channels that its WebSocket events name (`LookUp` in the report).

**Polling.** Once a minute, between actions, the client polls (`Poll` in the report): `POST /users/status/ids`, and
`POST /client_perf` if the server wants it.

**Messages of others.** When somebody else's message arrives in the channel on the screen, and the window has the
focus, the client sends `POST /channels/members/{{user_id}}/view` at once (`ViewOnArrival` in the report). In a burst
(messages less than 100 ms apart) it stops doing so from the sixth message on. Replies in a followed thread on the
screen are marked as read when they arrive (also `ViewOnArrival`).

**Prefetching.** If a channel becomes unread, or if the window has lost the focus and the channel on its screen gets a
message, the client fetches the posts within a second, before anybody opens the channel (`Prefetch` in the report). It
fetches the new posts if it already has the earlier ones, and the posts around the message otherwise. It does so once
per channel, until the WebSocket is lost or the page is reloaded. From 10 unread channels on, it only fetches those
with mentions, and with more than 20 it fetches none.

**Focus.** When the window loses the focus, the client tells the server that no channel is on the screen (`Blur` in the
report). When it gets the focus back, it tells the server which channel is (`Focus`); after more than two minutes, it
also fetches the team's channels and memberships.

**Reconnecting.** If a client loses its WebSocket (because of the network, a server restart or `ReconnectWebSocket`),
it reconnects after 3 to 5 s, as the web application does. It then fetches what it may have missed, no matter what its
user is doing (`CatchUp` in the report). It starts with these requests:
{catch_up}.
The posts of unread channels and the statuses of the people on the screen follow. If the server no longer knows the
connection, the client sends all of this once more and also fetches the server's configuration: after a restart, every
user sends about 22 requests.

## When users act

A user's window is in front for `PercentTimeInFront` of the time (0.75), for `AvgMinutesInFront` (6) at a time on
average. Users only act while their window is in front, and then more often, so that the mean idle time is the
configured one. The windows of idle users (`IdleUser`) are never in front, and those of users that simplecontroller.json
describes always are.

The default follows from production servers, which get one UnreadCheck per CreatePost: a user returns after more than
two minutes once every 23 minutes. If times away are exponentially distributed, users must be away for at least 24 % of
the time, for two minutes on average.

If the action that a user draws has nothing to act on (no direct channel to open, no message of their own to edit), the
user does another one at once, and the drawn action is passed on: the next users of the process try it first, until one
succeeds or 100 have tried. So actions happen as often as their frequencies say, even on a server with little content.
An action that nobody could do counts as skipped. Two actions are not passed on: JoinChannel, because only looking for
one shows whether there is a channel to join, and UnreadCheck, which is skipped if the user has just returned to the
window anyway.

If somebody else has deleted a post, thread or picture in the meantime, the server refuses it with 404, as it would for
a real client. The client forgets it, the action counts as skipped, and the request as an expected refusal.

## Actions

- *Frequency* is relative to CreatePost = 1. The frequencies are chosen so that the server's API handlers get requests
  in the proportions of production servers, after subtracting the requests that other actions cause. `mmload mix` shows
  the requests to every handler per post, with their causes. An action of frequency 0 only runs when it is triggered
  (`mmload inject`).
- *Needs* is what the server must offer. If it does not, the action is not run, and the report lists it as not tested.

The table is generated from the code: `python -m tests.behaviours.action_reference > docs/behaviours.md`.

| action | what the user does | frequency | needs | requests |
|---|---|---|---|---|
"""


def description() -> str:
    """The page."""
    head = _HEAD.format(look_ups=_listed(LOOK_UPS), catch_up=_listed(CATCH_UP_REQUESTS))
    return head + "".join(_row(action) for action in SIMULATIVE)


def _listed(routes: tuple[str, ...]) -> str:
    return ", ".join(f"`{route}`" for route in routes)


def _row(action: Action) -> str:
    said = " ".join((inspect.getdoc(action.run) or "").split())
    requests = "<br>".join(f"`{route}`" for route in dict.fromkeys(REQUESTS[action.name]))
    return f"| {action.name} | {said} | {action.frequency:g} | {action.offered.needs} | {requests} |\n"


if __name__ == "__main__":
    print(description(), end="")
