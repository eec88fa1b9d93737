"""Spans without answers."""

from __future__ import annotations

from mmload.results.model import Second
from mmload.results.outages import outages, restarts
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


def test_failures_with_answers_are_no_outage() -> None:
    """A server that answers 500 is there."""
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
