"""`mmload config`: values on stdout, talk on stderr, and an exit code that a script can use."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from mmload.cli import config as command
from mmload.errors import ConfigurationError, UsageError


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return command.run(parser.parse_args(["config", *map(str, arguments)]))


def test_check_prints_the_values_of_a_good_file_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the file comes to, defaults included, for people and for scripts."""
    path = tmp_path / "config.json"
    path.write_text('{"connectionConfiguration": {"AdminPassword": "sesame"}}')

    assert run("check", path) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["ConnectionConfiguration"]["AdminPassword"] == "********"
    assert "accepted in another spelling" in err
    assert "sesame" not in out + err


def test_check_tells_the_problems_of_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good ones among them are printed all the same."""
    (tmp_path / "good.json").write_text('{"MinIdleTimeMs": 5}')
    (tmp_path / "bad.json").write_text('{"RunConfiguration": {"Sead": 5, "Seed": -1}}')

    with pytest.raises(ConfigurationError) as caught:
        run("check", tmp_path / "bad.json", tmp_path / "none.json", tmp_path / "good.json")

    assert len(caught.value.problems) == 3
    assert json.loads(capsys.readouterr().out)["MinIdleTimeMs"] == 5


def test_new_copies_the_default_documents_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It never overwrites what somebody wrote, unless told to."""
    folder = tmp_path / "deep" / "config"

    assert run("new", folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "coordinator.json",
        "gencontroller.json",
        "simplecontroller.json",
        "simulcontroller.json",
    ]
    assert str(folder / "config.json") in capsys.readouterr().out

    (folder / "config.json").write_text("mine")
    (folder / "simplecontroller.json").unlink()
    with pytest.raises(UsageError, match=r"config\.json"):
        run("new", folder)
    assert (folder / "config.json").read_text() == "mine"
    assert not (folder / "simplecontroller.json").exists()

    assert run("new", folder, "--force") == 0
    assert run("check", *folder.iterdir()) == 0


def test_new_into_a_file_is_refused(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be written"):
        run("new", tmp_path / "file")


def test_show_tells_the_settings_in_force_and_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first question when a run does something unexpected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMLOAD_RUNCONFIGURATION_SEED", "77")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "simulcontroller.json").write_text('{"MinIdleTimeMs": 5}')

    assert run("show") == 0

    out, err = capsys.readouterr()
    values = json.loads(out)
    assert (values["config"]["RunConfiguration"]["Seed"], values["simul"]["MinIdleTimeMs"]) == (77, 5)
    assert "mmload config: config: defaults" in err
    assert "mmload config: simulcontroller: config/simulcontroller.json" in err


def test_describe_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """So the page can be written anew."""
    assert run("describe") == 0
    assert capsys.readouterr().out.startswith("# Configuration\n")
