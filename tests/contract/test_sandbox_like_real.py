"""The same visit to a real server and to the sandbox: the same answers in shape, the same events."""

from __future__ import annotations

import os

import pytest
import requests

from tests.conftest import running_sandbox
from tests.contract.edges import edges
from tests.contract.scenario import Visit, visit
from tests.contract.shape import differences

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=[visit, edges], ids=["visit", "edges"])
def visits(request: pytest.FixtureRequest) -> tuple[Visit, Visit]:
    """To the real server, and to a fresh sandbox."""
    go = request.param
    server = os.environ["MMLOAD_TEST_SERVER"]
    real = go(server)
    with running_sandbox("--version", like(version_of(server))) as address:
        return real, go(address)


def version_of(server: str) -> tuple[int, ...]:
    config = requests.get(f"{server}/api/v4/config/client?format=old", timeout=30).json()
    return tuple(map(int, config["Version"].split(".")))


def like(version: tuple[int, ...]) -> str:
    """The version of the sandbox that is to answer as this one does."""
    return "6.7" if version < (7,) else "11.6"


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
