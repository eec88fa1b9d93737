"""Our person against the recording of the real web application, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.cli.fidelity import judged_steps, sandbox_stage
from mmload.fidelity.accepted import ACCEPTED
from mmload.fidelity.playing import JudgedStep, unneeded
from mmload.fidelity.printing import text_of, totals

# The steps that are not yet as the web application's. None may join them; what has become equal leaves the list.
STILL_DIFFERENT = frozenset({"receive_reply_in_open_thread"})
# The share of its requests that the person sends alike, which rises with each that leaves.
MATCHED_AT_LEAST = 0.98


@pytest.fixture(scope="module")
def judged() -> Iterator[list[JudgedStep]]:
    with sandbox_stage() as stage:
        yield judged_steps(stage, [])


def test_every_step_is_equal_or_its_differences_are_accepted(judged: list[JudgedStep]) -> None:
    different = {each.step.partition("+")[0] for each in judged if not each.good}

    assert different <= STILL_DIFFERENT, text_of([each for each in judged if not each.good], {})


def test_no_accepted_difference_is_left_that_nobody_needs(judged: list[JudgedStep]) -> None:
    assert unneeded(judged) == []
    assert all(entry.reason for entry in ACCEPTED)


def test_the_share_that_is_sent_alike_does_not_fall(judged: list[JudgedStep]) -> None:
    assert totals(judged).matched_share >= MATCHED_AT_LEAST, text_of(judged, {})
