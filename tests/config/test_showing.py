"""Settings as JSON, without secrets, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from mmload.config import (
    Config,
    Connection,
    Rate,
    Settings,
    Users,
    fingerprint,
    from_json,
    load_settings,
    shown,
    to_json,
)
from mmload.config.tables import Controller
from mmload.errors import ConfigurationError

SECRETIVE = Settings(
    config=Config(
        connection=Connection(server_url="http://a", admin_password="sesame-1"),
        users=Users(password="sesame-2"),
        controller=Controller(rates_distribution=(Rate(2.0, 1.0),)),
    )
)


def test_secrets_are_shown_nowhere() -> None:
    """Not to people, not in a run's folder, not in a traceback."""
    for text in (str(shown(SECRETIVE)), to_json(SECRETIVE).decode(), repr(SECRETIVE), str(SECRETIVE)):
        assert "sesame" not in text
        assert "http://a" in text


def test_settings_survive_a_runs_folder_but_for_their_secrets() -> None:
    """A run is repeated from its folder, with the secrets in force there and then."""
    assert from_json(to_json(SECRETIVE), secrets=SECRETIVE) == SECRETIVE
    assert from_json(to_json(SECRETIVE)).config.connection.admin_password == Connection().admin_password


def test_settings_of_another_version_are_refused_clearly() -> None:
    """A key that came or went is no traceback."""
    with pytest.raises(ConfigurationError, match="settings of a run"):
        from_json(b'{"config": {"Nonsense": 1}}')


def test_the_fingerprint_tells_settings_apart_but_not_their_secrets() -> None:
    """Workers compare it with their master's: it must not help anybody to guess a password."""
    other = Settings(config=replace(SECRETIVE.config, users=Users(password="sesame-3")))

    assert fingerprint(SECRETIVE) == fingerprint(other)
    assert fingerprint(SECRETIVE) != fingerprint(Settings())


def test_settings_can_be_keys_of_a_dictionary(tmp_path: Path) -> None:
    """They are values: lists in them are tuples."""
    (tmp_path / "simulcontroller.json").write_text('{"EnabledPlugins": ["playbooks"]}')
    settings, _ = load_settings(environ={}, folder=tmp_path)

    assert isinstance(hash(settings), int)
