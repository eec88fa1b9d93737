"""Drafts: what a person has begun to write."""

from __future__ import annotations

from mmload.sandbox.errors import bad_body, forbidden
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import OK, Answer, Call, Routes
from mmload.sandbox.state import Document

api = Routes()


@api.add("POST", "/drafts", modern_only=True)
def upsert_draft(call: Call) -> Answer:
    body = call.document("draft")
    channel_id, root_id = str(body.get("channel_id", "")), str(body.get("root_id") or "")
    if channel_id not in call.user.channels:
        raise forbidden(call.user.id, "create_post")
    if not isinstance(body.get("message"), str):
        raise bad_body("draft")
    now = call.world.now()
    key = (channel_id, root_id)
    is_new = key not in call.user.drafts
    draft: Document = {
        "create_at": int(body.get("create_at") or now),
        "update_at": now,
        "delete_at": 0,
        "user_id": call.user.id,
        "channel_id": channel_id,
        "root_id": root_id,
        "message": body["message"],
        "type": "",
        "props": body.get("props") or {},
        "metadata": {},
    }
    call.user.drafts[key] = draft
    _tell(call, "draft_created" if is_new else "draft_updated", draft)
    return Answer(draft, 201)


def _tell(call: Call, name: str, draft: Document) -> None:
    told = Audience(user_id=call.user.id, channel_id=draft["channel_id"])
    call.world.publish(name, {"draft": text(draft)}, told)


@api.add("GET", "/users/{user_id}/teams/{team_id}/drafts", modern_only=True)
def get_drafts(call: Call) -> Answer:
    user, team = call.self_or_admin(), call.team()
    channels = call.world.state.channels
    shown = [draft for (channel_id, _), draft in user.drafts.items() if channels[channel_id].team_id in ("", team.id)]
    return Answer(sorted(shown, key=lambda draft: draft["update_at"], reverse=True))


@api.add("DELETE", "/users/{user_id}/channels/{channel_id}/drafts", modern_only=True)
def delete_draft(call: Call) -> Answer:
    return _delete(call, "")


@api.add("DELETE", "/users/{user_id}/channels/{channel_id}/drafts/{thread_id}", modern_only=True)
def delete_thread_draft(call: Call) -> Answer:
    return _delete(call, call.params["thread_id"])


def _delete(call: Call, root_id: str) -> Answer:
    user = call.self_or_admin()
    draft = user.drafts.pop((call.params["channel_id"], root_id), None)
    # What is not there need not be deleted: that is no error.
    if draft is None:
        return Answer(OK)
    _tell(call, "draft_deleted", {key: value for key, value in draft.items() if key != "metadata"})
    return Answer(OK)
