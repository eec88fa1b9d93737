"""A worker that joins a running test is told to spawn users before it is welcomed; it goes by the master's word."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mmload.config import load_settings
from mmload.metrics.recorder import process_recorder
from mmload.plugin.runner.worker_handshake import WELCOME, WorkerSide
from mmload.plugin.settings import OwnSettings, ProcessSettings
from mmload.users import context_of, new_context


class SilentRunner:
    """Notes what it is to do with messages, and is the second worker."""

    worker_index = 1

    def __init__(self) -> None:
        self.on: dict[str, Callable[..., None]] = {}
        self.greenlet = SimpleNamespace(spawn=lambda _call: None)

    def register_message(self, message: str, listener: Callable[..., None]) -> None:
        self.on[message] = listener

    def start_worker(self, *_: Any) -> None: ...


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker whose test has begun; its own documents say seed 7 and 100 users."""
    monkeypatch.setenv("MMLOAD_RUNCONFIGURATION_SEED", "7")
    monkeypatch.setenv("MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS", "100")
    process_recorder().forget()
    made = SimpleNamespace(
        runner=SilentRunner(), host=None, user_classes=[], shape_class=None, parsed_options=SimpleNamespace()
    )
    made.mmload_settings = ProcessSettings(made, OwnSettings())  # type: ignore[arg-type]
    WorkerSide(made)
    new_context(made, made.mmload_settings.in_force)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(("most", "first_account"), [(None, 101), ("5", 6)])
def test_its_users_have_the_runs_seed_and_the_accounts_of_the_settings_in_force(
    environment: Any, most: str | None, first_account: int
) -> None:
    given = None
    if most is not None:
        variables = {"MMLOAD_USERSCONFIGURATION_MAXACTIVEUSERS": most, "MMLOAD_RUNCONFIGURATION_SEED": "42"}
        given = msgspec.json.decode(msgspec.json.encode(load_settings(environ=variables)[0]))

    environment.runner.on[WELCOME](SimpleNamespace(data={"settings": given, "seed": 42}))

    context = context_of(environment)
    assert context.seed == 42
    assert context.accounts.take() == first_account
    assert process_recorder().account is context.deliveries
