"""`mmload learn` on made-up logs whose truth is known, and on files that are none."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmload.behaviours.catalogue import routes
from mmload.cli import main
from mmload.config import load_settings
from mmload.config.stages import profile_points
from mmload.errors import ExitCode
from mmload.learn.formats import recognised
from mmload.learn.routes import HandlerFinder
from mmload.learn.tally import LogTally
from tests.learn.logs import (
    AGENT,
    DEFAULTS,
    IDLE_SECONDS,
    SETTINGS,
    START,
    WRITERS,
    Request,
    Story,
    combined,
    lines,
    story,
    timed,
)


def learn(folder: Path, *logs: Path | str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run it; everything that it found."""
    output = folder / "learned"
    code = main(["learn", *map(str, logs), "--output", str(output), "--force", *options])
    assert code == ExitCode.PASSED
    found: dict[str, Any] = json.loads((output / "learned.json").read_text())
    return found


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["learn", *arguments]) == ExitCode.USAGE
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def short() -> Story:
    return story(7, people=12, seconds=900)


# -- the truth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_unusual_mix_is_found_in_the_log_of_its_people(seed: int, tmp_path: Path) -> None:
    """Handlers within 3 %, actions of 400 events within 10 %, people within 5 %, the idle time within 5 %."""
    truth = story(seed)
    found = learn(tmp_path, written(tmp_path, "access.log", lines(truth.requests, timed)))

    assert found["people"]["most"] == pytest.approx(truth.people, rel=0.05)
    assert found["people"]["user_hours"] == pytest.approx(truth.people * truth.seconds / 3600, rel=0.05)
    fit = found["fit"]
    for handler, figures in fit["handlers"].items():
        chance = 3 * math.sqrt(max(figures["seen"], figures["predicted"], 1))
        assert figures["predicted"] == pytest.approx(figures["seen"], rel=0.03, abs=chance), handler
    told_apart = {name for name, each in fit["actions"].items() if each["told_apart"]}
    often = {name for name, count in truth.done.items() if count >= 400}
    assert len(often & told_apart) >= max(3, len(often) - 3)
    for name in often & told_apart:
        assert fit["actions"][name]["count"] == pytest.approx(truth.done[name], rel=0.10), name
    assert fit["idle_s"] == pytest.approx(IDLE_SECONDS, rel=0.05)
    share = SETTINGS.percent_replies
    chance = 3 * math.sqrt(share * (1 - share) / truth.done["CreatePost"])
    assert fit["replies"] == pytest.approx(share, rel=0.1, abs=chance)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_learnt_and_is_played_again_sends_as_many_requests_of_each_handler(seed: int, tmp_path: Path) -> None:
    """Within 10 %, or what is chance; other people than those of the log."""
    first = learn(tmp_path, written(tmp_path, "first.log", lines(story(seed).requests, timed)))["fit"]
    mix = {name: each["count"] for name, each in first["actions"].items()}
    others = story(1000 + seed, mix=mix, idle=first["idle_s"], replies=first["replies"])
    again = learn(tmp_path, written(tmp_path, "again.log", lines(others.requests, timed)))["fit"]

    often = {handler: each["seen"] for handler, each in first["handlers"].items() if each["seen"] >= 400}
    assert len(often) > 10
    for handler, seen in often.items():
        chance = 4 * math.sqrt(seen)
        assert again["handlers"][handler]["seen"] == pytest.approx(seen, rel=0.10, abs=chance), handler


def test_what_is_written_is_a_configuration_with_the_learnt_frequencies(tmp_path: Path, short: Story) -> None:
    found = learn(tmp_path, written(tmp_path, "access.log", lines(short.requests, timed)))
    document = tmp_path / "learned" / "simulcontroller.json"
    simul = load_settings(environ={"MMLOAD_SIMULCONTROLLER": str(document)})[0].simul

    configured = {each.action_id: each.frequency for each in simul.action_frequencies}
    assert configured["CreatePost"] == 1
    assert configured["SwitchChannel"] == pytest.approx(found["fit"]["actions"]["SwitchChannel"]["frequency"])
    assert set(configured) <= set(DEFAULTS)
    assert simul.percent_replies == pytest.approx(found["fit"]["replies"], rel=0.01)
    assert simul.avg_idle_time_ms == pytest.approx(found["fit"]["idle_s"] * 1000, abs=1)


def test_the_profile_is_people_by_minute_of_the_day(tmp_path: Path, short: Story) -> None:
    learn(tmp_path, written(tmp_path, "access.log", lines(short.requests, timed)))

    text = (tmp_path / "learned" / "profile.json").read_text()
    assert json.loads(text) == {"Points": [[600, 12], [605, 12], [610, 12]]}
    assert profile_points(text) == [(600, 12), (605, 12), (610, 12)], "mmload run --profile plays it"


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_of_the_same_requests_teaches_the_same(write: str, tmp_path: Path, short: Story) -> None:
    found = learn(tmp_path, written(tmp_path, "access.log", lines(short.requests, WRITERS[write])))

    assert found["people"]["most"] == 12
    posts = found["fit"]["actions"]["CreatePost"]["count"]
    assert posts == pytest.approx(short.done["CreatePost"], abs=0.05 * short.done["CreatePost"] + 3)
    assert found["requests"] == len(short.requests)


def test_rotated_and_packed_logs_in_any_order_are_one(tmp_path: Path, short: Story) -> None:
    whole = learn(tmp_path, written(tmp_path, "whole.log", lines(short.requests, timed)))
    half = len(short.requests) // 2
    older = written(tmp_path, "access.log.1.gz", gzip.compress(lines(short.requests[:half], timed)))
    newer = written(tmp_path, "access.log", lines(short.requests[half:], timed))

    assert learn(tmp_path, newer, older) == whole


def test_people_behind_one_address_are_told_apart_by_their_ids(tmp_path: Path, short: Story) -> None:
    behind = [replace(each, address="192.0.2.1") for each in short.requests]
    found = learn(tmp_path, written(tmp_path, "access.log", lines(behind, timed)))

    assert found["people"]["most"] == 12
    assert found["people"]["told_apart_by"] == "user id in paths"


def test_a_log_without_user_ids_is_counted_by_address_and_agent(tmp_path: Path, short: Story) -> None:
    hidden = [replace(each, target=each.target.replace(each.user_id, "me")) for each in short.requests]
    found = learn(tmp_path, written(tmp_path, "access.log", lines(hidden, timed)))

    assert found["people"]["most"] == 12
    assert found["people"]["told_apart_by"] == "address and user agent"
    assert found["people"]["sure"] is True


def test_programs_and_plugins_are_told_apart_from_people(
    tmp_path: Path, short: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = short.requests[0].moment
    bot = Request(moment, "10.9.9.9", "b" * 26, "POST", "/api/v4/posts", agent="python-requests/2.32")
    plugin = Request(moment, "10.1.0.1", "b" * 26, "GET", "/plugins/playbooks/api/v0/runs")
    private = Request(moment, "10.1.0.1", "b" * 26, "GET", "/plugins/acme-payroll/salaries/jane")
    requests = [*([bot] * 500), *([plugin] * 7), private, *short.requests]
    found = learn(tmp_path, written(tmp_path, "access.log", lines(requests, timed)))

    assert found["integrations"] == {"POST /posts": 500}
    assert found["fit"]["unexplained"] == {"other plugin: playbooks": 7, "other plugin": 1}
    assert found["people"]["most"] == 12
    printed = capsys.readouterr().out
    assert "bots and integrations (by their user agent): 500" in printed
    assert "payroll" not in printed + json.dumps(found)


def test_mobile_and_desktop_applications_are_told(
    tmp_path: Path, short: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = {0: "Mattermost Mobile/2.31.0+600 (iOS; 18.1; iPhone 15)", 1: f"{AGENT} Electron/33.0 Mattermost/5.10.0"}
    people = sorted({each.user_id for each in short.requests})
    mixed = [replace(each, agent=agents.get(people.index(each.user_id), each.agent)) for each in short.requests]
    found = learn(tmp_path, written(tmp_path, "access.log", lines(mixed, timed)))

    assert set(found["clients"]) == {"browser", "desktop application", "mobile application"}
    assert "mobile applications are not simulated" in capsys.readouterr().out


# -- nothing personal --------------------------------------------------------------------------------------------


def test_nothing_that_names_somebody_is_written_or_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], short: Story
) -> None:
    """Addresses, ids, names, texts, agents, referring pages and tokens are planted; none of them comes out."""
    moment = short.requests[0].moment
    secrets = (
        "/api/v4/users/username/jane.planted",
        "/api/v4/users/email/jane@planted.example",
        "/api/v4/teams/name/planted-team/channels/name/planted-channel",
        "/api/v4/planted/route?token=planted-token",
        "/planted-team/messages/@jane.planted",
        "/hooks/plantedhook",
        "/plugins/planted-plugin/x",
        "/planted/elsewhere",
    )
    planted = [
        Request(moment, "203.0.113.77", "planted" + "p" * 19, "GET", target, agent=agent)
        for target in secrets
        for agent in (f"{AGENT} planted-agent", "planted-program/1.0")
    ]
    content = lines([*planted, *short.requests], combined) + b"planted line of another form\n"
    log = written(tmp_path, "access.log", content.replace(b" - - [", b" - planted-user [", 50))
    learn(tmp_path, log)
    captured = capsys.readouterr()
    main(["learn", str(log), "--output", str(tmp_path / "again"), "--json"])
    captured_json = capsys.readouterr()

    files = [path.read_text() for path in (tmp_path / "learned").iterdir()]
    everything = "\n".join([*captured, *captured_json, *files])
    assert len(files) == 3 and "SwitchChannel" in everything
    names = {each.user_id for each in short.requests} | {each.address for each in short.requests}
    for secret in ("planted", "203.0.113", "jane", "secret-plans", "chat.example.com", "Chrome", *names):
        assert secret not in everything, secret
    without_folder = everything.replace(str(tmp_path), "")
    assert not re.search(r"\b[a-z0-9]{26}\b|\d+\.\d+\.\d+\.\d+", without_folder)


def test_the_lines_of_an_unknown_format_are_shown_without_letters_and_digits_of_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = written(tmp_path, "syslog", b"Nov 26 10:00:00 lina sshd[77]: Accepted key for jane from 10.0.0.7\n" * 5)

    told = refusal(capsys, str(log))

    assert "unknown log format; tried: nginx and Apache (combined, common), HAProxy" in told
    assert "Xxx" not in told and "xxx 00 00:00:00 xxxx xxxx[00]: xxxxxxxx xxx xxx xxxx xxxx 00.0.0.0" in told
    assert "jane" not in told and "--format" in told


# -- bad input ---------------------------------------------------------------------------------------------------


def test_a_log_of_another_application_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [Request(START + n, "10.1.1.1", "", "GET", f"/shop/item/{n}") for n in range(2000)]

    told = refusal(capsys, str(written(tmp_path, "access.log", lines(others, timed))))

    assert "2,000 requests, but none to Mattermost's API (/api/v4/…)" in told


def test_less_than_ten_minutes_is_told_and_not_learnt_from_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], short: Story
) -> None:
    few = [each for each in short.requests if each.moment < START + 300]
    log = written(tmp_path, "access.log", lines(few, timed))

    assert main(["learn", str(log), "--output", str(tmp_path / "learned")]) == ExitCode.USAGE

    captured = capsys.readouterr()
    assert "nothing was written: the log covers" in captured.err and "--anyway" in captured.err
    assert "POST /posts" in captured.out
    assert not (tmp_path / "learned").exists()
    assert learn(tmp_path, log, options=("--anyway",))["people"]["most"] == 12


def test_a_log_without_any_mark_of_its_users_is_told_and_not_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], short: Story
) -> None:
    """Requests are counted all the same."""
    anonymous = [
        json.dumps({"time": each.moment, "method": each.method, "uri": each.target.replace(each.user_id, "me")})
        for each in short.requests
        if not each.target.endswith("/client_perf")
    ]
    log = written(tmp_path, "access.log", "\n".join(anonymous).encode())

    assert main(["learn", str(log), "--output", str(tmp_path / "learned")]) == ExitCode.USAGE

    captured = capsys.readouterr()
    assert "no request identifies its sender" in captured.err
    assert "POST /posts" in captured.out


def test_without_any_mark_people_are_counted_by_their_reports(tmp_path: Path, short: Story) -> None:
    """One a minute from each open client."""
    anonymous = [
        json.dumps({"time": each.moment, "method": each.method, "uri": each.target.replace(each.user_id, "me")})
        for each in short.requests
    ]
    found = learn(tmp_path, written(tmp_path, "access.log", "\n".join(anonymous).encode()))

    assert found["people"]["most"] == pytest.approx(12, abs=1)
    assert found["people"]["told_apart_by"] == "reports of the clients"


def test_who_comes_and_goes_counts_for_the_time_in_between(tmp_path: Path, short: Story) -> None:
    """Half of the people are there from 400 s to 500 s only."""
    people = sorted({each.user_id for each in short.requests})
    short_visits = set(people[::2])
    requests = [
        each for each in short.requests if each.user_id not in short_visits or START + 400 <= each.moment < START + 500
    ]
    found = learn(tmp_path, written(tmp_path, "access.log", lines(requests, timed)))

    truth = (len(people) - len(short_visits)) * 900 + len(short_visits) * 100
    assert found["people"]["user_hours"] == pytest.approx(truth / 3600, rel=0.05)


def test_a_clock_that_jumps_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], short: Story) -> None:
    half = len(short.requests) // 2
    later = [replace(each, moment=each.moment + 7200) for each in short.requests[:half]]
    log = written(tmp_path, "access.log", lines([*later, *short.requests[half:]], timed))

    notes = learn(tmp_path, log)["notes"]

    assert any(
        re.search(r"the clock went back 1 times by more than 15 min \(at most (2\.0 h|120 min)\)", each)
        for each in notes
    )


def test_a_gap_is_told_and_not_counted_as_time(tmp_path: Path, short: Story) -> None:
    half = len(short.requests) // 2
    later = [replace(each, moment=each.moment + 8 * 3600) for each in short.requests[half:]]
    found = learn(tmp_path, written(tmp_path, "access.log", lines([*short.requests[:half], *later], timed)))

    assert any("1 gaps of more than an hour (the longest 8.0 h)" in each for each in found["notes"])
    assert found["people"]["user_hours"] == pytest.approx(12 * 900 / 3600, rel=0.4)


def test_a_packed_log_that_is_cut_off_is_read_up_to_there(tmp_path: Path, short: Story) -> None:
    packed = gzip.compress(lines(short.requests, timed))
    found = learn(tmp_path, written(tmp_path, "access.log.gz", packed[: int(len(packed) * 0.9)]))

    assert any(re.search(r"access\.log\.gz: it is cut off after [\d,]+ lines", note) for note in found["notes"])
    assert 0.8 * len(short.requests) < found["requests"] < len(short.requests)


def test_lines_of_another_form_are_counted(tmp_path: Path, short: Story) -> None:
    content = lines(short.requests, timed) + b"torn\n" * 30
    found = learn(tmp_path, written(tmp_path, "access.log", content))

    assert any("30 of" in note and "have another format and were left out" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0" * 500, "not a text file"),
        (b"\x1f\x8b\x08\x00garbage that is no gzip", "cannot be decompressed: it is damaged"),
        (b"\x1f\x8b", "cannot be decompressed: it is cut off"),
        (b"\xfd7zXZ\0\0\x04rest", "compressed with xz: expected an access log, plain or .gz; decompress it first"),
        (b"(\xb5/\xfdrest of it", "compressed with zstd"),
        (gzip.compress(gzip.compress(b"GET /")), "compressed with gzip twice"),
        (b'{"time": 1e300, "remote_addr": "10.0.0.1", "request": "GET / HTTP/1.1"}\n' * 9, "unknown log format"),
        (b"\xff\xfe" + bytes(range(1, 256)) * 40, "unknown log format"),
        (b'{"timestamp": "2026-11-26 10:00:00.000 Z", "level": "info", "msg": "Server is listening"}\n' * 9, "DEBUG"),
    ],
)
def test_files_that_are_no_log_are_refused_with_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, complaint: str
) -> None:
    told = refusal(capsys, str(written(tmp_path, "access.log", content)))

    assert complaint in told and "Traceback" not in told


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    keep_open = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        assert "this is a pipe" in refusal(capsys, str(tmp_path / "pipe"))
    finally:
        os.close(keep_open)


def test_memory_does_not_grow_with_the_log(short: Story) -> None:
    """Six times the lines, over six times the time, take as much."""
    requests = [each for each in short.requests if each.moment < START + 300]

    def peak(copies: int) -> int:
        tally = LogTally(HandlerFinder(routes()))
        log = recognised([timed(each).encode() for each in requests[:50]])
        assert log is not None
        content = (
            timed(replace(each, moment=each.moment + 300 * copy)).encode()
            for copy in range(copies)
            for each in requests
        )
        tracemalloc.start()
        try:
            tally.feed(content, log)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Some spans are open at the same time.
    assert peak(10) < 1.3 * peak(4) + 50_000


def test_a_missing_file_and_documents_that_exist_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], short: Story
) -> None:
    assert "none.log: cannot be read: No such file" in refusal(capsys, str(tmp_path / "none.log"))
    log = written(tmp_path, "access.log", lines(short.requests, timed))
    learn(tmp_path, log)
    told = refusal(capsys, str(log), "--output", str(tmp_path / "learned"))
    assert "already exists" in told and "--force" in told
