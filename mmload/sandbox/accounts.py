"""Accounts: sign-up, sessions, statuses, preferences, profiles."""

from __future__ import annotations

import datetime
import hashlib
import re

from mmload.sandbox import shapes
from mmload.sandbox.errors import ApiError, session_expired
from mmload.sandbox.events import Audience, text
from mmload.sandbox.options import ADMIN_EMAIL, ADMIN_PASSWORD
from mmload.sandbox.state import Document, StoredUser
from mmload.sandbox.world import World

MIN_PASSWORD_LENGTH = 8
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_NOTIFY_PROPS = {
    "channel": "true",
    "comments": "never",
    "desktop": "mention",
    "desktop_sound": "true",
    "desktop_threads": "all",
    "email": "true",
    "email_threads": "all",
    "first_name": "false",
    "mention_keys": "",
    "push": "mention",
    "push_status": "online",
    "push_threads": "all",
}
_TIMEZONE = {"automaticTimezone": "", "manualTimezone": "", "useAutomaticTimezone": "true"}


def _hashed(password: str) -> bytes:
    # What hashing costs is simulated (`--login-ms`); here it only keeps passwords out of memory dumps.
    return hashlib.sha256(password.encode()).digest()


def add_default_admin(world: World) -> StoredUser:
    """The system admin of a server that has been set up."""
    return _add_account(world, "sysadmin", ADMIN_EMAIL, ADMIN_PASSWORD)


def _add_account(world: World, username: str, email: str, password: str) -> StoredUser:
    first = not world.state.users
    now = world.now()
    user = StoredUser(
        id=world.new_id(),
        create_at=now,
        update_at=now,
        username=username,
        email=email,
        password_hash=_hashed(password),
        roles="system_admin system_user" if first else "system_user",
        notify_props=dict(_NOTIFY_PROPS),
        timezone=dict(_TIMEZONE),
        last_password_update=now,
    )
    user.preferences[("recommended_next_steps", "hide")] = "false"
    if world.modern:
        user.preferences[("system_notice", "GMasDM")] = "true"
    user.preferences[("tutorial_step", user.id)] = "0"
    world.state.add_user(user)
    return user


def sign_up(world: World, fields: Document, by: StoredUser | None) -> StoredUser:
    """A new account. Raises ApiError where the server would refuse it."""
    _check_sign_up_open(world, str(fields.get("email", "")), by)
    username = str(fields.get("username", "")).lower()
    email = str(fields.get("email", "")).lower()
    _check_fields(world, username, email, str(fields.get("password", "")))
    _check_free(world, username, email)
    limit = world.options.account_limit
    if limit and len(world.state.users) >= limit:
        message = "Can't create user. Server exceeds safe user limit. Contact your administrator with: "
        raise ApiError(400, "api.user.create_user.user_limits.exceeded", f"{message}ERROR_SAFETY_LIMITS_EXCEEDED.")
    user = _add_account(world, username, email, str(fields["password"]))
    user.nickname, user.first_name = str(fields.get("nickname", "")), str(fields.get("first_name", ""))
    user.last_name, user.position = str(fields.get("last_name", "")), str(fields.get("position", ""))
    world.state.logs.append(_welcome_failed(now_ms=user.create_at))
    world.publish("new_user", {"user_id": user.id}, Audience())
    return user


def _welcome_failed(now_ms: int) -> str:
    """What a server without a mail server logs at a sign-up."""
    moment = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC).isoformat(" ", "milliseconds")
    line = {
        "timestamp": moment.replace("+00:00", " Z"),
        "level": "warn",
        "msg": "Failed to send welcome email on create user from signup",
        "caller": "app/user.go:194",
        "error": "unable to connect to the SMTP server: dial tcp 127.0.0.1:10025: connect: connection refused",
    }
    return "\n" + text(line)


def _check_sign_up_open(world: World, email: str, by: StoredUser | None) -> None:
    if by is not None and by.is_admin:
        return
    if not world.options.signup_open:
        message = "User sign-up with email is disabled."
        raise ApiError(501, "api.user.create_user.signup_email_disabled.app_error", message)
    if not world.options.server_open and world.state.users:
        message = "This server does not allow open signups.  Please speak with your Administrator to receive an "
        raise ApiError(403, "api.user.create_user.no_open_server", f"{message}invitation.", f"email={email}")


def _check_fields(world: World, username: str, email: str, password: str) -> None:
    if not _USERNAME.fullmatch(username):
        raise ApiError(
            400,
            "model.user.is_valid.username.app_error",
            "Username must begin with a letter, and contain between 3 to 22 characters made up of numbers, "
            "lowercase letters, and the symbols '.', '-', and '_'.",
        )
    if not _EMAIL.fullmatch(email):
        raise ApiError(400, "model.user.is_valid.email.app_error", "Invalid email.", f"email={email}")
    if len(password) < MIN_PASSWORD_LENGTH:
        what = "pwd_min_length" if world.modern else "pwd"
        message = f"Your password must contain at least {MIN_PASSWORD_LENGTH} characters."
        raise ApiError(400, f"model.user.is_valid.{what}.app_error", message)


def _check_free(world: World, username: str, email: str) -> None:
    fields = (("username", username, world.state.users_by_name), ("email", email, world.state.users_by_email))
    for field, value, known in fields:
        if value in known:
            message = f"An account with that {field} already exists."
            detailed = f"invalid input: entity: User field: {field} value: {value}"
            raise ApiError(400, f"app.user.save.{field}_exists.app_error", message, detailed)


def log_in(world: World, login_id: str, password: str) -> tuple[StoredUser, str]:
    """The user and the token of a new session."""
    if not password:
        raise ApiError(400, "api.user.login.blank_pwd.app_error", "Password field must not be blank")
    name = login_id.lower()
    user = world.state.users_by_email.get(name) or world.state.users_by_name.get(name)
    if user is None or user.password_hash != _hashed(password):
        message = "Enter a valid email or username and/or password."
        raise ApiError(401, "api.user.login.invalid_credentials_email_username", message)
    if world.setting("EmailSettings", "RequireEmailVerification") and not user.email_verified:
        message = "Login failed because email address has not been verified."
        raise ApiError(401, "api.user.login.not_verified.app_error", message)
    token = world.new_id()
    world.state.sessions[token] = user.id
    user.last_login = world.now()
    return user, token


def user_of_session(world: World, token: str) -> StoredUser:
    """Whose session that is. Raises ApiError (401) for none."""
    if not token:
        raise session_expired()
    user_id = world.state.sessions.get(token)
    if user_id is None:
        raise session_expired(f"token={token}")
    return world.state.users[user_id]


def log_out(world: World, user: StoredUser, token: str) -> None:
    world.state.sessions.pop(token, None)
    world.hub.mute(user.id, token)


def _tell_status(world: World, user: StoredUser) -> None:
    world.publish("status_change", {"status": user.status, "user_id": user.id}, Audience(user_id=user.id))


def come_online(world: World, user: StoredUser) -> None:
    """The user did something: online, unless they set another status themselves."""
    user.last_activity_at = world.now()
    if user.status_manual or user.status == "online":
        return
    user.status = "online"
    _tell_status(world, user)


def go_offline(world: World, user: StoredUser) -> None:
    """The user's last socket is gone."""
    if user.status_manual or user.status == "offline":
        return
    user.status = "offline"
    _tell_status(world, user)


def set_status(world: World, user: StoredUser, status: str) -> None:
    """A status the user chose; `online` clears it."""
    user.status = status
    user.status_manual = status != "online"
    user.last_activity_at = user.last_activity_at or world.now()
    _tell_status(world, user)


def tell_profile_changed(world: World, user: StoredUser) -> None:
    """Sent to everybody; the user and the system admins get the full profile."""
    mine = {"user": shapes.own_profile(user, world.modern)}
    others = {"user": shapes.profile(user, world.modern)}
    world.publish("user_updated", mine, Audience(user_id=user.id))
    if world.modern:
        world.publish("user_updated", mine, Audience(omit_users=(user.id,), sensitive=True))
        world.publish("user_updated", others, Audience(omit_users=(user.id,), sanitised=True))
    else:
        world.publish("user_updated", others, Audience(omit_users=(user.id,)))


def tell_picture_changed(world: World, user: StoredUser) -> None:
    """Unlike for other changes, everybody gets the same event for a new picture."""
    world.publish("user_updated", {"user": shapes.profile(user, world.modern)}, Audience())


def preferences(user: StoredUser) -> list[Document]:
    return [
        {"user_id": user.id, "category": category, "name": name, "value": value}
        for (category, name), value in sorted(user.preferences.items())
    ]


def save_preferences(world: World, user: StoredUser, entries: list[Document]) -> None:
    for entry in entries:
        user.preferences[(entry["category"], entry["name"])] = entry["value"]
    # The real server sends the sidebar event for any preference.
    world.publish("sidebar_category_updated", {}, Audience(user_id=user.id))
    world.publish("preferences_changed", {"preferences": text(entries)}, Audience(user_id=user.id))


def set_custom_status(world: World, user: StoredUser, status: Document) -> None:
    change_custom_status(world, user, text(status))
    entry = {"category": "custom_status", "name": "recent_custom_statuses", "value": text([status])}
    save_preferences(world, user, [{"user_id": user.id, **entry}])


def change_custom_status(world: World, user: StoredUser, status: str) -> None:
    user.props["customStatus"] = status
    user.update_at = world.now()
    tell_profile_changed(world, user)


def set_roles(world: World, user: StoredUser, roles: str) -> None:
    user.roles = roles
    user.update_at = world.now()
    world.publish("user_role_updated", {"roles": roles, "user_id": user.id}, Audience(user_id=user.id))
