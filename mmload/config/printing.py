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

`mmload config describe` generates this page from the code.

mmload reads five documents, all of them optional. The defaults test a Mattermost server on `http://localhost:8065`.

| document | contents | option, environment variable |
|---|---|---|
| `config/config.json` | the server, the users, the run | `--config`, `MMLOAD_CONFIG` |
| `config/simulcontroller.json` | the pace of the simulative user | `--simulcontroller`, `MMLOAD_SIMULCONTROLLER` |
| `config/simplecontroller.json` | the cycle of the simple user | `--simplecontroller`, `MMLOAD_SIMPLECONTROLLER` |
| `config/gencontroller.json` | the goals of the generative user | `--gencontroller`, `MMLOAD_GENCONTROLLER` |
| `config/coordinator.json` | the capacity search: agents, limits | `--coordinator`, `MMLOAD_COORDINATOR` |

- `mmload config new` copies the default documents into the folder `config`. Documents can also be TOML
  (`config.toml`).
- `mmload config check FILE…` reports the errors in files (exit code 4), or prints their values with secrets hidden.
- `mmload config show` prints the effective settings, and where each document came from.

Values come from the defaults, the documents, the environment and the command line, in this order; later ones override
earlier ones.

**Documents.** The documents of mattermost-load-test-ng (called the peer below) work unchanged: keys that mmload does
not support are ignored and named in a notice. Unknown keys, and values of the wrong type or out of range, are errors.
All errors are reported at once, each with the path of the key and the expected value. `null` has the same effect as
leaving the key out. Keys marked * are mmload's own; mattermost-load-test-ng refuses documents that contain them.

**Environment variables.** Every key whose value is a single value or a list of strings has an environment variable,
which the tables name: `MMLOAD_`, the table and the key, in capitals. Booleans are `true`, `false`, `1` or `0`; the
strings of a list are separated by `;`. Keep passwords in the environment rather than in files:
`MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD`. If a variable starts with `MMLOAD_` but is not one of these, a notice
names it.
"""
_NETWORK = """\
## Certificates, proxies, headers

The same rules apply to REST calls, WebSockets, `mmload doctor`, `mmload init` and queries to Prometheus.

- **Certificates.** By default, the system's certificate authorities are trusted. `SSL_CERT_FILE` (a PEM file) and
  `SSL_CERT_DIR` (a folder prepared with `openssl rehash`) replace them. For Prometheus, `PrometheusCAFile` adds more.
  If `VerifyTLS` is false, any certificate of the server under test is accepted.
- **Proxies.** `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` are ignored, with a notice, unless `UseProxy` is set: in
  `ConnectionConfiguration` for the server under test, in `MonitorConfig` for Prometheus. A load test through a proxy
  also measures the proxy. With `UseProxy`, the variable for the URL's scheme is used (`HTTPS_PROXY` also for `wss`,
  `HTTP_PROXY` for `ws`), or else `ALL_PROXY`; its value is `http://[user:password@]host:port`. Hosts in `NO_PROXY` are
  connected to directly: host names including their subdomains, addresses, networks such as `10.0.0.0/8`, or `*` for
  all. mmload never connects to agents through a proxy.
- **Headers.** `Headers` in `ConnectionConfiguration` are sent with every request and every WebSocket to the server
  under test, for example for a protected staging server: `["X-Staging-Key: ${STAGING_KEY}"]`. `${STAGING_KEY}` is read
  from the environment of each process, so workers on other machines need it too. Headers are never shown, and
  redirects are not followed.
- **A protected Prometheus.** Use `PrometheusUser` with `MMLOAD_MONITORCONFIG_PROMETHEUSPASSWORD`, or
  `MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN`. Password and token are refused in a document. `PrometheusTenant` is sent as
  `X-Scope-OrgID`.
"""
_USERS_FILE = """\
## The users file

`UsersFilePath` names a text file (UTF-8) with one account per line, either as `email password` or as CSV with commas or
semicolons: `email,password` (in quotation marks if the password contains the separator). The first line can name the
columns, such as `username,email,password`. Accounts log in with `email` if there is such a column, otherwise with
`login` or `username`. Blank lines and lines that begin with `#` are ignored. The prefix `mattermost:` before the email
address is accepted; `openid:` and `saml:` are refused, because mmload logs in by password.

The first account is number 1, and so on. Users beyond the last line are refused, or get generated accounts if
`AccountsBeyondFile` is set. The lines are divided among the workers when a test starts (docs/distributed.md).
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
    kinds = {bool: "true or false", int: "whole number", float: "number", str: "string"}
    checks = "; ".join(check.expected for check in key.checks)
    if key.element is not None:
        return f"list; each: {checks}" if checks else "list"
    if key.kind is str and checks:
        return checks
    return f"{kinds[key.kind]}, {checks}" if checks else kinds[key.kind]


def _reserved() -> str:
    names = "\n".join(f"- `{name}`" for name in sorted(RESERVED))
    what = "These variables name documents, or are used by mmload's own processes and tests."
    return f"## Other environment variables\n\n{what}\n\n{names}\n"


def default_documents() -> dict[str, str]:
    """The documents a user copies, by their file names."""
    return {
        f"{name}.default.json": json.dumps(msgspec.to_builtins(table()), indent=2) + "\n"
        for name, table in DOCUMENTS.items()
    }
