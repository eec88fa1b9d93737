"""`MMLOAD_…` environment variables: one for every key that is a value or a list of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from mmload.config.checking import DocumentCheck, checked_value, join
from mmload.config.coordinator_tables import DOCUMENTS
from mmload.config.fields import Key, did_you_mean, keys

_PREFIX = "MMLOAD_"
DOCUMENT_VARIABLES = {name: f"{_PREFIX}{name}".upper() for name in DOCUMENTS}
# Variables of mmload that are no settings.
RESERVED = frozenset(DOCUMENT_VARIABLES.values()) | {
    "MMLOAD_TEST_SERVER",
    "MMLOAD_TEST_SERVER_CONTROL",
    "MMLOAD_CHECKED",
    "MMLOAD_REQUIRE_ALL",
    "MMLOAD_AGENT_TOKEN",
    "MMLOAD_HOST_NAME",
    "MMLOAD_RUN_FOLDER",
    "MMLOAD_SANDBOX",
}
# Between the texts of a list: none of ours has one in it.
LIST_SEPARATOR = ";"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that sets one key. `attribute` is the attribute of the key's table, "" at the top."""

    name: str
    path: str
    attribute: str
    key: Key


def environment_name(table: str, key: str) -> str:
    """The variable of a key: `MMLOAD_CONNECTIONCONFIGURATION_SERVERURL`. Pure."""
    return f"{_PREFIX}{table}_{key}".upper()


@cache
def variables(document: type[msgspec.Struct]) -> tuple[Variable, ...]:
    """The variables that set keys of this document. Keys outside a table are named after the document."""
    tables = ((key.name, key.name, key.attribute, key.table) for key in keys(document) if key.table is not None)
    return tuple(variable for each in (*tables, (document.__name__, "", "", document)) for variable in _of_table(*each))


def _of_table(prefix: str, path: str, attribute: str, table: type[msgspec.Struct]) -> Iterator[Variable]:
    for key in keys(table):
        if key.has_variable:
            yield Variable(environment_name(prefix, key.name), join(path, key.name), attribute, key)


def overlaid(document: Any, environ: Mapping[str, str], check: DocumentCheck) -> Any:
    """The document with the environment's values in place of its own; what is wrong with them goes to `check`."""
    table: type[msgspec.Struct] = type(document)
    for variable in variables(table):
        if variable.name in environ:
            given = _parsed(variable.key, environ[variable.name])
            changed = {variable.key.attribute: checked_value(variable.key, given, variable.path, check, variable.name)}
            if variable.attribute:
                changed = {variable.attribute: replace(getattr(document, variable.attribute), **changed)}
            document = replace(document, **changed)
    return document


def _parsed(key: Key, text: str) -> Any:
    """The text as the key's type; the text itself where it is none, for the check to refuse. Pure."""
    if key.element is str:
        return [each.strip() for each in text.split(LIST_SEPARATOR) if each.strip()]
    if key.kind is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    try:
        if key.kind is int and re.fullmatch(r"[+-]?\d+", text):
            return int(text)
        return float(text) if key.kind is float and "_" not in text else text
    except ValueError:
        return text


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A notice for every variable that begins as ours do and sets nothing: most are misspelled. Pure."""
    known = {variable.name for document in DOCUMENTS.values() for variable in variables(document)} | RESERVED
    # Compared without the prefix that all have, or everything would resemble everything.
    endings = sorted(name.removeprefix(_PREFIX) for name in known)
    strangers = sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)
    hints = {name: did_you_mean(name.removeprefix(_PREFIX), endings, _PREFIX) for name in strangers}
    return [f"{name}: no setting has this name" + (f"; {hint}" if hint else "") for name, hint in hints.items()]
