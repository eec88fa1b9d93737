"""Files that cannot be read, or are no JSON or TOML: one clear sentence with the place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmload.config import load_settings
from mmload.config.files import read_document
from mmload.errors import ConfigurationError


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_document(path)
    assert len(caught.value.problems) == 1
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", b"", "the file is empty; expected a JSON document"),
        ("a.toml", b"  \n", "the file is empty; expected a TOML document"),
        ("a.json", b'{"a": 1,\n  b: 2}', "line 2, column 3: not JSON: expecting property name"),
        ("a.json", b'{"a": 1}}', "line 1, column 9: not JSON: extra data"),
        ("a.json", b"[1]", "expected an object {…} at the top level"),
        ("a.json", b'{"a": "\xff"}', "not UTF-8 text (byte 8)"),
        ("a.json", '{"a": 1}'.encode("utf-16"), "not UTF-8 text (byte 1)"),
        ("a.json", b'{"a":' * 100_000, "nested too deeply"),
        ("a.json", b'{"a": ' + b"1" * 5000 + b"}", "not JSON: it contains a number that is too long"),
        ("a.toml", b"a = 1\nb == 2\n", "line 2, column 4: not TOML: invalid value"),
        ("a.toml", b'a = "x', "line 1, column 7: not TOML: unterminated string"),
        ("a.toml", b"a = 1\na = 2\n", "not TOML: cannot overwrite a value"),
    ],
)
def test_broken_text_is_refused_with_its_place(tmp_path: Path, name: str, text: bytes, expected: str) -> None:
    """An editor can jump there."""
    path = tmp_path / name
    path.write_bytes(text)

    assert expected in refusal(path)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Editors on Windows write it."""
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')

    assert read_document(path) == {"a": 1}


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """The system's own words are the clearest."""
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    assert refusal(tmp_path / "none.json") == "cannot be read: No such file or directory"


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    """A configuration that cannot be read must not turn into the defaults."""
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0)
    if os.access(path, os.R_OK):
        # The superuser reads everything: what it can't follow is a link to itself.
        path.unlink()
        path.symlink_to(path)

    with pytest.raises(ConfigurationError, match=r"config\.json: cannot be read"):
        load_settings(environ={}, folder=tmp_path)


def test_a_file_too_large_for_a_configuration_is_refused() -> None:
    """A device given by mistake would never end."""
    assert "larger than 10 MB" in refusal(Path("/dev/zero"))


def test_a_toml_document_means_the_same_as_its_json(tmp_path: Path) -> None:
    """Both languages share the checks."""
    (tmp_path / "config.toml").write_text(
        "[UserControllerConfiguration]\nType = 'idle'\n"
        "[[UserControllerConfiguration.RatesDistribution]]\nRate = 2\nPercentage = 1\n"
        "[RunConfiguration]\nSpawnRate = 2.5\n"
    )

    config = load_settings(environ={}, folder=tmp_path)[0].config

    assert (config.controller.type, config.controller.rates_distribution[0].rate) == ("idle", 2.0)
    assert config.run.spawn_rate == 2.5


def test_two_documents_for_one_purpose_are_refused(tmp_path: Path) -> None:
    """One of them would be ignored, and some day it is the one that was edited."""
    (tmp_path / "config.toml").write_text("[RunConfiguration]\n")
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ConfigurationError, match="both exist"):
        load_settings(environ={}, folder=tmp_path)


def test_the_problems_of_all_documents_are_told_together(tmp_path: Path) -> None:
    """A missing config.json does not hide what is wrong with the environment or with simulcontroller.json."""
    (tmp_path / "simulcontroller.json").write_text('{"Min": 1}')
    environ = {"MMLOAD_CONFIG": str(tmp_path / "none.json"), "MMLOAD_RUNCONFIGURATION_SEED": "x"}

    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ=environ, folder=tmp_path)

    assert len(caught.value.problems) == 3
