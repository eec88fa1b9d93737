"""The page and its static files: what a browser without a cache fetches, and what any other one does."""

from __future__ import annotations

from collections import Counter

import pytest

from mmload.behaviours.actions.session import close_and_open, full_reload, press_reload
from mmload.behaviours.login import enter
from mmload.behaviours.person import Person
from mmload.behaviours.site import ALL_FILES, LOGIN_FILES
from mmload.sandbox.assets import SCRIPT_CHUNKS, STYLE_CHUNKS
from mmload.users import new_person
from tests.support import Admin, Crowd, crowd

PAGE, FILE = "GET site page", "GET site asset"
COLD = {"MMLOAD_USERSCONFIGURATION_PERCENTCOLDBROWSERS": "1"}
WARM = {"MMLOAD_USERSCONFIGURATION_PERCENTCOLDBROWSERS": "0"}
MANIFEST = "/static/no-7.js;/static/no-8.js"


@pytest.fixture(scope="module")
def server(sandbox: str) -> str:
    Admin(sandbox).team()
    return sandbox


def comes(here: Crowd) -> Person:
    """One more person; what they asked is on record."""
    person = new_person(here.context, len(here.people) + 1, here.report)
    here.people.append(person)
    enter(person)
    return person


def fetched(here: Crowd) -> tuple[int, int]:
    """How often the page and static files were asked for since this was asked last."""
    routes = Counter(here.asked)
    here.asked.clear()
    return routes[PAGE], routes[FILE]


def test_a_browser_without_a_cache_fetches_the_page_twice_and_its_files_once(server: str) -> None:
    """`login_page_cold`, `login_submit`: the first page offers the desktop application."""
    assert SCRIPT_CHUNKS + STYLE_CHUNKS > ALL_FILES
    with crowd(server, **COLD) as here:
        comes(here)
        pages, files = fetched(here)
        # The first of the process reads the page's two scripts, too, to know the rest.
        assert (pages, files - 2) == (2, ALL_FILES)
        comes(here)

        assert fetched(here) == (2, ALL_FILES)
        assert here.failed == []


def test_a_browser_with_a_cache_fetches_nothing_but_the_page(server: str) -> None:
    with crowd(server, **WARM) as here:
        person = comes(here)
        assert fetched(here) == (1, 0)

        for load in (press_reload, close_and_open):
            load(person)
            assert fetched(here) == (1, 0), load.__name__


def test_a_reload_with_an_empty_cache_fetches_all_files_anew(server: str) -> None:
    with crowd(server, **WARM) as here:
        person = comes(here)
        full_reload(person)
        fetched(here)
        full_reload(person)

        assert fetched(here) == (1, ALL_FILES)


@pytest.mark.parametrize(("wanted", "pages"), [("page", 2), ("none", 0)])
def test_what_comes_from_elsewhere_is_not_asked_of_the_server(server: str, wanted: str, pages: int) -> None:
    with crowd(server, **COLD, MMLOAD_USERSCONFIGURATION_STATICFILES=wanted) as here:
        comes(here)

        assert fetched(here) == (pages, 0)


def test_configured_files_take_the_place_of_those_that_scripts_name(server: str) -> None:
    with crowd(server, **COLD, MMLOAD_USERSCONFIGURATION_STATICFILEPATHS=MANIFEST) as here:
        person = comes(here)

        named = person.context.site_files[0]
        assert fetched(here) == (2, len(named) + 2) and 0 < len(named) < LOGIN_FILES
        # There are none of these names: a page goes on without.
        assert len(here.failed) == 2
