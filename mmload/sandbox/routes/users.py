"""Accounts and sessions; looking people up, searching them, their pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from mmload.sandbox import accounts, assets, shapes
from mmload.sandbox.channels import require_readable
from mmload.sandbox.errors import ApiError, bad_body, forbidden
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes, unchanged
from mmload.sandbox.state import Document, StoredUser

api = Routes()
MAX_SEARCH_RESULTS = 1000
IMAGE_HEADERS = {"Cache-Control": "max-age=300, private"}


@api.add("POST", "/users", open_to_all=True, hashes=True)
def create_user(call: Call) -> ApiAnswer:
    user = accounts.sign_up(call.world, call.document("user"), call.signed_in)
    return ApiAnswer(shapes.own_profile(user, call.world.modern), 201)


@api.add("POST", "/users/login", open_to_all=True, hashes=True)
def login(call: Call) -> ApiAnswer:
    body = call.document("login")
    user, token = accounts.log_in(call.world, str(body.get("login_id") or ""), str(body.get("password") or ""))
    return ApiAnswer(shapes.own_profile(user, call.world.modern), headers={"Token": token})


@api.add("POST", "/users/logout", open_to_all=True)
def logout(call: Call) -> ApiAnswer:
    if call.signed_in is not None:
        accounts.log_out(call.world, call.signed_in, call.token)
    return ApiAnswer(OK, headers={"Set-Cookie": "MMAUTHTOKEN=; Path=/; Max-Age=0; HttpOnly"})


def _seen_by(call: Call, user: StoredUser) -> Document:
    """A profile as the caller may see it: whole for oneself and for system admins."""
    if user is call.user or call.user.is_admin:
        return shapes.own_profile(user, call.world.modern)
    return shapes.profile(user, call.world.modern)


@api.add("GET", "/users/{user_id}")
def get_user(call: Call) -> ApiAnswer:
    user = call.any_user()
    etag = f"{call.world.version_number}.{user.id}.{user.update_at}"
    return unchanged(call, etag) or ApiAnswer(_seen_by(call, user), headers={"Etag": etag})


@api.add("GET", "/users/username/{username}")
def get_user_by_username(call: Call) -> ApiAnswer:
    name = call.params["username"]
    user = call.world.state.users_by_name.get(name)
    if user is None:
        raise ApiError(
            404,
            "app.user.get_by_username.app_error",
            "Unable to find an existing account matching your username for this team. "
            "This team may require an invite from the team owner to join.",
            f'failed to find User: resource "User" not found, id: username={name}',
        )
    return ApiAnswer(_seen_by(call, user))


@api.add("GET", "/users/email/{email}")
def get_user_by_email(call: Call) -> ApiAnswer:
    user = call.world.state.users_by_email.get(call.params["email"])
    return ApiAnswer(_seen_by(call, call.any_user(user.id if user else call.params["email"])))


def _members(call: Call, channel_id: str) -> Collection[str]:
    channel = call.world.state.channels.get(channel_id)
    if channel is None:
        raise forbidden(call.user.id, "read_channel")
    require_readable(call.world, channel, call.user)
    return channel.members


def _selected(call: Call) -> Sequence[StoredUser]:
    """The users a list asks for, in the order of their names, a page of them."""
    state = call.world.state
    inside, team_id = call.query.get("in_channel", ""), call.query.get("in_team", "")
    outside = call.query.get("not_in_channel", "")
    if not (inside or team_id or outside):
        return [state.users_by_name[name] for name in call.paged(state.sorted_names)]
    people: list[StoredUser] = []
    if inside:
        people = [state.users[user_id] for user_id in _members(call, inside)]
    elif team_id:
        if team_id not in state.teams:
            raise forbidden(call.user.id, "view_team")
        call.require(team_id in call.user.teams, "view_team")
        people = [state.users[user_id] for user_id in state.teams[team_id].members]
    if outside:
        left_out = _members(call, outside)
        people = [user for user in people if user.id not in left_out]
    return call.paged(sorted(people, key=lambda user: user.username))


@api.add("GET", "/users")
def get_users(call: Call) -> ApiAnswer:
    return ApiAnswer([shapes.profile(user, call.world.modern) for user in _selected(call)])


@api.add("POST", "/users/ids")
def get_users_by_ids(call: Call) -> ApiAnswer:
    wanted = call.texts("user_ids")
    if not wanted:
        raise bad_body("user_ids")
    since = call.number("since")
    users = call.world.state.users
    found = [users[user_id] for user_id in wanted if user_id in users]
    return ApiAnswer([shapes.profile(user, call.world.modern) for user in found if user.update_at > since])


@api.add("POST", "/users/group_channels")
def get_users_by_group_channel_ids(call: Call) -> ApiAnswer:
    """The members of those group channels that the caller is in, without the caller."""
    wanted, state = call.texts("channel_ids"), call.world.state
    if not wanted:
        raise bad_body("channel_ids")
    mine = [state.channels[channel_id] for channel_id in wanted if channel_id in call.user.channels]
    return ApiAnswer(
        {
            channel.id: [
                shapes.profile(state.users[user_id], call.world.modern)
                for user_id in channel.members
                if user_id != call.user.id
            ]
            for channel in mine
            if channel.type == "G"
        }
    )


@api.add("GET", "/users/stats")
def get_total_users_stats(call: Call) -> ApiAnswer:
    return ApiAnswer({"total_users_count": len(call.world.state.users)})


@api.add("POST", "/users/usernames")
def get_users_by_names(call: Call) -> ApiAnswer:
    wanted, names = call.texts("usernames"), call.world.state.users_by_name
    if not wanted:
        raise bad_body("usernames")
    found = [names[name] for name in wanted if name in names]
    return ApiAnswer([shapes.profile(user, call.world.modern) for user in found])


def _matches(user: StoredUser, term: str) -> bool:
    return any(
        part.lower().startswith(term) for part in (user.username, user.nickname, user.first_name, user.last_name)
    )


@api.add("POST", "/users/search")
def search_users(call: Call) -> ApiAnswer:
    body = call.document("term")
    term = str(body.get("term", "")).lower()
    if not term:
        raise bad_body("term")
    limit = min(int(body.get("limit") or 100), MAX_SEARCH_RESULTS)
    state = call.world.state
    candidates = (state.users_by_name[name] for name in state.sorted_names)
    found = islice((user for user in candidates if _matches(user, term)), limit)
    return ApiAnswer([shapes.profile(user, call.world.modern) for user in found])


@api.add("GET", "/users/autocomplete")
def autocomplete_users(call: Call) -> ApiAnswer:
    term = call.query.get("name", "").lower()
    limit = min(call.number("limit", 100), MAX_SEARCH_RESULTS)
    state = call.world.state
    team_id, channel_id = call.query.get("in_team", ""), call.query.get("in_channel", "")
    candidates = (state.users_by_name[name] for name in state.sorted_names)
    found = [user for user in candidates if (not team_id or team_id in user.teams) and _matches(user, term)]
    document: Document = {"users": found[:limit]}
    if channel_id:
        members = call.channel(channel_id).members
        document = {
            "users": [user for user in found if user.id in members][:limit],
            "out_of_channel": [user for user in found if user.id not in members][:limit],
        }
    shown = {name: [shapes.profile(user, call.world.modern) for user in people] for name, people in document.items()}
    if not shown.get("out_of_channel"):
        shown.pop("out_of_channel", None)
    return ApiAnswer(shown)


@api.add("PUT", "/users/{user_id}/patch")
def patch_user(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    body = call.document("user")
    for name in ("nickname", "first_name", "last_name", "position", "locale"):
        if isinstance(body.get(name), str):
            setattr(user, name, body[name])
    user.update_at = call.world.now()
    accounts.tell_profile_changed(call.world, user)
    return ApiAnswer(shapes.own_profile(user, call.world.modern))


@api.add("POST", "/users/{user_id}/email/verify/member", permission="manage_system")
def verify_email(call: Call) -> ApiAnswer:
    user = call.any_user()
    user.email_verified = True
    return ApiAnswer(shapes.own_profile(user, call.world.modern))


@api.add("GET", "/users/{user_id}/image")
def get_profile_image(call: Call) -> ApiAnswer:
    user = call.any_user()
    # Made-up pictures have no time of their own: 0 stands for them, though no answer says so.
    etag = str(user.last_picture_update)
    headers = {**IMAGE_HEADERS, "Etag": etag} if user.picture else IMAGE_HEADERS
    return unchanged(call, etag) or ApiAnswer(
        content=user.picture or assets.default_picture(user.username), content_type="image/png", headers=headers
    )


@api.add("POST", "/users/{user_id}/image")
def set_profile_image(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    picture = next((upload for upload in call.uploads if upload.field == "image"), None)
    if picture is None:
        raise ApiError(400, "api.user.upload_profile_user.no_file.app_error", "No file under 'image' in request.")
    user.picture = picture.content
    user.last_picture_update = user.update_at = call.world.now()
    accounts.tell_picture_changed(call.world, user)
    return ApiAnswer(OK)
