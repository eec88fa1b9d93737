"""For tests of the behaviours: hold what a person did against a step of the web application's recording.

    context = TestContext(settings_for(server), server, Recorder())
    capture = record(context)             # before the person is made
    … the person comes in and gets ready …
    capture.take("before")                # what was sent until here does not count
    view_channel(person, channel)
    assert differences(capture, "switch_channel_back") == []

The differences that mmload/fidelity/accepted_differences.py lists are left out; the rules for what depends on the
server's content are in mmload/fidelity/kinds.py. `mmload fidelity --step NAME` plays the scenario of a step, and shows
the same.
"""

from __future__ import annotations

from mmload.fidelity.capture import Capture
from mmload.fidelity.playing import PlayedStep, judge, together
from mmload.fidelity.scenario_stage import record

__all__ = ["differences", "record"]


def differences(capture: Capture, *steps: str) -> list[str]:
    """How what was sent since the last `take` differs from these steps of the recording, taken together."""
    judged = judge(PlayedStep(together(steps), capture.take(steps[0])))
    return [f"{each.way}: {each.what} {each.detail}".rstrip() for each in judged.unexplained]
