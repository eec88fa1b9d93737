"""The routes of the API, one file per subject. Each takes a `Call` and returns an `ApiAnswer` or raises `ApiError`."""

from __future__ import annotations

from mmload.sandbox.http import ApiRoute
from mmload.sandbox.routes import channels, files, licensed, personal, posts, system, teams, threads, users

_SUBJECTS = (
    system.api,
    users.api,
    personal.api,
    teams.api,
    channels.api,
    posts.api,
    threads.api,
    files.api,
    *(licensed.scheduling, licensed.bookmarks, licensed.attributes, licensed.acknowledgements),
)


def all_routes(modern: bool) -> list[ApiRoute]:
    """The routes of this server version."""
    return [route for subject in _SUBJECTS for route in subject.items if modern or not route.modern_only]
