"""Which documents there are: telling them apart by what is in them, and finding the default ones that users copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmload.config.coordinator_tables import Coordinator
from mmload.config.fields import keys
from mmload.config.tables import Config, GenController, SimpleController, SimulController, Table


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
    return DocumentKind(name, _lower(*top_keys.split()), unread=f"not read at all: it is for the peer's {why}")


def _lower(*names: str) -> frozenset[str]:
    # LogSettings is in nearly all of them: it tells nothing.
    return frozenset(name.lower() for name in names) - {"logsettings"}


# What every process of a run reads; the coordinator's document is read by the coordinator alone.
READ = (
    _kind("config", Config),
    _kind("simulcontroller", SimulController),
    _kind("simplecontroller", SimpleController),
    _kind("gencontroller", GenController),
)
COORDINATOR = _kind("coordinator", Coordinator)
OURS = (*READ, COORDINATOR)

# The peer's other documents, by keys that only they have.
_UNREAD = (
    _unread("browsercontroller", "SimulationId RunInHeadless SimulationTimeoutMs", "browser agents"),
    _unread("comparison", "BaseBuild NewBuild LoadTests Output", "comparisons of builds that it deploys"),
    _unread("metricswatcher", "PrometheusConfiguration Queries", "metricswatcher"),
    _unread(
        "deployer",
        """AWSProfile AWSRegion AWSAvailabilityZone AWSRoleARN AWSAMI ClusterName ClusterVpcID ClusterSubnetIDs
        ConnectionType AppInstanceCount AppInstanceType AgentInstanceCount AgentInstanceType ProxyInstanceCount
        ProxyInstanceType SSHPublicKey TerraformStateDir TerraformDBSettings ExternalDBSettings
        ExternalBucketSettings MattermostDownloadURL LoadTestDownloadURL ElasticSearchSettings JobServerSettings
        StorageSizes PyroscopeSettings""",
        "deployments, and mmload deploys no servers",
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
    return next(named, READ[0])


def default_document(name: str) -> bytes:
    """The text of `config/{name}`, such as config.default.json: from the installed package, else from the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "default_documents", package.parent / "config"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise FileNotFoundError(f"the default document {name} is not part of this installation")
