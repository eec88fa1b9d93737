"""The action × handler table is one of the actions and routes that there are: else `benchmarks handlers --write`."""

from __future__ import annotations

from mmload.behaviours.catalogue import SIMULATIVE, routes
from mmload.learn.handler_table import (
    BACK_IN_DIRECT,
    ENTRY,
    EVENTS,
    LEFT_BOX,
    LEFT_PAST,
    TOLD_AS,
    ActionTable,
    measured_table,
)
from mmload.learn.routes import WEB_SOCKET, HandlerFinder, route_of
from tests.behaviours.action_reference import LOOK_UPS, REQUESTS

AGAIN = "behaviours have changed: run `python -m benchmarks handlers --write`"
# Only an administrator, and only with attributes on the server; and what hardly ever finds something to do.
NOT_MEASURED = {"GenerateUserReport", "UpdateCustomAttribute", "UpdateChannelBookmarkSortOrder"}
# What it asks for comes later, when the socket is back (`CatchUp`).
LATER = {"ReconnectWebSocket"}


def test_every_action_is_in_the_table_of_a_licensed_server() -> None:
    actions = {action.name for action in SIMULATIVE if action.frequency}
    causes = {ENTRY, EVENTS, "Poll", "LookUp", *TOLD_AS}

    assert actions - set(measured_table("licensed").requests) <= NOT_MEASURED, AGAIN
    for table in (measured_table("free"), measured_table("licensed")):
        assert set(table.requests) <= actions | causes | {"Reload"}, AGAIN


def test_every_handler_of_the_table_is_a_route_of_the_client() -> None:
    for table in (measured_table("free"), measured_table("licensed")):
        assert {route_of(handler) for handler in table.handlers} <= set(routes()), AGAIN


def test_what_an_action_always_sends_is_what_the_reference_says() -> None:
    table = measured_table("licensed")
    for name, requests in table.requests.items():
        if name in REQUESTS and name not in LATER:
            always = {route_of(handler) for handler, mean in requests.items() if mean >= 0.9}
            assert always <= {*REQUESTS[name], *LOOK_UPS, WEB_SOCKET}, f"{name}: {AGAIN}"


def test_without_queries_the_purposes_of_a_route_are_one() -> None:
    table = ActionTable({"A": {"GET /users?in_team": 1.0, "GET /users": 0.5, "POST /posts": 2.0}}, {})

    assert table.counted(route_of).requests == {"A": {"GET /users": 1.5, "POST /posts": 2.0}}


def test_boxes_are_left_as_often_as_others_make_it_so() -> None:
    boxes = {"CreatePost": {"typed": 1.0}, "SwitchChannel": {"left": 1.0}, "UpsertDraft": {"saved": 1.0}}
    table = ActionTable({}, boxes=boxes)

    assert table.following({"CreatePost": 100})[LEFT_BOX] == 0, "nobody ever leaves"
    assert table.following({"CreatePost": 100, "SwitchChannel": 100})[LEFT_BOX] == 50, "every other one is typed in"
    assert table.following({"CreatePost": 100, "SwitchChannel": 50, "UpsertDraft": 50})[LEFT_BOX] == 25
    assert table.following({"ClickPermalink": 10, "SwitchChannel": 10})[LEFT_PAST] == 5


def test_who_comes_back_from_the_threads_is_in_a_direct_channel_as_often_as_these_are_opened() -> None:
    table = ActionTable({}, boxes={name: {"left": 1.0} for name in ("OpenDirectOrGroupChannel", "SwitchChannel")})

    counts = {"OpenDirectOrGroupChannel": 25, "SwitchChannel": 75, "ViewGlobalThreads": 8, "ViewGlobalThreads empty": 4}
    assert table.following(counts)[BACK_IN_DIRECT] == 3
    assert table.following({"ViewGlobalThreads": 8})[BACK_IN_DIRECT] == 0


def test_a_path_is_found_as_the_route_that_the_client_sends_it_by() -> None:
    finder = HandlerFinder(routes())
    for name in routes():
        method, _, path = name.partition(" ")
        if path.startswith("/"):
            filled = path.replace("{user_id}", "me").replace("{emoji_name}", "+1").replace("{timestamp}", "1795687200")
            while "{" in filled:
                filled = filled[: filled.index("{")] + "a1" * 13 + filled[filled.index("}") + 1 :]
            assert finder.find(method.encode(), f"/sub/api/v4{filled}".encode()).name == name


def test_purposes_are_told_apart_by_the_query() -> None:
    finder, path = HandlerFinder(routes()), b"/api/v4/channels/" + b"a1" * 13 + b"/posts"

    def purpose(query: bytes) -> str:
        return finder.find(b"GET", path + query).name

    assert purpose(b"?since=17&page=0") == "GET /channels/{channel_id}/posts?since"
    assert purpose(b"?page=0&before=x&per_page=30") == "GET /channels/{channel_id}/posts?before"
    assert purpose(b"?page=0&before=&after=") == purpose(b"") == "GET /channels/{channel_id}/posts"
    assert HandlerFinder(routes(), queries=False).find(b"GET", path + b"?since=17").name == purpose(b"")
