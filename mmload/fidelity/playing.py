"""Plays scenarios, and holds what was sent against the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mmload.behaviours.person import NothingToDo
from mmload.errors import MmloadError, UsageError
from mmload.fidelity.accepted_differences import ACCEPTED, Accepted, reason_for
from mmload.fidelity.compare import Departure, StepComparison, compare
from mmload.fidelity.kinds import DATA_DEPENDENT, Rule
from mmload.fidelity.recording import recorded_step, recording
from mmload.fidelity.scenario_stage import ScenarioStage
from mmload.fidelity.scenarios import NOT_PLAYED, SCENARIOS, Scenario
from mmload.fidelity.traffic import SentRequest, StepTraffic

WHOLE_RUN = "(all steps)"


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """What the recording and our person sent in a step. `problem`: why it could not be played, "" if it was."""

    recorded: StepTraffic
    ours: StepTraffic
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step with its differences: those that are accepted, each with its reason, and the others."""

    comparison: StepComparison
    accepted: tuple[tuple[Departure, str], ...] = ()
    unexplained: tuple[Departure, ...] = ()
    problem: str = ""

    @property
    def step(self) -> str:
        return self.comparison.step

    @property
    def good(self) -> bool:
        return not self.unexplained and not self.problem


def scenarios_of(steps: Iterable[str], on_sandbox: bool = True) -> list[Scenario]:
    """Those that play these steps (all, if none is named). Raises `UsageError`."""
    wanted = list(steps)
    for name in wanted:
        recorded_step(name)
        if reason := unplayed_reason(name, on_sandbox):
            raise UsageError(f"--step {name}: not played: {reason}")
    playable = [each for each in SCENARIOS if on_sandbox or not each.sandbox_only]
    return [each for each in playable if not wanted or set(each.steps) & set(wanted)]


def unplayed_reason(step: str, on_sandbox: bool = True) -> str:
    """Why no scenario plays a step; "" if one does."""
    playing = next((each for each in SCENARIOS if step in each.steps), None)
    if playing is not None:
        return "only on a sandbox" if playing.sandbox_only and not on_sandbox else ""
    traffic = recording()[step]
    if not traffic.requests and not traffic.frames:
        return "nothing is sent in this step"
    return NOT_PLAYED.get(step, "there is no scenario for it yet")


def recorded_for(step: str) -> StepTraffic:
    """What a step is held against: with those that our person does together with it. Raises `UsageError`."""
    recorded_step(step)
    of = next((each for each in SCENARIOS if step in each.steps and not each.split), None)
    return together(of.steps) if of else recorded_step(step)


# Hears which step is done now, of how many.
Progress = Callable[[str], object]


def play(
    stage: ScenarioStage, scenarios: Sequence[Scenario], progress: Progress = lambda told: None
) -> Iterator[PlayedStep]:
    """All scenarios up to the last of these, since each begins where the one before it ended; those asked for."""
    last = max(map(SCENARIOS.index, scenarios), default=-1)
    played = [each for each in SCENARIOS[: last + 1] if stage.on_sandbox or not each.sandbox_only]
    for number, scenario in enumerate(played, start=1):
        progress(f"{number}/{len(played)} {scenario.steps[0]}")
        steps = _played(stage, scenario)
        if scenario in scenarios:
            yield from steps


def _played(stage: ScenarioStage, scenario: Scenario) -> list[PlayedStep]:
    problem = ""
    try:
        stage.until_next_step.close()
        if scenario.before is not None:
            scenario.before(stage)
        stage.settle()
        stage.capture.take("before")
        scenario.do(stage)
        stage.settle()
    except NothingToDo as reason:
        problem = f"the simulated user found nothing to do: {reason}"
    except MmloadError as error:
        problem = str(error)
    stage.capture.online = True
    ours = stage.capture.take(scenario.steps[0])
    if not scenario.split:
        return [PlayedStep(together(scenario.steps), ours, problem)]
    parts = split(ours, scenario.split)
    # When files were fetched is not recorded: they are those of the first part.
    first, second = (recording()[name] for name in scenario.steps)
    return [PlayedStep(first, parts[0], problem), PlayedStep(replace(second, static={}), parts[1], problem)]


# So many requests at the beginning of a step are those of another one: it was recorded by itself.
REPEATED = {"global_threads_unread": 2}


def together(steps: Sequence[str], of: Mapping[str, StepTraffic] | None = None) -> StepTraffic:
    """Steps of a recording (ours, if none is given) as one; the name has all of theirs."""
    recorded = recording() if of is None else of
    first, *others = (recorded[name] for name in steps)
    others = [replace(each, requests=each.requests[REPEATED.get(each.name, 0) :]) for each in others]
    for number, each in enumerate(others, start=1):
        later = number * 1e7
        first = replace(
            first,
            requests=(*first.requests, *(_later(sent, later) for sent in each.requests)),
            frames=(first.frames or ()) + (each.frames or ()),
            sockets=first.sockets + each.sockets,
        )
    return replace(first, name="+".join(steps))


def _later(sent: SentRequest, ms: float) -> SentRequest:
    return replace(sent, at=sent.at + ms, until=None if sent.until is None else sent.until + ms)


def split(traffic: StepTraffic, route: str) -> tuple[StepTraffic, StepTraffic]:
    """What was sent before the first request of a route, and from it on; files belong to the first part."""
    found = (place for place, sent in enumerate(traffic.requests) if sent.route == route)
    at = next(found, len(traffic.requests))
    first = StepTraffic(traffic.name, requests=traffic.requests[:at], static=traffic.static)
    return first, replace(traffic, requests=traffic.requests[at:], static={})


def judge(played: PlayedStep, accepted: Sequence[Accepted] = ACCEPTED) -> JudgedStep:
    """Compare, and say which differences are accepted."""
    return _judged(compare(played.recorded, played.ours), accepted, played.problem)


def _judged(comparison: StepComparison, accepted: Sequence[Accepted], problem: str = "") -> JudgedStep:
    reasons = [(each, reason_for(comparison.step, each, accepted)) for each in comparison.differences]
    explained = tuple((each, reason) for each, reason in reasons if reason)
    return JudgedStep(comparison, explained, tuple(each for each, reason in reasons if not reason), problem)


def whole_run(played: Sequence[PlayedStep]) -> JudgedStep:
    """Kinds that are not compared by step: those that the web application sends at all, our person must."""
    differences = []
    for kind in DATA_DEPENDENT:
        if kind.rule is Rule.ANY and not kind.steps:
            theirs = _occurs(kind.what, (each.recorded for each in played))
            if theirs and not _occurs(kind.what, (each.ours for each in played)):
                differences.append(Departure("missing", kind.what))
    return _judged(StepComparison(WHOLE_RUN, 0, 0, 0, 0, tuple(differences)), ACCEPTED)


def _occurs(what: str, steps: Iterable[StepTraffic]) -> bool:
    return any(
        any(sent.line.startswith(what) for sent in step.requests)
        or any(said.line.startswith(what) for said in step.frames or ())
        for step in steps
    )
