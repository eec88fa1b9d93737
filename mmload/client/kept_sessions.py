"""The sessions with which users of one process come in without a password, as one who closed the tab yesterday.

No method waits. A session is taken by one user at a time and given back when the user leaves. Whether it still holds is
seen when it is used: a 401 leads to a login by password, and the new session takes its place.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mmload.client.accounts import accounts, sessions_each
from mmload.config import Settings, read_credentials
from mmload.session_file import KeptAccount, SessionChange, session_file


class Destination(NamedTuple):
    """Where sessions go, and nowhere else."""

    server_url: str
    websocket_url: str


class KeptSessions:
    """`tell` learns what began and what ended. `most` sessions of an account are kept, the newest ones."""

    def __init__(
        self,
        destination: Destination,
        accounts: Mapping[str, KeptAccount],
        tell: Callable[[SessionChange], None],
        most: int = 1,
    ) -> None:
        self.destination = destination
        self._free: dict[str, list[str]] = {}
        self._ids: dict[str, str] = {}
        self._tell = tell
        self._most = most
        self.add(accounts)

    def add(self, accounts: Mapping[str, KeptAccount]) -> None:
        self._free |= {login: list(account.tokens) for login, account in accounts.items()}
        self._ids |= {login: account.user_id for login, account in accounts.items()}

    def take(self, login: str) -> tuple[str, str] | None:
        """User id and token of a session that nobody uses, the newest; None if there is none."""
        free = self._free.get(login)
        return (self._ids[login], free.pop()) if free else None

    def began(self, login: str, user_id: str, token: str, instead_of: str = "") -> None:
        """A login by password brought this session, perhaps in the place of one that had ended. It is in use."""
        self._ids[login] = user_id
        self._tell(SessionChange(login, user_id, token, instead_of))

    def give_back(self, login: str, token: str) -> None:
        """The user leaves; the session goes on."""
        if token and login in self._ids:
            self._free[login] = [*self._free.get(login, ()), token][-self._most :]

    def ended(self, login: str, token: str) -> None:
        """The user logged out: nobody can use this session any more."""
        if token and login in self._ids:
            self._tell(SessionChange(login, ended=token))


def logs_in(number: int, share: float, seed: int) -> bool:
    """Whether the user of this number logs in by password though a session is kept. Pure."""
    return random.Random(f"{seed}:login:{number}").random() < share


def kept_for(settings: Settings, count: int) -> tuple[int, list[str]]:
    """How many of so many users can take up a session, and all sessions that are kept of their accounts.

    ConfigurationError: the file cannot be used.
    """
    file = session_file(settings.config, settings.config.connection.server_url)
    kept = file.read() if file is not None else {}
    if not kept:
        return 0, []
    users = settings.config.users
    credentials = read_credentials(users.users_file_path) if users.users_file_path else ()
    wanted = accounts(users, -(-count // users.avg_sessions_per_user), credentials)
    found = [kept[one.email].tokens[-sessions_each(users) :] for one in wanted if one.email in kept]
    able = sum(min(len(tokens), users.avg_sessions_per_user) for tokens in found)
    return min(count, able), [token for tokens in found for token in tokens]
