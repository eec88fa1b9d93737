"""Accounts, sessions, people, statuses, preferences."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mmload.client.api.calls import Calls, multipart, query
from mmload.client.http.client import HttpAnswer, Route, decoded
from mmload.models import Autocompletion, Preference, Status, User

_USER = msgspec.json.Decoder(User)
_USERS = msgspec.json.Decoder(list[User] | None)
_STATUSES = msgspec.json.Decoder(list[Status] | None)
_PREFERENCES = msgspec.json.Decoder(list[Preference] | None)
_AUTOCOMPLETION = msgspec.json.Decoder(Autocompletion)

UNKNOWN_LOGIN = "api.user.login.invalid_credentials_email_username"
# Two workers, or an earlier run, may have made the account in the meantime.
ACCOUNT_EXISTS = (
    "app.user.save.username_exists.app_error",
    "app.user.save.email_exists.app_error",
    "store.sql_user.save.username_exists.app_error",
    "store.sql_user.save.email_exists.app_error",
)

LOGIN = Route("POST", "/users/login", expected=(UNKNOWN_LOGIN,))
LOGOUT = Route("POST", "/users/logout")
SIGN_UP = Route("POST", "/users", expected=ACCOUNT_EXISTS)
LOGIN_ROUTES = frozenset({LOGIN, SIGN_UP})

_ME = Route("GET", "/users/me")
_USER_PAGE = Route("GET", "/users")
_BY_IDS = Route("POST", "/users/ids")
_BY_USERNAMES = Route("POST", "/users/usernames")
_SEARCH = Route("POST", "/users/search")
_AUTOCOMPLETE = Route("GET", "/users/autocomplete")
_IMAGE = Route("GET", "/users/{user_id}/image")
_SET_IMAGE = Route("POST", "/users/{user_id}/image")
_PATCH = Route("PUT", "/users/{user_id}/patch")
_STATUS = Route("GET", "/users/{user_id}/status")
_STATUSES_BY_IDS = Route("POST", "/users/status/ids")
_SET_CUSTOM_STATUS = Route("PUT", "/users/{user_id}/status/custom")
_REMOVE_CUSTOM_STATUS = Route("DELETE", "/users/{user_id}/status/custom")
_GET_PREFERENCES = Route("GET", "/users/{user_id}/preferences")
_SET_PREFERENCES = Route("PUT", "/users/{user_id}/preferences")


class UserCalls(Calls):
    def login(self, login_id: str, password: str) -> tuple[str, User]:
        """Log in: the session's token, and the account. A login nobody knows is a normal answer (UNKNOWN_LOGIN)."""
        body = msgspec.json.encode({"login_id": login_id, "password": password})
        answer = self.rest.call(LOGIN, "/users/login", body, login=True)
        return answer.header("token"), decoded(answer, _USER, LOGIN)

    def sign_up(self, email: str, username: str, password: str) -> User:
        """Create the account; that it exists already is a normal answer (ACCOUNT_EXISTS)."""
        body = {"email": email, "username": username, "password": password}
        return self._send(SIGN_UP, "/users", body, _USER, login=True)

    def logout(self) -> None:
        self.rest.call(LOGOUT, "/users/logout", login=True)

    def me(self) -> User:
        return self._get(_ME, "/users/me", _USER)

    def users(self, page: int, per_page: int) -> list[User]:
        return self._get(_USER_PAGE, "/users" + query(page=page, per_page=per_page), _USERS) or []

    def users_in_channel(self, channel_id: str, per_page: int) -> list[User]:
        path = "/users" + query(in_channel=channel_id, page=0, per_page=per_page)
        return self._get(_USER_PAGE, path, _USERS) or []

    def users_not_in_channel(self, team_id: str, channel_id: str, per_page: int) -> list[User]:
        path = "/users" + query(in_team=team_id, not_in_channel=channel_id, page=0, per_page=per_page)
        return self._get(_USER_PAGE, path, _USERS) or []

    def users_by_ids(self, user_ids: Iterable[str], since: int = 0) -> list[User]:
        """People by id; with `since` (ms) only those changed after it."""
        path = "/users/ids" + (query(since=since) if since else "")
        return self._send(_BY_IDS, path, list(user_ids), _USERS) or []

    def users_by_usernames(self, usernames: Iterable[str]) -> list[User]:
        return self._send(_BY_USERNAMES, "/users/usernames", list(usernames), _USERS) or []

    def search_users(self, term: str, limit: int = 100) -> list[User]:
        return self._send(_SEARCH, "/users/search", {"term": term, "limit": limit}, _USERS) or []

    def autocomplete_users(self, team_id: str, channel_id: str, name: str, limit: int) -> Autocompletion:
        """People whose names begin with `name`; with a channel, its members apart from the others."""
        channel = {"in_channel": channel_id} if channel_id else {}
        path = "/users/autocomplete" + query(in_team=team_id, **channel, name=name, limit=limit)
        return self._get(_AUTOCOMPLETE, path, _AUTOCOMPLETION)

    def profile_image(self, user_id: str, last_picture_update: int) -> HttpAnswer:
        """The picture; the time of its last change is part of the URL, as in the web application."""
        return self.rest.call(_IMAGE, f"/users/{user_id}/image?_={last_picture_update}")

    def set_profile_image(self, user_id: str, content: bytes) -> None:
        body, headers = multipart({}, "image", "profile.png", content)
        self.rest.call(_SET_IMAGE, f"/users/{user_id}/image", body, headers=headers)

    def patch_user(self, user_id: str, changes: dict[str, str]) -> User:
        return self._send(_PATCH, f"/users/{user_id}/patch", changes, _USER)

    def status(self, user_id: str) -> None:
        self._do(_STATUS, f"/users/{user_id}/status")

    def statuses(self, user_ids: Iterable[str]) -> list[Status]:
        return self._send(_STATUSES_BY_IDS, "/users/status/ids", list(user_ids), _STATUSES) or []

    def set_custom_status(self, user_id: str, emoji: str, text: str, duration: str, expires_at: str) -> None:
        body = {"emoji": emoji, "text": text, "duration": duration, "expires_at": expires_at}
        self._do(_SET_CUSTOM_STATUS, f"/users/{user_id}/status/custom", body)

    def remove_custom_status(self, user_id: str) -> None:
        self._do(_REMOVE_CUSTOM_STATUS, f"/users/{user_id}/status/custom")

    def preferences(self, user_id: str) -> list[Preference]:
        return self._get(_GET_PREFERENCES, f"/users/{user_id}/preferences", _PREFERENCES) or []

    def set_preferences(self, user_id: str, preferences: list[Preference]) -> None:
        self._do(_SET_PREFERENCES, f"/users/{user_id}/preferences", preferences)
