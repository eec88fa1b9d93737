"""The page that a browser loads before it uses the API, with its files, and pictures made without a drawing library."""

from __future__ import annotations

import mimetypes
import struct
import zlib
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from mmload.sandbox.world import World

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Mattermost</title>
<link rel="icon" href="/static/images/favicon/favicon-default-32x32.png">
<link rel="stylesheet" href="/static/css/initial_loading_screen.css">
<link rel="stylesheet" href="/static/main.css">
<script defer src="/static/main.js"></script>
<script defer src="/static/remote_entry.js"></script>
</head><body><div id="root"></div></body></html>
"""
# Sizes of the order of the web application's, as they come compressed: 3.6 MB for the log-in page, 4 MB in all.
_ASSETS = {
    "/static/images/favicon/favicon-default-32x32.png": 1_200,
    "/static/css/initial_loading_screen.css": 3_000,
    "/static/main.css": 150_000,
    "/static/main.js": 1_800_000,
    "/static/remote_entry.js": 20_000,
}
SCRIPT_CHUNKS, STYLE_CHUNKS = 120, 18
_SCRIPT_BYTES, _STYLE_BYTES = 25_000, 2_300


def _hashes(kind: str, count: int) -> dict[int, str]:
    """Chunks by their numbers, as webpack names them."""
    return {number: f"{zlib.crc32(f'{kind}{number}'.encode()):08x}" for number in range(7, 7 + 13 * count, 13)}


_CHUNKS = {"js": _hashes("js", SCRIPT_CHUNKS), "css": _hashes("css", STYLE_CHUNKS)}
_ASSETS |= {f"/static/{number}.{hash}.js": _SCRIPT_BYTES for number, hash in _CHUNKS["js"].items()}
_ASSETS |= {f"/static/{number}.{hash}.css": _STYLE_BYTES for number, hash in _CHUNKS["css"].items()}


def _table(kind: str) -> str:
    entries = ",".join(f'{number}:"{hash}"' for number, hash in _CHUNKS[kind].items())
    return f'e=>e+"."+{{{entries}}}[e]+".{kind}"'


# Webpack's runtime, as far as it names chunks, at the beginning of the application's script.
_RUNTIME = f'(()=>{{var o={{}};o.p="/static/",o.u={_table("js")},o.miniCssF={_table("css")}}})();'.encode()
_FILLING = b"/" * max(_ASSETS.values())
# What a browser runs: the stand-in for the web application. To JavaScript what fills its file is a comment.
_STAND_IN = Path(__file__).parent / "page"
_BEGINNINGS = {
    "/static/main.js": _RUNTIME + b"\n" + (_STAND_IN / "application.js").read_bytes(),
    "/static/main.css": (_STAND_IN / "application.css").read_bytes(),
}


_NOT_KEPT = {"Cache-Control": "no-cache, max-age=31556926, public"}


def guess_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def serve_asset(world: World, path: str) -> web.Response:
    """A file, or for any other path the page: the web app does its own routing."""
    size = _ASSETS.get(path)
    if size is not None:
        headers = {"Cache-Control": "max-age=31556926, public"}
        body = _BEGINNINGS.get(path, b"")
        body += _FILLING[: size - len(body)]
        return web.Response(body=body, content_type=guess_type(path), headers=headers)
    if path.startswith("/static/"):
        return web.Response(status=404, text="404 page not found\n")
    headers = {**_NOT_KEPT, "X-Request-Id": world.new_id(), "X-Version-Id": world.version_id}
    return web.Response(text=_PAGE, content_type="text/html", headers=headers)


_PNG_START = b"\x89PNG\r\n\x1a\n"
_PICTURE_PIXELS = 128
# Sizes of the recorded derivatives of a 64 x 64 picture, so that a load test moves as many bytes.
THUMBNAIL_BYTES = 27871
PREVIEW_BYTES = 6485


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _plain_png(pixels: int, red: int, green: int, blue: int) -> bytes:
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 2, 0, 0, 0)
    row = b"\x00" + bytes((red, green, blue)) * pixels
    return _PNG_START + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(row * pixels)) + _chunk(b"IEND", b"")


@lru_cache(maxsize=4096)
def default_picture(username: str) -> bytes:
    """The picture of a user without one: a single colour derived from the name."""
    seed = zlib.crc32(username.encode())
    return _plain_png(_PICTURE_PIXELS, seed & 0xFF, seed >> 8 & 0xFF, seed >> 16 & 0xFF)


def picture_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG, GIF or JPEG; (0, 0) if it is none."""
    if content.startswith(_PNG_START) and len(content) >= 24:
        return struct.unpack(">II", content[16:24])
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        return struct.unpack("<HH", content[6:10])
    return _jpeg_size(content) if content.startswith(b"\xff\xd8") else (0, 0)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """From the first frame header (SOF), which comes after segments of any number."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, (length,) = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return 0, 0


@lru_cache(maxsize=4)
def jpeg_of_size(size_bytes: int) -> bytes:
    """A grey JPEG of eight by eight pixels that has the size of a recorded derivative, by a comment in it."""
    # Incompressible, as the real thing is; made from a counter so that it is the same in every run.
    noise = b"".join(zlib.crc32(number.to_bytes(4, "big")).to_bytes(4, "big") for number in range(size_bytes // 4))
    comment = noise[: size_bytes - len(_JPEG_START) - len(_GREY) - 4]
    return _JPEG_START + _segment(0xFE, comment) + _GREY


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


_JPEG_START = b"\xff\xd8" + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
# One block: no difference from the middle of the scale, and the end of the block, each with the only code of its table.
_ONE_CODE = bytes((1, *[0] * 15, 0))
_GREY = b"".join(
    (
        _segment(0xDB, bytes((0, *[1] * 64))),
        _segment(0xC0, bytes((8, 0, 8, 0, 8, 1, 1, 0x11, 0))),
        _segment(0xC4, b"\x00" + _ONE_CODE),
        _segment(0xC4, b"\x10" + _ONE_CODE),
        _segment(0xDA, bytes((1, 1, 0, 0, 63, 0))) + b"\x3f\xff\xd9",
    )
)
