"""Messages: writing, threads, reactions, files, drafts."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.client.api.calls import DELETED, Calls, flag, multipart, query
from mmload.client.http.client import HttpAnswer, Route, decoded
from mmload.models import Draft, FileInfo, Post, PostList, Reaction, UploadedFiles

_POST = msgspec.json.Decoder(Post)
_POSTS = msgspec.json.Decoder(PostList)
_REACTION = msgspec.json.Decoder(Reaction)
_FILES = msgspec.json.Decoder(UploadedFiles)
_DRAFT = msgspec.json.Decoder(Draft)

# The thread was deleted while its reply was written (recorded: 400).
ROOT_DELETED = "api.post.create_post.root_id.app_error"

CREATE_POST = Route("POST", "/posts", expected=(ROOT_DELETED,))
_CREATE_URGENT = Route("POST", "/posts", "urgent posts")
# Nobody may change what is no longer there: for one's own post this is how the server says that it was deleted.
_NOT_PERMITTED = "api.context.permissions.app_error"

_PATCH = Route("PUT", "/posts/{post_id}/patch", expected=(*DELETED, _NOT_PERMITTED))
_DELETE = Route("DELETE", "/posts/{post_id}", expected=(*DELETED, _NOT_PERMITTED))
_THREAD = Route("GET", "/posts/{post_id}/thread", expected=DELETED)
_SEARCH = Route("POST", "/posts/search", "search in all teams")
_REACT = Route("POST", "/reactions", expected=DELETED)
_UNREACT = Route("DELETE", "/users/{user_id}/posts/{post_id}/reactions/{emoji_name}", expected=DELETED)
_REMINDER = Route("POST", "/users/{user_id}/posts/{post_id}/reminder", "post reminders", expected=DELETED)
_ACKNOWLEDGE = Route("POST", "/users/{user_id}/posts/{post_id}/ack", "post acknowledgements", expected=DELETED)
_UPLOAD = Route("POST", "/files")
_THUMBNAIL = Route("GET", "/files/{file_id}/thumbnail", expected=DELETED)
_PREVIEW = Route("GET", "/files/{file_id}/preview", expected=DELETED)
_UPSERT_DRAFT = Route("POST", "/drafts", "drafts")
_DELETE_DRAFT = Route("DELETE", "/users/{user_id}/channels/{channel_id}/drafts", "drafts", expected=DELETED)
_DELETE_THREAD_DRAFT = Route(
    "DELETE", "/users/{user_id}/channels/{channel_id}/drafts/{root_id}", "drafts", expected=DELETED
)


def _priority(*, acknowledge: bool = False, persistent: bool = False) -> dict[str, Any]:
    return {"priority": "urgent", "requested_ack": acknowledge, "persistent_notifications": persistent}


class PostCalls(Calls):
    def create_post(
        self,
        channel_id: str,
        message: str,
        pending_post_id: str,
        *,
        root_id: str = "",
        file_ids: tuple[str, ...] = (),
        urgent: bool = False,
    ) -> Post:
        """Write a message. `pending_post_id` (`{user_id}:{ms}`) comes back in everybody's `posted` event.

        Only licensed servers take `urgent` ones.
        """
        user_id, _, milliseconds = pending_post_id.partition(":")
        body: dict[str, Any] = {
            "channel_id": channel_id,
            "message": message,
            "pending_post_id": pending_post_id,
            "user_id": user_id,
            "create_at": 0,
            "update_at": int(milliseconds),
            "root_id": root_id,
            "file_ids": file_ids,
            "props": {},
            "metadata": {"priority": _priority()} if urgent else {},
        }
        return self._send(_CREATE_URGENT if urgent else CREATE_POST, "/posts", body, _POST)

    def create_priority_post(
        self, channel_id: str, message: str, pending_post_id: str, *, acknowledge: bool, persistent: bool
    ) -> Post:
        """Write an urgent message (licensed servers)."""
        body = {
            "channel_id": channel_id,
            "message": message,
            "pending_post_id": pending_post_id,
            "user_id": pending_post_id.partition(":")[0],
            "metadata": {"priority": _priority(acknowledge=acknowledge, persistent=persistent)},
        }
        return self._send(_CREATE_URGENT, "/posts", body, _POST)

    def patch_post(self, post_id: str, message: str) -> Post:
        return self._send(_PATCH, f"/posts/{post_id}/patch", {"message": message}, _POST)

    def delete_post(self, post_id: str) -> None:
        self._do(_DELETE, f"/posts/{post_id}")

    def thread(self, root_id: str, *, per_page: int = 60, from_post: str = "", from_create_at: int = 0) -> PostList:
        """A page of a thread, oldest first; `from_post` and its time continue after that post."""
        more: dict[str, str | int] = {"fromPost": from_post, "fromCreateAt": from_create_at} if from_post else {}
        path = f"/posts/{root_id}/thread" + query(
            collapsedThreads=flag(True), direction="down", perPage=per_page, **more
        )
        return self._get(_THREAD, path, _POSTS)

    def search_posts(self, terms: str) -> PostList:
        """Search in all teams."""
        return self._send(_SEARCH, "/posts/search", {"terms": terms, "is_or_search": False}, _POSTS)

    def react(self, user_id: str, post_id: str, emoji_name: str) -> Reaction:
        body = {"user_id": user_id, "post_id": post_id, "emoji_name": emoji_name}
        return self._send(_REACT, "/reactions", body, _REACTION)

    def unreact(self, user_id: str, post_id: str, emoji_name: str) -> None:
        self._do(_UNREACT, f"/users/{user_id}/posts/{post_id}/reactions/{emoji_name}")

    def remind(self, user_id: str, post_id: str, target_time_seconds: int) -> None:
        self._do(_REMINDER, f"/users/{user_id}/posts/{post_id}/reminder", {"target_time": target_time_seconds})

    def acknowledge(self, user_id: str, post_id: str) -> None:
        self._do(_ACKNOWLEDGE, f"/users/{user_id}/posts/{post_id}/ack")

    def upload_file(self, channel_id: str, file_name: str, content: bytes) -> list[FileInfo]:
        body, headers = multipart({"channel_id": channel_id}, "files", file_name, content)
        answer = self.rest.call(_UPLOAD, "/files", body, headers=headers)
        return decoded(answer, _FILES, _UPLOAD).file_infos or []

    def thumbnail(self, file_id: str) -> HttpAnswer:
        return self.rest.call(_THUMBNAIL, f"/files/{file_id}/thumbnail")

    def preview(self, file_id: str) -> HttpAnswer:
        return self.rest.call(_PREVIEW, f"/files/{file_id}/preview")

    def upsert_draft(self, draft: Draft) -> Draft:
        return self._send(_UPSERT_DRAFT, "/drafts", draft, _DRAFT)

    def delete_draft(self, user_id: str, channel_id: str, root_id: str) -> None:
        path = f"/users/{user_id}/channels/{channel_id}/drafts"
        if root_id:
            self._do(_DELETE_THREAD_DRAFT, f"{path}/{root_id}")
        else:
            self._do(_DELETE_DRAFT, path)
