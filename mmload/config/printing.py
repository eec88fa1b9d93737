"""Settings as plain values without secrets; docs/configuration.md and the default documents from the field tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mmload.config.coordinator_tables import Coordinator
from mmload.config.environment import RESERVED, environment_name
from mmload.config.fields import SCALARS, Key, keys
from mmload.config.tables import Config, GenController, SimpleController, SimulController, Table

HIDDEN = "********"


def shown(settings: msgspec.Struct) -> dict[str, Any]:
    """The values by the names of the documents, secrets hidden. Takes a part of the settings, too."""
    return {key.name: _shown(key.says.secret, getattr(settings, key.attribute)) for key in keys(type(settings))}


def _shown(secret: bool, value: Any) -> Any:
    if secret:
        return HIDDEN
    if isinstance(value, msgspec.Struct):
        return shown(value)
    return [_shown(False, each) for each in value] if isinstance(value, tuple) else value


_INTRODUCTION = """\
# Configuration

This page is written by `mmload config describe`; the tables come from the code.

mmload reads five documents, all of them optional. Without them the defaults run: a load test of a Mattermost server
on `http://localhost:8065`.

| document | what is in it | named by |
|---|---|---|
| `config/config.json` | the server, the users, the run | `--config`, `MMLOAD_CONFIG` |
| `config/simulcontroller.json` | the pace of the simulative user | `--simulcontroller`, `MMLOAD_SIMULCONTROLLER` |
| `config/simplecontroller.json` | the cycle of the simple user | `--simplecontroller`, `MMLOAD_SIMPLECONTROLLER` |
| `config/gencontroller.json` | the goals of the generative user | `--gencontroller`, `MMLOAD_GENCONTROLLER` |
| `config/coordinator.json` | the search for the capacity: agents, limits | `--coordinator`, `MMLOAD_COORDINATOR` |

`mmload config new` copies the default documents into the folder `config`. Each may be TOML as well (`config.toml`).
The documents of mattermost-load-test-ng run unchanged: keys that only its Go parts need are accepted and named in a
notice. An unknown key, a value out of its range or of another type is refused, all of them at once, with the path of
the key and what was expected. `null` is the same as leaving the key out.

Values come from the defaults, the documents, the environment and the command line; a later one of these wins.

- `mmload config check FILE…` says what is wrong with files (exit code 4), or prints their values, secrets hidden.
- `mmload config show` prints the settings in force here, and where each document came from.

Every key that is a single value or a list of texts has an environment variable, named in the tables: `MMLOAD_`, the
table, the key, in capitals. Truth values are written `true`, `false`, `1` or `0`, lists with `;` between the texts.
Keep passwords there rather than in files: `MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD`. A variable that begins with
`MMLOAD_` and is none of these is named in a notice.

Keys marked * are mmload's own; mattermost-load-test-ng refuses a document that has them.
"""
_USERS_FILE = """\
## The file of users

`UsersFilePath` names a text file with one account a line: `email password`. The first is account number 1, and so on;
users beyond the last line get made-up accounts. Blank lines and lines that begin with `#` don't count. The prefix
`mattermost:` before the e-mail address is accepted; `openid:` and `saml:` are refused, as mmload logs in by password.
"""


def description() -> str:
    """The text of docs/configuration.md."""
    sections = [_INTRODUCTION, "## config.json\n", *_table_sections(Config)]
    sections += ["## simulcontroller.json\n", *_section(SimulController, "SimulController")]
    sections += ["## simplecontroller.json\n", *_section(SimpleController, "")]
    sections += ["## gencontroller.json\n", *_section(GenController, "GenController")]
    sections += ["## coordinator.json\n", *_coordinator_sections()]
    return "\n".join([*sections, _USERS_FILE, _reserved()])


def _table_sections(document: type[msgspec.Struct]) -> Iterator[str]:
    for key in keys(document):
        if key.table is not None:
            yield f"### {key.name}\n"
            yield from _section(key.table, key.name)


def _coordinator_sections() -> Iterator[str]:
    """Its own keys, then its tables; LogSettings has the keys of config.json's, without variables."""
    yield _rows((key for key in keys(Coordinator) if key.table is None), "Coordinator")
    for section in _table_sections(Coordinator):
        if section.startswith("### LogSettings"):
            break
        yield section
    yield "### LogSettings\n\nAs in config.json.\n"


def _section(table: type[msgspec.Struct], variables_of: str) -> Iterator[str]:
    """What a table is, its keys, and after it those of the tables in its lists."""
    yield f"{_summary(table)}\n"
    yield _rows(keys(table), variables_of)
    for key in keys(table):
        if isinstance(key.element, type) and issubclass(key.element, Table):
            yield f"Each of `{key.name}`:\n"
            yield _rows(keys(key.element), "")


def _summary(table: type[msgspec.Struct]) -> str:
    """The struct's docstring without its name."""
    text = (table.__doc__ or "").partition(": ")[2]
    return text[:1].upper() + text[1:]


def _rows(table: Iterable[Key], variables_of: str) -> str:
    head = ["| key | default | allowed | meaning | environment |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(key, variables_of) for key in table), ""])


def _row(key: Key, variables_of: str) -> str:
    variable = f"`{environment_name(variables_of, key.name)}`" if variables_of and _has_variable(key) else ""
    name = f"`{key.name}`" + ("*" if key.says.ours else "")
    meaning = key.says.meaning + (" Never shown." if key.says.secret else "")
    cells = (name, f"`{json.dumps(_plain(key.default))}`", _allowed(key), meaning, variable)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _has_variable(key: Key) -> bool:
    return key.kind in SCALARS or key.element is str


def _allowed(key: Key) -> str:
    kinds = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    checks = "; ".join(check.expected for check in key.checks)
    if key.element is not None:
        return f"list; each: {checks}" if checks else "list"
    if key.kind is str and checks:
        return checks
    return f"{kinds[key.kind]}, {checks}" if checks else kinds[key.kind]


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _reserved() -> str:
    names = "\n".join(f"- `{name}`" for name in sorted(RESERVED))
    what = "They name documents, or are for mmload's own processes and tests."
    return f"## Variables that are no settings\n\n{what}\n\n{names}\n"


def default_documents() -> dict[str, str]:
    """The documents a user copies, by their file names."""
    documents = {
        "config.default.json": Config(),
        "simulcontroller.default.json": SimulController(),
        "simplecontroller.default.json": SimpleController(),
        "gencontroller.default.json": GenController(),
        "coordinator.default.json": Coordinator(),
    }
    return {name: json.dumps(_plain(document), indent=2) + "\n" for name, document in documents.items()}
