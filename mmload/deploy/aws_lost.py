"""What AWS has and Terraform's state has not: AWS carried out an order that was interrupted (Ctrl-C, kill, power).

It becomes a state of its own, by which Terraform takes it away. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from mmload.deploy.aws_settings import RentedFromAws


class ResourceKind(NamedTuple):
    """A type of Terraform's. `pattern`: how the look names it; its group is the id (by default the deployment's).

    `version` is that of the type's schema in the provider.
    """

    pattern: str
    type: str
    version: int = 0
    more: Mapping[str, bool] = {}


# In the order in which they go: what needs others is before them.
KINDS = (
    ResourceKind(r"instances (.+)", "aws_instance", 1),
    ResourceKind(r"databases (.+-[0-9a-f]{8}-\d+)", "aws_rds_cluster_instance"),
    ResourceKind(
        r"databases (.+)", "aws_db_instance", 2, {"skip_final_snapshot": True, "delete_automated_backups": True}
    ),
    ResourceKind(r"others arn:.*:rds:.*:cluster:(.+)", "aws_rds_cluster", 1, {"skip_final_snapshot": True}),
    ResourceKind(r"(?:untagged subnet-group/|others arn:.*:rds:.*:subgrp:)(.+)", "aws_db_subnet_group"),
    ResourceKind(r"disks (.+)", "aws_ebs_volume"),
    ResourceKind(r"addresses (.+)", "aws_eip"),
    ResourceKind(r"others arn:.*:security-group/(.+)", "aws_security_group", 1),
    ResourceKind(r"others arn:.*:internet-gateway/(.+)", "aws_internet_gateway"),
    ResourceKind(r"others arn:.*:route-table/(.+)", "aws_route_table"),
    ResourceKind(r"others arn:.*:subnet/(.+)", "aws_subnet", 1),
    ResourceKind(r"others arn:.*:vpc/(.+)", "aws_vpc", 1),
    # Its name is the deployment's, what AWS calls its id is another thing.
    ResourceKind(r"(?:untagged |others arn:.*:)key-pair/.+", "aws_key_pair", 1),
    ResourceKind(r"others arn:.*:s3:::(.+)", "aws_s3_bucket", 0, {"force_destroy": True}),
    ResourceKind(r"others arn:.*:ssm:.*:parameter(/.+)", "aws_ssm_parameter"),
    ResourceKind(r"untagged schedule/(.+)", "aws_scheduler_schedule"),
    ResourceKind(r"(?:untagged |others arn:.*:)instance-profile/(.+)", "aws_iam_instance_profile"),
    ResourceKind(r"untagged role/(.+)", "aws_iam_role", 0, {"force_detach_policies": True}),
)


def untagged(rented: RentedFromAws) -> dict[str, list[str]]:
    """What a look may not find by a tag, but has a name that is known before."""
    names = [f"key-pair/{rented.id}"]
    if rented.settings.with_server:
        clusters = ["-cluster", *(f"-{number + 1}" for number in range(rented.settings.database_count))]
        names += [f"schedule/default/{rented.id}{which}-ending" for which in ("", *clusters)]
        names += [f"{what}/{rented.id}-server" for what in ("instance-profile", "role")]
        names += [f"role/{rented.id}-ending", f"subnet-group/{rented.id}"]
    return {"untagged": names}


def state(deployment_id: str, found: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """As Terraform writes it; what is of no kind that we make is not in it."""
    listed = [f"{what} {name}" for what, each in found.items() for name in each]
    placed = sorted({place for name in listed for place in _place(deployment_id, name)})
    return {
        "version": 4,
        "terraform_version": "1.5.0",
        "serial": 1,
        "lineage": deployment_id,
        "resources": [
            _resource(number, [each for _, each in places])
            for number, places in groupby(placed, lambda place: place[0])
        ],
    }


def names(written: Mapping[str, Any]) -> list[str]:
    """What is in such a state."""
    return [f"{each['type']} {one['index_key']}" for each in written["resources"] for one in each["instances"]]


def _place(deployment_id: str, name: str) -> Iterator[tuple[int, str]]:
    """The number of its kind, and its id there."""
    for number, kind in enumerate(KINDS):
        if match := re.fullmatch(kind.pattern, name):
            yield number, match[1] if match.lastindex else deployment_id
            return


def _resource(number: int, ids: Sequence[str]) -> dict[str, Any]:
    kind = KINDS[number]
    return {
        "mode": "managed",
        "type": kind.type,
        "name": "lost",
        "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
        "instances": [
            {
                "index_key": each,
                "schema_version": kind.version,
                # The rest of it is read from AWS.
                "attributes": {"id": each, **kind.more},
                "dependencies": [f"{later.type}.lost" for later in KINDS[number + 1 :]],
            }
            for each in ids
        ],
    }
