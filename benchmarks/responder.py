"""The other end of `requests` and `truth`: a bare HTTP responder in a process of its own.

A path that ends in `delay=MS` is answered after so many milliseconds; the answer says when (monotonic clock, seconds)
the request was there and when the answer left. `posts` in the path asks for a page of posts. POST bodies are read.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import Any

POSTS_PER_PAGE = 60
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: abcdefghijklmnopqrstuvwxyz\r\nContent-Length: "
)
_USER = b'{"id":"abcdefghijklmnopqrstuvwxyz","username":"testuser-1","roles":"system_user","locale":"en"}'


def page_of_posts() -> bytes:
    """60 posts as Mattermost sends them: about 40 KB."""
    posts = {}
    for number in range(POSTS_PER_PAGE):
        post_id = f"{number:026d}"
        posts[post_id] = {
            "id": post_id,
            "create_at": 1700000000000 + number,
            "update_at": 1700000000000,
            "edit_at": 0,
            "delete_at": 0,
            "is_pinned": False,
            "user_id": "a" * 26,
            "channel_id": "c" * 26,
            "root_id": "",
            "original_id": "",
            "message": "word " * 35,
            "type": "",
            "props": {},
            "hashtags": "",
            "pending_post_id": "",
            "remote_id": "",
            "reply_count": 0,
            "last_reply_at": 0,
            "participants": None,
            "metadata": {},
        }
    return json.dumps({"order": list(posts), "posts": posts, "next_post_id": "", "prev_post_id": ""}).encode()


def answer(body: bytes) -> bytes:
    """A whole answer. Pure."""
    return _HEAD + b"%d\r\n\r\n" % len(body) + body


_SMALL, _PAGE = answer(_USER), answer(page_of_posts())


def delay_seconds(path: bytes) -> float:
    """How long the request named by this path is to take. Pure."""
    return float(path.rpartition(b"delay=")[2]) / 1000 if b"delay=" in path else 0.0


class Responder(asyncio.Protocol):
    """One connection: one request at a time, as our clients send them."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        arrived = time.monotonic()
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank or len(rest) < _body_size(head):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        seconds = delay_seconds(path)
        if seconds:
            asyncio.get_running_loop().call_at(arrived + seconds, self._answer_late, arrived)
        else:
            self._transport.write(_PAGE if b"/posts" in path else _SMALL)

    def _answer_late(self, arrived: float) -> None:
        body = json.dumps({"arrived": arrived, "left": time.monotonic()}).encode()
        self._transport.write(answer(body))


def _body_size(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # A pause of the responder's own would be taken for one of the generator.
    gc.disable()
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        sys.exit(0)
