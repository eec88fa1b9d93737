"""What a browser sent becomes a recording: nothing that is somebody's is in it, and it compares as what was sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.errors import UsageError
from mmload.fidelity.compare import Departure, StepComparison, compare
from mmload.fidelity.live.messages import SeenFrame, SeenRequest, SeenSocket, SeenTraffic
from mmload.fidelity.live.playing import LiveRecording, beside, live_scenarios_of
from mmload.fidelity.live.recording_lines import line_of, shape
from mmload.fidelity.live.scenarios import LIVE_SCENARIOS
from mmload.fidelity.playing import PlayedStep
from mmload.fidelity.printing import live_news_of
from mmload.fidelity.recording import recorded_step, recording, step_of
from mmload.fidelity.scenarios import SCENARIOS
from mmload.fidelity.traffic import SentRequest, StepTraffic, fields

ID = "abcdefghijklmnopqrstuvwxyz"
API = "http://server/api/v4"
SECRETS = ("hunter2", "Dear Ann", ID, "private-plans", "ann@example.com", "1764239000000")
names = st.sampled_from(["message", "channel_id", ID, ID[::-1], "props"])
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(names, inside, max_size=4),
    max_leaves=8,
)


def _seen() -> SeenTraffic:
    return SeenTraffic(
        (
            SeenRequest("GET", "http://server/private-team/channels/private-plans", 5000.0),
            SeenRequest("GET", "http://server/static/main.123.js", 5010.0),
            SeenRequest("GET", "http://server/static/2.css", 5011.0),
            SeenRequest(
                "POST",
                f"{API}/users/login",
                5100.0,
                '{"login_id": "ann@example.com", "password": "hunter2", "token": ""}',
            ),
            SeenRequest("GET", f"{API}/channels/{ID}/posts?since=1764239000000&skipFetchThreads=false", 5050.0),
            SeenRequest("GET", f"{API}/teams/name/private-plans", 5200.0, until=5250.4),
            SeenRequest("POST", f"{API}/files", 5300.0, None),
        ),
        (SeenSocket(f"ws://server/api/v4/websocket?connection_id={ID}&sequence_number=7", 5150.0),),
        (
            SeenFrame(
                json.dumps({"action": "user_typing", "seq": 1, "data": {"channel_id": ID, "parent_id": ""}}), 5160.0
            ),
            SeenFrame('{"action": "Dear Ann"}', 5170.0),
        ),
    )


def test_a_line_has_routes_fields_and_times_and_nothing_that_is_somebodys() -> None:
    line = line_of("login_submit", "as one does", _seen())

    assert [(each["method"], each["path"], each["at"]) for each in line["requests"]] == [
        ("GET", "/", 0),
        ("GET", "/channels/{id}/posts", 50),
        ("POST", "/users/login", 100),
        ("GET", "/teams/name/{id}", 200),
        ("POST", "/files", 300),
    ]
    assert line["requests"][2]["body"] == {"login_id": "str", "password": "str", "token": ""}
    assert line["static"] == {"js": 1, "css": 1}
    assert [each["action"] for each in line["frames"]] == ["user_typing"]
    written = json.dumps(line)
    assert [each for each in SECRETS if each in written] == []


def test_a_line_is_read_again_as_what_was_sent() -> None:
    step = step_of(json.loads(json.dumps(line_of("login_submit", "", _seen()))))

    assert step.requests[1].line == "GET /channels/{id}/posts?since=*&skipFetchThreads=false"
    assert step.requests[2].body == (("login_id", "text"), ("password", "text"), ("token", '""'))
    assert step.requests[4].body is None
    assert [each.until for each in step.requests] == [None, None, None, 250.0, None]
    assert step.frames is not None and step.frames[0].line == 'user_typing {channel_id: text, parent_id: ""}'
    assert step.sockets == ((("connection_id", "*"), ("sequence_number", "*")),)


@given(st.dictionaries(names, bodies, min_size=1, max_size=4) | st.lists(bodies, min_size=1, max_size=3))
def test_the_shape_of_a_body_has_the_fields_of_the_body(body: Any) -> None:
    line = {"at": 0, "method": "POST", "path": "/posts", "body": shape(body)}
    whole = {"step": "", "how": "", "requests": [line], "frames": [], "sockets": [], "static": {}}

    assert step_of(whole).requests[0].body == fields(body)


def test_a_step_that_was_done_in_the_browser_takes_the_place_of_the_recording() -> None:
    ours = StepTraffic("post_message")
    played = PlayedStep(recorded_step("post_message"), ours)
    live = {"post_message": StepTraffic("post_message", "now")}

    assert beside(played, live, {}).recorded.how == "now"
    assert beside(played, {}, {"post_message": "no box"}).problem == "no box"


def test_what_a_page_asked_before_the_answer_to_another_came_has_no_order() -> None:
    first, second = "GET /users/{id}", "GET /users/{id}/teams"
    theirs = StepTraffic("x", requests=(SentRequest(first, at=0, until=900), SentRequest(second, at=500, until=950)))
    waited = replace(theirs, requests=(replace(theirs.requests[0], until=400), theirs.requests[1]))
    turned = StepTraffic("x", requests=(SentRequest(second, at=0, until=5), SentRequest(first, at=50, until=60)))

    assert compare(theirs, turned).equal
    assert [each.way for each in compare(waited, turned).differences] == ["order"]


def test_a_busy_machine_is_not_told_as_news_of_the_application() -> None:
    slow = StepComparison("post_message", 1, 1, 0, 0, (Departure("waits", "POST /posts"), Departure("order", "GET /x")))
    new = StepComparison("reload_warm", 1, 1, 0, 0, (Departure("extra", "GET /y"),))

    assert live_news_of([slow]) == "In these steps your application sends the same as 11.6.\n"
    assert live_news_of([slow, new]).splitlines()[1:] == ["reload_warm:", "  GET /y — new: not in 11.6"]


def test_every_step_that_is_driven_is_one_of_the_recording_and_one_that_our_person_does() -> None:
    driven = [name for each in LIVE_SCENARIOS for name in each.steps]
    played = {name for each in SCENARIOS for name in each.steps}

    assert len(driven) == len(set(driven))
    assert [name for name in driven if name not in recording() or name not in played] == []


def test_a_step_that_no_browser_does_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="server_restart"):
        live_scenarios_of(["server_restart"])


def test_a_recording_is_written_in_the_order_of_ours() -> None:
    made = LiveRecording({name: line_of(name, "", SeenTraffic()) for name in ("post_message", "reload_warm")})

    assert [json.loads(each)["step"] for each in made.text().splitlines()] == ["reload_warm", "post_message"]
