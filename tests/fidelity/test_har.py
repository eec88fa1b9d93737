"""HAR files of a browser's developer tools: what is read of them, what is not, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmload.cli import main
from mmload.errors import ExitCode, UsageError
from mmload.fidelity.compare import compare
from mmload.fidelity.har import har_step
from mmload.fidelity.recording import recording

SERVER = "https://chat.example.com"
CHANNEL = "a1b2c3d4e5f6g7h8i9j0k1l2m3"
SECRETS = ("hunter2hunter2", "MMAUTHTOKEN", "tok3n0fann", "dear diary", "anna.example")


def entry(method: str, path: str, second: float, body: Any = None, **more: Any) -> dict[str, Any]:
    """One request, with secrets wherever a browser has them."""
    request: dict[str, Any] = {
        "method": method,
        "url": path if "://" in path else f"{SERVER}{path}",
        "headers": [{"name": "Cookie", "value": "MMAUTHTOKEN=tok3n0fann"}],
        "cookies": [{"name": "MMAUTHTOKEN", "value": "tok3n0fann"}],
    }
    if body is not None:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(body)}
    began = f"2026-11-27T10:00:{second:06.3f}+01:00"
    return {"startedDateTime": began, "time": 12.5, "request": request, "response": {"status": 200}, **more}


def har(tmp_path: Path, *entries: dict[str, Any], name: str = "my.har") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "test"}, "entries": entries}}))
    return path


def switch(**changed: Any) -> list[dict[str, Any]]:
    """What Chrome shows when somebody goes back to a channel."""
    posts = f"/api/v4/channels/{CHANNEL}/posts?since=1764200000000&skipFetchThreads=false"
    presence = {"seq": 4, "action": "presence", "data": {"channel_id": CHANNEL}}
    messages = [
        {"type": "send", "time": 1764234000.1, "opcode": 1, "data": json.dumps(presence)},
        {"type": "receive", "time": 1764234000.2, "opcode": 1, "data": json.dumps({"event": "posted"})},
    ]
    view = {"channel_id": CHANNEL, "collapsed_threads_supported": True, **changed}
    return [
        entry("GET", "wss://chat.example.com/api/v4/websocket?connection_id=", 0, _webSocketMessages=messages),
        entry("GET", f"/api/v4/channels/{CHANNEL}/stats?exclude_files_count=true", 1),
        entry("GET", "/static/main.js", 1.1),
        entry("GET", f"/api/v4/users/{CHANNEL}/image?_=0", 1.2, _fromCache="memory"),
        entry("GET", f"{posts}&collapsedThreads=true&collapsedThreadsExtended=false", 2),
        entry("OPTIONS", "/api/v4/channels/members/me/view", 2.9),
        entry("POST", "/api/v4/channels/members/me/view", 3, view),
        entry("GET", "https://elsewhere.example/picture.png", 3.1),
    ]


def test_a_har_file_is_read_as_the_recording_is(tmp_path: Path) -> None:
    seen = har_step(har(tmp_path, *switch()), "switch_channel_back")

    assert [each.route for each in seen.requests] == [
        "GET /channels/{id}/stats",
        "GET /channels/{id}/posts",
        "POST /channels/members/{id}/view",
    ]
    assert (seen.static, [frame.line for frame in seen.frames or ()]) == ({"js": 1}, ["presence {channel_id: text}"])
    comparison = compare(recording()["switch_channel_back"], seen)
    assert [each.what for each in comparison.differences] == ["WebSocket connection_id="]


def test_the_progress_is_a_line_for_each_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, where it is no terminal; with the steps before the one that is asked for, as they are done first."""
    path = har(tmp_path, entry("GET", "/api/v4/users/me", 1))

    main(["fidelity", "--sandbox", "--har", str(path), "--step", "reload_warm"])

    told = [line for line in capsys.readouterr().err.splitlines() if "simulated user" in line]
    assert told == [
        "mmload fidelity: simulated user: 1/2 login_page_cold",
        "mmload fidelity: simulated user: 2/2 reload_warm",
    ]


def test_a_file_without_frames_says_nothing_about_them(tmp_path: Path) -> None:
    """Firefox writes none."""
    entries = [{**each, "_webSocketMessages": None} for each in switch()]
    seen = har_step(har(tmp_path, *entries), "switch_channel_back")

    assert [each.what for each in compare(recording()["switch_channel_back"], seen).differences] == [
        "WebSocket connection_id="
    ]


def test_what_a_new_version_does_otherwise_is_told_and_nothing_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`setup_close_dialogs` is not played, so that this needs no server."""
    preferences = [{"user_id": CHANNEL, "category": "x", "name": "y", "value": "hunter2hunter2", "since": 1}]
    entries = [
        entry("PUT", f"/api/v4/users/{CHANNEL}/preferences", 1, preferences),
        entry("POST", "/api/v4/drafts", 2, {"message": "dear diary", "tok3n0fann": "x"}),
        entry("GET", "/api/v4/users/username/anna.example?token=tok3n0fann&password=hunter2hunter2", 3),
        entry("GET", "/api/v4/brand/new?sort=hunter2hunter2", 4),
    ]
    out = tmp_path / "out.json"

    code = main(
        ["fidelity", "--har", str(har(tmp_path, *entries)), "--step", "setup_close_dialogs", "--json", str(out)]
    )

    shown = capsys.readouterr().out + out.read_text()
    assert code == ExitCode.PASSED
    assert "PUT /users/{id}/preferences — with other fields in its body: with since=number" in shown
    assert "GET /brand/new?sort=* — new: not in 11.6" in shown
    assert "GET /users/username/{id}?password=*&token=*" in shown
    assert not [secret for secret in SECRETS if secret in shown]


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a HAR file: it is cut off"),
    "text": (b"GET / HTTP/1.1", "not a HAR file: it is not JSON"),
    "binary": (bytes(range(256)), "not a HAR file: it is not JSON"),
    "truncated": (json.dumps({"log": {"entries": switch()}}).encode()[:700], "not a HAR file: it is cut off"),
    "other json": (b'{"posts": []}', "not a HAR file: Object missing required field `log`"),
    "a list": (b"[1, 2]", "not a HAR file: Expected `object`, got `array`"),
    "no requests": (b'{"log": {"entries": []}}', "it has no requests to Mattermost's API (/api/v4), only to nothing"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_use_is_refused_in_one_sentence(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, sentence = BAD[kind]
    path = tmp_path / "bad.har"
    path.write_bytes(content)

    assert main(["fidelity", "--har", str(path), "--step", "switch_channel_back"]) == ExitCode.USAGE

    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{path}: {sentence}" in told


def test_a_file_of_another_site_or_server_is_refused(tmp_path: Path) -> None:
    other = har(tmp_path, entry("GET", "https://elsewhere.example/index.html?tok3n0fann", 1))
    with pytest.raises(UsageError, match=r"only to https://elsewhere\.example$"):
        har_step(other, "logout")

    ours = har(tmp_path, *switch())
    with pytest.raises(UsageError, match=r"recorded at https://chat.example.com, not at http://localhost:8065"):
        har_step(ours, "logout", "http://localhost:8065")

    two = har(tmp_path, *switch(), entry("GET", "https://b.example/api/v4/users/me", 1))
    with pytest.raises(UsageError, match="requests to several servers"):
        har_step(two, "logout")
    assert har_step(two, "logout", "https://b.example/").requests[0].route == "GET /users/me"


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        har_step(tmp_path / "none.har", "logout")
    large = tmp_path / "large.har"
    with large.open("wb") as file:
        file.truncate((128 << 20) + 1)
    with pytest.raises(UsageError, match="at most 128 MB"):
        har_step(large, "logout")


def test_a_har_file_needs_the_name_of_its_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = har(tmp_path, *switch())

    assert main(["fidelity", "--har", str(path)]) == ExitCode.USAGE
    assert main(["fidelity", "--har", str(path), "--step", "no_such_step"]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "name the recorded step" in told and "no such step" in told
