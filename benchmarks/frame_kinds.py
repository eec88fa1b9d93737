"""The frames that `frames` sends: as large as those that a socket gets in a real run, and as often kept or ignored.

Sizes are the median and the largest of `posted`, and the medians of the others, as received from Mattermost 11.6.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ME = "m" * 26
AUTHOR = "a" * 26
HERE = "h" * 26
ELSEWHERE = "e" * 26
HELLO = b'{"event":"hello","data":{"connection_id":"' + b"c" * 26 + b'","server_version":"11.6.0"},"seq":0}\n'


@dataclass(frozen=True, slots=True)
class Kind:
    """A frame by its name: `kept` says what a person's client does with it."""

    name: str
    kept: str
    body: bytes

    def payload(self, number: int) -> bytes:
        """The text of the frame with this sequence number."""
        return self.body + b"%d}\n" % number


def _kind(name: str, kept: str, size: int, event: str, data: dict[str, Any], channel_id: str) -> Kind:
    """A kind whose text has about `size` bytes: what is missing is put where a message or a list would be."""
    broadcast = {"omit_users": None, "user_id": "", "channel_id": channel_id, "team_id": "", "connection_id": ""}
    whole = {"event": event, "data": data, "broadcast": broadcast}
    missing = size - len(json.dumps(whole, separators=(",", ":"))) - 10
    if missing > 0 and "post" in data:
        post = {**json.loads(data["post"]), "message": "word " * (missing // 5)}
        whole["data"] = {**data, "post": json.dumps(post, separators=(",", ":"))}
    elif missing > 0:
        whole["data"] = {**data, "rest": "x" * missing}
    return Kind(name, kept, json.dumps(whole, separators=(",", ":"))[:-1].encode() + b',"seq":')


def _post(channel_id: str) -> dict[str, Any]:
    post = {
        "id": "p" * 26,
        "create_at": 1700000000000,
        "update_at": 1700000000000,
        "edit_at": 0,
        "delete_at": 0,
        "is_pinned": False,
        "user_id": AUTHOR,
        "channel_id": channel_id,
        "root_id": "",
        "original_id": "",
        "message": "",
        "type": "",
        "props": {},
        "hashtags": "",
        "pending_post_id": f"{AUTHOR}:1700000000000",
        "remote_id": "",
        "reply_count": 0,
        "last_reply_at": 0,
        "participants": None,
        "metadata": {},
    }
    return {
        "channel_display_name": "Channel",
        "channel_name": "channel-1",
        "channel_type": "O",
        "set_online": True,
        "mentions": "",
        "post": json.dumps(post, separators=(",", ":")),
        "sender_name": "@testuser-1",
        "team_id": "t" * 26,
    }


KINDS = {
    kind.name: kind
    for kind in (
        _kind("typing", "kept", 271, "typing", {"parent_id": "", "user_id": AUTHOR}, HERE),
        _kind("viewed", "ignored", 266, "multiple_channels_viewed", {"channel_times": {HERE: 1700000000000}}, ""),
        _kind("posted", "kept", 1058, "posted", _post(HERE), HERE),
        _kind("posted-elsewhere", "ignored", 1058, "posted", _post(ELSEWHERE), ELSEWHERE),
        _kind("posted-long", "kept", 2857, "posted", _post(HERE), HERE),
    )
}
