"""Settings as plain values without secrets; docs/configuration.md and the default documents from the field tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from mmload.config.checking import join
from mmload.config.coordinator_tables import DOCUMENTS
from mmload.config.environment import RESERVED, variables
from mmload.config.fields import Key, keys
from mmload.config.tables import Table

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

mmload reads five documents, all of them optional. The defaults test a Mattermost server on `http://localhost:8065`.

| document | contents | option, variable |
|---|---|---|
| `config/config.json` | the server, the users, the run | `--config`, `MMLOAD_CONFIG` |
| `config/simulcontroller.json` | the pace of the simulative user | `--simulcontroller`, `MMLOAD_SIMULCONTROLLER` |
| `config/simplecontroller.json` | the cycle of the simple user | `--simplecontroller`, `MMLOAD_SIMPLECONTROLLER` |
| `config/gencontroller.json` | the goals of the generative user | `--gencontroller`, `MMLOAD_GENCONTROLLER` |
| `config/coordinator.json` | the capacity search: agents, limits | `--coordinator`, `MMLOAD_COORDINATOR` |

`mmload config new` copies the default documents into the folder `config`. Each may be TOML as well (`config.toml`).
The documents of mattermost-load-test-ng run unchanged: keys that mmload does not support are ignored and named in a
notice. An unknown key and a value of a wrong type or out of range are errors; all of them are reported at once, with
the path of the key and what was expected. `null` is the same as leaving the key out.

Values come from the defaults, the documents, the environment and the command line; a later one of these wins.

- `mmload config check FILE…` reports the errors in files (exit code 4), or prints their values, secrets hidden.
- `mmload config show` prints the effective settings, and where each document came from.

Every key that is a single value or a list of texts has an environment variable, named in the tables: `MMLOAD_`, the
table, the key, in capitals. Booleans are written `true`, `false`, `1` or `0`, lists with `;` between the texts.
Keep passwords there rather than in files: `MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD`. A variable that begins with
`MMLOAD_` and is none of these is named in a notice.

Keys marked * are mmload's own; mattermost-load-test-ng refuses a document that has them.
"""
_NETWORK = """\
## Certificates, proxies, headers

REST calls, WebSockets, `mmload doctor`, `mmload init` and the queries to Prometheus follow the same rules.

- **Certificates.** Trusted are the system's authorities. `SSL_CERT_FILE` (a file in PEM form) and `SSL_CERT_DIR` (a
  folder prepared with `openssl rehash`) replace them; Prometheus has `PrometheusCAFile` besides. `VerifyTLS` set to
  false accepts any certificate of the server under test.
- **Proxies.** `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` are not used, unless `UseProxy` is set: of
  `ConnectionConfiguration` for the server under test, of `MonitorConfig` for Prometheus. A notice says so where one is
  set. A load test through a proxy measures the proxy, too. With `UseProxy`, the variable for the URL's scheme counts
  (`wss` is as `https`, `ws` as `http`), else `ALL_PROXY`; the value is `http://[user:password@]host:port`. Hosts in
  `NO_PROXY` are reached directly: names, with all below them, addresses, networks such as `10.0.0.0/8`, `*` for all.
  Agents are never reached through a proxy.
- **Headers.** `Headers` of `ConnectionConfiguration` are sent with every request and every WebSocket to the server
  under test, as a guarded staging server asks for: `["X-Staging-Key: ${STAGING_KEY}"]`. `${STAGING_KEY}` is read from
  the environment of each process, so workers on other machines need it, too. They are never shown, and a redirect is
  not followed.
- **A protected Prometheus.** `PrometheusUser` with `MMLOAD_MONITORCONFIG_PROMETHEUSPASSWORD`, or
  `MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN`; these two are refused in a document. `PrometheusTenant` is sent as
  `X-Scope-OrgID`.
"""
_USERS_FILE = """\
## The file of users

`UsersFilePath` names a text file (UTF-8) with one account per line: `email password`, or CSV with commas or
semicolons, `email,password` (in quotation marks if the password has the separator in it). A first line such as
`username,email,password` names the columns: accounts log in with `email` if there is such a column, else with `login`
or `username`. The first account is number 1, and so on. Users beyond the last line are refused, or get generated
accounts if `AccountsBeyondFile` is set. Workers are dealt the lines when a test begins (docs/distributed.md). Blank
lines and lines that begin with `#` are ignored. The prefix `mattermost:` before the e-mail address is accepted;
`openid:` and `saml:` are refused, as mmload logs in by password.
"""


def description() -> str:
    """The text of docs/configuration.md."""
    sections = [_INTRODUCTION]
    for name, table in DOCUMENTS.items():
        names = {variable.path: variable.name for variable in variables(table)}
        sections += [f"## {name}.json\n", *_section(table, "", names)]
    return "\n".join([*sections, _NETWORK, _USERS_FILE, _reserved()])


def _section(table: type[Table], path: str, names: Mapping[str, str]) -> Iterator[str]:
    """What a table is, its keys, then those of the tables in its lists, then the tables below it."""
    # The docstring without its name.
    summary = (table.__doc__ or "").partition(": ")[2]
    if summary:
        yield f"{summary[:1].upper()}{summary[1:]}\n"
    own = [key for key in keys(table) if key.table is None]
    if own:
        yield _rows(own, path, names)
    if table.unsupported:
        yield f"Accepted and ignored (not supported): {', '.join(f'`{key}`' for key in table.unsupported)}.\n"
    for key in own:
        if isinstance(key.element, type) and issubclass(key.element, Table):
            yield f"Each of `{key.name}`:\n"
            yield _rows(keys(key.element), "", {})
    for key in keys(table):
        if key.table is not None and issubclass(key.table, Table):
            yield f"### {key.name}\n"
            yield from _section(key.table, key.name, names)


def _rows(table: Iterable[Key], path: str, names: Mapping[str, str]) -> str:
    head = ["| key | default | allowed | meaning | environment |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(key, names.get(join(path, key.name), "")) for key in table), ""])


def _row(key: Key, variable: str) -> str:
    name = f"`{key.name}`" + ("*" if key.says.ours else "")
    meaning = key.says.meaning + (" Never shown." if key.says.secret else "")
    meaning += " Only in the environment." if key.says.environment_only else ""
    default = json.dumps(msgspec.to_builtins(key.default))
    cells = (name, f"`{default}`", _allowed(key), meaning, variable and f"`{variable}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _allowed(key: Key) -> str:
    kinds = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    checks = "; ".join(check.expected for check in key.checks)
    if key.element is not None:
        return f"list; each: {checks}" if checks else "list"
    if key.kind is str and checks:
        return checks
    return f"{kinds[key.kind]}, {checks}" if checks else kinds[key.kind]


def _reserved() -> str:
    names = "\n".join(f"- `{name}`" for name in sorted(RESERVED))
    what = "They name documents, or are for mmload's own processes and tests."
    return f"## Variables that are no settings\n\n{what}\n\n{names}\n"


def default_documents() -> dict[str, str]:
    """The documents a user copies, by their file names."""
    return {
        f"{name}.default.json": json.dumps(msgspec.to_builtins(table()), indent=2) + "\n"
        for name, table in DOCUMENTS.items()
    }
