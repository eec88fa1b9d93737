"""Requests of any client in one form."""

from __future__ import annotations

import json

from mmload.client.websocket.frames import TEXT, client_frame
from mmload.fidelity.capture import unmasked
from mmload.fidelity.recording import recording, route_table
from mmload.fidelity.traffic import RouteTable, below_api, fields, fixed_query, query_of, static_kind

SOMEBODY = "a1b2c3d4e5f6g7h8i9j0k1l2m3"


def test_a_request_is_named_by_its_route_whoever_it_is_about() -> None:
    name_of = route_table().name_of

    assert name_of("GET", f"/users/{SOMEBODY}/teams") == name_of("GET", "/users/me/teams") == "GET /users/{id}/teams"
    assert name_of("POST", "/channels/direct") == "POST /channels/direct"
    assert name_of("DELETE", f"/users/me/posts/{SOMEBODY}/reactions/thumbsup") == (
        "DELETE /users/{id}/posts/{id}/reactions/{id}"
    )
    assert name_of("GET", "/teams/name/blue/channels/name/town-square") == "GET /teams/name/{id}/channels/name/{id}"
    assert name_of("GET", f"/a/new/{SOMEBODY}/route") == "GET /a/new/{id}/route"


def test_a_literal_segment_comes_before_a_placeholder() -> None:
    table = RouteTable(["GET /channels/{channel_name}", "GET /channels/direct"])

    assert table.name_of("GET", "/channels/direct") == "GET /channels/direct"
    assert table.name_of("GET", "/channels/other") == "GET /channels/{id}"


def test_of_a_query_what_changes_is_a_star() -> None:
    assert query_of(f"/x?since=1764200000000&before={SOMEBODY}&per_page=30&after=") == (
        ("after", ""),
        ("before", "*"),
        ("per_page", "30"),
        ("since", "*"),
    )
    assert fixed_query([("name", "te"), ("limit", "25")]) == (("limit", "25"), ("name", "*"))


def test_of_a_body_the_fields_are_kept_and_no_text() -> None:
    body = {"channel_id": SOMEBODY, "root_id": "", "create_at": 0, "props": {"a": 1}, "on": True, "ids": ["x"]}

    assert dict(fields(body) or ()) == {
        "channel_id": "text",
        "root_id": '""',
        "create_at": "number",
        "props": "object",
        "on": "true",
        "ids": "list",
    }
    assert fields([{"value": "secret"}]) == (("[]", ""), ("value", "text"))
    assert fields("text") is None


def test_paths_below_the_api_and_static_files_are_told_apart() -> None:
    assert below_api("/chat/api/v4/users/me?x=1") == "/users/me"
    assert below_api("/static/main.js") is None
    assert (static_kind("/static/main.12ab.js"), static_kind("/login"), static_kind("/static/f.woff2?v=1")) == (
        "js",
        "",
        "woff2",
    )


def test_the_recording_is_in_the_package_with_all_its_steps() -> None:
    steps = recording()

    assert len(steps) == 87
    assert next(iter(steps)) == "login_page_cold"
    view = steps["switch_channel_back"].requests[-1]
    assert (view.route, view.body) == (
        "POST /channels/members/{id}/view",
        (("channel_id", "text"), ("collapsed_threads_supported", "true")),
    )


def test_a_frame_of_a_client_is_read_whatever_its_length() -> None:
    for size in (3, 200, 70_000):
        text = json.dumps({"action": "x" * size}).encode()
        assert unmasked(client_frame(TEXT, text, b"\x01\x02\x03\x04")) == text
