"""How many requests of each handler a mix of actions causes, per post, and which actions cause them. Pure.

The frequencies of the default mix are such that the handlers come in the proportions of production servers. An action
causes requests of other handlers, too: every message that is sent deletes its draft. What others cause already, the
action that stands for a handler does not do once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmload.learn.handler_table import TOLD_AS, ActionTable
from mmload.learn.routes import route_of

POSTS = "POST /posts"
_DRAFTS = "DELETE /users/{user_id}/channels/{channel_id}/drafts"
_OWN_TEAM = "/users/{user_id}/teams/{team_id}"


@dataclass(frozen=True, slots=True)
class ProductionRatio:
    """Requests of a handler per post on production servers; `action`: the one that is done for the handler's sake."""

    handler: str
    per_post: float
    action: str
    routes: tuple[str, ...]


# Measured with mattermost_api_time_count in two busy hours, as the load-test tool of Mattermost does. Of views it has
# two figures, of channels (6.5219) and of direct and group channels (0.9843), and one of returns to the window (1.0).
PRODUCTION = tuple(
    ProductionRatio(handler, per_post, action, tuple(routes))
    for handler, per_post, action, *routes in (
        ("viewChannel", 8.5062, "SwitchChannel", "POST /channels/members/{user_id}/view"),
        ("deleteDraft", 1.41, "DeleteDraft", _DRAFTS, f"{_DRAFTS}/{{root_id}}"),
        ("getChannelsForTeamForUser", 1.0, "UnreadCheck", f"GET {_OWN_TEAM}/channels"),
        ("getThreadsForUser", 0.6023, "ViewGlobalThreads", f"GET {_OWN_TEAM}/threads"),
        ("upsertDraft", 0.504, "UpsertDraft", "POST /drafts"),
        (
            "updateReadStateThreadByUser",
            0.3236,
            "UpdateThreadRead",
            f"PUT {_OWN_TEAM}/threads/{{thread_id}}/read/{{timestamp}}",
        ),
        ("getPostThread", 0.2841, "ViewThread", "GET /posts/{post_id}/thread"),
        ("saveReaction", 0.1306, "AddReaction", "POST /reactions"),
        ("patchPost", 0.04, "EditPost", "PUT /posts/{post_id}/patch"),
        ("getDrafts", 0.037, "GetDrafts", f"GET {_OWN_TEAM}/drafts"),
        ("searchUsers", 0.032, "SearchUsers", "POST /users/search"),
        ("getTeamMember", 0.03, "ClickUserProfile", "GET /teams/{team_id}/members/{user_id}"),
        ("deleteReaction", 0.0261, "RemoveReaction", "DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}"),
        ("searchPostsInTeam", 0.0218, "SearchPosts", "POST /teams/{team_id}/posts/search"),
        ("searchGroupChannels", 0.0204, "SearchGroupChannels", "POST /channels/group/search"),
        ("searchAllChannels", 0.015, "SearchChannels", "POST /channels/search"),
        ("searchPostsInAllTeams", 0.0109, "SearchPostsAllTeams", "POST /posts/search"),
        ("createDirectChannel", 0.0055, "CreateDirectChannel", "POST /channels/direct"),
        ("unfollowThreadByUser", 0.005, "UnfollowThread", f"DELETE {_OWN_TEAM}/threads/{{thread_id}}/following"),
        ("addChannelMember", 0.0049, "JoinChannel", "POST /channels/{channel_id}/members"),
        ("deletePost", 0.0049, "DeletePost", "DELETE /posts/{post_id}"),
        ("updateCategoriesForTeamForUser", 0.004, "UpdateSidebarCategory", f"PUT {_OWN_TEAM}/channels/categories"),
        ("createGroupChannel", 0.0029, "CreateGroupChannel", "POST /channels/group"),
        ("updateUserCustomStatus", 0.0028, "UpdateCustomStatus", "PUT /users/{user_id}/status/custom"),
        ("removeUserCustomStatus", 0.0026, "RemoveCustomStatus", "DELETE /users/{user_id}/status/custom"),
        ("logout", 0.0006, "LogoutLogin", "POST /users/logout"),
        ("setPostReminder", 0.0005, "CreatePostReminder", "POST /users/{user_id}/posts/{post_id}/reminder"),
        ("followThreadByUser", 0.0005, "FollowThread", f"PUT {_OWN_TEAM}/threads/{{thread_id}}/following"),
    )
)
_HANDLERS = {route: each.handler for each in PRODUCTION for route in each.routes}


@dataclass(frozen=True, slots=True)
class PredictedHandler:
    """Requests of a handler per post, by the actions that cause them, most first; `production` if that is known.

    `handler`: Mattermost's own name where there is a ratio, else the route.
    """

    handler: str
    per_post: float
    causes: tuple[tuple[str, float], ...]
    production: ProductionRatio | None = None


def predicted(frequencies: Mapping[str, float], table: ActionTable, replies: float) -> list[PredictedHandler]:
    """What a mix causes in which this share of the posts are replies, most first; nothing where nobody posts."""
    found: dict[str, dict[str, float]] = {}
    for cause, frequency in table.causes(frequencies, replies).items():
        action = TOLD_AS.get(cause, cause)
        for purpose, count in table.requests.get(cause, {}).items():
            if frequency > 0:
                route = route_of(purpose)
                causes = found.setdefault(_HANDLERS.get(route, route), {})
                causes[action] = causes.get(action, 0.0) + frequency * count
    posts = sum(found.get(POSTS, {}).values())
    if not posts:
        return []
    known = {each.handler: each for each in PRODUCTION}
    rows = []
    for handler, causes in found.items():
        shares = sorted(((action, count / posts) for action, count in causes.items()), key=lambda each: -each[1])
        rows.append(PredictedHandler(handler, sum(causes.values()) / posts, tuple(shares), known.get(handler)))
    return sorted(rows, key=lambda row: (-row.per_post, row.handler))
