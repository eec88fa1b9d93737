"""The documents of the peer and of the seed tool load as they are; the others are recognised; ours equal the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmload.config import ChannelMembers, Rate, Settings, SimulController, default_document, load_settings
from mmload.config.documents import check_file
from mmload.config.printing import default_documents, description

DOCUMENTS = Path(__file__).parent / "documents"
CHECKOUT = Path(__file__).parents[2]
SAMPLES = ("config", "simulcontroller", "simplecontroller", "gencontroller")


def test_without_a_document_the_defaults_run(tmp_path: Path) -> None:
    """The first run needs no configuration at all."""
    assert load_settings(environ={}, folder=tmp_path / "none") == (Settings(), ())


def test_the_peers_documents_load_unchanged() -> None:
    """Whoever comes from the peer brings them along."""
    settings, notices = load_settings(
        {f"MMLOAD_{each.upper()}": str(DOCUMENTS / f"{each}.sample.json") for each in SAMPLES}
    )

    assert [notice.partition(": ")[2] for notice in notices] == [
        "not supported by mmload, ignored: UsersConfiguration.MaxActiveBrowserUsers, LogSettings",
        "not supported by mmload, ignored: EnabledPlugins",
        "not supported by mmload, ignored: NumCPAFields",
    ]
    assert settings.config.controller.rates_distribution[4] == Rate(rate=30.0, percentage=0.3)
    assert settings.config.users.initial_active_users == 0
    assert settings.simul == SimulController()
    assert [settings.simple.actions[11].action_id, settings.simple.actions[11].run_period] == ["UpdateTeam", 50]
    assert settings.generate.num_channels_dm == 20
    assert settings.generate.channel_members_distribution[1] == ChannelMembers(5, 0.5, 0.3)


def test_the_seed_tools_config_loads_with_one_notice_of_what_is_not_used() -> None:
    """Its database and deployment keys mean nothing here; their values (passwords among them) are not repeated."""
    settings, notices = load_settings({"MMLOAD_CONFIG": str(DOCUMENTS / "config.seed.json")})

    assert settings.config.users.max_active_users == 1000
    assert len(notices) == 1
    assert "ConnectionConfiguration.DriverName, ConnectionConfiguration.DataSource" in notices[0]
    assert "DeploymentConfiguration" in notices[0]
    assert "mostest" not in notices[0]


UNREAD: dict[str, dict[str, Any]] = {
    "browsercontroller": {"SimulationId": "x", "RunInHeadless": True, "EnabledPlugins": False, "LogSettings": {}},
    "comparison": {"BaseBuild": {}, "NewBuild": {}, "LoadTests": [], "Output": {}},
    "metricswatcher": {"LogSettings": {}, "PrometheusConfiguration": {}, "Queries": []},
    "deployer": {"AWSProfile": "", "ClusterName": "", "AppInstanceCount": 1, "AdminEmail": "", "LogSettings": {}},
}


@pytest.mark.parametrize("name", UNREAD)
def test_the_peers_other_documents_are_recognised_and_said_not_to_be_read(name: str, tmp_path: Path) -> None:
    """A list of unknown keys would leave a person wondering what is wrong with a good deployer.json."""
    path = tmp_path / "some.json"
    path.write_text(json.dumps(UNREAD[name]))

    (problem,) = check_file(path).problems

    assert f"this is a {name} document, which mmload does not read" in problem


def test_one_document_in_anothers_place_is_named(tmp_path: Path) -> None:
    """Mixing up --config and --simulcontroller is easy."""
    with pytest.raises(Exception, match="expected a config document, found a simulcontroller document"):
        load_settings({"MMLOAD_CONFIG": str(DOCUMENTS / "simulcontroller.sample.json")}, folder=tmp_path)


@pytest.mark.parametrize("name", default_documents())
def test_the_default_documents_equal_the_codes_defaults(name: str) -> None:
    """`mmload config describe` and the code change together with the documents that users copy."""
    assert default_document(name).decode() == default_documents()[name]
    assert check_file(CHECKOUT / "config" / name).problems == ()


def test_the_default_documents_mean_the_defaults() -> None:
    """A copy that was not changed changes nothing."""
    files = {name.partition(".")[0]: CHECKOUT / "config" / name for name in default_documents()}

    assert load_settings({f"MMLOAD_{name.upper()}": str(file) for name, file in files.items()}) == (Settings(), ())


def test_the_page_on_the_configuration_is_up_to_date() -> None:
    """Regenerate it: `mmload config describe > docs/configuration.md`."""
    assert (CHECKOUT / "docs" / "configuration.md").read_text() == description()


def test_a_worker_that_imports_the_configuration_stays_light() -> None:
    """Every worker imports this package: only msgspec and the standard library."""
    foreign = (
        "import sys; import mmload.config; "
        "print([name for name in ('locust', 'gevent', 'rich', 'aiohttp', 'requests', 'numpy') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", foreign], capture_output=True, text=True).stdout == "[]\n"
