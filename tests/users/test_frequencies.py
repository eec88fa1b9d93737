"""How often the simulated user does what: the catalogue's frequencies, or those of simulcontroller.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmload.behaviours.catalogue import SIMULATIVE, frequency
from mmload.config import load_settings
from mmload.config.tables import SIMULATIVE_ACTIONS, ActionFrequency, SimulController
from mmload.errors import ConfigurationError


def settings_with(folder: Path, frequencies: object) -> SimulController:
    (folder / "simulcontroller.json").write_text(json.dumps({"ActionFrequencies": frequencies}))
    environ = {"MMLOAD_SIMULCONTROLLER": str(folder / "simulcontroller.json")}
    return load_settings(environ=environ)[0].simul


def test_every_action_of_the_catalogue_can_be_named_in_a_document() -> None:
    assert sorted(SIMULATIVE_ACTIONS) == sorted(action.name for action in SIMULATIVE)


def test_a_frequency_of_the_document_replaces_the_default_and_the_others_stay(tmp_path: Path) -> None:
    simul = settings_with(tmp_path, [{"ActionId": "CreatePost", "Frequency": 2.5}])

    assert simul.action_frequencies == (ActionFrequency("CreatePost", 2.5),)
    used = {action.name: frequency(simul, action) for action in SIMULATIVE}
    assert {action.name for action in SIMULATIVE if used[action.name] != action.frequency} == {"CreatePost"}
    assert used["CreatePost"] == 2.5


@pytest.mark.parametrize(
    ("frequencies", "complaint"),
    [
        ([{"ActionId": "CreatPost"}], "ActionFrequencies[0].ActionId"),
        ([{"ActionId": "CreatePost", "Frequency": -1}], "ActionFrequencies[0].Frequency"),
        ([{"ActionId": "EditPost"}, {"ActionId": "EditPost"}], "expected each action once, found EditPost"),
    ],
)
def test_unknown_actions_negative_and_doubled_ones_are_refused(
    tmp_path: Path, frequencies: object, complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_with(tmp_path, frequencies)

    assert complaint in str(caught.value)
