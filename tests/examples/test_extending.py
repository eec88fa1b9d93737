"""What docs/extending.md shows works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.run import processes

PAGE = processes.ROOT / "docs" / "extending.md"


def blocks() -> dict[str, str]:
    """The page's Python files, by the names in their first lines."""
    return dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE.read_text(), re.DOTALL))


def test_the_action_and_its_test_pass(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import fresh_sandbox\n")
    for name, text in blocks().items():
        (tmp_path / name).write_text(text)

    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pinning.py"]
    ended = processes.end(processes.start(command, tmp_path))

    assert ended.code == 0, ended.out
    assert "1 passed" in ended.out


def test_the_action_with_its_registration_is_short() -> None:
    """Fifteen lines: more would be a reason to change mmload, not the page."""
    text = blocks()["pinning.py"]
    action = text[text.index("def read_pinned") : text.index("class PinningUser")]

    assert len([line for line in action.splitlines() if line.strip()]) <= 15
