"""Each format of log is recognised, and read to the same requests."""

from __future__ import annotations

import random

import pytest

from mmload.learn.formats import SHORT_NAMES, epoch_of_any, epoch_of_clf, has_zone, offset_of, recognised
from tests.learn.logs import AGENT, START, WRITERS, Request

_JSON, _COMBINED, _TIMED, _HAPROXY = (
    "JSON",
    "combined (nginx, Apache)",
    "nginx combined with request time",
    "HAProxy HTTP",
)
NAMES = {
    "common": "common (Apache)",
    "combined": _COMBINED,
    "timed": _TIMED,
    "named_times": _TIMED,
    "virtual_host": _COMBINED,
    "forwarded_in_front": _COMBINED,
    "main": _COMBINED,
    "main_timed": _TIMED,
    "main_without_proxy": _COMBINED,
    "traefik": "Traefik common",
    "traefik_json": _JSON,
    "load_balancer": "AWS load balancer",
    "haproxy": _HAPROXY,
    "haproxy_default": _HAPROXY,
    "haproxy_headers": _HAPROXY,
    "in_syslog": f"{_HAPROXY}, behind a prefix (syslog, container)",
    "in_syslog_with_iso_times": f"{_HAPROXY}, behind a prefix (syslog, container)",
    "in_syslog_by_nginx": f"{_TIMED}, behind a prefix (syslog, container)",
    "in_new_syslog": f"{_JSON}, behind a prefix (syslog, container)",
    "in_container": f"{_TIMED}, in a container's log",
    "in_pod": f"{_COMBINED}, behind a prefix (syslog, container)",
    "caddy": "Caddy JSON",
    "caddy_with_text_times": "Caddy JSON",
    "nginx_json": _JSON,
    "json_request_line": _JSON,
    "json_forwarded": _JSON,
    "mattermost": "Mattermost server log",
    "mattermost_with_zone": "Mattermost server log",
    "mattermost_text": "Mattermost server log as text",
}
_OF_MATTERMOST = ("mattermost", "mattermost_with_zone", "mattermost_text")
_WITHOUT_AGENT = ("common", "haproxy_default", "in_syslog_with_iso_times", *_OF_MATTERMOST)
_WITHOUT_SECONDS = (
    *("common", "combined", "virtual_host", "forwarded_in_front", "main", "main_without_proxy", "in_pod"),
    *("caddy_with_text_times", "json_request_line", "json_forwarded", *_OF_MATTERMOST),
)
REQUEST = Request(START + 2, "10.1.2.3", "u" * 26, "POST", "/api/v4/users/ids?since=5", 201)


def head(write: str) -> list[bytes]:
    return [WRITERS[write](REQUEST).encode() + b"\n"] * 10


@pytest.mark.parametrize("write", WRITERS)
def test_a_format_is_recognised_by_its_first_lines_and_gives_the_request(write: str) -> None:
    found = recognised(head(write))

    assert found is not None
    assert found.name == NAMES[write]
    fields = found.parse(head(write)[0])
    assert fields is not None
    address, time, method, target, status, agent, seconds, person = fields
    assert (method, status) == (b"POST", b"201")
    assert target.removeprefix(b"https://chat.example.com:443") == (
        b"/api/v4/users/ids" if write in _OF_MATTERMOST else b"/api/v4/users/ids?since=5"
    )
    assert found.queries == (write not in _OF_MATTERMOST)
    assert found.epoch(time) == pytest.approx(START + 2, abs=0.001)
    assert address == (b"" if write in _OF_MATTERMOST else b"10.1.2.3")
    assert agent == (b"" if write in _WITHOUT_AGENT else AGENT.encode())
    if write in _WITHOUT_SECONDS:
        assert seconds == b""
    else:
        assert float(seconds) / found.per_second == pytest.approx(0.012)
    if write in (*_OF_MATTERMOST, "json_request_line"):
        assert person


def test_a_torn_line_among_the_first_ones_changes_nothing() -> None:
    found = recognised([b"torn", *head("timed")])

    assert found is not None and found.name == NAMES["timed"]
    assert found.parse(b"torn") is None


def test_other_texts_are_of_no_format() -> None:
    assert recognised([b"Nov 26 10:00:00 host kernel: eth0 up\n"] * 10) is None
    assert recognised([b'{"level": "info", "msg": "started"}\n'] * 10) is None
    assert recognised([]) is None


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_format_that_is_asked_for_is_taken_if_it_reads_anything(name: str) -> None:
    assert recognised([b"nothing of this kind\n"], name) is None


def test_of_several_formats_the_wanted_one_is_taken() -> None:
    found = recognised(head("combined"), "common")

    assert found is not None and found.name == NAMES["common"]


def test_escaped_quotes_in_an_agent_do_not_end_it() -> None:
    """nginx writes \\x22, Apache \\"."""
    found = recognised(head("combined"))
    assert found is not None
    fields = found.parse(head("combined")[0].replace(AGENT.encode(), rb"My \"own\" agent"))
    assert fields is not None and fields[5] == rb"My \"own\" agent"


def test_random_bytes_never_raise() -> None:
    rng = random.Random(1)
    formats = [found for write in WRITERS if (found := recognised(head(write)))]
    for _ in range(2000):
        line = bytearray(rng.choice([*(WRITERS[write](REQUEST).encode() for write in WRITERS)]))
        for _ in range(rng.randrange(1, 8)):
            line[rng.randrange(len(line))] = rng.randrange(256)
        for each in formats:
            each.parse(bytes(line))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"26/Nov/2026:10:00:02 +0000", START + 2),
        (b"26/Nov/2026:11:30:02 +0130", START + 2),
        (b"26/Nov/2026:07:00:02 -0300", START + 2),
        (b"26/Nov/2026:10:00:02.250", START + 2.25),
        (b"2026-11-26T11:00:02+01:00", START + 2),
        (b"2026-11-26T10:00:02.250Z", START + 2.25),
        (b"2026-11-26T10:00:02.250123456Z", START + 2.25),
        (b"2026-11-26 11:00:02.250 +01:00", START + 2.25),
        (b"2026-11-26 05:00:02.250 -05:00", START + 2.25),
        (b"2026-11-26 10:00:02.250 Z", START + 2.25),
        (b"1795687202.250", START + 2.25),
        (b"1795687202250", START + 2.25),
    ],
)
def test_times_in_any_form_mean_the_same_moment(text: bytes, moment: float) -> None:
    assert epoch_of_any(text) == pytest.approx(moment, abs=0.001)


def test_a_day_that_there_is_not_is_no_time() -> None:
    with pytest.raises(ValueError, match="day"):
        epoch_of_clf(b"31/Feb/2026:10:00:02 +0000")


def test_the_offset_of_a_zone_is_read_in_both_spellings() -> None:
    assert offset_of(b"26/Nov/2026:10:00:02 +0130") == offset_of(b"2026-11-26T10:00:02+01:30") == 5400
    assert offset_of(b"26/Nov/2026:10:00:02 -0300") == -10800
    assert offset_of(b"1795687202.250") == offset_of(b"2026-11-26T10:00:02Z") == 0


def test_a_time_without_a_zone_is_known_for_one() -> None:
    zoned = (
        b"26/Nov/2026:10:00:02 +0130",
        b"2026-11-26 10:00:02.123 +01:00",
        b"2026-11-26T10:00:02Z",
        b"1795687202.250",
    )
    assert all(map(has_zone, zoned))
    assert not any(map(has_zone, (b"26/Nov/2026:10:00:02.250", b"2026-11-26T10:00:02")))
