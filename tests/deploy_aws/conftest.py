"""What the tests on AWS share: an AWS that is played on loopback, and a Terraform that has its provider."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from mmload.cli.locust_process import free_port
from tests.deploy_aws.machine import Instance, needed
from tests.run import processes
from tests.run.processes import Ended

PATIENCE_SECONDS = 180
# A command makes or removes things one after another, each with its waiting.
COMMAND_SECONDS = 600
REGION = "us-east-1"
# A folder of providers as Terraform's filesystem mirrors are.
PLUGINS = "MMLOAD_TEST_TF_PLUGINS"
USUAL_PLUGINS = (
    Path.home() / ".terraform.d" / "plugins",
    Path("/usr/share/terraform/plugins"),
    Path("/usr/local/share/terraform/plugins"),
    Path("/opt/tf-plugins"),
)
PROVIDER = Path("registry.terraform.io/hashicorp/aws")
# Those of Debian, as they are named there.
IMAGES = {"amd64": "x86_64", "arm64": "arm64"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "terraform" in item.keywords and (why := _missing()):
            item.add_marker(pytest.mark.skip(reason=why))


def _missing() -> str:
    if shutil.which("terraform") is None:
        return "the program terraform is not installed"
    return "" if plugins() else f"Terraform's provider for AWS is in none of its folders ({PLUGINS} names one)"


def plugins() -> Path | None:
    named = os.environ.get(PLUGINS)
    return next((each for each in ((Path(named),) if named else USUAL_PLUGINS) if (each / PROVIDER).is_dir()), None)


@dataclass
class PlayedAws:
    """AWS on loopback."""

    url: str
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What leads there, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_PROFILE": "",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraformrc"),
        }

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def instances(self, deployment_id: str) -> list[dict[str, Any]]:
        """Those with the tag that are not at their end."""
        filters = [
            {"Name": "tag:mmload-deployment", "Values": [deployment_id]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        found = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [each for reservation in found for each in reservation["Instances"]]

    def everything(self, deployment_id: str) -> list[str]:
        """All that has the tag or is named after it, by services that are asked one by one."""
        ec2, iam = self.client("ec2"), self.client("iam")
        tag = [{"Name": "tag:mmload-deployment", "Values": [deployment_id]}]
        found = [each["InstanceId"] for each in self.instances(deployment_id)]
        for what, key, name in (
            ("vpcs", "Vpcs", "VpcId"),
            ("subnets", "Subnets", "SubnetId"),
            ("security_groups", "SecurityGroups", "GroupId"),
            ("internet_gateways", "InternetGateways", "InternetGatewayId"),
            ("route_tables", "RouteTables", "RouteTableId"),
            ("volumes", "Volumes", "VolumeId"),
            ("addresses", "Addresses", "AllocationId"),
            ("key_pairs", "KeyPairs", "KeyName"),
        ):
            found += [each[name] for each in getattr(ec2, f"describe_{what}")(Filters=tag)[key]]
        rds, ssm = self.client("rds"), self.client("ssm")
        named = [
            *(each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]),
            *(each["DBClusterIdentifier"] for each in rds.describe_db_clusters()["DBClusters"]),
            *(each["DBSubnetGroupName"] for each in rds.describe_db_subnet_groups()["DBSubnetGroups"]),
            *(each["Name"] for each in self.client("s3").list_buckets()["Buckets"]),
            *(each["Name"] for each in ssm.describe_parameters()["Parameters"]),
            *(each["RoleName"] for each in iam.list_roles()["Roles"]),
            *(each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]),
            *(each["Name"] for each in self.client("scheduler").list_schedules()["Schedules"]),
        ]
        return found + [each for each in named if deployment_id in each]

    def user_data(self, instance_id: str) -> str:
        import base64

        said = self.client("ec2").describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        return base64.b64decode(said["UserData"]["Value"]).decode()

    def start(self, folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin `mmload deploy aws …` in a folder."""
        return processes.start(["-m", "mmload", "deploy", "aws", *arguments], folder, **{**self.environ, **more})

    def type(self, folder: Path, *arguments: str, **more: str) -> Ended:
        """The same, until its end."""
        return ended(self.start(folder, *arguments, **more))


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=COMMAND_SECONDS)
    return Ended(process.returncode, out, err)


@pytest.fixture(scope="session")
def played_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedAws]:
    """It knows Debian's images."""
    folder = tmp_path_factory.mktemp("aws")
    images = [
        {
            "ami_id": f"ami-debian{name}",
            "name": f"debian-12-{name}-20251112-2294",
            "owner_id": "136693071363",
            "architecture": machine,
            "creation_date": "2025-11-12T00:00:00.000Z",
            "description": "Debian 12",
            "hypervisor": "xen",
            "image_type": "machine",
            "platform": None,
            "public": True,
            "root_device_name": "/dev/xvda",
            "root_device_type": "ebs",
            "sriov": "simple",
            "state": "available",
            "virtualization_type": "hvm",
        }
        for name, machine in IMAGES.items()
    ]
    (folder / "images.json").write_text(json.dumps(images))
    mirror = json.dumps(str(plugins()))
    (folder / "terraformrc").write_text(
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n"
    )
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "MOTO_AMIS_PATH": str(folder / "images.json")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    played = PlayedAws(f"http://127.0.0.1:{port}", folder)
    try:
        _wait(played.url, process)
        yield played
    finally:
        process.kill()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(OSError), urlopen(f"{url}/moto-api/data.json", timeout=10):
            return
        assert process.poll() is None and time.monotonic() < deadline, "moto does not listen"
        time.sleep(0.2)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    needed()
    made = Instance(tmp_path / "root")
    yield made
    made.end()
