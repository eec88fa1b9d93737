"""Pictures in messages: which requests their display makes, and which the browser's cache answers.

A message with one picture shows its preview, and asks at each display whether there is a thumbnail; one with several
files shows the thumbnails of the pictures among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from mmload.behaviours.person import Person, unless_refused
from mmload.errors import RequestFailed
from mmload.models import FileInfo, Post

_PICTURES = frozenset({"png", "jpg", "jpeg", "gif"})
# Kinds of pictures in the cache, beside those of people (whose numbers are the times of their last change).
THUMBNAIL: Final = -1
PREVIEW: Final = -2
# The list draws the newest messages of a channel; whoever scrolls back sees the others.
MESSAGES_DRAWN = 30


def shown(person: Person, posts: list[Post]) -> list[Callable[[], object]]:
    """The requests for the pictures of messages that come on the screen, known ones of the channel among them."""
    lone, several = person.store.shared_objects.lone_pictures, noted(person, posts)
    requests = [each for post in posts if post.id in lone for each in _lone_picture(person, lone[post.id])]
    return [*requests, *thumbnails(person, several)]


def noted(person: Person, posts: Iterable[Post]) -> list[str]:
    """Remember which messages have a single picture; the pictures of those with several files."""
    several: list[str] = []
    for post in posts:
        files = (post.metadata and post.metadata.files) or ()
        if len(files) == 1 and _is_picture(files[0]):
            person.store.shared_objects.lone_pictures[post.id] = files[0].id
        else:
            several += [file.id for file in files if _is_picture(file)]
    return several


def thumbnails(person: Person, file_ids: Iterable[str]) -> list[Callable[[], object]]:
    """The requests for the small forms of pictures that are not in the cache."""
    return [each for file_id in file_ids for each in _unless_cached(person, file_id, THUMBNAIL)]


def shown_again(person: Person) -> list[Callable[[], object]]:
    """The requests for the pictures of the channel on the screen whose messages this client has already."""
    lone = person.store.shared_objects.lone_pictures
    if not lone:
        return []
    drawn = person.store.written_posts()[-MESSAGES_DRAWN:]
    return [each for post in drawn if post.id in lone for each in _lone_picture(person, lone[post.id])]


def _is_picture(file: FileInfo) -> bool:
    return file.extension in _PICTURES and file.has_preview_image


def _lone_picture(person: Person, file_id: str) -> list[Callable[[], object]]:
    cached = (file_id, THUMBNAIL) in person.store.images
    looked = [] if cached else [partial(unless_refused, person.api.has_thumbnail, file_id)]
    return [*looked, *_unless_cached(person, file_id, PREVIEW)]


def _unless_cached(person: Person, file_id: str, kind: int) -> list[Callable[[], object]]:
    return [] if person.store.has_picture((file_id, kind)) else [partial(fetch, person, file_id, kind)]


def fetch(person: Person, file_id: str, kind: int) -> None:
    """Fetch one into the cache; a picture that was deleted meanwhile stays blank, and the others are shown."""
    if (file_id, kind) in person.store.images:
        return
    person.store.images.add((file_id, kind))
    try:
        unless_refused(person.api.thumbnail if kind == THUMBNAIL else person.api.preview, file_id)
    except RequestFailed:
        person.store.images.discard((file_id, kind))
        raise
