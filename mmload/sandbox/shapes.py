"""The JSON of each thing, with the keys that its server version has. Pure: state in, documents out."""

from __future__ import annotations

import base64
from typing import Any

from mmload.sandbox import assets
from mmload.sandbox.state import (
    Document,
    StoredCategory,
    StoredChannel,
    StoredChannelMember,
    StoredFile,
    StoredPost,
    StoredTeam,
    StoredTeamMember,
    StoredUser,
)

# As long as recorded ones; no client looks into it.
_MINI_PREVIEW_BYTES = 756
_MINI_PREVIEW = base64.b64encode(assets.jpeg_of_size(_MINI_PREVIEW_BYTES)).decode()

_CHANNEL_NOTIFICATIONS = {
    "desktop": "default",
    "email": "default",
    "ignore_channel_mentions": "default",
    "mark_unread": "all",
    "push": "default",
}


def _profile(user: StoredUser, modern: bool, *, auth_data: bool, own: bool) -> Document:
    document: Document = {
        "id": user.id,
        "create_at": user.create_at,
        "update_at": user.update_at,
        "delete_at": user.delete_at,
        "username": user.username,
    }
    if auth_data:
        document["auth_data"] = ""
    document |= {
        "auth_service": "",
        "email": user.email,
        **({"email_verified": True} if own and user.email_verified else {}),
        "nickname": user.nickname,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "position": user.position,
        "roles": user.roles,
    }
    if user.props:
        document["props"] = user.props
    if own:
        document |= {"notify_props": user.notify_props, "last_password_update": user.last_password_update}
    if user.last_picture_update:
        document["last_picture_update"] = user.last_picture_update
    document |= {"locale": user.locale, "timezone": user.timezone}
    if modern:
        document["remote_id"] = ""
    document["disable_welcome_email"] = False
    return document


def own_profile(user: StoredUser, modern: bool) -> Document:
    """The profile as its user (and system admins) see it."""
    return _profile(user, modern, auth_data=not modern, own=True)


def profile(user: StoredUser, modern: bool) -> Document:
    """The profile as others see it."""
    return _profile(user, modern, auth_data=True, own=False)


def user_report(user: StoredUser, modern: bool) -> Document:
    """A row of the system console's user list."""
    document = _profile(user, modern, auth_data=False, own=True)
    del document["last_password_update"]
    document["last_login"] = user.last_login
    if user.last_activity_at:
        document["last_status_at"] = user.last_activity_at
    return document | {"days_active": 0, "channel_count": len(user.channels)}


def status(user: StoredUser, *, dnd: bool = True) -> Document:
    document: Document = {
        "user_id": user.id,
        "status": user.status,
        "manual": user.status_manual,
        "last_activity_at": user.last_activity_at,
    }
    if dnd:
        document["dnd_end_time"] = 0
    return document


def team(item: StoredTeam, modern: bool, *, with_email: bool = False) -> Document:
    document: Document = {
        "id": item.id,
        "create_at": item.create_at,
        "update_at": item.update_at,
        "delete_at": 0,
        "display_name": item.display_name,
        "name": item.name,
        "description": item.description,
        "email": item.email if with_email else "",
        "type": item.type,
        "company_name": "",
        "allowed_domains": "",
        "invite_id": item.invite_id,
        "allow_open_invite": item.allow_open_invite,
        "scheme_id": None,
        "group_constrained": None,
        "policy_id": None,
    }
    if modern:
        document["cloud_limits_archived"] = False
    return document


def _roles(prefix: str, admin: bool) -> str:
    return f"{prefix}_user {prefix}_admin" if admin else f"{prefix}_user"


def team_member(member: StoredTeamMember) -> Document:
    return {
        "team_id": member.team_id,
        "user_id": member.user_id,
        "roles": _roles("team", member.scheme_admin),
        "delete_at": member.delete_at,
        "scheme_guest": False,
        "scheme_user": True,
        "scheme_admin": member.scheme_admin,
        "explicit_roles": "",
    }


def channel(
    item: StoredChannel, modern: bool, *, team_of: StoredTeam | None = None, display_name: str = ""
) -> Document:
    document: Document = {
        "id": item.id,
        "create_at": item.create_at,
        "update_at": item.update_at,
        "delete_at": item.delete_at,
        "team_id": item.team_id,
        "type": item.type,
        "display_name": display_name or item.display_name,
        "name": item.name,
        "header": item.header,
        "purpose": item.purpose,
        "last_post_at": item.last_post_at,
        "total_msg_count": item.total_msg_count,
        "extra_update_at": 0,
        "creator_id": item.creator_id,
        "scheme_id": None,
        "props": None,
        "group_constrained": None,
    }
    if modern:
        document["autotranslation"] = False
    document |= {
        "shared": item.shared,
        "total_msg_count_root": item.total_msg_count_root,
        "policy_id": None,
        "last_root_post_at": item.last_root_post_at,
    }
    if modern:
        document |= {
            "banner_info": None,
            "policy_enforced": False,
            "policy_is_active": False,
            "default_category_name": "",
        }
    return document | team_fields(team_of) if team_of is not None else document


def team_fields(item: StoredTeam) -> Document:
    """The team fields in lists that span several teams."""
    return {"team_display_name": item.display_name, "team_name": item.name, "team_update_at": item.update_at}


def channel_member(member: StoredChannelMember, modern: bool, *, mine: bool) -> Document:
    """A membership; view times of others are hidden."""
    document: Document = {
        "channel_id": member.channel_id,
        "user_id": member.user_id,
        "roles": _roles("channel", member.scheme_admin),
        "last_viewed_at": member.last_viewed_at if mine else -1,
        "msg_count": member.msg_count,
        "mention_count": member.mention_count,
        "mention_count_root": member.mention_count_root,
    }
    if modern:
        document["urgent_mention_count"] = member.urgent_mention_count
    document |= {
        "msg_count_root": member.msg_count_root,
        "notify_props": {"channel_auto_follow_threads": "off", **_CHANNEL_NOTIFICATIONS}
        if modern
        else _CHANNEL_NOTIFICATIONS,
        "last_update_at": member.last_update_at if mine else -1,
        "scheme_guest": False,
        "scheme_user": True,
        "scheme_admin": member.scheme_admin,
        "explicit_roles": "",
    }
    if modern:
        document["autotranslation_disabled"] = False
    return document


def post(item: StoredPost, modern: bool, *, reply_count: int = 0, metadata: Document | None = None) -> Document:
    """A post without its thread. `metadata` None: the key is left out, as in events of deleted posts."""
    document: Document = {
        "id": item.id,
        "create_at": item.create_at,
        "update_at": item.update_at,
        "edit_at": item.edit_at,
        "delete_at": item.delete_at,
        "is_pinned": item.is_pinned,
        "user_id": item.user_id,
        "channel_id": item.channel_id,
        "root_id": item.root_id,
        "original_id": "",
        "message": item.message,
        "type": item.type,
        "props": item.props,
        "hashtags": item.hashtags,
    }
    if modern or item.file_ids:
        document["file_ids"] = item.file_ids
    document["pending_post_id"] = ""
    if modern and item.remote_id is not None:
        document["remote_id"] = item.remote_id
    document |= {"reply_count": reply_count, "last_reply_at": 0, "participants": None}
    if item.reactions:
        document["has_reactions"] = True
    if metadata is not None:
        document["metadata"] = metadata
    return document


def participant(user: StoredUser, *, auth_data: bool) -> Document:
    """A participant of a thread: only the id."""
    document: Document = {"id": user.id, "delete_at": 0, "username": ""}
    if auth_data:
        document["auth_data"] = ""
    return document | {
        "auth_service": "",
        "email": "",
        "nickname": "",
        "first_name": "",
        "last_name": "",
        "position": "",
        "roles": "",
        "locale": "",
        "timezone": None,
        "disable_welcome_email": False,
    }


def category(item: StoredCategory, user_id: str, team_id: str) -> Document:
    return {
        "id": item.id,
        "user_id": user_id,
        "team_id": team_id,
        "sort_order": item.sort_order,
        "sorting": item.sorting,
        "type": item.type,
        "display_name": item.display_name,
        "muted": item.muted,
        "collapsed": item.collapsed,
        "channel_ids": item.channel_ids,
    }


def file_info(item: StoredFile, modern: bool) -> Document:
    document: Document = {"id": item.id, "user_id": item.user_id}
    if item.post_id:
        document["post_id"] = item.post_id
    document |= {
        "channel_id": item.channel_id if modern else "",
        "create_at": item.create_at,
        "update_at": item.create_at,
        "delete_at": 0,
        "name": item.name,
        "extension": item.extension,
        "size": len(item.content),
        "mime_type": item.mime_type,
    }
    if item.has_preview:
        document |= {
            "width": item.width,
            "height": item.height,
            "has_preview_image": True,
            "mini_preview": _MINI_PREVIEW,
        }
    else:
        document["mini_preview"] = None
    document["remote_id"] = ""
    if modern:
        document["archived"] = False
    return document


def post_list(order: list[str], posts: Document, modern: bool, **further: Any) -> Document:
    """A page of posts. The two versions end it with different fields."""
    document: Document = {"order": order, "posts": posts, "next_post_id": "", "prev_post_id": ""}
    if not modern:
        document["has_next"] = False
    document |= further
    if modern:
        document["first_inaccessible_post_time"] = 0
    return document
