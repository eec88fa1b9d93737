"""The documents, and the settings in them: defaults, under the documents, under the environment; checked, or refused
with all reasons. Documents are told apart by what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from mmload.config.checking import DocumentCheck, contradictions, table_values, with_derived_defaults
from mmload.config.coordinator_tables import DOCUMENTS, Coordinator
from mmload.config.environment import DOCUMENT_VARIABLES, overlaid, unknown_variables
from mmload.config.fields import keys
from mmload.config.files import Object, read_credentials, read_document
from mmload.config.tables import Config, Settings, Table
from mmload.errors import ConfigurationError
from mmload.network import unused_proxy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document. `table` is its struct; without one it is only recognised, and `unread` says why."""

    name: str
    top_keys: frozenset[str]
    table: type[Table] | None = None
    unread: str = ""


def _kind(name: str, table: type[Table]) -> DocumentKind:
    return DocumentKind(name, _lower(*(key.name for key in keys(table)), *table.unsupported), table)


def _unread(name: str, top_keys: str, why: str) -> DocumentKind:
    return DocumentKind(name, _lower(*top_keys.split()), unread=f"it is for mattermost-load-test-ng's {why}")


def _lower(*names: str) -> frozenset[str]:
    # LogSettings is in nearly all of them: it tells nothing.
    return frozenset(name.lower() for name in names) - {"logsettings"}


# What every process of a run reads; the coordinator's document is read by the coordinator alone.
OURS = tuple(_kind(name, table) for name, table in DOCUMENTS.items())
*READ, COORDINATOR = OURS

# The peer's other documents, by keys that only they have.
_UNREAD = (
    _unread("browsercontroller", "SimulationId RunInHeadless SimulationTimeoutMs", "browser agents"),
    _unread("comparison", "BaseBuild NewBuild LoadTests Output", "comparisons of builds"),
    _unread("metricswatcher", "PrometheusConfiguration Queries", "metricswatcher"),
    _unread(
        "deployer",
        """AWSProfile AWSRegion AWSAvailabilityZone AWSRoleARN AWSAMI ClusterName ClusterVpcID ClusterSubnetIDs
        ConnectionType AppInstanceCount AppInstanceType AgentInstanceCount AgentInstanceType ProxyInstanceCount
        ProxyInstanceType SSHPublicKey TerraformStateDir TerraformDBSettings ExternalDBSettings
        ExternalBucketSettings MattermostDownloadURL LoadTestDownloadURL ElasticSearchSettings JobServerSettings
        StorageSizes PyroscopeSettings""",
        "deployments",
    ),
)


def matching_keys(document: DocumentKind, values: Mapping[str, Any]) -> int:
    """How many of the values' keys belong to this kind of document. Pure."""
    return sum(name.lower() in document.top_keys for name in values)


def recognised(values: Mapping[str, Any], file_name: str = "") -> DocumentKind:
    """The kind of document these values are; the file's name decides where they don't. Pure."""
    best = max((*OURS, *_UNREAD), key=lambda document: matching_keys(document, values))
    if matching_keys(best, values):
        return best
    named = (document for document in (*OURS, *_UNREAD) if file_name.lower().startswith(document.name))
    return next(named, READ[0])


def default_document(name: str) -> bytes:
    """The text of `config/{name}`, such as config.default.json: from the installed package, else from the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "default_documents", package.parent / "config"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise FileNotFoundError(f"the default document {name} is not part of this installation")


DEFAULTS = "defaults"
_USERS_FILE = "UsersConfiguration.UsersFilePath"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, what a person should know about them, and where each document came from."""

    settings: Settings
    notices: tuple[str, ...]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checked(Generic[T]):
    """One document after its check; `value` can be used only without problems."""

    value: T
    source: str
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def load_settings(
    environ: Mapping[str, str] = os.environ, folder: Path = Path("config")
) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and notices about them. Raises ConfigurationError with every problem there is."""
    loaded = load(environ, folder)
    return loaded.settings, loaded.notices


def load(environ: Mapping[str, str] = os.environ, folder: Path = Path("config")) -> LoadedSettings:
    """As `load_settings`, with the sources."""
    checked = [_checked(kind, None, environ, folder) for kind in READ]
    if problems := [problem for each in checked for problem in each.problems]:
        raise ConfigurationError(*problems)
    notices = [notice for each in checked for notice in each.notices] + unknown_variables(environ)
    sources = {kind.name: each.source for kind, each in zip(READ, checked, strict=True)}
    return LoadedSettings(Settings(*(each.value for each in checked)), tuple(notices), sources)


def load_document(
    kind: DocumentKind, environ: Mapping[str, str], folder: Path = Path("config"), given: Path | None = None
) -> Checked[Any]:
    """One document: the file given, or named by the environment, or in the folder, or the defaults.

    Raises ConfigurationError.
    """
    checked = _checked(kind, given, environ, folder)
    if checked.problems:
        raise ConfigurationError(*checked.problems)
    return checked


def _checked(kind: DocumentKind, given: Path | None, environ: Mapping[str, str], folder: Path) -> Checked[Any]:
    """One document, from wherever it is. Of one that cannot be read the environment is checked all the same."""
    named = environ.get(DOCUMENT_VARIABLES[kind.name], "")
    try:
        path = given or (Path(named) if named else _in_folder(kind, folder))
        return check_values(kind, read_document(path) if path else Object(), str(path or DEFAULTS), environ)
    except ConfigurationError as error:
        rest = check_values(kind, Object(), DEFAULTS, environ)
        return replace(rest, problems=(*error.problems, *rest.problems))


def _in_folder(kind: DocumentKind, folder: Path) -> Path | None:
    """The document in the folder of configurations, if there is one."""
    found = [path for path in (folder / f"{kind.name}.json", folder / f"{kind.name}.toml") if _exists(path)]
    if len(found) > 1:
        raise ConfigurationError(f"{found[0]} and {found[1]} both exist: keep one, or name the one to read")
    return found[0] if found else None


def _exists(path: Path) -> bool:
    """True also for what cannot be looked at: the reading of it then says why."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def check_file(path: Path) -> Checked[Any]:
    """One file by itself, whichever document it is; the environment is left out."""
    values = read_document(path)
    return check_values(recognised(values, path.name), values, str(path), {})


def check_values(kind: DocumentKind, values: Object, source: str, environ: Mapping[str, str]) -> Checked[Any]:
    """A decoded document under the environment, with all that is wrong with it."""
    refusal = _wrong_document(kind, values, source)
    if refusal or kind.table is None:
        return Checked(None, source, (refusal,))
    check = DocumentCheck(source)
    value = overlaid(table_values(kind.table, values, "", check), environ, check)
    if isinstance(value, Config):
        value = with_derived_defaults(value, check.sources)
        _check_users_file(value, check)
    for each in contradictions(value):
        keys = (each.path, *each.keys)
        # Not where a key is refused already: that would say the same twice.
        if not any(wrong.startswith(key) for wrong in check.wrong_keys for key in keys):
            sources = dict.fromkeys(check.sources[key] for key in keys if key in check.sources)
            check.refuse(each.path, each.problem, ", ".join(sources))
    notices = (*check.notices(), *filter(None, _unused_proxies(value, environ)))
    return Checked(value, source, tuple(check.problems), notices)


def _unused_proxies(document: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """A notice for each server that is not reached through the proxy that the environment names for it."""
    if isinstance(document, Config) and not document.connection.use_proxy:
        yield unused_proxy(document.connection.server_url, "ConnectionConfiguration.UseProxy", environ)
    monitor = document.monitor if isinstance(document, Coordinator) else None
    if monitor is not None and monitor.queries and not monitor.use_proxy:
        yield unused_proxy(monitor.prometheus_url, "MonitorConfig.UseProxy", environ)


def _wrong_document(kind: DocumentKind, values: Object, source: str) -> str:
    """Why these values are not the document they should be, or ""."""
    if kind.unread:
        return f"{source}: this is a {kind.name} document, which mmload does not read: {kind.unread}"
    seems = recognised(values)
    if seems is kind or matching_keys(kind, values) or not matching_keys(seems, values):
        return ""
    return f"{source}: expected a {kind.name} document, found a {seems.name} document"


def _check_users_file(config: Config, check: DocumentCheck) -> None:
    if not config.users.users_file_path:
        return
    try:
        read_credentials(config.users.users_file_path)
    except ConfigurationError as error:
        for problem in error.problems:
            check.refuse(_USERS_FILE, problem, check.sources.get(_USERS_FILE, ""))
