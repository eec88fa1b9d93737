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
from mmload.learn.server_names import DRAFT_ROUTES, DRAFTS, ROUTES

POSTS = "POST /posts"


@dataclass(frozen=True, slots=True)
class ProductionRatio:
    """Requests of a handler per post on production servers; `action`: the one that is done for the handler's sake."""

    handler: str
    per_post: float
    action: str

    @property
    def routes(self) -> tuple[str, ...]:
        return DRAFT_ROUTES if self.handler == DRAFTS else (ROUTES[self.handler],)


# Measured with mattermost_api_time_count in two busy hours, as the load-test tool of Mattermost does. Of views it has
# two figures, of channels (6.5219) and of direct and group channels (0.9843), and one of returns to the window (1.0).
PRODUCTION = (
    ProductionRatio("viewChannel", 8.5062, "SwitchChannel"),
    ProductionRatio("deleteDraft", 1.41, "DeleteDraft"),
    ProductionRatio("getChannelsForTeamForUser", 1.0, "UnreadCheck"),
    ProductionRatio("getThreadsForUser", 0.6023, "ViewGlobalThreads"),
    ProductionRatio("upsertDraft", 0.504, "UpsertDraft"),
    ProductionRatio("updateReadStateThreadByUser", 0.3236, "UpdateThreadRead"),
    ProductionRatio("getPostThread", 0.2841, "ViewThread"),
    ProductionRatio("saveReaction", 0.1306, "AddReaction"),
    ProductionRatio("patchPost", 0.04, "EditPost"),
    ProductionRatio("getDrafts", 0.037, "GetDrafts"),
    ProductionRatio("searchUsers", 0.032, "SearchUsers"),
    ProductionRatio("getTeamMember", 0.03, "ClickUserProfile"),
    ProductionRatio("deleteReaction", 0.0261, "RemoveReaction"),
    ProductionRatio("searchPostsInTeam", 0.0218, "SearchPosts"),
    ProductionRatio("searchGroupChannels", 0.0204, "SearchGroupChannels"),
    ProductionRatio("searchAllChannels", 0.015, "SearchChannels"),
    ProductionRatio("searchPostsInAllTeams", 0.0109, "SearchPostsAllTeams"),
    ProductionRatio("createDirectChannel", 0.0055, "CreateDirectChannel"),
    ProductionRatio("unfollowThreadByUser", 0.005, "UnfollowThread"),
    ProductionRatio("addChannelMember", 0.0049, "JoinChannel"),
    ProductionRatio("deletePost", 0.0049, "DeletePost"),
    ProductionRatio("updateCategoriesForTeamForUser", 0.004, "UpdateSidebarCategory"),
    ProductionRatio("createGroupChannel", 0.0029, "CreateGroupChannel"),
    ProductionRatio("updateUserCustomStatus", 0.0028, "UpdateCustomStatus"),
    ProductionRatio("removeUserCustomStatus", 0.0026, "RemoveCustomStatus"),
    ProductionRatio("logout", 0.0006, "LogoutLogin"),
    ProductionRatio("setPostReminder", 0.0005, "CreatePostReminder"),
    ProductionRatio("followThreadByUser", 0.0005, "FollowThread"),
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
