"""The page of the web application and its static files, as a browser fetches them with and without a cache."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from mmload.behaviours.person import Person
from mmload.client.site_files import ALL_FILES, LOGIN_FILES, chunk_files, page_files
from mmload.errors import RequestFailed

# More than any version of the application: a server that sends other things below these names is not emptied.
MOST_BYTES = 16 << 20
# Around requests that the application can do without.
optional = suppress(RequestFailed)


def open_page(person: Person, path: str = "/", *, cold: bool = False) -> None:
    """Load the page at a path. A cold browser fetches its first static files, too; a warm one has them.

    `StaticFiles` says whether the server is asked for the page and for the files at all.
    """
    wanted = person.context.settings.config.users.static_files
    if wanted == "none":
        return
    with optional:
        page = person.api.site_page(path)
        if cold and wanted == "all":
            fetch_files(person, _files_of(person, page)[:LOGIN_FILES])


def fetch_rest(person: Person) -> None:
    """What a cold browser fetches with the application itself, behind the page's first files."""
    cold, person.cold = person.cold, False
    if cold and person.context.settings.config.users.static_files == "all":
        fetch_files(person, person.context.site_files[1][LOGIN_FILES:])


def fetch_site(person: Person) -> None:
    """Load the application's page and static files, as a browser with an empty cache does."""
    open_page(person, cold=True)
    person.cold = True
    fetch_rest(person)


def fetch_files(person: Person, paths: Iterable[str]) -> None:
    """Fetch static files, up to six at a time, and throw them away."""
    left = [MOST_BYTES]
    person.together(partial(_fetch, person, path, left) for path in paths)


def _fetch(person: Person, path: str, left: list[int]) -> None:
    if left[0] > 0:
        with optional:
            left[0] -= person.api.site_file(path)


def _files_of(person: Person, page: str) -> tuple[str, ...]:
    """The static files of a page. Those that its scripts name are read once per process and version of the page."""
    context = person.context
    named = tuple(page_files(page))
    if context.site_files[0] != named:
        configured = context.settings.config.users.static_file_paths
        chunks = configured or _chunks_of(person, [path for path in named if path.endswith(".js")])
        context.site_files = named, tuple(dict.fromkeys([*named, *chunks]))[:ALL_FILES]
    return context.site_files[1]


def _chunks_of(person: Person, scripts: Iterable[str]) -> list[str]:
    """The chunks that the page's scripts name; those that come into a browser first, first."""
    found: list[str] = []
    for path in scripts:
        with optional:
            found += chunk_files(person.api.site_script(path), path[: path.rfind("/") + 1])
    return found
