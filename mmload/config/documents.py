"""Which documents there are: telling them apart by what is in them, and finding the default ones that users copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mmload.config.coordinator_tables import Coordinator
from mmload.config.fields import keys
from mmload.config.tables import Config, GenController, SimpleController, SimulController


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document. `table` is its struct; without one it is only recognised, and `unread` says why."""

    name: str
    top_keys: frozenset[str]
    table: type[msgspec.Struct] | None = None
    unread: str = ""


def _ours(name: str, table: type[msgspec.Struct]) -> DocumentKind:
    return DocumentKind(name, _lower(*(key.name for key in keys(table))), table)


def _lower(*names: str) -> frozenset[str]:
    # LogSettings is in nearly all of them: it tells nothing.
    return frozenset(name.lower() for name in names) - {"logsettings"}


_CONFIG = DocumentKind("config", _lower(*(key.name for key in keys(Config)), *Config.unsupported), Config)
_SIMUL = _ours("simulcontroller", SimulController)
_SIMPLE = _ours("simplecontroller", SimpleController)
_GENERATE = _ours("gencontroller", GenController)
# What every process of a run reads; the coordinator's document is read by the coordinator alone.
READ = (_CONFIG, _SIMUL, _SIMPLE, _GENERATE)
COORDINATOR = _ours("coordinator", Coordinator)
OURS = (*READ, COORDINATOR)

# The peer's other documents, by keys that only they have.
_UNREAD = (
    DocumentKind(
        "browsercontroller",
        _lower("SimulationId", "RunInHeadless", "SimulationTimeoutMs"),
        unread="not read at all: it is for the peer's browser agents",
    ),
    DocumentKind(
        "comparison",
        _lower("BaseBuild", "NewBuild", "LoadTests", "Output"),
        unread="not read at all: it is for the peer's comparisons of builds that it deploys",
    ),
    DocumentKind(
        "metricswatcher",
        _lower("PrometheusConfiguration", "Queries"),
        unread="not read at all: it is for the peer's metricswatcher",
    ),
    DocumentKind(
        "deployer",
        _lower(
            *"""AWSProfile AWSRegion AWSAvailabilityZone AWSRoleARN AWSAMI ClusterName ClusterVpcID ClusterSubnetIDs
            ConnectionType AppInstanceCount AppInstanceType AgentInstanceCount AgentInstanceType ProxyInstanceCount
            ProxyInstanceType SSHPublicKey TerraformStateDir TerraformDBSettings ExternalDBSettings
            ExternalBucketSettings MattermostDownloadURL LoadTestDownloadURL ElasticSearchSettings JobServerSettings
            StorageSizes PyroscopeSettings""".split()
        ),
        unread="not read at all: it is for the peer's deployments, and mmload deploys no servers",
    ),
)


def likeness(document: DocumentKind, values: Mapping[str, Any]) -> int:
    """How many of the values' keys belong to this kind of document. Pure."""
    return sum(name.lower() in document.top_keys for name in values)


def recognised(values: Mapping[str, Any], file_name: str = "") -> DocumentKind:
    """The kind of document these values are; the file's name decides where they don't. Pure."""
    best = max((*OURS, *_UNREAD), key=lambda document: likeness(document, values))
    if likeness(best, values):
        return best
    named = (document for document in (*OURS, *_UNREAD) if file_name.lower().startswith(document.name))
    return next(named, _CONFIG)


def default_document(name: str) -> bytes:
    """The text of `config/{name}`, such as config.default.json: from the installed package, else from the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "default_documents", package.parent / "config"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise FileNotFoundError(f"the default document {name} is not part of this installation")
