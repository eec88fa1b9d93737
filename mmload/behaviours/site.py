"""The page of the web application and its static files, as a browser fetches them with and without a cache.

The page names its first scripts and style sheets. The rest come in chunks, which webpack's runtime, in one of those
scripts, names by two tables: `t.u=e=>e+"."+{17:"2f1c…",23:"9ab0…"}[e]+".js"`, and the same for style sheets. Files that
only style sheets name (fonts, pictures) are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import islice

from mmload.behaviours.person import Person
from mmload.errors import RequestFailed

# What a browser without a cache was seen to fetch (11.6): for the login page, and with the application after it.
LOGIN_FILES = 52
ALL_FILES = 97

# Bounded, all of them: a server may send anything, and much of it.
_NAMED = re.compile(r"""<(?:link|script)\b[^<>]{0,500}?\b(?:href|src)=["']?(/(?!/)[^"'\s>]{1,500})""")
# The end of a file's name, right behind the table of hashes: `}[e]+".js"`.
_ENDING = re.compile(r"""\}\[\w{1,9}\]\s?\+\s?["']((?:\.[\w-]{1,20}){0,3}\.(?:js|css))["']""")
_ENTRY = re.compile(r"""[{,]\s?["']?([\w-]{1,100})["']?\s?:\s?["']([^"']{1,100})["']""")
_HASH = re.compile(r"[0-9a-f]{6,64}")
# What comes before that table: a folder, the chunk's name or number, and what stands between it and the hash.
_BEGINNING = re.compile(r"""(?:["']([\w./-]{0,50})["']\s?\+\s?)?[\w()\s]{1,20}\+\s?["']([._-])["']\s?\+\s?$""")
_NAMES = re.compile(r"""\{([^{}]*)\}\[\w{1,9}\]\s?\|\|""")
_LONGEST_TABLE = 200_000
_LONGEST_BEGINNING = 200
_MOST_TABLES = 50
_MOST_CHUNKS = 5000
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


def page_files(page: str) -> list[str]:
    """The paths that a page of the application names, each once; what is on another host is left out."""
    return list(dict.fromkeys(_NAMED.findall(page)))


def chunk_files(script: str, folder: str = "/static/") -> list[str]:
    """The paths of the chunks that webpack's runtime names in a script, if that is there; style sheets first."""
    found: list[str] = []
    for ending in islice(_ENDING.finditer(script), _MOST_TABLES):
        opened = script.rfind("{", max(0, ending.start() - _LONGEST_TABLE), ending.start())
        hashes = dict(_ENTRY.findall(script, opened, ending.start())) if opened >= 0 else {}
        if not hashes or not all(map(_HASH.fullmatch, hashes.values())):
            continue
        before = script[max(0, opened - _LONGEST_TABLE) : opened]
        # From where this name is put together.
        found += _names(before[before.rfind("=>") + 2 :], hashes, folder, ending[1])
    found.sort(key=lambda path: not path.endswith(".css"))
    return list(dict.fromkeys(found[:_MOST_CHUNKS]))


def _names(before: str, hashes: dict[str, str], folder: str, ending: str) -> Iterable[str]:
    beginning = _BEGINNING.search(_NAMES.sub("", before)[-_LONGEST_BEGINNING:])
    if beginning is None:
        return ()
    named = _NAMES.search(before)
    names = dict(_ENTRY.findall("{" + named[1])) if named else {}
    folder += (beginning[1] or "").removeprefix("./")
    return [f"{folder}{names.get(chunk, chunk)}{beginning[2]}{hash}{ending}" for chunk, hash in hashes.items()]
