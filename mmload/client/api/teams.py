"""Teams, their members, a person's sidebar and threads in them."""

from __future__ import annotations

from mmload.client.api.calls import DELETED, ME, Calls, Endpoint
from mmload.client.api.posts import search_body
from mmload.client.http.client import Route
from mmload.errors import Refused
from mmload.models import (
    Categories,
    Category,
    Channel,
    ChannelMember,
    Draft,
    PostList,
    Team,
    TeamMember,
    Thread,
    ThreadList,
)

NO_TEAM_MEMBER = "app.team.get_member.missing.app_error"

_TEAMS = Endpoint("GET", "/teams", answer=list[Team])
_CREATE_TEAM = Endpoint("POST", "/teams", answer=Team)
_PATCH_TEAM = Endpoint("PUT", "/teams/{team_id}/patch", answer=Team)
_OWN_TEAMS = Endpoint("GET", "/users/{user_id}/teams", answer=list[Team])
_OWN_MEMBERS = Endpoint("GET", "/users/{user_id}/teams/members", answer=list[TeamMember])
_UNREAD = Route("GET", "/users/{user_id}/teams/unread")
_JOIN = Endpoint("POST", "/teams/{team_id}/members", answer=TeamMember)
_TEAM_MEMBER = Route("GET", "/teams/{team_id}/members/{user_id}", expected=(NO_TEAM_MEMBER,))
_STATS = Route("GET", "/teams/{team_id}/stats")
_PUBLIC_CHANNELS = Endpoint("GET", "/teams/{team_id}/channels", answer=list[Channel])
_DELETED_CHANNELS = Route("GET", "/teams/{team_id}/channels/deleted")
_CHANNEL_BY_NAME = Endpoint(
    "GET", "/teams/name/{team_name}/channels/name/{channel_name}", expected=DELETED, answer=Channel
)
_SEARCH_CHANNELS = Endpoint("GET", "/teams/{team_id}/channels/search_autocomplete", answer=list[Channel])
_SEARCH_POSTS = Endpoint("POST", "/teams/{team_id}/posts/search", "post search", answer=PostList)
_SEARCH_FILES = Route("POST", "/teams/{team_id}/files/search", "file search")
_OWN_CHANNELS = Endpoint("GET", "/users/{user_id}/teams/{team_id}/channels", answer=list[Channel])
_OWN_CHANNEL_MEMBERS = Endpoint("GET", "/users/{user_id}/teams/{team_id}/channels/members", answer=list[ChannelMember])
_GET_CATEGORIES = Endpoint("GET", "/users/{user_id}/teams/{team_id}/channels/categories", answer=Categories)
_CREATE_CATEGORY = Endpoint("POST", "/users/{user_id}/teams/{team_id}/channels/categories", answer=Category)
_UPDATE_CATEGORIES = Route("PUT", "/users/{user_id}/teams/{team_id}/channels/categories")
_GET_THREADS = Endpoint("GET", "/users/{user_id}/teams/{team_id}/threads", answer=ThreadList)
_GET_THREAD = Route("GET", "/users/{user_id}/teams/{team_id}/threads/{thread_id}", expected=DELETED)
_READ_THREAD = Endpoint(
    "PUT", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/read/{timestamp}", expected=DELETED, answer=Thread
)
_READ_ALL_THREADS = Route("PUT", "/users/{user_id}/teams/{team_id}/threads/read")
_FOLLOW = Route("PUT", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/following", expected=DELETED)
_UNFOLLOW = Route("DELETE", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/following", expected=DELETED)
_GET_DRAFTS = Endpoint("GET", "/users/{user_id}/teams/{team_id}/drafts", "drafts", answer=list[Draft])


class TeamCalls(Calls):
    def teams(self) -> list[Team]:
        """The teams this person may see: all open ones and their own."""
        return self._get(_TEAMS, page=0, per_page=100)

    def team_list(self) -> None:
        """The list of teams that the application loads when it starts."""
        self._do(_TEAMS, page=0, per_page=200, include_total_count=False, exclude_policy_constrained=False)

    def create_team(self, name: str, display_name: str) -> Team:
        """Make a team that everybody may join."""
        body = {"name": name, "display_name": display_name, "type": "O", "allow_open_invite": True}
        return self._send(_CREATE_TEAM, body)

    def rename_team(self, team_id: str, display_name: str) -> Team:
        return self._send(_PATCH_TEAM, {"display_name": display_name}, team_id)

    def own_teams(self, user_id: str) -> list[Team]:
        return self._get(_OWN_TEAMS, user_id)

    def own_team_members(self, user_id: str) -> list[TeamMember]:
        return self._get(_OWN_MEMBERS, user_id)

    def teams_unread(self, user_id: str, collapsed_threads: bool) -> None:
        self._do(_UNREAD, user_id, include_collapsed_threads=collapsed_threads)

    def join_team(self, team_id: str, user_id: str) -> TeamMember:
        return self._send(_JOIN, {"team_id": team_id, "user_id": user_id}, team_id)

    def is_team_member(self, team_id: str, user_id: str) -> bool:
        """Whether somebody is in a team; people of direct channels may not be: a normal answer."""
        try:
            self._do(_TEAM_MEMBER, team_id, user_id)
        except Refused as error:
            if error.error_id != NO_TEAM_MEMBER:
                raise
            return False
        return True

    def team_stats(self, team_id: str) -> None:
        self._do(_STATS, team_id)

    def public_channels(self, team_id: str) -> list[Channel]:
        return self._get(_PUBLIC_CHANNELS, team_id, page=0, per_page=100)

    def autocomplete_channels(self, team_id: str, name: str) -> list[Channel]:
        return self._get(_SEARCH_CHANNELS, team_id, name=name)

    def deleted_channels(self, team_id: str) -> None:
        """Archived channels, as the dialog that lists all channels asks for them."""
        self._do(_DELETED_CHANNELS, team_id, page=0, per_page=100)

    def channel_by_name(self, team_name: str, channel_name: str) -> Channel:
        return self._get(_CHANNEL_BY_NAME, team_name, channel_name, include_deleted=True)

    def search_team_posts(self, team_id: str, terms: str, page: int = 0) -> PostList:
        return self._send(_SEARCH_POSTS, search_body(terms, page), team_id)

    def search_team_files(self, team_id: str, terms: str) -> None:
        self._do(_SEARCH_FILES, team_id, body=search_body(terms))

    def own_channels(self, user_id: str, team_id: str, include_deleted: bool) -> list[Channel]:
        return self._get(_OWN_CHANNELS, user_id, team_id, include_deleted=include_deleted)

    def own_channel_members(self, user_id: str, team_id: str) -> list[ChannelMember]:
        return self._get(_OWN_CHANNEL_MEMBERS, user_id, team_id)

    def categories(self, user_id: str, team_id: str) -> list[Category]:
        return self._get(_GET_CATEGORIES, user_id, team_id).categories or []

    def create_category(self, user_id: str, team_id: str, display_name: str) -> Category:
        body = {"team_id": team_id, "user_id": user_id, "display_name": display_name, "channel_ids": []}
        return self._send(_CREATE_CATEGORY, body, user_id, team_id)

    def update_categories(self, user_id: str, team_id: str, categories: list[Category]) -> None:
        self._do(_UPDATE_CATEGORIES, user_id, team_id, body=categories)

    def thread_totals(self, user_id: str, team_id: str) -> None:
        """How many threads the person follows, and how many of them are unread."""
        self._do(_GET_THREADS, user_id, team_id, **_thread_query(per_page=20, extended=False, totals=True))

    def threads(self, user_id: str, team_id: str, *, unread: bool = False, before: str = "") -> list[Thread]:
        """A page of 25 followed threads, newest first; `before` is the oldest id of the page above."""
        query = _thread_query(per_page=25, extended=True, totals=False, unread=unread, before=before)
        return self._get(_GET_THREADS, user_id, team_id, **query).threads or []

    def extended_thread(self, user_id: str, team_id: str, thread_id: str) -> None:
        """A followed thread with the profiles of those who take part."""
        self._do(_GET_THREAD, user_id, team_id, thread_id, extended=True)

    def threads_since(self, user_id: str, team_id: str, since: int) -> list[Thread]:
        """Followed threads with replies after a point in time (ms)."""
        query = {**_thread_query(per_page=20, extended=True, totals=False, since=since), "threadsOnly": False}
        return self._get(_GET_THREADS, user_id, team_id, **query).threads or []

    def read_thread(self, user_id: str, team_id: str, thread_id: str, timestamp: int) -> Thread:
        return self._get(_READ_THREAD, user_id, team_id, thread_id, timestamp)

    def read_all_threads(self, user_id: str, team_id: str) -> None:
        self._do(_READ_ALL_THREADS, user_id, team_id)

    def follow_thread(self, user_id: str, team_id: str, thread_id: str) -> None:
        self._do(_FOLLOW, user_id, team_id, thread_id)

    def unfollow_thread(self, user_id: str, team_id: str, thread_id: str) -> None:
        self._do(_UNFOLLOW, user_id, team_id, thread_id)

    def drafts(self, team_id: str) -> list[Draft]:
        """One's own drafts in a team, and those in direct and group channels."""
        return self._get(_GET_DRAFTS, ME, team_id)


def _thread_query(
    *, per_page: int, extended: bool, totals: bool, unread: bool = False, before: str = "", since: int = 0
) -> dict[str, str | int | bool]:
    """The application always names all of them. Pure."""
    return {
        "before": before,
        "after": "",
        "per_page": per_page,
        "extended": extended,
        "deleted": False,
        "unread": unread,
        "since": since,
        "totalsOnly": totals,
        "threadsOnly": not totals,
    }
