"""The runs that all tests here look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.truth.stories import Stories


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    """All of them begin when the first one is asked for."""
    made = Stories(tmp_path_factory.mktemp("stories"))
    try:
        yield made
    finally:
        made.close()
