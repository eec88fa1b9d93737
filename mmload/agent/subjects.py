"""Whether the thresholds are about something that this Locust process's users will do; told before they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust.runners import WorkerRunner

from mmload.agent.adoption import is_ours
from mmload.behaviours.subjects import refusals
from mmload.config import load_settings
from mmload.errors import ConfigurationError

if TYPE_CHECKING:
    from locust.env import Environment


def problem(environment: Environment) -> ConfigurationError | None:
    """What is wrong with the thresholds, or None.

    Workers hold none against anything; and nobody knows beforehand what the classes of another locustfile do.
    """
    thresholds = load_settings()[0].config.run.thresholds
    if isinstance(environment.runner, WorkerRunner) or not all(map(is_ours, environment.user_classes)):
        return None
    wrong = refusals(thresholds, [each.__name__ for each in environment.user_classes])
    return ConfigurationError(*(f"RunConfiguration.Thresholds: {each}" for each in wrong)) if wrong else None
