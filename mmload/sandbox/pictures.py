"""Pictures without a drawing library: a plain PNG, the size of a PNG, and stand-ins for thumbnails."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

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
def initial(username: str) -> bytes:
    """The picture of somebody who has set none: one colour, the same for the same name."""
    seed = zlib.crc32(username.encode())
    return _plain_png(_PICTURE_PIXELS, seed & 0xFF, seed >> 8 & 0xFF, seed >> 16 & 0xFF)


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG; of anything else a guess, which nobody relies on."""
    if content.startswith(_PNG_START) and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    return 512, 512


@lru_cache(maxsize=4)
def jpeg_of(size_bytes: int) -> bytes:
    """Something with a JPEG's beginning and end and the size of a recorded derivative."""
    start, end = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"\xff\xd9"
    # Incompressible, as the real thing is; made from a counter so that it is the same in every run.
    noise = b"".join(zlib.crc32(number.to_bytes(4, "big")).to_bytes(4, "big") for number in range(size_bytes // 4))
    return start + noise[: size_bytes - len(start) - len(end)] + end
