"""What only a licensed server does: bookmarks, scheduled posts, profile attributes; and an administrator's report."""

from __future__ import annotations

from typing import Any

from mmload.client.api.calls import DELETED, Calls, Endpoint
from mmload.client.http.client import Route
from mmload.models import AttributeField, Bookmark, ReportedUser, ScheduledPost

BOOKMARKS = "channel bookmarks"
SCHEDULED = "scheduled posts"
ATTRIBUTES = "custom profile attributes"
REPORT_PAGE = 50

_LIST = Endpoint("GET", "/channels/{channel_id}/bookmarks", BOOKMARKS, answer=list[Bookmark])
_CREATE = Endpoint("POST", "/channels/{channel_id}/bookmarks", BOOKMARKS, answer=Bookmark)
_PATCH = Route("PATCH", "/channels/{channel_id}/bookmarks/{bookmark_id}", BOOKMARKS, expected=DELETED)
_DELETE = Route("DELETE", "/channels/{channel_id}/bookmarks/{bookmark_id}", BOOKMARKS, expected=DELETED)
_SORT = Route("POST", "/channels/{channel_id}/bookmarks/{bookmark_id}/sort_order", BOOKMARKS, expected=DELETED)
_SCHEDULE = Endpoint("POST", "/posts/schedule", SCHEDULED, answer=ScheduledPost)
_RESCHEDULE = Endpoint("PUT", "/posts/schedule/{scheduled_post_id}", SCHEDULED, expected=DELETED, answer=ScheduledPost)
_UNSCHEDULE = Route("DELETE", "/posts/schedule/{scheduled_post_id}", SCHEDULED, expected=DELETED)
# Refused without a licence; everybody's client asks, again and again.
_SCHEDULED_OF_TEAM = Route("GET", "/posts/scheduled/team/{team_id}", expected=("api.scheduled_posts.license_error",))
_ATTRIBUTE_FIELDS = Endpoint(
    "GET",
    "/custom_profile_attributes/fields",
    expected=("api.custom_profile_attributes.license_error",),
    answer=list[AttributeField],
)
_ATTRIBUTES_OF = Route("GET", "/users/{user_id}/custom_profile_attributes", ATTRIBUTES)
_SET_ATTRIBUTES = Route("PATCH", "/custom_profile_attributes/values", ATTRIBUTES)
_REPORT_USERS = Endpoint("GET", "/reports/users", "user report", answer=list[ReportedUser])


class LicensedCalls(Calls):
    def bookmarks(self, channel_id: str) -> list[Bookmark]:
        return self._get(_LIST, channel_id, bookmarks_since=0)

    def create_bookmark(self, channel_id: str, bookmark: dict[str, str]) -> Bookmark:
        return self._send(_CREATE, bookmark, channel_id)

    def patch_bookmark(self, channel_id: str, bookmark_id: str, changes: dict[str, str]) -> None:
        self._do(_PATCH, channel_id, bookmark_id, body=changes)

    def sort_bookmark(self, channel_id: str, bookmark_id: str, position: int) -> None:
        self._do(_SORT, channel_id, bookmark_id, body=position)

    def delete_bookmark(self, channel_id: str, bookmark_id: str) -> None:
        self._do(_DELETE, channel_id, bookmark_id)

    def schedule_post(self, user_id: str, channel_id: str, root_id: str, message: str, at_ms: int) -> ScheduledPost:
        return self._send(_SCHEDULE, _scheduled(user_id, channel_id, root_id, message, at_ms))

    def reschedule_post(self, user_id: str, post: ScheduledPost, message: str, at_ms: int) -> ScheduledPost:
        body = {"id": post.id, **_scheduled(user_id, post.channel_id, post.root_id, message, at_ms)}
        return self._send(_RESCHEDULE, body, post.id)

    def unschedule_post(self, scheduled_post_id: str) -> None:
        self._do(_UNSCHEDULE, scheduled_post_id)

    def scheduled_posts(self, team_id: str) -> None:
        self._do(_SCHEDULED_OF_TEAM, team_id, includeDirectChannels=True)

    def custom_profile_fields(self) -> list[AttributeField]:
        return self._get(_ATTRIBUTE_FIELDS)

    def custom_profile_attributes(self, user_id: str) -> None:
        self._do(_ATTRIBUTES_OF, user_id)

    def set_custom_profile_attributes(self, values: dict[str, str]) -> None:
        """Own values, by the field's id."""
        self._do(_SET_ATTRIBUTES, body=values)

    def report_users(self, from_column_value: str, from_id: str) -> list[ReportedUser]:
        """A page of the administrators' user report, after the given user."""
        after = {"from_column_value": from_column_value, "from_id": from_id}
        return self._get(_REPORT_USERS, sort_column="Username", page_size=REPORT_PAGE, **after)


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
