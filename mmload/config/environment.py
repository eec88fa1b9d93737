"""`MMLOAD_…` environment variables: one for every key that is a value or a list of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from mmload.config.checking import DocumentCheck, elements, join, leaf, nearest
from mmload.config.coordinator_tables import Coordinator
from mmload.config.fields import SCALARS, Key, keys
from mmload.config.tables import Config, GenController, SimulController

_PREFIX = "MMLOAD_"
DOCUMENT_VARIABLES = {
    "config": "MMLOAD_CONFIG",
    "simulcontroller": "MMLOAD_SIMULCONTROLLER",
    "simplecontroller": "MMLOAD_SIMPLECONTROLLER",
    "gencontroller": "MMLOAD_GENCONTROLLER",
    "coordinator": "MMLOAD_COORDINATOR",
}
# Variables of mmload that are no settings.
RESERVED = frozenset(DOCUMENT_VARIABLES.values()) | {
    "MMLOAD_TEST_SERVER",
    "MMLOAD_TEST_SERVER_CONTROL",
    "MMLOAD_CHECKED",
    "MMLOAD_REQUIRE_ALL",
    "MMLOAD_AGENT_TOKEN",
    "MMLOAD_RUN_FOLDER",
    "MMLOAD_SANDBOX",
}
# Between the values of a list of texts: none of ours has one in it.
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
    """The variables that set keys of this document."""
    if document in (SimulController, GenController):
        return tuple(_of_table(document.__name__, "", "", document))
    if document is Config:
        return tuple(_of_tables(Config))
    if document is Coordinator:
        # MMLOAD_LOGSETTINGS_… is that of config.json.
        nested = (variable for variable in _of_tables(Coordinator) if variable.attribute != "log")
        return (*nested, *_of_table(Coordinator.__name__, "", "", Coordinator))
    return ()


def _of_tables(document: type[msgspec.Struct]) -> Iterator[Variable]:
    for key in keys(document):
        if key.table is not None:
            yield from _of_table(key.name, key.name, key.attribute, key.table)


def _of_table(prefix: str, path: str, attribute: str, table: type[msgspec.Struct]) -> Iterator[Variable]:
    for key in keys(table):
        if key.kind in SCALARS or key.element is str:
            yield Variable(environment_name(prefix, key.name), join(path, key.name), attribute, key)


def overlaid(document: Any, environ: Mapping[str, str], findings: DocumentCheck) -> Any:
    """The document with the environment's values in place of its own; what is wrong with them goes to `findings`."""
    table: type[msgspec.Struct] = type(document)
    for variable in variables(table):
        if variable.name in environ:
            given = _parsed(variable.key, environ[variable.name])
            check = elements if variable.key.element is str else leaf
            value = check(variable.key, given, variable.path, findings, variable.name)
            document = _with_value(document, variable, value)
    return document


def _with_value(document: Any, variable: Variable, value: Any) -> Any:
    if not variable.attribute:
        return replace(document, **{variable.key.attribute: value})
    table = replace(getattr(document, variable.attribute), **{variable.key.attribute: value})
    return replace(document, **{variable.attribute: table})


def _parsed(key: Key, text: str) -> Any:
    """The text as the key's type; the text itself where it is none, for the check to refuse. Pure."""
    if key.element is str:
        return [each.strip() for each in text.split(LIST_SEPARATOR) if each.strip()]
    if key.kind is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if key.kind is str:
        return text
    try:
        if key.kind is int:
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else text
        return text if "_" in text else float(text)
    except ValueError:
        return text


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A notice for every variable that begins as ours do and sets nothing: most are misspelled. Pure."""
    documents = (Config, SimulController, GenController, Coordinator)
    known = {variable.name for document in documents for variable in variables(document)} | RESERVED
    strangers = sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)
    endings = sorted(name.removeprefix(_PREFIX) for name in known)
    return [_unknown(name, nearest(name.removeprefix(_PREFIX), endings)) for name in strangers]


def _unknown(name: str, resembled: str) -> str:
    return f"{name}: no setting has this name" + (f"; did you mean {_PREFIX}{resembled}?" if resembled else "")
