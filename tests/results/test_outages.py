"""Spans without answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mmload.results.model import Second
from mmload.results.outages import frequent_drops, outages, restarts
from tests.results.records import START, second


def refused(elapsed: int, dropped: int = 0) -> Second:
    """A second in which every request was refused."""
    return second(elapsed, requests=8, failures=8, unanswered=8, dropped=dropped)


def test_a_stopped_server_is_an_outage_from_first_to_last() -> None:
    """With the sockets it broke, and how they came back."""
    seconds = [
        *(second(elapsed) for elapsed in range(5)),
        refused(5, dropped=100),
        *(refused(elapsed) for elapsed in range(6, 25)),
        second(25, resumed=40),
        second(26, renewed=50),
        second(27, resumed=8),
        second(28),
    ]

    [outage] = outages(seconds)

    assert (outage.start_ms, outage.end_ms, outage.seconds) == ((START + 5) * 1000, (START + 25) * 1000, 20)
    assert outage.unanswered == 160
    assert (outage.sockets_dropped, outage.sockets_back, outage.back_after_seconds) == (100, 98, 3)


def minute(
    errors: dict[str, int], begin: int = 20, end: int = 40, before: dict[str, int] | None = None
) -> list[Second]:
    """A minute of 10 requests a second for /posts and /users each; from `begin` to `end` so many are answered 5xx."""
    made = []
    for at in range(60):
        now = errors if begin <= at < end else before or {}
        groups = {group: (10, now.get(group, 0)) for group in ("/posts", "/users")}
        made.append(second(at, requests=20, failures=sum(now.values()), groups=groups))
    return made


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(minute({"/posts": 10, "/users": 10}), [(20, ())], id="the whole server"),
        pytest.param(minute({"/posts": 8, "/users": 7}), [(20, ())], id="most answers"),
        pytest.param(minute({"/posts": 10}), [(20, ("/posts",))], id="one group of routes"),
        pytest.param(minute({"/posts": 4, "/users": 4}), [], id="less than most"),
        pytest.param(minute({"/posts": 10, "/users": 10}, 20, 22), [], id="too short"),
        pytest.param(minute({"/posts": 10, "/users": 10}, 20, 23), [(3, ())], id="three seconds"),
        pytest.param(minute({"/posts": 10, "/users": 10}, 50, 60), [(10, ())], id="up to the end"),
        pytest.param(minute({"/posts": 10, "/users": 10}, 0, 20), [(20, ())], id="from the beginning"),
        pytest.param(minute({"/posts": 10}, 0, 60), [], id="a group of routes that never works"),
        pytest.param(minute({"/posts": 8}, 20, 40, {"/posts": 3}), [], id="errors that were frequent before"),
        pytest.param(minute({}), [], id="no errors"),
    ],
)
def test_most_answers_being_errors_is_an_outage(
    seconds: list[Second], expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    """A server whose database is away answers, and is as little there as one that does not."""
    assert [(outage.seconds, outage.route_groups) for outage in outages(seconds)] == expected


def test_groups_of_routes_that_fail_together_are_one_outage() -> None:
    seconds = [
        replace(each, requests=100, groups={**each.groups, "/files": (80, 0)})
        for each in minute({"/posts": 10, "/users": 10})
    ]

    [outage] = outages(seconds)

    assert outage.route_groups == ("/posts", "/users")
    assert outage.server_errors == 400
    assert outage.what == "the server answered most requests for /posts, /users with errors (5xx)"


def test_a_proxy_whose_server_is_away_and_then_is_away_itself_is_one_outage() -> None:
    """502 first, then nobody listens."""
    seconds = minute({"/posts": 10, "/users": 10}, 20, 30)
    seconds[30:35] = [refused(at) for at in range(30, 35)]

    [outage] = outages(seconds)

    assert (outage.seconds, outage.unanswered, outage.server_errors) == (15, 40, 200)


def test_failures_that_are_no_errors_of_the_server_are_no_outage() -> None:
    """A server that answers 403 is there."""
    assert outages([second(elapsed, failures=5) for elapsed in range(10)]) == ()


def test_a_single_timeout_is_no_outage() -> None:
    """One slow request in a quiet test says nothing about the others."""
    quiet = [second(elapsed, requests=0) for elapsed in range(3)]

    assert outages([second(0, requests=1, unanswered=1), *quiet, second(4)]) == ()
    assert outages([second(0), second(1, requests=1, unanswered=1), second(2), second(3)]) == ()


def test_seconds_without_requests_do_not_end_an_outage() -> None:
    """Users who wait before they try again make no requests."""
    seconds = [second(0), refused(1), second(2, requests=0), second(3, requests=0), refused(4), second(5)]

    [outage] = outages(seconds)

    assert outage.seconds == 4


def test_an_answer_that_was_on_its_way_does_not_hide_it() -> None:
    """Nearly none is none."""
    seconds = [second(0), *(second(at, requests=20, failures=19, unanswered=19) for at in range(1, 5)), second(5)]

    assert len(outages(seconds)) == 1


def test_an_outage_up_to_the_end_ends_with_its_last_failure() -> None:
    """The silence of the farewell is no outage."""
    seconds = [second(0), *(refused(at) for at in range(1, 5)), second(5, requests=0), second(6, requests=0)]

    [outage] = outages(seconds)

    assert outage.seconds == 4


def test_two_outages_are_two() -> None:
    """Each with its own times."""
    seconds = [*(refused(at) for at in range(4)), second(4), *(refused(at) for at in range(5, 9)), second(9)]

    assert [outage.seconds for outage in outages(seconds)] == [4, 4]


def test_no_seconds_no_outage() -> None:
    """A torn folder may have none."""
    assert outages([]) == ()


def lost(sockets: int = 100, dropped: int = 100, **back: int) -> list[Second]:
    """A run in which so many sockets break in the fifth second, and come back (`resumed`, `renewed`) 4 s later."""
    return [
        *(second(elapsed, sockets=sockets) for elapsed in range(5)),
        second(5, sockets=sockets - dropped, dropped=dropped),
        *(second(elapsed, sockets=sockets - dropped) for elapsed in range(6, 9)),
        second(9, sockets=sockets, **back),
        *(second(elapsed, sockets=sockets) for elapsed in range(10, 20)),
    ]


def test_a_restart_faster_than_an_outage_is_seen_by_the_sockets() -> None:
    """All of them break, and the server knows none of them any more."""
    assert restarts(lost(renewed=100)) == ((START + 5) * 1000,)
    assert restarts(lost(dropped=95, renewed=90, resumed=5)) == ((START + 5) * 1000,)


def test_sockets_that_are_taken_up_again_were_cut_by_something_in_between() -> None:
    """A proxy, or a fault made on purpose: the server is the same."""
    assert restarts(lost(resumed=100)) == ()


def test_some_lost_sockets_are_no_restart() -> None:
    assert restarts(lost(dropped=60, renewed=60)) == ()
    assert restarts(lost(sockets=1, dropped=1, renewed=1)) == ()


def test_sockets_that_break_over_two_seconds_are_one_restart() -> None:
    seconds = lost(renewed=100)
    seconds[5:7] = [second(5, sockets=40, dropped=60), second(6, sockets=0, dropped=40)]

    assert restarts(seconds) == ((START + 5) * 1000,)


def test_the_restart_of_an_outage_is_told_with_the_outage() -> None:
    seconds = [*(second(at, sockets=50) for at in range(4)), second(4, sockets=0, dropped=50)]
    seconds += [*(refused(at) for at in range(5, 15)), second(15, sockets=50, renewed=50), second(16, sockets=50)]

    assert len(outages(seconds)) == 1
    assert restarts(seconds) == ()


def dropping(sockets: int, drops: int, length: int = 50) -> list[Second]:
    """One drop each second until there were so many; the server takes each up again."""
    return [
        second(at, sockets=sockets, dropped=int(at < drops), resumed=int(at < drops), requests=20)
        for at in range(length)
    ]


def test_sockets_that_drop_again_and_again_are_worth_a_remark() -> None:
    said = frequent_drops(dropping(10, 30))

    assert said.startswith("WebSockets dropped 30 times, after 17 s on average: a proxy")
    assert frequent_drops(dropping(10, 5)) == ""
    assert frequent_drops(dropping(500, 30)) == ""
    assert frequent_drops([]) == ""


def test_the_drops_of_a_restart_or_an_outage_are_no_remark_of_their_own() -> None:
    assert frequent_drops(lost(renewed=100)) == ""
    stopped = [second(at, sockets=50) for at in range(4)]
    stopped += [refused(4, dropped=50), *(refused(at) for at in range(5, 15)), second(15, sockets=50, renewed=50)]
    assert frequent_drops(stopped) == ""
