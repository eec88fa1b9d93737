"""Which files a browser fetches with the page of the web application: named by the page and by its scripts. Pure.

The page names its first scripts and style sheets. The rest come in chunks, which webpack's runtime, in one of those
scripts, names by two tables: `t.u=e=>e+"."+{17:"2f1c…",23:"9ab0…"}[e]+".js"`, and the same for style sheets. Files that
only style sheets name (fonts, pictures) are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

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
