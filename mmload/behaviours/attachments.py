"""Files that people attach: generated once per process with the sizes of real ones, not shipped in megabytes."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache, partial

from mmload import text
from mmload.behaviours.person import Person

# Shares and sizes as measured by the peer; where it sends a small JPEG, we send a small PNG: writing JPEGs needs an
# imaging library, and the server's work (decode, thumbnail, preview) is the same kind.
COUNTS, COUNT_WEIGHTS = (1, 2, 3), (50, 25, 25)
KINDS = ("screenshot.png", "photo.png", "clip.mp4", "notes.txt")
KIND_SHARE = 0.5


@cache
def content(file_name: str) -> bytes:
    """A file's bytes; pictures are valid, and of the width and height whose noise gives the wanted size."""
    rng = random.Random(f"mmload file {file_name}")
    if file_name == "screenshot.png":
        return _noise_png(rng, 387)  # about 450 kB
    if file_name == "photo.png":
        return _noise_png(rng, 167)  # about 84 kB
    if file_name == "clip.mp4":
        return b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + rng.randbytes(432_280)
    return " ".join(text.words(rng, 1600)).encode()


def _noise_png(rng: random.Random, side: int) -> bytes:
    """A square picture of noise, three bytes a pixel: it hardly compresses, as photographs do not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + rng.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def chosen_files(rng: random.Random) -> list[str]:
    """Which files go with one message: one to three. Pure."""
    wanted = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
    chosen = [name for name in KINDS if rng.random() < KIND_SHARE][:wanted]
    return chosen or [rng.choice(KINDS)]


def upload(person: Person, channel_id: str) -> tuple[str, ...]:
    """Upload the files of one message, several at once; their ids."""
    ids: list[str] = []

    def send(name: str) -> None:
        ids.extend(info.id for info in person.api.upload_file(channel_id, name, content(name)))

    person.together(partial(send, name) for name in chosen_files(person.rng))
    return tuple(ids)
