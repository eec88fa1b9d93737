"""Teams, their members, a person's sidebar and threads in them."""

from __future__ import annotations

import msgspec

from mmload.client.api.calls import DELETED, Calls, flag, query
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

_TEAM = msgspec.json.Decoder(Team)
_TEAM_LIST = msgspec.json.Decoder(list[Team] | None)
_MEMBER = msgspec.json.Decoder(TeamMember)
_MEMBERS = msgspec.json.Decoder(list[TeamMember] | None)
_CHANNELS = msgspec.json.Decoder(list[Channel] | None)
_CHANNEL_MEMBERS = msgspec.json.Decoder(list[ChannelMember] | None)
_CATEGORIES = msgspec.json.Decoder(Categories)
_CATEGORY = msgspec.json.Decoder(Category)
_THREADS = msgspec.json.Decoder(ThreadList)
_THREAD = msgspec.json.Decoder(Thread)
_DRAFTS = msgspec.json.Decoder(list[Draft] | None)
_POSTS = msgspec.json.Decoder(PostList)

_TEAMS = Route("GET", "/teams")
_CREATE_TEAM = Route("POST", "/teams")
_PATCH_TEAM = Route("PUT", "/teams/{team_id}/patch")
_OWN_TEAMS = Route("GET", "/users/{user_id}/teams")
_OWN_MEMBERS = Route("GET", "/users/{user_id}/teams/members")
_UNREAD = Route("GET", "/users/{user_id}/teams/unread")
_JOIN = Route("POST", "/teams/{team_id}/members")
_TEAM_MEMBER = Route("GET", "/teams/{team_id}/members/{user_id}", expected=(NO_TEAM_MEMBER,))
_STATS = Route("GET", "/teams/{team_id}/stats")
_PUBLIC_CHANNELS = Route("GET", "/teams/{team_id}/channels")
_SEARCH_CHANNELS = Route("GET", "/teams/{team_id}/channels/search_autocomplete")
_SEARCH_POSTS = Route("POST", "/teams/{team_id}/posts/search")
_OWN_CHANNELS = Route("GET", "/users/{user_id}/teams/{team_id}/channels")
_OWN_CHANNEL_MEMBERS = Route("GET", "/users/{user_id}/teams/{team_id}/channels/members")
_GET_CATEGORIES = Route("GET", "/users/{user_id}/teams/{team_id}/channels/categories")
_CREATE_CATEGORY = Route("POST", "/users/{user_id}/teams/{team_id}/channels/categories")
_UPDATE_CATEGORIES = Route("PUT", "/users/{user_id}/teams/{team_id}/channels/categories")
_GET_THREADS = Route("GET", "/users/{user_id}/teams/{team_id}/threads")
_READ_THREAD = Route("PUT", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/read/{timestamp}", expected=DELETED)
_READ_ALL_THREADS = Route("PUT", "/users/{user_id}/teams/{team_id}/threads/read")
_FOLLOW = Route("PUT", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/following", expected=DELETED)
_UNFOLLOW = Route("DELETE", "/users/{user_id}/teams/{team_id}/threads/{thread_id}/following", expected=DELETED)
_GET_DRAFTS = Route("GET", "/users/{user_id}/teams/{team_id}/drafts", "drafts")


class TeamCalls(Calls):
    def teams(self, per_page: int = 100) -> list[Team]:
        """The teams this person may see: all open ones and their own."""
        return self._get(_TEAMS, "/teams" + query(page=0, per_page=per_page), _TEAM_LIST) or []

    def create_team(self, name: str, display_name: str) -> Team:
        """Make a team that everybody may join."""
        body = {"name": name, "display_name": display_name, "type": "O", "allow_open_invite": True}
        return self._send(_CREATE_TEAM, "/teams", body, _TEAM)

    def rename_team(self, team_id: str, display_name: str) -> Team:
        return self._send(_PATCH_TEAM, f"/teams/{team_id}/patch", {"display_name": display_name}, _TEAM)

    def own_teams(self, user_id: str) -> list[Team]:
        return self._get(_OWN_TEAMS, f"/users/{user_id}/teams", _TEAM_LIST) or []

    def own_team_members(self, user_id: str) -> list[TeamMember]:
        return self._get(_OWN_MEMBERS, f"/users/{user_id}/teams/members", _MEMBERS) or []

    def teams_unread(self, user_id: str, collapsed_threads: bool) -> None:
        self._do(_UNREAD, f"/users/{user_id}/teams/unread" + query(include_collapsed_threads=flag(collapsed_threads)))

    def join_team(self, team_id: str, user_id: str) -> TeamMember:
        body = {"team_id": team_id, "user_id": user_id}
        return self._send(_JOIN, f"/teams/{team_id}/members", body, _MEMBER)

    def is_team_member(self, team_id: str, user_id: str) -> bool:
        """Whether somebody is in a team; people of direct channels may not be: a normal answer."""
        try:
            self.rest.call(_TEAM_MEMBER, f"/teams/{team_id}/members/{user_id}")
        except Refused as error:
            if error.error_id != NO_TEAM_MEMBER:
                raise
            return False
        return True

    def team_stats(self, team_id: str) -> None:
        self._do(_STATS, f"/teams/{team_id}/stats")

    def public_channels(self, team_id: str, per_page: int = 100) -> list[Channel]:
        path = f"/teams/{team_id}/channels" + query(page=0, per_page=per_page)
        return self._get(_PUBLIC_CHANNELS, path, _CHANNELS) or []

    def autocomplete_channels(self, team_id: str, name: str) -> list[Channel]:
        path = f"/teams/{team_id}/channels/search_autocomplete" + query(name=name)
        return self._get(_SEARCH_CHANNELS, path, _CHANNELS) or []

    def search_team_posts(self, team_id: str, terms: str) -> PostList:
        body = {"terms": terms, "is_or_search": False}
        return self._send(_SEARCH_POSTS, f"/teams/{team_id}/posts/search", body, _POSTS)

    def own_channels(self, user_id: str, team_id: str, include_deleted: bool) -> list[Channel]:
        path = f"/users/{user_id}/teams/{team_id}/channels" + query(include_deleted=flag(include_deleted))
        return self._get(_OWN_CHANNELS, path, _CHANNELS) or []

    def own_channel_members(self, user_id: str, team_id: str) -> list[ChannelMember]:
        path = f"/users/{user_id}/teams/{team_id}/channels/members"
        return self._get(_OWN_CHANNEL_MEMBERS, path, _CHANNEL_MEMBERS) or []

    def categories(self, user_id: str, team_id: str) -> list[Category]:
        path = f"/users/{user_id}/teams/{team_id}/channels/categories"
        return self._get(_GET_CATEGORIES, path, _CATEGORIES).categories or []

    def create_category(self, user_id: str, team_id: str, display_name: str) -> Category:
        body = {"user_id": user_id, "team_id": team_id, "display_name": display_name}
        path = f"/users/{user_id}/teams/{team_id}/channels/categories"
        return self._send(_CREATE_CATEGORY, path, body, _CATEGORY)

    def update_categories(self, user_id: str, team_id: str, categories: list[Category]) -> None:
        self._do(_UPDATE_CATEGORIES, f"/users/{user_id}/teams/{team_id}/channels/categories", categories)

    def thread_totals(self, user_id: str, team_id: str) -> None:
        self._do(_GET_THREADS, f"/users/{user_id}/teams/{team_id}/threads" + query(totalsOnly="true"))

    def threads(self, user_id: str, team_id: str, *, unread: bool = False, before: str = "") -> list[Thread]:
        """A page of 25 followed threads, newest first; `before` is the oldest id of the page above."""
        extra = {**({"unread": "true"} if unread else {}), **({"before": before} if before else {})}
        path = f"/users/{user_id}/teams/{team_id}/threads" + query(per_page=25, threadsOnly="true", **extra)
        return self._get(_GET_THREADS, path, _THREADS).threads or []

    def read_thread(self, user_id: str, team_id: str, thread_id: str, timestamp: int) -> Thread:
        path = f"/users/{user_id}/teams/{team_id}/threads/{thread_id}/read/{timestamp}"
        return self._get(_READ_THREAD, path, _THREAD)

    def read_all_threads(self, user_id: str, team_id: str) -> None:
        self._do(_READ_ALL_THREADS, f"/users/{user_id}/teams/{team_id}/threads/read")

    def follow_thread(self, user_id: str, team_id: str, thread_id: str) -> None:
        self._do(_FOLLOW, f"/users/{user_id}/teams/{team_id}/threads/{thread_id}/following")

    def unfollow_thread(self, user_id: str, team_id: str, thread_id: str) -> None:
        self._do(_UNFOLLOW, f"/users/{user_id}/teams/{team_id}/threads/{thread_id}/following")

    def drafts(self, user_id: str, team_id: str) -> list[Draft]:
        return self._get(_GET_DRAFTS, f"/users/{user_id}/teams/{team_id}/drafts", _DRAFTS) or []
