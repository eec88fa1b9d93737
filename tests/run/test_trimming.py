"""Free memory goes back to the system where the C library can do that; elsewhere nothing happens."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import gevent
import pytest

from mmload.plugin import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_memory_can_be_trimmed() -> None:
    trim = memory.malloc_trim()
    if trim is not None:
        assert trim(0) in (0, 1)


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_a_c_library_without_it_is_left_alone(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """musl has none; on other systems there may be no such library at all."""

    def no_library(_: Any) -> Any:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert memory.malloc_trim() is None
    memory.give_back_free_memory()


def test_it_is_done_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setattr(memory, "_TRIM_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(memory, "malloc_trim", lambda: kept.append)
    memory.give_back_free_memory()
    with gevent.Timeout(60):
        while len(kept) < 2:
            gevent.sleep(0.01)

    assert kept[:2] == [0, 0]
