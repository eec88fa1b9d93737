"""Settings for the tests of a population."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mmload.config import Settings, load_settings


def settings(
    server: str = "http://127.0.0.1:1",
    *,
    instance: dict[str, Any] | None = None,
    users: dict[str, Any] | None = None,
    connection: dict[str, Any] | None = None,
) -> Settings:
    """The defaults for that server, with some values replaced."""
    default, _ = load_settings(environ={"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": server})
    config = replace(
        default.config,
        instance=replace(default.config.instance, **(instance or {})),
        users=replace(default.config.users, **(users or {})),
        connection=replace(default.config.connection, **(connection or {})),
    )
    return replace(default, config=config)
