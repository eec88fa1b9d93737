"""Settings that a process was given while it ran (an agent's `create`), in force instead of its own."""

from __future__ import annotations

from mmload.config.tables import Settings

_adopted: Settings | None = None


def adopt(settings: Settings | None) -> None:
    """Put these in force in this process; None: again what the documents and the environment say."""
    global _adopted
    _adopted = settings


def adopted() -> Settings | None:
    """The settings that this process was given, if any."""
    return _adopted
