"""Which kinds of users run: the command line, else the configuration."""

from __future__ import annotations

import pytest

from mmload import browser_user, users
from mmload.config.tables import BEHAVIOURS
from mmload.user_classes import BROWSER_USER, CLASSES, weights

SIMULATED = sorted(set(CLASSES) - {BROWSER_USER})
HEADLESS = ["-f", "locustfile.py", "--headless", "-u", "4"]


def running(type_: str, *arguments: str, **environ: str) -> list[str]:
    return sorted(name for name, weight in weights(type_, [*HEADLESS, *arguments], environ).items() if weight)


def test_every_configured_type_has_its_class() -> None:
    assert sorted(type_ for types in CLASSES.values() for type_ in types) == sorted(BEHAVIOURS)
    for name in SIMULATED:
        assert issubclass(getattr(users, name), users.MattermostUser)
    assert issubclass(getattr(browser_user, BROWSER_USER), users.AccountUser)


@pytest.mark.parametrize("type_", BEHAVIOURS)
def test_without_names_the_configured_type_runs_alone(type_: str) -> None:
    [name] = running(type_)

    assert type_ in CLASSES[name]


def test_names_on_the_command_line_win() -> None:
    assert running("simulative", "IdleUser", "SimulatedUser") == ["IdleUser", "SimulatedUser"]
    assert running("cluster", "SimpleUser") == ["SimpleUser"]


def test_names_in_the_environment_and_in_config_users_count_as_well() -> None:
    assert running("simulative", LOCUST_USER_CLASSES="IdleUser ClusterUser") == ["ClusterUser", "IdleUser"]
    assert running("simulative", "--config-users", '{"user_class_name": "IdleUser", "fixed_count": 5}') == ["IdleUser"]


def test_the_class_picker_and_a_listing_show_all_but_browsers_that_nobody_asked_for() -> None:
    """Who picks no class gets all that are shown."""
    assert running("simulative", "--class-picker") == SIMULATED
    assert running("simulative", "--list") == SIMULATED
    assert running("simulative", LOCUST_USERCLASS_PICKER="true") == SIMULATED
    assert all(weights("simulative", ["--class-picker"], {}, browser_users=1).values())


def test_a_worker_has_all_since_its_master_says_which_run() -> None:
    """Its own command line need not repeat the names."""
    assert running("simulative", "--worker") == sorted(CLASSES)
    assert running("simulative", LOCUST_MODE_WORKER="1") == sorted(CLASSES)


def test_a_word_of_ours_that_is_no_class_of_ours_means_nothing() -> None:
    assert running("idle", "--tags", "SwitchChannel", "OwnUser") == ["IdleUser"]
