"""Accounts, sessions, people, statuses, preferences."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mmload.client.api.calls import ME, Calls, Endpoint, multipart
from mmload.client.http.client import Route
from mmload.client.http.protocol import HttpAnswer
from mmload.models import Autocompletion, Preference, Status, User

UNKNOWN_LOGIN = "api.user.login.invalid_credentials_email_username"
# Two workers, or an earlier run, may have made the account in the meantime.
ACCOUNT_EXISTS = (
    "app.user.save.username_exists.app_error",
    "app.user.save.email_exists.app_error",
    "store.sql_user.save.username_exists.app_error",
    "store.sql_user.save.email_exists.app_error",
)
# In the error ids with which a server refuses more accounts than its licence allows.
ACCOUNT_LIMIT = ("user_limits", "safety_limits")

LOGIN = Endpoint("POST", "/users/login", expected=(UNKNOWN_LOGIN,), answer=User)
LOGOUT = Route("POST", "/users/logout")
SIGN_UP = Endpoint("POST", "/users", expected=ACCOUNT_EXISTS, answer=User)
LOGIN_ROUTES = frozenset({LOGIN, SIGN_UP})

_ME = Endpoint("GET", "/users/me", answer=User)
_USER_PAGE = Endpoint("GET", "/users", answer=list[User])
_BY_IDS = Endpoint("POST", "/users/ids", answer=list[User])
_BY_USERNAMES = Endpoint("POST", "/users/usernames", answer=list[User])
_OF_GROUP_CHANNELS = Endpoint("POST", "/users/group_channels", answer=dict[str, list[User]])
_STATS = Route("GET", "/users/stats")
_SEARCH = Endpoint("POST", "/users/search", answer=list[User])
_AUTOCOMPLETE = Endpoint("GET", "/users/autocomplete", answer=Autocompletion)
_IMAGE = Route("GET", "/users/{user_id}/image")
_SET_IMAGE = Route("POST", "/users/{user_id}/image")
_PATCH = Endpoint("PUT", "/users/{user_id}/patch", answer=User)
_STATUS = Route("GET", "/users/{user_id}/status")
_SET_STATUS = Route("PUT", "/users/{user_id}/status")
_STATUSES_BY_IDS = Endpoint("POST", "/users/status/ids", answer=list[Status])
_SET_CUSTOM_STATUS = Route("PUT", "/users/{user_id}/status/custom")
_REMOVE_CUSTOM_STATUS = Route("DELETE", "/users/{user_id}/status/custom")
_GET_PREFERENCES = Endpoint("GET", "/users/{user_id}/preferences", answer=list[Preference])
_SET_PREFERENCES = Route("PUT", "/users/{user_id}/preferences")


class UserCalls(Calls):
    def login(self, login_id: str, password: str) -> tuple[str, User]:
        """Log in: the session's token, and the account. A login nobody knows is a normal answer (UNKNOWN_LOGIN)."""
        body = msgspec.json.encode({"login_id": login_id, "password": password, "token": "", "deviceId": ""})
        answer = self.rest.call(LOGIN, "/users/login", body, login=True)
        return answer.header("token"), LOGIN.read(answer)

    def sign_up(self, email: str, username: str, password: str) -> User:
        """Create the account; that it exists already is a normal answer (ACCOUNT_EXISTS)."""
        body = {"email": email, "username": username, "password": password}
        return self._send(SIGN_UP, body, login=True)

    def logout(self) -> None:
        self.rest.call(LOGOUT, "/users/logout", login=True)

    def me(self) -> User:
        return self._get(_ME)

    def users(self, page: int, per_page: int) -> list[User]:
        return self._get(_USER_PAGE, page=page, per_page=per_page)

    def users_in_channel(self, channel_id: str, per_page: int) -> list[User]:
        return self._get(_USER_PAGE, in_channel=channel_id, page=0, per_page=per_page)

    def users_not_in_channel(self, team_id: str, channel_id: str, per_page: int) -> list[User]:
        return self._get(_USER_PAGE, in_team=team_id, not_in_channel=channel_id, page=0, per_page=per_page)

    def users_by_ids(self, user_ids: Iterable[str], since: int = 0) -> list[User]:
        """People by id; with `since` (ms) only those changed after it."""
        return self._send(_BY_IDS, list(user_ids), since=since or None)

    def users_by_usernames(self, usernames: Iterable[str]) -> list[User]:
        return self._send(_BY_USERNAMES, list(usernames))

    def users_of_group_channels(self, channel_ids: list[str]) -> dict[str, list[User]]:
        """The members of group channels, by the channel's id."""
        return self._send(_OF_GROUP_CHANNELS, channel_ids)

    def user_count(self) -> None:
        """How many people the server has: shown at the beginning of a channel."""
        self._do(_STATS)

    def search_users(self, term: str) -> list[User]:
        return self._send(_SEARCH, {"term": term, "limit": 100})

    def autocomplete_users(self, team_id: str, channel_id: str, name: str) -> Autocompletion:
        """People whose names begin with `name`; with a channel, its members apart from the others.

        Without a team (the channel switcher): of all teams.
        """
        return self._get(_AUTOCOMPLETE, in_team=team_id, in_channel=channel_id, name=name, limit=25)

    def profile_image(self, user_id: str, last_picture_update: int | None) -> HttpAnswer:
        """The picture; beside messages, the time of its last change is part of the URL, as in the web application."""
        return self._do(_IMAGE, user_id, _=last_picture_update)

    def set_profile_image(self, user_id: str, content: bytes) -> None:
        body, headers = multipart({}, "image", "profile.png", content)
        self.rest.call(_SET_IMAGE, f"/users/{user_id}/image", body, headers=headers)

    def patch_user(self, user_id: str, changes: dict[str, str]) -> User:
        return self._send(_PATCH, changes, user_id)

    def status(self, user_id: str) -> None:
        self._do(_STATUS, user_id)

    def statuses(self, user_ids: Iterable[str]) -> list[Status]:
        return self._send(_STATUSES_BY_IDS, list(user_ids))

    def set_status(self, user_id: str, status: str) -> None:
        """One's own status by hand: `online`, `away`, `dnd`, `offline`."""
        self._do(_SET_STATUS, user_id, body={"user_id": user_id, "status": status})

    def set_custom_status(self, emoji: str, text: str, duration: str, expires_at: str) -> None:
        body = {"emoji": emoji, "text": text, "duration": duration, "expires_at": expires_at}
        self._do(_SET_CUSTOM_STATUS, ME, body=body)

    def remove_custom_status(self) -> None:
        self._do(_REMOVE_CUSTOM_STATUS, ME)

    def preferences(self, user_id: str) -> list[Preference]:
        return self._get(_GET_PREFERENCES, user_id)

    def set_preferences(self, user_id: str, preferences: list[Preference]) -> None:
        self._do(_SET_PREFERENCES, user_id, body=preferences)
