"""Files: uploading, fetching, their small copies; custom emoji."""

from __future__ import annotations

from dataclasses import replace

from mmload.sandbox import assets, shapes
from mmload.sandbox.errors import ApiError, bad_body, forbidden, no_such_emoji
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import ApiAnswer, Call, Routes
from mmload.sandbox.state import Document, StoredFile

api = Routes()


def _kept(call: Call) -> dict[str, str]:
    """How long a browser may keep a file."""
    return {"Cache-Control": "private, max-age=86400" if call.world.modern else "private, no-cache"}


@api.add("POST", "/files")
def upload_file(call: Call) -> ApiAnswer:
    if call.world.setting("FileSettings", "EnableFileAttachments") is False:
        raise ApiError(501, "api.file.attachments.disabled.app_error", "File attachments have been disabled.")
    channel = call.channel(call.fields.get("channel_id") or call.query.get("channel_id", "") or "-")
    if call.user.id not in channel.members:
        raise forbidden(call.user.id, "upload_file")
    now = call.world.now()
    infos = []
    for upload in call.uploads:
        # By its name, whatever the client declares: Go's library declares bytes for every file.
        kind = assets.guess_type(upload.name)
        width, height = assets.picture_size(upload.content) if kind.startswith("image/") else (0, 0)
        number, owner = call.world.new_id(), call.user.id
        file = StoredFile(number, owner, channel.id, now, upload.name, upload.content, kind, width, height)
        call.world.state.files[file.id] = file
        infos.append(shapes.file_info(file, call.world.modern))
    return ApiAnswer({"file_infos": infos, "client_ids": []}, 201)


def _readable_file(call: Call) -> StoredFile:
    file = call.world.state.files.get(call.params["file_id"])
    if file is None:
        raise ApiError(404, "api.file.get_file_info.app_error", "Failed to get file info.")
    if file.user_id != call.user.id and file.channel_id not in call.user.channels:
        raise forbidden(call.user.id, "read_channel_content")
    return file


@api.add("GET", "/files/{file_id}")
def get_file(call: Call) -> ApiAnswer:
    file = _readable_file(call)
    return ApiAnswer(content=file.content, content_type=file.mime_type, headers=_kept(call))


def _derivative(call: Call, size_bytes: int, what: str) -> ApiAnswer:
    file = _readable_file(call)
    if not file.has_preview:
        raise ApiError(400, f"api.file.get_file_{what}.no_{what}.app_error", f"File doesn't have a {what} image.")
    return ApiAnswer(content=assets.jpeg_of_size(size_bytes), content_type="image/jpeg", headers=_kept(call))


@api.add("HEAD", "/files/{file_id}/thumbnail")
def has_file_thumbnail(call: Call) -> ApiAnswer:
    return _derivative(call, assets.THUMBNAIL_BYTES, "thumbnail")


@api.add("GET", "/files/{file_id}/thumbnail")
def get_file_thumbnail(call: Call) -> ApiAnswer:
    return _derivative(call, assets.THUMBNAIL_BYTES, "thumbnail")


@api.add("GET", "/files/{file_id}/preview")
def get_file_preview(call: Call) -> ApiAnswer:
    return _derivative(call, assets.PREVIEW_BYTES, "preview")


@api.add("GET", "/files/{file_id}/info")
def get_file_info(call: Call) -> ApiAnswer:
    document = shapes.file_info(_readable_file(call), call.world.modern)
    return ApiAnswer(document, headers={"Cache-Control": "max-age=2592000, private"})


@api.add("POST", "/teams/{team_id}/files/search")
def search_files(call: Call) -> ApiAnswer:
    team, body = call.team(), call.document("search")
    terms = body.get("terms")
    if not isinstance(terms, str) or not terms:
        raise bad_body("terms")
    words = terms.lower().split()
    state = call.world.state
    found = [
        shapes.file_info(file, call.world.modern)
        for file in reversed(state.files.values())
        if file.channel_id in call.user.channels
        and state.channels[file.channel_id].team_id in ("", team.id)
        and all(word in file.name.lower() for word in words)
    ]
    shown = found[: int(body.get("per_page") or 60)] if not body.get("page") else []
    document: Document = {
        "order": [each["id"] for each in shown],
        "file_infos": {each["id"]: each for each in shown},
        "next_file_info_id": "",
        "prev_file_info_id": "",
    }
    return ApiAnswer(document)


@api.add("POST", "/emoji/search")
def search_emojis(call: Call) -> ApiAnswer:
    term = call.document("term").get("term")
    if not isinstance(term, str) or not term:
        raise bad_body("term")
    return ApiAnswer([emoji for name, emoji in call.world.state.emoji.items() if term in name])


@api.add("POST", "/emoji")
def create_emoji(call: Call) -> ApiAnswer:
    document = replace(call, body=call.fields.get("emoji", "").encode()).document("emoji")
    if not document.get("name") or not call.uploads:
        raise ApiError(400, "api.emoji.create.parse.app_error", "Unable to create emoji. Could not understand request.")
    name = str(document.get("name", ""))
    if name in call.world.state.emoji:
        message = "Unable to create emoji. Another emoji with the same name already exists."
        raise ApiError(400, "api.emoji.create.duplicate.app_error", message)
    now = call.world.now()
    emoji: Document = {
        "id": call.world.new_id(),
        "create_at": now,
        "update_at": now,
        "delete_at": 0,
        "creator_id": call.user.id,
        "name": name,
    }
    call.world.state.emoji[name] = emoji
    call.world.publish("emoji_added", {"emoji": text(emoji)}, Audience())
    return ApiAnswer(emoji)


@api.add("GET", "/emoji/name/{emoji_name}")
def get_emoji_by_name(call: Call) -> ApiAnswer:
    emoji = call.world.state.emoji.get(call.params["emoji_name"])
    if emoji is None:
        raise no_such_emoji(call.params["emoji_name"])
    return ApiAnswer(emoji)


@api.add("GET", "/emoji")
def get_emoji_list(call: Call) -> ApiAnswer:
    return ApiAnswer(list(call.world.state.emoji.values()))
