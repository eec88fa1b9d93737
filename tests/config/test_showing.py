"""Settings as JSON, without secrets, there and back."""

from __future__ import annotations

from pathlib import Path

from mmload.config import (
    Config,
    ConnectionSettings,
    Rate,
    Settings,
    Users,
    load_settings,
    shown,
)
from mmload.config.tables import Controller

SECRETIVE = Settings(
    config=Config(
        connection=ConnectionSettings(server_url="http://a", admin_password="sesame-1"),
        users=Users(password="sesame-2"),
        controller=Controller(rates_distribution=(Rate(2.0, 1.0),)),
    )
)


def test_secrets_are_shown_nowhere() -> None:
    """Not to people, not in a run's folder, not in a traceback."""
    for text in (str(shown(SECRETIVE)), repr(SECRETIVE), str(SECRETIVE)):
        assert "sesame" not in text
        assert "http://a" in text


def test_settings_can_be_keys_of_a_dictionary(tmp_path: Path) -> None:
    """They are values: lists in them are tuples."""
    (tmp_path / "config.json").write_text('{"RunConfiguration": {"Thresholds": ["errors < 1%"]}}')
    settings, _ = load_settings(environ={}, folder=tmp_path)

    assert isinstance(hash(settings), int)
