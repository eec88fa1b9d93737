"""What only a licensed server does: bookmarks, scheduled posts, profile attributes; and an administrator's report."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.client.api.calls import DELETED, Calls, query
from mmload.client.http.client import Route
from mmload.models import AttributeField, Bookmark, ReportedUser, ScheduledPost

BOOKMARKS = "channel bookmarks"
SCHEDULED = "scheduled posts"
ATTRIBUTES = "custom profile attributes"

_BOOKMARK = msgspec.json.Decoder(Bookmark)
_BOOKMARK_LIST = msgspec.json.Decoder(list[Bookmark] | None)
_SCHEDULED_POST = msgspec.json.Decoder(ScheduledPost)
_FIELDS = msgspec.json.Decoder(list[AttributeField] | None)
_REPORT = msgspec.json.Decoder(list[ReportedUser] | None)

_LIST = Route("GET", "/channels/{channel_id}/bookmarks", BOOKMARKS)
_CREATE = Route("POST", "/channels/{channel_id}/bookmarks", BOOKMARKS)
_PATCH = Route("PATCH", "/channels/{channel_id}/bookmarks/{bookmark_id}", BOOKMARKS, expected=DELETED)
_DELETE = Route("DELETE", "/channels/{channel_id}/bookmarks/{bookmark_id}", BOOKMARKS, expected=DELETED)
_SORT = Route("POST", "/channels/{channel_id}/bookmarks/{bookmark_id}/sort_order", BOOKMARKS, expected=DELETED)
_SCHEDULE = Route("POST", "/posts/schedule", SCHEDULED)
_RESCHEDULE = Route("PUT", "/posts/schedule/{scheduled_post_id}", SCHEDULED, expected=DELETED)
_UNSCHEDULE = Route("DELETE", "/posts/schedule/{scheduled_post_id}", SCHEDULED, expected=DELETED)
_SCHEDULED_OF_TEAM = Route("GET", "/posts/scheduled/team/{team_id}", SCHEDULED)
_ATTRIBUTE_FIELDS = Route("GET", "/custom_profile_attributes/fields", ATTRIBUTES)
_ATTRIBUTES_OF = Route("GET", "/users/{user_id}/custom_profile_attributes", ATTRIBUTES)
_SET_ATTRIBUTES = Route("PATCH", "/custom_profile_attributes/values", ATTRIBUTES)
_REPORT_USERS = Route("GET", "/reports/users", "user report")


class LicensedCalls(Calls):
    def bookmarks(self, channel_id: str) -> list[Bookmark]:
        path = f"/channels/{channel_id}/bookmarks" + query(bookmarks_since=0)
        return self._get(_LIST, path, _BOOKMARK_LIST) or []

    def create_bookmark(self, channel_id: str, bookmark: dict[str, str]) -> Bookmark:
        return self._send(_CREATE, f"/channels/{channel_id}/bookmarks", bookmark, _BOOKMARK)

    def patch_bookmark(self, channel_id: str, bookmark_id: str, changes: dict[str, str]) -> None:
        self._do(_PATCH, f"/channels/{channel_id}/bookmarks/{bookmark_id}", changes)

    def sort_bookmark(self, channel_id: str, bookmark_id: str, position: int) -> None:
        self._do(_SORT, f"/channels/{channel_id}/bookmarks/{bookmark_id}/sort_order", position)

    def delete_bookmark(self, channel_id: str, bookmark_id: str) -> None:
        self._do(_DELETE, f"/channels/{channel_id}/bookmarks/{bookmark_id}")

    def schedule_post(self, user_id: str, channel_id: str, root_id: str, message: str, at_ms: int) -> ScheduledPost:
        return self._send(
            _SCHEDULE, "/posts/schedule", _scheduled(user_id, channel_id, root_id, message, at_ms), _SCHEDULED_POST
        )

    def reschedule_post(self, user_id: str, post: ScheduledPost, message: str, at_ms: int) -> ScheduledPost:
        body = {"id": post.id, **_scheduled(user_id, post.channel_id, post.root_id, message, at_ms)}
        return self._send(_RESCHEDULE, f"/posts/schedule/{post.id}", body, _SCHEDULED_POST)

    def unschedule_post(self, scheduled_post_id: str) -> None:
        self._do(_UNSCHEDULE, f"/posts/schedule/{scheduled_post_id}")

    def scheduled_posts(self, team_id: str) -> None:
        self._do(_SCHEDULED_OF_TEAM, f"/posts/scheduled/team/{team_id}" + query(includeDirectChannels="true"))

    def custom_profile_fields(self) -> list[AttributeField]:
        return self._get(_ATTRIBUTE_FIELDS, "/custom_profile_attributes/fields", _FIELDS) or []

    def custom_profile_attributes(self, user_id: str) -> None:
        self._do(_ATTRIBUTES_OF, f"/users/{user_id}/custom_profile_attributes")

    def set_custom_profile_attributes(self, values: dict[str, str]) -> None:
        """Own values, by the field's id."""
        self._do(_SET_ATTRIBUTES, "/custom_profile_attributes/values", values)

    def report_users(self, from_column_value: str, from_id: str, page_size: int = 50) -> list[ReportedUser]:
        """A page of the administrators' user report, after the given user."""
        path = "/reports/users" + query(
            sort_column="Username", page_size=page_size, from_column_value=from_column_value, from_id=from_id
        )
        return self._get(_REPORT_USERS, path, _REPORT) or []


def _scheduled(user_id: str, channel_id: str, root_id: str, message: str, at_ms: int) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "channel_id": channel_id,
        "root_id": root_id,
        "message": message,
        "scheduled_at": at_ms,
        "props": {},
        "metadata": {},
    }
