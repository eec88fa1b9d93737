"""The routes of the API, a file per subject. Each takes a `Call` and gives an `Answer` or raises `ApiError`."""

from __future__ import annotations

from mmload.sandbox.http import Route
from mmload.sandbox.routes import (
    admin,
    channels,
    drafts,
    files,
    licensed,
    people,
    posts,
    sidebar,
    system,
    teams,
    threads,
    users,
)

_SUBJECTS = (
    system.api,
    users.api,
    people.api,
    teams.api,
    channels.api,
    sidebar.api,
    posts.api,
    threads.api,
    files.api,
    drafts.api,
    licensed.api,
    admin.api,
)


def all_routes(modern: bool) -> list[Route]:
    """The routes that a server of this age has."""
    return [route for subject in _SUBJECTS for route in subject.items if modern or not route.modern_only]
