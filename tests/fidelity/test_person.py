"""Our person against the recording of the real web application, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.cli.fidelity import judged_steps, sandbox_stage
from mmload.fidelity.accepted_differences import ACCEPTED
from mmload.fidelity.playing import JudgedStep, unplayed_reason
from mmload.fidelity.printing import not_played_requests, text_of, totals
from mmload.fidelity.recording import recording

# The share of its requests that the person sends alike, and of its own that the web application does not send.
MATCHED_AT_LEAST, EXTRA_AT_MOST = 0.98, 0.01


@pytest.fixture(scope="module")
def judged() -> Iterator[list[JudgedStep]]:
    with sandbox_stage() as stage:
        yield judged_steps(stage, [])


def test_every_step_is_equal_or_its_differences_are_accepted(judged: list[JudgedStep]) -> None:
    assert [each.step for each in judged if not each.good] == [], text_of(
        [each for each in judged if not each.good], {}
    )


def test_no_accepted_difference_is_left_that_nobody_needs(judged: list[JudgedStep]) -> None:
    found = [(each.step, difference) for each in judged for difference, _ in each.accepted]
    assert [each for each in ACCEPTED if not any(each.covers(step, difference) for step, difference in found)] == []
    assert all(entry.reason for entry in ACCEPTED)


def test_what_is_sent_alike_and_what_is_extra(judged: list[JudgedStep]) -> None:
    found = totals(judged)

    assert found.matched_share >= MATCHED_AT_LEAST, text_of(judged, {})
    assert found.extra_share <= EXTRA_AT_MOST, text_of(judged, {})


def test_every_step_of_the_recording_is_played_or_named_with_the_reason(judged: list[JudgedStep]) -> None:
    played = {name for each in judged for name in each.step.split("+")}
    unplayed = {name: unplayed_reason(name) for name in recording() if name not in played}

    assert all(unplayed.values())
    assert not_played_requests(unplayed) <= 2
