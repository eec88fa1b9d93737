"""Trying again, and giving up."""

from __future__ import annotations

import random

import pytest

from mmload.errors import NoAnswer, RateLimited, Refused, ServerFault, ServerNotReady
from mmload.population.admin_api import MOST_FAILURES, Retrying, Stopped


class Server:
    """Fails with these errors, one after the other, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits: list[float]) -> Retrying:
    """A patience that waits only on paper."""
    return Retrying(rng=random.Random(1), pause=waits.append)


def test_a_server_that_comes_back_is_waited_for(patience: Retrying, waits: list[float]) -> None:
    """A restart in the middle is no failure."""
    assert patience.run("step", Server(NoAnswer("connection refused"), ServerFault("500", status=500))) == "done"
    assert len(waits) == 2
    assert waits[0] < waits[1]


def test_a_server_that_stays_away_is_given_up_with_advice(patience: Retrying, waits: list[float]) -> None:
    """The message names the step, the reason, and that nothing is lost."""
    with pytest.raises(ServerNotReady, match=r"team members: connection refused; gave up .* continue where"):
        patience.run("team members", Server(*[NoAnswer("connection refused")] * 50))

    assert len(waits) == MOST_FAILURES
    assert 45 < sum(waits) < 100


def test_a_rate_limit_is_obeyed(patience: Retrying, waits: list[float]) -> None:
    """Not earlier than the server asked, and not all threads at the same moment."""
    assert patience.run("step", Server(RateLimited("429", retry_after_seconds=3))) == "done"
    assert 3 < waits[0] < 4


def test_what_must_not_be_done_twice_is_tried_again_only_after_a_rate_limit(patience: Retrying) -> None:
    """A 429 was not carried out; a lost answer may well have been."""
    assert patience.run("s", Server(RateLimited("429", retry_after_seconds=0)), only_rate_limits=True) == "done"
    with pytest.raises(NoAnswer):
        patience.run("s", Server(NoAnswer("timed out")), only_rate_limits=True)


def test_a_refusal_is_not_tried_again(patience: Retrying, waits: list[float]) -> None:
    """It would be refused again."""
    with pytest.raises(Refused):
        patience.run("step", Server(Refused("no", status=403)))
    assert waits == []


def test_a_stop_ends_the_waiting() -> None:
    """Ctrl-C while the server is away."""
    patience = Retrying(rng=random.Random(1))

    def fail() -> str:
        patience.stop.set()
        raise NoAnswer("timed out")

    with pytest.raises(Stopped):
        patience.run("step", fail)
