"""Messages: writing, threads, reactions, files, drafts."""

from __future__ import annotations

from typing import Any

from mmload.client.api.calls import DELETED, ME, Calls, Endpoint, multipart
from mmload.client.http.client import Route
from mmload.client.http.protocol import HttpAnswer
from mmload.models import Draft, FileInfo, Post, PostInfo, PostList, Reaction, UploadedFiles

THREAD_PAGE = 60
SEARCH_PAGE = 20
# The thread was deleted while its reply was written (recorded: 400).
ROOT_DELETED = "api.post.create_post.root_id.app_error"

CREATE_POST = Endpoint("POST", "/posts", expected=(ROOT_DELETED,), answer=Post)
_CREATE_URGENT = Endpoint("POST", "/posts", "urgent posts", answer=Post)
# Nobody may change what is no longer there: for one's own post this is how the server says that it was deleted.
_NOT_PERMITTED = "api.context.permissions.app_error"

_PATCH = Endpoint("PUT", "/posts/{post_id}/patch", expected=(*DELETED, _NOT_PERMITTED), answer=Post)
_DELETE = Route("DELETE", "/posts/{post_id}", expected=(*DELETED, _NOT_PERMITTED))
_THREAD = Endpoint("GET", "/posts/{post_id}/thread", expected=DELETED, answer=PostList)
_INFO = Endpoint("GET", "/posts/{post_id}/info", "post information", expected=DELETED, answer=PostInfo)
_SET_UNREAD = Route("POST", "/users/{user_id}/posts/{post_id}/set_unread", expected=DELETED)
_SEARCH_EMOJI = Route("POST", "/emoji/search")
_EMOJI = Route("GET", "/emoji")
_SEARCH = Endpoint("POST", "/posts/search", "search in all teams", answer=PostList)
_REACT = Endpoint("POST", "/reactions", expected=DELETED, answer=Reaction)
_UNREACT = Route("DELETE", "/users/{user_id}/posts/{post_id}/reactions/{emoji_name}", expected=DELETED)
_REMINDER = Route("POST", "/users/{user_id}/posts/{post_id}/reminder", "post reminders", expected=DELETED)
_ACKNOWLEDGE = Route("POST", "/users/{user_id}/posts/{post_id}/ack", "post acknowledgements", expected=DELETED)
_UPLOAD = Endpoint("POST", "/files", "file attachments", answer=UploadedFiles)
_THUMBNAIL = Route("GET", "/files/{file_id}/thumbnail", expected=DELETED)
_HAS_THUMBNAIL = Route("HEAD", "/files/{file_id}/thumbnail", expected=DELETED)
_PREVIEW = Route("GET", "/files/{file_id}/preview", expected=DELETED)
_UPSERT_DRAFT = Endpoint("POST", "/drafts", "drafts", answer=Draft)
_DELETE_DRAFT = Route("DELETE", "/users/{user_id}/channels/{channel_id}/drafts", "drafts", expected=DELETED)
_DELETE_THREAD_DRAFT = Route(
    "DELETE", "/users/{user_id}/channels/{channel_id}/drafts/{root_id}", "drafts", expected=DELETED
)
# What the application says of a message that mentions no group.
_PROPS = {"disable_group_highlight": True}


def _priority(*, acknowledge: bool = False, persistent: bool = False) -> dict[str, Any]:
    return {"priority": "urgent", "requested_ack": acknowledge, "persistent_notifications": persistent}


def search_body(terms: str, page: int = 0) -> dict[str, Any]:
    """How the application searches messages and files. Pure."""
    return {
        "terms": terms,
        "is_or_search": False,
        "include_deleted_channels": True,
        "time_zone_offset": 0,
        "page": page,
        "per_page": SEARCH_PAGE,
    }


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
        team_id: str = "",
    ) -> Post:
        """Write a message. `pending_post_id` (`{user_id}:{ms}`) comes back in everybody's `posted` event.

        Only licensed servers take `urgent` ones. `team_id`: the one on the screen, for a direct or group channel.
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
            "props": {**_PROPS, "current_team_id": team_id} if team_id else _PROPS,
            "metadata": {"priority": _priority()} if urgent else {},
            "reply_count": 0,
        }
        return self._send(_CREATE_URGENT if urgent else CREATE_POST, body)

    def create_priority_post(
        self, channel_id: str, message: str, pending_post_id: str, *, acknowledge: bool, persistent: bool
    ) -> Post:
        body = {
            "channel_id": channel_id,
            "message": message,
            "pending_post_id": pending_post_id,
            "user_id": pending_post_id.partition(":")[0],
            "metadata": {"priority": _priority(acknowledge=acknowledge, persistent=persistent)},
        }
        return self._send(_CREATE_URGENT, body)

    def patch_post(self, post: Post, message: str) -> Post:
        """Change the text: the application sends the whole message as it knows it, and its own form's fields."""
        body = {
            "message": message,
            "fileInfos": [],
            "uploadsInProgress": [],
            "createAt": 0,
            "updateAt": 0,
            "channelId": post.channel_id,
            "rootId": post.root_id,
            "id": post.id,
            "create_at": post.create_at,
            "update_at": post.update_at,
            "edit_at": 0,
            "delete_at": 0,
            "is_pinned": False,
            "user_id": post.user_id,
            "channel_id": post.channel_id,
            "root_id": post.root_id,
            "original_id": "",
            "type": "",
            "props": _PROPS,
            "hashtags": "",
            "file_ids": [],
            "pending_post_id": f"{post.user_id}:{post.create_at}",
            "remote_id": "",
            "reply_count": post.reply_count,
            "last_reply_at": 0,
            "participants": None,
            "metadata": {},
        }
        return self._send(_PATCH, body, post.id)

    def delete_post(self, post_id: str) -> None:
        self._do(_DELETE, post_id)

    def thread(
        self, root_id: str, collapsed_threads: bool = True, *, from_post: str = "", from_create_at: int = 0
    ) -> PostList:
        """A page of a thread, oldest first; `from_post` and its time continue after that post."""
        return self._get(
            _THREAD,
            root_id,
            skipFetchThreads=False,
            collapsedThreads=collapsed_threads,
            collapsedThreadsExtended=False,
            direction="down",
            perPage=THREAD_PAGE,
            fromPost=from_post or None,
            fromCreateAt=from_create_at if from_post else None,
        )

    def post_info(self, post_id: str) -> PostInfo:
        """In which channel and team a linked message is, and whether one is in them."""
        return self._get(_INFO, post_id)

    def set_unread(self, user_id: str, post_id: str, collapsed_threads: bool) -> None:
        self._do(_SET_UNREAD, user_id, post_id, body={"collapsed_threads_supported": collapsed_threads})

    def search_posts(self, terms: str) -> PostList:
        return self._send(_SEARCH, search_body(terms))

    def search_emoji(self, term: str) -> None:
        self._do(_SEARCH_EMOJI, body={"term": term})

    def custom_emoji(self) -> None:
        """The first page of the emoji that people have added."""
        self._do(_EMOJI, page=0, per_page=200, sort="name")

    def react(self, user_id: str, post_id: str, emoji_name: str) -> Reaction:
        return self._send(_REACT, {"user_id": user_id, "post_id": post_id, "emoji_name": emoji_name})

    def unreact(self, user_id: str, post_id: str, emoji_name: str) -> None:
        self._do(_UNREACT, user_id, post_id, emoji_name)

    def remind(self, user_id: str, post_id: str, target_time_seconds: int) -> None:
        self._do(_REMINDER, user_id, post_id, body={"target_time": target_time_seconds})

    def acknowledge(self, user_id: str, post_id: str) -> None:
        self._do(_ACKNOWLEDGE, user_id, post_id)

    def upload_file(self, channel_id: str, file_name: str, content: bytes) -> list[FileInfo]:
        body, headers = multipart({"channel_id": channel_id}, "files", file_name, content)
        answer = self.rest.call(_UPLOAD, "/files", body, headers=headers)
        return _UPLOAD.read(answer).file_infos or []

    def thumbnail(self, file_id: str) -> HttpAnswer:
        return self._do(_THUMBNAIL, file_id)

    def has_thumbnail(self, file_id: str) -> HttpAnswer:
        return self._do(_HAS_THUMBNAIL, file_id)

    def preview(self, file_id: str) -> HttpAnswer:
        return self._do(_PREVIEW, file_id)

    def upsert_draft(self, draft: Draft) -> Draft:
        body = {
            "create_at": draft.create_at,
            "update_at": draft.update_at,
            "delete_at": 0,
            "user_id": draft.user_id,
            "channel_id": draft.channel_id,
            "root_id": draft.root_id,
            "message": draft.message,
            "type": "",
            "props": {},
            "file_ids": [],
        }
        return self._send(_UPSERT_DRAFT, body)

    def delete_draft(self, channel_id: str, root_id: str) -> None:
        """Forget one's own draft; that there is none is no error."""
        if root_id:
            self._do(_DELETE_THREAD_DRAFT, ME, channel_id, root_id)
        else:
            self._do(_DELETE_DRAFT, ME, channel_id)
