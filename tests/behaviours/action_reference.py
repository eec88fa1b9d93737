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
# So does the box of a channel that is left. What is fetched ahead is asked for what has changed since.
_OPEN_CHANNEL = (
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
    "LeaveChannel": ("DELETE /channels/{channel_id}/members/{user_id}", *_TEAM_CHANNELS, *_BOX, *_OPEN_CHANNEL),
    "BrowseChannels": (*_BROWSE, "POST /channels/search"),
    "MarkUnread": ("POST /users/{user_id}/posts/{post_id}/set_unread",),
    "UpdateStatus": ("PUT /users/{user_id}/status",),
    "Reload": (*_LEAVING, *_PAGE_LOAD),
    "MentionAll": ("POST /posts", _CHANNEL_DRAFT),
    "OpenTownSquare": _OPEN_CHANNEL,
    "PostInTownSquare": ("POST /posts", _CHANNEL_DRAFT),
}


_HEAD = """# What simulated users do

The table is generated from the code (`python -m tests.behaviours.action_reference > docs/behaviours.md`). *Frequency*
is relative to CreatePost = 1, such that the handlers of the server are asked in the proportions of production
servers: what other actions cause already is left out (`mmload mix` shows all handlers, per post, with their causes).
An action of frequency 0 runs only when it is triggered (`mmload inject`). *Needs* is what the server must offer;
where it does not, the action is not run, and the report lists it as not tested.

In addition, whenever posts or users come on the screen, a client looks up those it does not know yet: {look_ups}.
Between actions a client polls once a minute (`POST /users/status/ids`, and `POST /client_perf` where the server wants
it; `Poll` in the report) and looks up the users and channels that its WebSocket events name (`LookUp`).

A client whose WebSocket is lost (by the network, by a restart of the server, or by `ReconnectWebSocket`) comes back
after 3 to 5 s, as the web application does, and asks at once for what it may have missed, whatever its user does
meanwhile (`CatchUp` in the report). Then come posts of unread channels, and statuses of the people on the screen.
If the server does not know the connection any more, the client asks all that once more, together with the server's
configuration: some 22 requests by every user after a restart. At once are asked: {catch_up}.

For each message of others that arrives in the channel on the screen it sends `POST
/channels/members/{{user_id}}/view` at once (`ViewOnArrival`), while its window has the focus; in a burst (messages
less than 100 ms after one another) not from the sixth message on. When the window loses the focus (`Blur`) it says
that no channel is on the screen, and when it gets it back (`Focus`) which one is; after more than two minutes the
team's channels and memberships are fetched as well.

A channel that becomes unread, or the one on the screen of a window without focus, is fetched before anybody opens it
(`Prefetch`), once until the socket is lost or the page loaded anew: what is new where the page has it, else the posts
around the message, within a second. Where more than 20 channels are unread none is, and from 10 on only those with
mentions. Answers in a followed thread on the screen are read as they come (`ViewOnArrival`).

A user is in front for `PercentTimeInFront` of the time (0.75), in spells of `AvgMinutesInFront` (6) on average, and
acts only then, the more often: the mean idle time stays as configured. The default follows from the ratios of
production servers: one UnreadCheck for each CreatePost is one return after more than two minutes every 23 minutes,
and times away that are exponentially distributed explain that only if users are away for 24 % of the time or more,
two minutes on average. Idle users (`IdleUser`) are always behind another window, those of simplecontroller.json
always in front.

A post, thread or picture that somebody else deleted in the meantime is refused with 404, as it is to a real client: the
client forgets it, the action counts as skipped, and the request as an expected refusal.

Who draws an action that they have nothing to do on (no direct channel to open, no message of their own to edit) does
something else at once, and passes it on: the next people of the process try it first, until one of them can, or 100
could not. So actions are done as often as their frequencies say, on a server with little in it, too; what was given up
counts as skipped. Two are not passed on: JoinChannel (whether there is a channel to join is known only when it was
looked for) and UnreadCheck (it is skipped where the user has come back to the window anyway).

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
    needs = inspect.getdoc(action.offered) or ""
    requests = "<br>".join(f"`{route}`" for route in dict.fromkeys(REQUESTS[action.name]))
    return f"| {action.name} | {said} | {action.frequency:g} | {needs} | {requests} |\n"


if __name__ == "__main__":
    print(description(), end="")
