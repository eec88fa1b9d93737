"""A key that is described does something: each is read by code outside the configuration, or named as not supported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mmload.config import coordinator_tables, tables
from mmload.config.documents import COORDINATOR, READ, check_values
from mmload.config.files import Object
from mmload.config.tables import Table

ROOT = Path(__file__).parents[2]
CODE = "\n".join(
    path.read_text()
    for package in ("mmload", "coordinator")
    for path in (ROOT / package).rglob("*.py")
    if ROOT / "mmload" / "config" not in path.parents
)


def fields() -> Iterator[str]:
    """Every attribute of every table, as Table.attribute."""
    for module in (tables, coordinator_tables):
        for table in vars(module).values():
            if isinstance(table, type) and issubclass(table, Table) and table.__module__ == module.__name__:
                yield from (f"{table.__name__}.{field.name}" for field in msgspec.structs.fields(table))


@pytest.mark.parametrize("field", sorted(set(fields())))
def test_every_setting_is_read(field: str) -> None:
    """A key that nothing reads would promise what does not happen."""
    assert re.search(rf"\.{field.partition('.')[2]}\b", CODE)


@pytest.mark.parametrize(
    ("kind", "values", "ignored"),
    [
        (READ[0], {"LogSettings": {"FileLevel": "INFO"}}, "LogSettings"),
        (READ[0], {"UsersConfiguration": {"maxactivebrowserusers": 5}}, "UsersConfiguration.maxactivebrowserusers"),
        (READ[1], {"EnabledPlugins": ["playbooks"]}, "EnabledPlugins"),
        (READ[3], {"NumCPAFields": 2, "EnabledPlugins": []}, "NumCPAFields, EnabledPlugins"),
        (COORDINATOR, {"ClusterConfig": {"BrowserAgents": [{"Id": "b0"}]}}, "ClusterConfig.BrowserAgents"),
    ],
)
def test_the_peers_other_keys_are_ignored_with_one_notice(kind: object, values: object, ignored: str) -> None:
    """Its documents run unchanged, and it is said what has no effect."""
    checked = check_values(kind, Object(values), "here.json", {})  # type: ignore[arg-type, call-overload]

    assert checked.problems == ()
    assert checked.notices == (f"here.json: not supported by mmload, ignored: {ignored}",)
