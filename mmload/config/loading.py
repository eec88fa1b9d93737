"""Settings that a process was given while it ran (an agent's `create`), in force instead of its own.

The settings in force: defaults, under the documents, under the environment; checked, or refused with all reasons.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmload.config.checking import DocumentCheck, table_values
from mmload.config.documents import READ, DocumentKind, likeness, recognised
from mmload.config.environment import DOCUMENT_VARIABLES, overlaid, unknown_variables
from mmload.config.files import Object, read_credentials, read_document
from mmload.config.relations import RELATIONS, with_derived_defaults
from mmload.config.tables import Config, Settings
from mmload.errors import ConfigurationError

_adopted: Settings | None = None


def adopt(settings: Settings | None) -> None:
    """Put these in force in this process; None: again what the documents and the environment say."""
    global _adopted
    _adopted = settings


def adopted() -> Settings | None:
    """The settings that this process was given, if any."""
    return _adopted


DEFAULTS = "defaults"
_USERS_FILE = "UsersConfiguration.UsersFilePath"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, what a person should know about them, and where each document came from."""

    settings: Settings
    notices: tuple[str, ...]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """One document after its check; `value` can be used only without problems."""

    value: Any
    problems: tuple[str, ...]
    notices: tuple[str, ...]


def load_settings(
    config: Path | None = None,
    simul: Path | None = None,
    simple: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path = Path("config"),
    generate: Path | None = None,
) -> tuple[Settings, tuple[str, ...]]:
    """The settings in force, and notices about them. Raises ConfigurationError with every problem there is."""
    given = adopted()
    if given is not None and environ is os.environ and not (config or simul or simple or generate):
        return given, ()
    loaded = load((config, simul, simple, generate), environ, folder)
    return loaded.settings, loaded.notices


def load(
    given: tuple[Path | None, ...] = (None, None, None, None),
    environ: Mapping[str, str] = os.environ,
    folder: Path = Path("config"),
) -> LoadedSettings:
    """As `load_settings`, with the sources. `given` are the files in the order of `READ`."""
    sources: dict[str, str] = {}
    checked = [_one(kind, path, environ, folder, sources) for kind, path in zip(READ, given, strict=True)]
    problems = [problem for each in checked for problem in each.problems]
    if problems:
        raise ConfigurationError(*problems)
    notices = [notice for each in checked for notice in each.notices] + unknown_variables(environ)
    return LoadedSettings(Settings(*(each.value for each in checked)), tuple(notices), sources)


def load_document(kind: DocumentKind, environ: Mapping[str, str], folder: Path) -> Any:
    """One document: named by the environment, or in the folder, or its defaults. Raises ConfigurationError."""
    path = _named_by_environment(kind, environ) or _in_folder(kind, folder)
    checked = check_values(kind, read_document(path) if path else Object(), str(path or DEFAULTS), environ)
    if checked.problems:
        raise ConfigurationError(*checked.problems)
    return checked.value


def _one(
    kind: DocumentKind, given: Path | None, environ: Mapping[str, str], folder: Path, sources: dict[str, str]
) -> Checked:
    """One document, from wherever it is."""
    try:
        path = given or _named_by_environment(kind, environ) or _in_folder(kind, folder)
        sources[kind.name] = str(path or DEFAULTS)
        values = read_document(path) if path else Object()
    except ConfigurationError as error:
        return _despite(error, kind, environ)
    return check_values(kind, values, sources[kind.name], environ)


def _despite(error: ConfigurationError, kind: DocumentKind, environ: Mapping[str, str]) -> Checked:
    """A document that can't be read: what else is wrong is told along with it."""
    rest = check_values(kind, Object(), DEFAULTS, environ)
    return Checked(rest.value, (*error.problems, *rest.problems), rest.notices)


def _named_by_environment(kind: DocumentKind, environ: Mapping[str, str]) -> Path | None:
    named = environ.get(DOCUMENT_VARIABLES[kind.name], "")
    return Path(named) if named else None


def _in_folder(kind: DocumentKind, folder: Path) -> Path | None:
    """The document in the folder of configurations, if there is one."""
    candidates = [folder / f"{kind.name}{suffix}" for suffix in (".json", ".toml")]
    found = [path for path in candidates if _is_there(path)]
    if len(found) > 1:
        raise ConfigurationError(f"{found[0]} and {found[1]} are both there: keep one, or name the one to read")
    return found[0] if found else None


def _is_there(path: Path) -> bool:
    """True also for what can't be looked at: the reading of it then says why."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def check_file(path: Path) -> Checked:
    """One file by itself, whichever document it is; the environment is left out."""
    values = read_document(path)
    kind = recognised(values, path.name)
    return check_values(kind, values, str(path), {})


def check_values(kind: DocumentKind, values: Object, source: str, environ: Mapping[str, str]) -> Checked:
    """A decoded document under the environment, with all that is wrong with it."""
    refusal = _wrong_document(kind, values, source)
    if refusal or kind.table is None:
        return Checked(None, (refusal,), ())
    findings = DocumentCheck(source)
    value = overlaid(table_values(kind.table, values, "", findings), environ, findings)
    if isinstance(value, Config):
        value = with_derived_defaults(value, findings.sources)
        _check_users_file(value, findings)
    _check_relations(value, findings)
    return Checked(value, tuple(findings.problems), tuple(findings.notices()))


def _wrong_document(kind: DocumentKind, values: Object, source: str) -> str:
    """Why these values are not the document they should be, or ""."""
    if kind.unread:
        return f"{source}: this is a {kind.name} document; it is {kind.unread}"
    seems = recognised(values)
    if seems is kind or likeness(kind, values) or not likeness(seems, values):
        return ""
    return f"{source}: expected a {kind.name} document, found a {seems.name} document"


def _check_relations(value: Any, findings: DocumentCheck) -> None:
    """The rules over several keys, but for those of which a key is already refused."""
    for relation in RELATIONS.get(type(value), ()):
        told = any(wrong.startswith(key) for wrong in findings.wrong_keys for key in relation.keys)
        problem = "" if told else relation.judge(value)
        if problem:
            sources = dict.fromkeys(findings.sources[key] for key in relation.keys if key in findings.sources)
            findings.refuse(relation.path, problem, ", ".join(sources))


def _check_users_file(
    config: Config, findings: DocumentCheck, read: Callable[[str], object] = read_credentials
) -> None:
    if not config.users.users_file_path:
        return
    try:
        read(config.users.users_file_path)
    except ConfigurationError as error:
        for problem in error.problems:
            findings.refuse(_USERS_FILE, problem, findings.sources.get(_USERS_FILE, ""))
