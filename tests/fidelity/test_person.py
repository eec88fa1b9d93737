"""Our person against the recording of the real web application, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.cli.fidelity import judged_steps, sandbox_stage
from mmload.fidelity.playing import JudgedStep
from mmload.fidelity.printing import text_of, totals

# The share rises as the person becomes more alike; it must not fall.
MATCHED_AT_LEAST = 0.13


@pytest.fixture(scope="module")
def judged() -> Iterator[list[JudgedStep]]:
    with sandbox_stage() as stage:
        yield judged_steps(stage, [])


def test_the_person_sends_what_the_web_application_sends(judged: list[JudgedStep]) -> None:
    assert totals(judged).matched_share >= MATCHED_AT_LEAST, text_of(judged, {})
