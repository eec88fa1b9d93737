"""The same visit to a real server and to the sandbox: the same answers in shape, the same events."""

from __future__ import annotations

import os

import pytest

from tests.conftest import running_sandbox
from tests.contract.edges import edges
from tests.contract.scenario import Visit, visit
from tests.contract.shape import differences

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=[visit, edges], ids=["visit", "edges"])
def visits(request: pytest.FixtureRequest) -> tuple[Visit, Visit]:
    """To the real server, and to a fresh sandbox."""
    go = request.param
    real = go(os.environ["MMLOAD_TEST_SERVER"])
    with running_sandbox() as address:
        return real, go(address)


def test_every_step_is_answered_alike(visits: tuple[Visit, Visit]) -> None:
    """Recordings cover what was recorded; this covers today's server."""
    real, ours = visits
    assert [step[:3] for step in real.steps] == [step[:3] for step in ours.steps]


def test_every_answer_has_the_same_shape(visits: tuple[Visit, Visit]) -> None:
    """Keys and types, all the way down."""
    real, ours = visits
    wrong = []
    for (step, _, _, expected), (_, _, _, got) in zip(real.steps, ours.steps, strict=True):
        wrong += [f"{step}: {line}" for line in differences(expected, got)]

    assert not wrong


def test_the_same_events_are_heard(visits: tuple[Visit, Visit]) -> None:
    """What a client counts must not depend on which of the two it talks to."""
    real, ours = visits
    assert sorted(frame.get("event", "") for frame in real.heard) == sorted(
        frame.get("event", "") for frame in ours.heard
    )
