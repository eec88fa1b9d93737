"""Channels, their members and what a person has seen of them."""

from __future__ import annotations

import msgspec

from mmload.client.api.calls import DELETED, Calls, flag, query
from mmload.client.http.client import Route
from mmload.errors import Refused
from mmload.models import Channel, ChannelMember, ChannelStats, PostList

NO_CHANNEL_MEMBER = "app.channel.get_member.missing.app_error"

_CHANNEL = msgspec.json.Decoder(Channel)
_CHANNELS = msgspec.json.Decoder(list[Channel] | None)
_MEMBER = msgspec.json.Decoder(ChannelMember)
_MEMBERS = msgspec.json.Decoder(list[ChannelMember] | None)
_STATS = msgspec.json.Decoder(ChannelStats)
_POSTS = msgspec.json.Decoder(PostList)

_CREATE = Route("POST", "/channels")
_CREATE_DIRECT = Route("POST", "/channels/direct")
_CREATE_GROUP = Route("POST", "/channels/group")
_GET = Route("GET", "/channels/{channel_id}", expected=DELETED)
_GET_STATS = Route("GET", "/channels/{channel_id}/stats")
_GET_MEMBERS = Route("GET", "/channels/{channel_id}/members")
_GET_MEMBER = Route("GET", "/channels/{channel_id}/members/{user_id}", expected=DELETED)
_ADD_MEMBER = Route("POST", "/channels/{channel_id}/members")
_REMOVE_MEMBER = Route("DELETE", "/channels/{channel_id}/members/{user_id}")
_VIEW = Route("POST", "/channels/members/{user_id}/view")
_SEARCH = Route("POST", "/channels/search")
_SEARCH_GROUPS = Route("POST", "/channels/group/search")
_ALL_OWN = Route("GET", "/users/{user_id}/channels")
_ALL_OWN_MEMBERS = Route("GET", "/users/{user_id}/channel_members")
_UNREAD = Route("GET", "/users/{user_id}/channels/{channel_id}/unread")
_UNREAD_POSTS = Route("GET", "/users/{user_id}/channels/{channel_id}/posts/unread")
_PINNED = Route("GET", "/channels/{channel_id}/pinned")
_POSTS_OF = Route("GET", "/channels/{channel_id}/posts")

# What web clients ask for around the first unread post, and per page when scrolling.
UNREAD_WINDOW = 30
PAGE = 30


class ChannelCalls(Calls):
    def create_channel(self, team_id: str, name: str, display_name: str, channel_type: str) -> Channel:
        body = {"team_id": team_id, "name": name, "display_name": display_name, "type": channel_type}
        return self._send(_CREATE, "/channels", body, _CHANNEL)

    def create_direct_channel(self, user_id: str, other_id: str) -> Channel:
        """The direct channel of two people; the same one each time."""
        return self._send(_CREATE_DIRECT, "/channels/direct", [user_id, other_id], _CHANNEL)

    def create_group_channel(self, user_ids: list[str]) -> Channel:
        """The group channel of these people and the one who asks; the same one each time."""
        return self._send(_CREATE_GROUP, "/channels/group", user_ids, _CHANNEL)

    def channel(self, channel_id: str) -> Channel:
        return self._get(_GET, f"/channels/{channel_id}", _CHANNEL)

    def channel_stats(self, channel_id: str, exclude_files_count: bool = True) -> ChannelStats:
        path = f"/channels/{channel_id}/stats" + query(exclude_files_count=flag(exclude_files_count))
        return self._get(_GET_STATS, path, _STATS)

    def channel_members(self, channel_id: str, per_page: int = 100) -> list[ChannelMember]:
        path = f"/channels/{channel_id}/members" + query(page=0, per_page=per_page)
        return self._get(_GET_MEMBERS, path, _MEMBERS) or []

    def is_channel_member(self, channel_id: str, user_id: str) -> bool:
        """Whether somebody is (still) in a channel; who has left it is a normal answer."""
        try:
            self.rest.call(_GET_MEMBER, f"/channels/{channel_id}/members/{user_id}")
        except Refused as error:
            if error.error_id != NO_CHANNEL_MEMBER:
                raise
            return False
        return True

    def channel_member(self, channel_id: str, user_id: str) -> ChannelMember:
        return self._get(_GET_MEMBER, f"/channels/{channel_id}/members/{user_id}", _MEMBER)

    def add_channel_member(self, channel_id: str, user_id: str) -> ChannelMember:
        return self._send(_ADD_MEMBER, f"/channels/{channel_id}/members", {"user_id": user_id}, _MEMBER)

    def remove_channel_member(self, channel_id: str, user_id: str) -> None:
        self._do(_REMOVE_MEMBER, f"/channels/{channel_id}/members/{user_id}")

    def view_channel(self, user_id: str, channel_id: str, previous_id: str, collapsed_threads: bool) -> None:
        """Tell the server that this person looks at a channel now (and so has read it)."""
        body = {
            "channel_id": channel_id,
            "prev_channel_id": previous_id,
            "collapsed_threads_supported": collapsed_threads,
        }
        self._do(_VIEW, f"/channels/members/{user_id}/view", body)

    def search_channels(self, term: str) -> list[Channel]:
        path = "/channels/search" + query(system_console="false")
        return self._send(_SEARCH, path, {"term": term}, _CHANNELS) or []

    def search_group_channels(self, term: str) -> list[Channel]:
        return self._send(_SEARCH_GROUPS, "/channels/group/search", {"term": term}, _CHANNELS) or []

    def all_own_channels(self, user_id: str) -> list[Channel]:
        """All channels of this person in all teams, direct and group channels among them."""
        return self._get(_ALL_OWN, f"/users/{user_id}/channels" + query(last_delete_at=0), _CHANNELS) or []

    def all_own_channel_members(self, user_id: str, page: int, per_page: int) -> list[ChannelMember]:
        path = f"/users/{user_id}/channel_members" + query(page=page, per_page=per_page)
        return self._get(_ALL_OWN_MEMBERS, path, _MEMBERS) or []

    def channel_unread(self, user_id: str, channel_id: str) -> None:
        self._do(_UNREAD, f"/users/{user_id}/channels/{channel_id}/unread")

    def posts_around_unread(self, user_id: str, channel_id: str, collapsed_threads: bool) -> PostList:
        path = f"/users/{user_id}/channels/{channel_id}/posts/unread" + query(
            limit_before=UNREAD_WINDOW, limit_after=UNREAD_WINDOW, collapsedThreads=flag(collapsed_threads)
        )
        return self._get(_UNREAD_POSTS, path, _POSTS)

    def posts_since(self, channel_id: str, since: int, collapsed_threads: bool) -> PostList:
        """Posts created, changed or deleted since a point in time (ms)."""
        path = f"/channels/{channel_id}/posts" + query(since=since, collapsedThreads=flag(collapsed_threads))
        return self._get(_POSTS_OF, path, _POSTS)

    def posts_before(self, channel_id: str, post_id: str, collapsed_threads: bool) -> PostList:
        """The page of posts older than `post_id`."""
        path = f"/channels/{channel_id}/posts" + query(
            before=post_id,
            page=0,
            per_page=PAGE,
            collapsedThreads=flag(collapsed_threads),
            include_deleted="false",
        )
        return self._get(_POSTS_OF, path, _POSTS)

    def newest_posts(self, channel_id: str, per_page: int) -> PostList:
        path = f"/channels/{channel_id}/posts" + query(page=0, per_page=per_page)
        return self._get(_POSTS_OF, path, _POSTS)

    def pinned_posts(self, channel_id: str) -> PostList:
        return self._get(_PINNED, f"/channels/{channel_id}/pinned", _POSTS)
