"""Plays the scenarios at the page of the server's own web application, and holds our person against what it sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmload.behaviours.composing import content
from mmload.browser.selectors import selectors_for
from mmload.browser.start_order import opening_of
from mmload.errors import MmloadError, UsageError
from mmload.fidelity.live.messages import OpenPage
from mmload.fidelity.live.page import QUIET_SECONDS, STAND_IN_QUIET_SECONDS, live_page
from mmload.fidelity.live.recording_lines import line_of
from mmload.fidelity.live.scenarios import LIVE_SCENARIOS, LiveScenario, LiveStage
from mmload.fidelity.playing import PlayedStep, Progress, together
from mmload.fidelity.recording import recorded_step, recording, step_of
from mmload.fidelity.scenario_stage import ScenarioStage
from mmload.fidelity.traffic import StepTraffic

_NOT_LIVE = "it cannot be done in a browser"


@dataclass(slots=True)
class LiveRecording:
    """A line for each step that was done; why the others were not."""

    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def traffic(self) -> dict[str, StepTraffic]:
        """The steps, for comparisons."""
        return {name: step_of(line) for name, line in self.lines.items()}

    def text(self) -> str:
        """As a file: the form of `webapp.jsonl`, in its order."""
        found = (self.lines[name] for name in recording() if name in self.lines)
        return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in found)


def live_scenarios_of(steps: Iterable[str]) -> list[LiveScenario]:
    """Those that do these steps (all, if none is named). Raises `UsageError`."""
    wanted = list(steps)
    for name in wanted:
        recorded_step(name)
        if not driven([name]):
            raise UsageError(f"--live --step {name}: {_NOT_LIVE}")
    return [each for each in LIVE_SCENARIOS if not wanted or set(each.steps) & set(wanted)]


def driven(steps: Iterable[str]) -> bool:
    """Whether a browser does all of these."""
    return set(steps) <= {name for each in LIVE_SCENARIOS for name in each.steps}


def undriven_reason(step: str) -> str:
    """Why no browser does a step; "" if one does."""
    return "" if driven([step]) else _NOT_LIVE


@contextmanager
def live_stage(stage: ScenarioStage) -> Iterator[LiveStage]:
    """A browser for ann, for the time of the context."""
    context = stage.ann.context
    config, url = context.settings.config, context.transport.server_url
    opening = OpenPage(**opening_of(config, url))
    quiet_seconds = STAND_IN_QUIET_SECONDS if stage.on_sandbox else QUIET_SECONDS
    with TemporaryDirectory(prefix="mmload-") as folder, live_page(opening, quiet_seconds) as page:
        picture = Path(folder) / "photo.png"
        picture.write_bytes(content("photo.png"))
        yield LiveStage(stage, page, selectors_for(".".join(map(str, context.capabilities.version))), picture)


def play_live(
    live: LiveStage, scenarios: Sequence[LiveScenario], progress: Progress = lambda told: None
) -> LiveRecording:
    """Do these scenarios, as far as they can be done. The login is always done, since nothing is without it."""
    made = LiveRecording()
    follows = True
    done = [each for each in LIVE_SCENARIOS if each in scenarios or each is LIVE_SCENARIOS[0]]
    steps = [step for each in done for step in each.steps]
    for scenario in LIVE_SCENARIOS:
        wanted = scenario in done
        if wanted:
            begins = "" if follows else scenario.begins
            _play(live, scenario, made, lambda step: progress(f"{steps.index(step) + 1}/{len(steps)} {step}"), begins)
        # One that failed leaves the page anywhere.
        follows = wanted and not set(scenario.steps) & set(made.problems)
        if LIVE_SCENARIOS[0].steps[-1] in made.problems:
            break
    return made


def _play(live: LiveStage, scenario: LiveScenario, made: LiveRecording, progress: Progress, begins: str) -> None:
    step = scenario.steps[0]
    try:
        if begins:
            live.opens(begins)
        if scenario.before is not None:
            scenario.before(live)
        live.page.take()
        for step, part in scenario.parts:
            progress(step)
            part(live)
            made.lines[step] = line_of(step, recording()[step].how, live.page.take())
    except MmloadError as error:
        for name in scenario.steps[scenario.steps.index(step) :]:
            made.problems[name] = f"in the browser: {error}"
        live.find_back()


def beside(played: PlayedStep, live: Mapping[str, StepTraffic], problems: Mapping[str, str]) -> PlayedStep:
    """A step that our person has done, with what the web application sent in it in place of the recording."""
    names = played.recorded.name.split("+")
    missing = [name for name in names if name not in live]
    if missing:
        return replace(played, problem=problems.get(missing[0], f"in the browser: {missing[0]} was not done"))
    theirs = together(names, live)
    return replace(played, recorded=theirs if played.recorded.static else replace(theirs, static={}))
