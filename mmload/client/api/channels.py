"""Channels, their members and what a person has seen of them."""

from __future__ import annotations

import msgspec

from mmload.client.api.calls import DELETED, ME, Calls, Endpoint
from mmload.client.http.client import Route, content_of
from mmload.errors import UNREADABLE_JSON, Refused, RequestFailed
from mmload.models import Channel, ChannelMember, ChannelStats, PostList

NO_CHANNEL_MEMBER = "app.channel.get_member.missing.app_error"
# The same of oneself: only who is in a channel is told who is in it.
NOT_IN_CHANNEL = "api.context.permissions.app_error"

_CREATE = Endpoint("POST", "/channels", answer=Channel)
_CREATE_DIRECT = Endpoint("POST", "/channels/direct", answer=Channel)
_CREATE_GROUP = Endpoint("POST", "/channels/group", answer=Channel)
_GET = Endpoint("GET", "/channels/{channel_id}", expected=DELETED, answer=Channel)
_GET_STATS = Endpoint("GET", "/channels/{channel_id}/stats", answer=ChannelStats)
_GET_MEMBERS = Endpoint("GET", "/channels/{channel_id}/members", answer=list[ChannelMember])
_GET_MEMBER = Endpoint(
    "GET", "/channels/{channel_id}/members/{user_id}", expected=(*DELETED, NOT_IN_CHANNEL), answer=ChannelMember
)
_ADD_MEMBER = Endpoint("POST", "/channels/{channel_id}/members", answer=ChannelMember)
_REMOVE_MEMBER = Route("DELETE", "/channels/{channel_id}/members/{user_id}")
_VIEW = Route("POST", "/channels/members/{user_id}/view")
_SEARCH = Endpoint("POST", "/channels/search", answer=list[Channel])
_MEMBER_COUNTS = Route("POST", "/channels/stats/member_count", "member counts of channels")
_SEARCH_GROUPS = Endpoint("POST", "/channels/group/search", answer=list[Channel])
_ALL_OWN = Endpoint("GET", "/users/{user_id}/channels", answer=list[Channel])
_ALL_OWN_MEMBERS = Endpoint("GET", "/users/{user_id}/channel_members", answer=list[ChannelMember])
_MEMBER_LINES = msgspec.json.Decoder(ChannelMember)
_UNREAD = Route("GET", "/users/{user_id}/channels/{channel_id}/unread")
_UNREAD_POSTS = Endpoint("GET", "/users/{user_id}/channels/{channel_id}/posts/unread", answer=PostList)
_PINNED = Endpoint("GET", "/channels/{channel_id}/pinned", answer=PostList)
_POSTS_OF = Endpoint("GET", "/channels/{channel_id}/posts", answer=PostList)

# What web clients ask for around the first unread post, per page when scrolling, and to fill an empty window.
UNREAD_WINDOW = 30
PAGE = 30
FILLING_PAGE = 200


def _threads(collapsed: bool) -> dict[str, bool]:
    """How a list of posts shows threads, as the application asks for it. Pure."""
    return {"skipFetchThreads": False, "collapsedThreads": collapsed, "collapsedThreadsExtended": False}


class ChannelCalls(Calls):
    def create_channel(self, team_id: str, name: str, display_name: str, channel_type: str) -> Channel:
        body = {"team_id": team_id, "name": name, "display_name": display_name, "type": channel_type}
        return self._send(_CREATE, body)

    def create_direct_channel(self, user_id: str, other_id: str) -> Channel:
        """The direct channel of two people; the same one each time."""
        return self._send(_CREATE_DIRECT, [user_id, other_id])

    def create_group_channel(self, user_ids: list[str]) -> Channel:
        """The group channel of these people and the one who asks; the same one each time."""
        return self._send(_CREATE_GROUP, user_ids)

    def channel(self, channel_id: str) -> Channel:
        return self._get(_GET, channel_id)

    def channel_stats(self, channel_id: str) -> ChannelStats:
        return self._get(_GET_STATS, channel_id, exclude_files_count=True)

    def channel_members(self, channel_id: str) -> list[ChannelMember]:
        return self._get(_GET_MEMBERS, channel_id, page=0, per_page=100)

    def is_channel_member(self, channel_id: str, user_id: str) -> bool:
        """Whether somebody is (still) in a channel; who has left it is a normal answer."""
        try:
            self._do(_GET_MEMBER, channel_id, user_id)
        except Refused as error:
            if error.error_id not in (NO_CHANNEL_MEMBER, NOT_IN_CHANNEL):
                raise
            return False
        return True

    def channel_member(self, channel_id: str, user_id: str) -> ChannelMember:
        return self._get(_GET_MEMBER, channel_id, user_id)

    def add_channel_member(self, channel_id: str, user_id: str) -> ChannelMember:
        body = {"user_id": user_id, "channel_id": channel_id, "post_root_id": ""}
        return self._send(_ADD_MEMBER, body, channel_id)

    def remove_channel_member(self, channel_id: str, user_id: str) -> None:
        self._do(_REMOVE_MEMBER, channel_id, user_id)

    def view_channel(self, channel_id: str, collapsed_threads: bool) -> None:
        """Tell the server that this person looks at a channel now (and so has read it); "": at none."""
        self._do(_VIEW, ME, body={"channel_id": channel_id, "collapsed_threads_supported": collapsed_threads})

    def search_channels(self, term: str) -> list[Channel]:
        return self._send(_SEARCH, {"term": term}, system_console=False)

    def browse_channels(self, team_id: str, term: str) -> list[Channel]:
        """Search in the dialog that lists a team's channels, archived ones among them."""
        body = {"term": term, "team_ids": [team_id], "include_deleted": True}
        return self._send(_SEARCH, body, system_console=False)

    def member_counts(self, channel_ids: list[str]) -> None:
        self._do(_MEMBER_COUNTS, body=channel_ids)

    def search_group_channels(self, term: str) -> list[Channel]:
        return self._send(_SEARCH_GROUPS, {"term": term})

    def all_own_channels(self) -> list[Channel]:
        """All channels of this person in all teams, direct and group channels among them."""
        return self._get(_ALL_OWN, ME)

    def all_own_channel_members(self, user_id: str, page: int = -1, per_page: int = 60) -> list[ChannelMember]:
        """Memberships of this person in all teams. Page -1 stands for all of them, one JSON object a line.

        Older servers take it for the first page.
        """
        path = _ALL_OWN_MEMBERS.at((user_id,), {"page": page, "per_page": per_page})
        answer = self.rest.call(_ALL_OWN_MEMBERS, path)
        content = content_of(answer, _ALL_OWN_MEMBERS)
        if content.lstrip()[:1] != b"{":
            return _ALL_OWN_MEMBERS.read(answer)
        try:
            return _MEMBER_LINES.decode_lines(content)
        except UNREADABLE_JSON as error:
            reason = "answer could not be read"
            raise RequestFailed(reason, route=str(_ALL_OWN_MEMBERS), status=answer.status) from error

    def channel_unread(self, user_id: str, channel_id: str) -> None:
        self._do(_UNREAD, user_id, channel_id)

    def posts_around_unread(self, user_id: str, channel_id: str, collapsed_threads: bool) -> PostList:
        return self._get(
            _UNREAD_POSTS,
            user_id,
            channel_id,
            limit_after=UNREAD_WINDOW,
            limit_before=UNREAD_WINDOW,
            **_threads(collapsed_threads),
        )

    def posts_since(self, channel_id: str, since: int, collapsed_threads: bool) -> PostList:
        """Posts created, changed or deleted since a point in time (ms)."""
        return self._get(_POSTS_OF, channel_id, since=since, **_threads(collapsed_threads))

    def posts_before(self, channel_id: str, post_id: str, collapsed_threads: bool, per_page: int = PAGE) -> PostList:
        query = _threads(collapsed_threads)
        return self._get(_POSTS_OF, channel_id, before=post_id, page=0, per_page=per_page, **query)

    def posts_after(self, channel_id: str, post_id: str, collapsed_threads: bool) -> PostList:
        query = _threads(collapsed_threads)
        return self._get(_POSTS_OF, channel_id, after=post_id, page=0, per_page=PAGE, **query)

    def newest_posts(self, channel_id: str, per_page: int) -> PostList:
        return self._get(_POSTS_OF, channel_id, page=0, per_page=per_page)

    def pinned_posts(self, channel_id: str) -> PostList:
        return self._get(_PINNED, channel_id)
