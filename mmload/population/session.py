"""Somebody logged in at the server: logs in when first needed, and once more if the session ends in the middle."""

from __future__ import annotations

import functools
from collections.abc import Collection
from threading import Lock, Semaphore
from typing import Any

from mmload.client.accounts import Account
from mmload.config import Connection
from mmload.errors import Refused, RequestFailed, ServerNotReady, SessionExpired
from mmload.population.patience import Patience
from mmload.population.server import Answer, Server

TOO_MANY_ATTEMPTS = "api.user.check_user_login_attempts.too_many"


class Session:
    """One account's calls. Safe to use from several threads.

    `gate` admits few log-ins at a time: hashing passwords is the dearest thing a server does.
    """

    def __init__(self, server: Server, account: Account, patience: Patience, gate: Semaphore) -> None:
        self.account = account
        self._server = server
        self._patience = patience
        self._gate = gate
        self._lock = Lock()
        self._token = ""
        self._roles = ""

    def log_in(self) -> str:
        """The session's token; logs in if there is none yet. `ServerNotReady` if the server won't have us."""
        with self._lock:
            if not self._token:
                with self._gate:
                    answer = self._patience.run(f"log-in of {self.account.email}", self._login)
                self._token, self._roles = answer.headers.get("Token", ""), answer.document["roles"]
            return self._token

    def require_administrator(self) -> None:
        """Log in; `ServerNotReady` if this account has no administrator's rights."""
        self.log_in()
        if "system_admin" not in self._roles.split():
            raise ServerNotReady(
                f"{self.account.email} is no system administrator: make it one (System Console > User Management > "
                "Users, or mmctl roles system-admin), or set ConnectionConfiguration.AdminEmail and AdminPassword"
            )

    def _login(self) -> Answer:
        body = {"login_id": self.account.email, "password": self.account.password}
        try:
            return self._server.call("POST", "/users/login", body)
        except (SessionExpired, Refused) as error:
            raise ServerNotReady(f"{login_refused(self.account.email, error)}{self._made_otherwise(error)}") from error

    def _made_otherwise(self, error: RequestFailed) -> str:
        """What to do when an account of the population is there, but not with our password."""
        if error.status != 401 or not self.account.number:
            return ""
        return ". Set UsersConfiguration.Password to the one it was made with, or choose another UsernamePrefix"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        step: str,
        passes: Collection[str | int] = (),
        repeatable: bool = True,
    ) -> Any:
        """The JSON answer of one call, tried again while the server doesn't answer.

        A refusal is `ServerNotReady`, naming `step`; is its error id or status in `passes`, it is `Refused`. A call
        that must not be made twice is not `repeatable`: `NoAnswer` and `ServerFault` go through at once.
        """
        attempt = functools.partial(self._attempt, method, path, body)
        try:
            return self._patience.run(step, attempt, only_rate_limits=not repeatable).document
        except Refused as error:
            if error.error_id in passes or error.status in passes:
                raise
            raise ServerNotReady(f"{step}: {error.reason}{advice(error.error_id)}") from error
        except SessionExpired as error:
            raise ServerNotReady(f"{step}: {error.reason}") from error

    def _attempt(self, method: str, path: str, body: Any) -> Answer:
        token = self.log_in()
        try:
            return self._server.call(method, path, body, token)
        except SessionExpired:
            with self._lock:
                if self._token == token:
                    self._token = ""
        return self._server.call(method, path, body, self.log_in())


def advice(error_id: str) -> str:
    """The setting behind a refusal, where there is one. Pure."""
    settings = {
        "max_accounts": "TeamSettings.MaxUsersPerTeam (System Console > Site Configuration > Users and Teams)",
        "max_channels": "TeamSettings.MaxChannelsPerTeam (System Console > Site Configuration > Users and Teams)",
        "user_limits": "the limit of accounts; use fewer, or add a licence",
        "safety_limits": "the limit of accounts; use fewer, or add a licence",
        "pwd_": "PasswordSettings of the server, or change UsersConfiguration.Password",
        "accepted_domain": "TeamSettings.RestrictCreationToDomains (System Console > Authentication > Signup)",
    }
    found = next((setting for sign, setting in settings.items() if sign in error_id.lower()), "")
    return f"; see {found}" if found else ""


def login_refused(email: str, error: RequestFailed) -> str:
    """Why an account can't log in, and what to do. Pure."""
    if error.error_id.startswith(TOO_MANY_ATTEMPTS):
        return (
            f"{email}: locked after too many wrong passwords; reset it in System Console > User Management > Users, "
            "or raise ServiceSettings.MaximumLoginAttempts"
        )
    if "mfa" in error.error_id:
        return f"{email}: needs multi-factor authentication, which a load test can't give; use an account without it"
    if "not_verified" in error.error_id:
        return (
            f"{email}: its address is not verified; switch off System Console > Authentication > Email > Require Email "
            "Verification (EmailSettings.RequireEmailVerification)"
        )
    if error.status == 401:
        return (
            f"{email}: wrong password, or no such account ({error.error_id or error.status}); set "
            "ConnectionConfiguration.AdminPassword for the administrator, UsersConfiguration.Password for users"
        )
    return f"{email}: log-in refused: {error.reason}"


def administrator(server: Server, connection: Connection, patience: Patience, gate: Semaphore) -> Session:
    """The session of the administrator of ConnectionConfiguration."""
    name = connection.admin_email.partition("@")[0]
    return Session(server, Account(0, name, connection.admin_email, connection.admin_password), patience, gate)
