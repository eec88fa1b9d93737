"""Every request that our client can make is one that Mattermost's API description, or a recording, knows."""

from __future__ import annotations

import inspect
import json
import pathlib
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mmload.client.api import Api, channels, licensed, posts, teams
from mmload.client.http.client import Route
from mmload.fidelity.recording import recording
from mmload.models import Category, Draft, Post, Preference, ScheduledPost

FOLDER = pathlib.Path(__file__).parent.parent / "recordings"
OPERATIONS: dict[str, dict[str, list[str]]] = json.loads((FOLDER / "operations.json").read_text())

ID = "7ynymuwnuprh5jn37abf14pb7o"
# Asked in all teams as the web application asks in one.
ASKED_AS = {"POST /posts/search": "POST /teams/{}/posts/search", "POST /files/search": "POST /teams/{}/files/search"}
# What none of them names, though the web application sends it.
UNDESCRIBED_QUERY = {
    "GET /users/{}/image": {"_"},  # its cache key
    "GET /users/{}/teams/{}/threads": {"before", "after"},
}
UNDESCRIBED_BODY = {
    "POST /users/login": {"deviceId"},
    "POST /posts": {"update_at", "props"},
    "POST /drafts": {"root_id"},
    "POST /posts/schedule": {"user_id", "metadata"},
    "PUT /posts/schedule/{}": {"user_id", "metadata", "root_id", "props"},
}
UNDESCRIBED_OPERATIONS = {
    "DELETE /users/{}/channels/{}/drafts/{}",  # a reply's draft
    "POST /jobs",  # in a part of the description that is not among ours
}
BODIES_BY_ID = {
    "PATCH /custom_profile_attributes/values",  # the keys are ids of fields
    "PUT /config",  # the keys are the server's own: what it sent comes back
}

SAMPLES: dict[str, Any] = {
    "str": ID,
    "int": 3,
    "int | None": 3,
    "bool": True,
    "bytes": b"content",
    "Iterable[str]": [ID],
    "list[str]": [ID],
    "tuple[str, ...]": (ID,),
    "dict[str, str]": {"nickname": "n"},
    "dict[str, Any]": {"version": "0.1.0", "start": 1, "end": 2},
    "Post": Post(ID, channel_id=ID, user_id=ID, message="text"),
    "list[Preference]": [Preference(ID, "direct_channel_show", ID, "true")],
    "list[Category]": [Category(ID, ID, ID)],
    "Draft": Draft(ID, ID, ID, "text"),
    "ScheduledPost": ScheduledPost(ID, ID),
}
SPECIAL: dict[str, dict[str, Any]] = {
    "create_post": {"pending_post_id": f"{ID}:1795488762386"},
    "create_priority_post": {"pending_post_id": f"{ID}:1795488762386"},
    "create_bookmark": {"bookmark": {"display_name": "docs", "type": "link", "link_url": "https://x"}},
    "patch_bookmark": {"changes": {"display_name": "docs"}},
}
SITE_CALLS = {"site_page", "site_script", "site_file"}


class Asked(Exception):
    """Stops a call where it would go out, with what it would send."""


class Caught:
    """Stands where `Rest` is: raises what it is asked."""

    def call(self, route: Route, path: str, body: bytes = b"", **_: Any) -> None:
        raise Asked(route, path, body)


def calls() -> list[str]:
    return [name for name, _ in inspect.getmembers(Api, inspect.isfunction) if not name.startswith("_")]


def asked(name: str) -> tuple[Route, str, bytes]:
    """Make a call with sample arguments; what it sends."""
    method = getattr(Api(Caught()), name)  # type: ignore[arg-type]
    parameters = inspect.signature(method).parameters.values()
    arguments = {parameter.name: SAMPLES[str(parameter.annotation)] for parameter in parameters}
    with pytest.raises(Asked) as caught:
        method(**{**arguments, **SPECIAL.get(name, {})})
    route, path, body = caught.value.args
    return route, path, body


@pytest.mark.parametrize("name", [name for name in calls() if name not in SITE_CALLS])
def test_a_call_sends_what_the_api_description_knows(name: str) -> None:
    route, path, body = asked(name)
    key = re.sub(r"{[^}]*}", "{}", str(route))

    if key in UNDESCRIBED_OPERATIONS:
        return
    assert key in OPERATIONS or recorded_names(key), f"{key} is in no description"
    url = urlsplit(path)
    assert re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", route.path), url.path), "the path does not follow its route"
    unknown = set(parse_qs(url.query)) - known_names(key, "query") - UNDESCRIBED_QUERY.get(key, set())
    assert not unknown, f"unknown query parameters {unknown}"
    if body.startswith((b"{", b"[")) and key not in BODIES_BY_ID:
        assert not names_in(json.loads(body)) - known_names(key, "body") - UNDESCRIBED_BODY.get(key, set())


def names_in(body: Any) -> set[str]:
    """The names of the body, or of its elements."""
    objects = body if isinstance(body, list) else [body]
    return {name for item in objects if isinstance(item, dict) for name in item}


def known_names(key: str, place: str) -> set[str]:
    """What the description, or the recorded web application, has in the query or in the body."""
    described = set(OPERATIONS[key][place]) if key in OPERATIONS else set()
    return described | recorded_names(ASKED_AS.get(key, key)).get(place, set())


@cache
def recorded_names(key: str) -> dict[str, set[str]]:
    """The names that the web application was seen to send with this request; nothing if it never sent it."""
    route = key.replace("{}", "{id}")
    sent = [request for step in recording().values() for request in step.requests if request.route == route]
    if not sent:
        return {}
    return {
        "query": {name for request in sent for name, _ in request.query},
        "body": {name for request in sent for name, _ in request.body or ()},
    }


def test_every_call_is_among_the_tested_ones() -> None:
    """A call whose arguments have no sample would fail above, not pass unseen."""
    assert len(calls()) > 70


def test_whatever_names_what_somebody_may_delete_expects_that_it_is_gone() -> None:
    """Posts, threads, files, bookmarks: a 404 for one of them is no failure of the server."""
    deletable = re.compile(r"\{(post|root|thread|file|bookmark|scheduled_post)_id\}")
    routes = [route for module in (channels, licensed, posts, teams) for route in vars(module).values()]
    named = [route for route in routes if isinstance(route, Route) and deletable.search(route.path)]

    assert len(named) > 15
    assert [route.name for route in named if 404 not in route.expected] == []
