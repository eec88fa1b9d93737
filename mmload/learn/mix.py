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
# An action whose handler others cause often enough is done all the same, this share of its handler's ratio.
LEAST_SHARE = 0.05
_DRAFTS = "DELETE /users/{user_id}/channels/{channel_id}/drafts"
_OWN_TEAM = "/users/{user_id}/teams/{team_id}"


@dataclass(frozen=True, slots=True)
class ProductionRatio:
    """Requests of a handler per post on production servers; `action`: the one that is done for the handler's sake."""

    handler: str
    per_post: float
    action: str
    routes: tuple[str, ...]


def _ratio(handler: str, per_post: float, action: str, *routes: str) -> ProductionRatio:
    return ProductionRatio(handler, per_post, action, routes)


# Measured with mattermost_api_time_count in two busy hours, as the load-test tool of Mattermost does. Of views it has
# two figures, of channels (6.5219) and of direct and group channels (0.9843), and one of returns to the window (1.0).
PRODUCTION: tuple[ProductionRatio, ...] = (
    _ratio("viewChannel", 8.5062, "SwitchChannel", "POST /channels/members/{user_id}/view"),
    _ratio("deleteDraft", 1.41, "DeleteDraft", _DRAFTS, f"{_DRAFTS}/{{root_id}}"),
    _ratio("getChannelsForTeamForUser", 1.0, "UnreadCheck", f"GET {_OWN_TEAM}/channels"),
    _ratio("getThreadsForUser", 0.6023, "ViewGlobalThreads", f"GET {_OWN_TEAM}/threads"),
    _ratio("upsertDraft", 0.504, "UpsertDraft", "POST /drafts"),
    _ratio(
        "updateReadStateThreadByUser",
        0.3236,
        "UpdateThreadRead",
        f"PUT {_OWN_TEAM}/threads/{{thread_id}}/read/{{timestamp}}",
    ),
    _ratio("getPostThread", 0.2841, "ViewThread", "GET /posts/{post_id}/thread"),
    _ratio("saveReaction", 0.1306, "AddReaction", "POST /reactions"),
    _ratio("patchPost", 0.04, "EditPost", "PUT /posts/{post_id}/patch"),
    _ratio("getDrafts", 0.037, "GetDrafts", f"GET {_OWN_TEAM}/drafts"),
    _ratio("searchUsers", 0.032, "SearchUsers", "POST /users/search"),
    _ratio("getTeamMember", 0.03, "ClickUserProfile", "GET /teams/{team_id}/members/{user_id}"),
    _ratio(
        "deleteReaction", 0.0261, "RemoveReaction", "DELETE /users/{user_id}/posts/{post_id}/reactions/{emoji_name}"
    ),
    _ratio("searchPostsInTeam", 0.0218, "SearchPosts", "POST /teams/{team_id}/posts/search"),
    _ratio("searchGroupChannels", 0.0204, "SearchGroupChannels", "POST /channels/group/search"),
    _ratio("searchAllChannels", 0.015, "SearchChannels", "POST /channels/search"),
    _ratio("searchPostsInAllTeams", 0.0109, "SearchPostsAllTeams", "POST /posts/search"),
    _ratio("createDirectChannel", 0.0055, "CreateDirectChannel", "POST /channels/direct"),
    _ratio("unfollowThreadByUser", 0.005, "UnfollowThread", f"DELETE {_OWN_TEAM}/threads/{{thread_id}}/following"),
    _ratio("addChannelMember", 0.0049, "JoinChannel", "POST /channels/{channel_id}/members"),
    _ratio("deletePost", 0.0049, "DeletePost", "DELETE /posts/{post_id}"),
    _ratio("updateCategoriesForTeamForUser", 0.004, "UpdateSidebarCategory", f"PUT {_OWN_TEAM}/channels/categories"),
    _ratio("createGroupChannel", 0.0029, "CreateGroupChannel", "POST /channels/group"),
    _ratio("updateUserCustomStatus", 0.0028, "UpdateCustomStatus", "PUT /users/{user_id}/status/custom"),
    _ratio("removeUserCustomStatus", 0.0026, "RemoveCustomStatus", "DELETE /users/{user_id}/status/custom"),
    _ratio("logout", 0.0006, "LogoutLogin", "POST /users/logout"),
    _ratio("setPostReminder", 0.0005, "CreatePostReminder", "POST /users/{user_id}/posts/{post_id}/reminder"),
    _ratio("followThreadByUser", 0.0005, "FollowThread", f"PUT {_OWN_TEAM}/threads/{{thread_id}}/following"),
)
_BY_ROUTE = {route: each for each in PRODUCTION for route in each.routes}


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
                causes = found.setdefault(_handler(route_of(purpose)), {})
                causes[action] = causes.get(action, 0.0) + frequency * count
    posts = sum(found.get(POSTS, {}).values())
    if not posts:
        return []
    known = {each.handler: each for each in PRODUCTION}
    rows = [_row(handler, causes, posts, known.get(handler)) for handler, causes in found.items()]
    return sorted(rows, key=lambda row: (-row.per_post, row.handler))


def _row(
    handler: str, causes: Mapping[str, float], posts: float, production: ProductionRatio | None
) -> PredictedHandler:
    shares = sorted(((action, count / posts) for action, count in causes.items()), key=lambda each: -each[1])
    return PredictedHandler(handler, sum(share for _, share in shares), tuple(shares), production)


def _handler(route: str) -> str:
    ratio = _BY_ROUTE.get(route)
    return ratio.handler if ratio is not None else route
