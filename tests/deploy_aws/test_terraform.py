"""What Terraform makes of the module on an AWS that is played: by `mmload deploy aws`, and by hand."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mmload.deploy import aws, aws_lost, terraform
from mmload.deploy.aws_prices import costs, machines, prices
from mmload.deploy.aws_settings import AwsSettings, RentedFromAws, secret_variables
from tests.deploy_aws.conftest import COMMAND_SECONDS, PlayedAws, ended
from tests.deploy_aws.machine import Instance
from tests.run import processes

pytestmark = pytest.mark.terraform
LICENCE = "the-licence-of-a-test"


class ByHand:
    """Somebody who types `terraform` in the folder that was prepared, one command at a time."""

    def __init__(self, folder: Path, played: PlayedAws, settings: AwsSettings, deployment_id: str) -> None:
        folder.mkdir()
        self._said = folder / "said"
        self.folder, self.rented = folder, RentedFromAws(deployment_id, settings)
        aws.prepare(folder, self.rented)
        secret = secret_variables(settings, folder)
        self.environ = {**processes.environ(folder), **played.environ, **secret}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # Into a file: a plan is more than a pipe takes, and nobody reads while others are at work.
        with self._said.open("w") as written:
            return subprocess.Popen(
                ["terraform", *arguments], cwd=self.folder, env=self.environ, text=True,
                stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def end(self, process: subprocess.Popen[str]) -> str:
        """What it said, when it has come to its end."""
        code = process.wait(COMMAND_SECONDS)
        said = self._said.read_text()
        assert code == 0, said
        return said

    def type(self, *arguments: str) -> str:
        return self.end(self.start(*arguments))


def settings(key: Path, **more: Any) -> AwsSettings:
    return AwsSettings(
        owner="a test", expires_at="2999-01-01T00:00:00Z", allow=["127.0.0.1/32"], ssh_public_key_file=str(key), **more
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub")


def test_the_module_is_formatted() -> None:
    subprocess.run(["terraform", "fmt", "-check", "-recursive", terraform.module_folder()], check=True)


def wait_for_line(log: Path, text: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while not log.exists() or text not in log.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{text!r} does not come"
        time.sleep(0.2)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def way_to(port: Path, desk: Path) -> dict[str, str]:
    """An environment in which ssh leads to the machine that stands in for the instance, as soon as there is one."""
    programs = desk / "programs"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(
        f'#!/bin/sh\n[ -e {port} ] || {{ echo "ssh: connect: Connection refused" >&2; exit 255; }}\n'
        f'exec /usr/bin/ssh -o HostName=127.0.0.1 -o Port=$(cat {port}) "$@"\n'
    )
    ssh.chmod(0o755)
    return {"PATH": f"{programs}:{processes.environ(desk)['PATH']}"}


def stand_in(played: PlayedAws, instance: Instance, deployment_id: str) -> None:
    """For the instance that was made: booted with its own user data, with the key that AWS was told of."""
    [made] = played.instances(deployment_id)
    [pair] = played.client("ec2").describe_key_pairs(KeyNames=[deployment_id], IncludePublicKey=True)["KeyPairs"]
    done = instance.boot(played.user_data(made["InstanceId"]))
    assert done.returncode == 0, done.stderr
    instance.serve_ssh(pair["PublicKey"])


def test_machines_are_rented_used_and_given_back(
    tmp_path: Path, played_aws: PlayedAws, key: Path, instance: Instance, fresh_sandbox: str
) -> None:
    """After Ctrl-C in the middle of `up`, `down` leaves nothing; another deployment in the same account is not touched.

    That one is a server under test, made and unmade by hand at the same time.
    """
    desk = tmp_path / "desk"
    desk.mkdir()
    licence = tmp_path / "licence"
    licence.write_text(LICENCE)
    wanted = settings(key, name="srv", agent_count=1, app_count=2, licence_file=str(licence))
    server = ByHand(tmp_path / "server", played_aws, wanted, "srv-0123abcd")
    server.type("init", "-no-color")
    making = server.start("apply", "-auto-approve", "-no-color")

    port = tmp_path / "port"
    environ = way_to(port, desk)
    options = ("--agents", "1", "--allow", "127.0.0.1", "--ssh-key", str(key), "--owner", "a test", "--workers", "1")
    up = played_aws.start(desk, "up", *options, **environ)
    folder = desk / "mmload-aws"
    wait_for_line(folder / "terraform.log", "aws_vpc.own[0]: Creating", up)
    up.send_signal(signal.SIGINT)
    interrupted = ended(up)
    assert interrupted.code == 130, interrupted.err
    assert "Terraform finishes the operations that it has started" in interrupted.err
    assert "`mmload deploy aws up` continues, `mmload deploy aws down` destroys everything" in interrupted.err

    # AWS may have made what was in flight: a key pair of that name would be in the way of an `up`.
    interrupted_id = json.loads((folder / "settings.json").read_text())["id"]
    cleared = played_aws.type(desk, "down")
    assert cleared.code == 0, cleared.out + cleared.err
    assert played_aws.everything(interrupted_id) == []

    up = played_aws.start(desk, "up", *options, "--server", fresh_sandbox, **environ)
    wait_for_line(folder / "terraform.log", "Apply complete", up)
    deployment_id = json.loads((folder / "settings.json").read_text())["id"]
    stand_in(played_aws, instance, deployment_id)
    port.write_text(str(instance.port))
    done = ended(up)
    assert done.code == 0, done.err
    assert "agent1 is ready" in done.err and "1 worker on 1 host" in done.err
    open_to_others = [path.name for path in folder.iterdir() if not path.is_dir() and mode(path) & 0o077]
    assert mode(folder) == 0o700 and open_to_others in ([], [".terraform.lock.hcl"])
    examine_the_agent(played_aws, deployment_id)

    filled = ended(processes.start(["-m", "mmload", "init", "--server", fresh_sandbox, "--users", "2"], desk))
    assert filled.code == 0, filled.err
    run = played_aws.type(
        desk, "run", "--", "run", "--users", "2", "--server", fresh_sandbox, "--run-time", "3s", **environ
    )
    assert run.code in (0, 6), run.err
    assert "its machines terminate at" in run.err and "on agent1" in run.out
    assert "Apply complete" in server.end(making)
    examine_the_server(played_aws, server)

    taking = server.start("destroy", "-auto-approve", "-no-color")
    other = played_aws.type(desk, "up", "--profile", "nobody")
    assert other.code == 4 and "resources exist, and may cost" in other.err
    down = played_aws.type(desk, "down", "--profile", "")
    assert down.code == 0, down.err
    assert f"{deployment_id}: nothing is left in us-east-1, according to AWS" in down.out
    assert played_aws.everything(deployment_id) == [] and not folder.exists()
    server.end(taking)
    assert played_aws.everything("srv-0123abcd") == []


def examine_the_agent(played: PlayedAws, deployment_id: str) -> None:
    """Whose it is, who gets in, and that it ends by itself."""
    ec2 = played.client("ec2")
    [made] = played.instances(deployment_id)
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags["owner"] == "a test" and tags["Name"] == "mmload-agent1" and tags["expires-at"].endswith("Z")
    assert made["MetadataOptions"]["HttpTokens"] == "required"
    behaviour = ec2.describe_instance_attribute(
        InstanceId=made["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    [interface] = made["NetworkInterfaces"]
    # Without a name it would be all groups that there are.
    [name] = [each["GroupId"] for each in interface["Groups"]]
    groups = ec2.describe_security_groups(GroupIds=[name])
    blocks = [
        block["CidrIp"]
        for group in groups["SecurityGroups"]
        for permission in group["IpPermissions"]
        for block in permission["IpRanges"]
    ]
    assert blocks == ["127.0.0.1/32"]
    volumes = ec2.describe_volumes(Filters=[{"Name": "tag:mmload-deployment", "Values": [deployment_id]}])["Volumes"]
    assert [volume["Encrypted"] for volume in volumes] == [True]


def examine_the_server(played: PlayedAws, server: ByHand) -> None:
    """What it is made of, that the estimate knew of it, and where its secrets are not."""
    rented = server.rented
    kinds = Counter(each["InstanceType"] for each in played.instances(rented.id))
    expected: Counter[str] = Counter()
    for count, kind in machines(rented.settings).values():
        expected[kind] += count
    assert kinds == expected
    databases = played.client("rds").describe_db_instances()["DBInstances"]
    [database] = [each for each in databases if each["DBInstanceIdentifier"] == rented.id]
    assert database["StorageEncrypted"] and not database["PubliclyAccessible"]
    volumes = played.client("ec2").describe_volumes(Filters=[{"Name": "tag:mmload-deployment", "Values": [rented.id]}])[
        "Volumes"
    ]
    estimate = {each.what: each.count for each in costs(rented.settings, prices())}
    assert sum(volume["Size"] for volume in volumes) == estimate["GiB of disks"]
    assert database["AllocatedStorage"] == estimate["GiB of the database's disk"]
    secrets = (LICENCE, (server.folder / "database_password").read_text())
    user_data = [played.user_data(each["InstanceId"]) for each in played.instances(rented.id)]
    assert all(len(each) < 16384 for each in user_data), "AWS takes no more"
    assert not any(secret in each for each in user_data for secret in secrets)
    told = played.client("ssm").get_parameter(Name=f"/{rented.id}/licence", WithDecryption=True)["Parameter"]
    assert told["Type"] == "SecureString" and told["Value"] == f"={LICENCE}"
    schedule = played.client("scheduler").get_schedule(Name=f"{rented.id}-ending")
    assert schedule["ScheduleExpression"] == "at(2999-01-01T00:00:00)"
    assert schedule["Target"]["Arn"].endswith(":aws-sdk:rds:deleteDBInstance")
    board = played.client("s3").get_object(Bucket=f"{rented.id}-files", Key="setup/mmload.json")["Body"].read()
    assert json.loads(board)["title"]


def test_a_server_on_aurora_in_subnets_that_are_there_is_planned(
    tmp_path: Path, played_aws: PlayedAws, key: Path
) -> None:
    """With agents that are spot instances, and without public addresses."""
    subnets = [each["SubnetId"] for each in played_aws.client("ec2").describe_subnets()["Subnets"][:2]]
    wanted = settings(
        key, spot=True, app_count=1, mattermost_image="mattermost/x:11", subnet_ids=subnets, public_addresses=False,
        database_engine="aurora", database_count=2, metrics=False,
    )  # fmt: skip
    planner = ByHand(tmp_path / "planner", played_aws, wanted, "plan-0123abcd")
    planner.type("init", "-no-color")

    plan = planner.type("plan", "-no-color")

    assert 'market_type = "spot"' in plan and "aws_vpc" not in plan and "aws_eip" not in plan
    assert plan.count('resource "aws_rds_cluster_instance"') == 2
    assert plan.count('resource "aws_scheduler_schedule"') == 3, "both instances, then the cluster"
    assert "module.metrics" not in plan
    assert (planner.folder / "database_password").read_text() not in plan


def test_what_aws_or_terraform_refuses_is_told_and_nothing_stands(
    tmp_path: Path, played_aws: PlayedAws, key: Path
) -> None:
    """A profile that there is not, and a type of machine: nothing of it holds for the next time."""
    options = ("--agents", "1", "--allow", "127.0.0.1", "--ssh-key", str(key), "--profile", "nobody")
    up = played_aws.type(tmp_path, "up", *options)

    assert up.code == 4
    assert "nobody" in up.err and "nothing was created, and mmload-aws is removed" in up.err
    assert "Traceback" not in up.err and "Plan:" not in up.err
    again = played_aws.type(tmp_path, "up", *options[:-2], "--agent-type", "no.such")
    assert again.code == 4 and "nobody" not in again.err and "at least 0.01 USD" in again.err
    assert not (tmp_path / "mmload-aws").exists()


def tagged(kind: str, deployment_id: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags(deployment_id)}]


def tags(deployment_id: str) -> list[dict[str, str]]:
    return [{"Key": "mmload-deployment", "Value": deployment_id}]


def ordered(played: PlayedAws, deployment_id: str) -> None:
    """One of each kind that the module makes, but a database, as if their answers had been lost."""
    ec2, iam = played.client("ec2"), played.client("iam")

    def spec(kind: str) -> dict[str, Any]:
        return {"TagSpecifications": tagged(kind, deployment_id)}

    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16", **spec("vpc"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", **spec("subnet"))["Subnet"]["SubnetId"]
    group = ec2.create_security_group(
        VpcId=vpc, GroupName=f"{deployment_id}-hosts", Description="x", **spec("security-group")
    )["GroupId"]
    gateway = ec2.create_internet_gateway(**spec("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    table = ec2.create_route_table(VpcId=vpc, **spec("route-table"))["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
    ec2.create_key_pair(KeyName=deployment_id, **spec("key-pair"))
    ec2.run_instances(
        ImageId="ami-debianamd64", MinCount=2, MaxCount=2, SubnetId=subnet, SecurityGroupIds=[group],
        TagSpecifications=[*tagged("instance", deployment_id), *tagged("volume", deployment_id)],
    )  # fmt: skip
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, **spec("volume"))
    ec2.allocate_address(Domain="vpc", **spec("elastic-ip"))
    with_tags = {"Tags": tags(deployment_id)}
    played.client("rds").create_db_subnet_group(
        DBSubnetGroupName=deployment_id, DBSubnetGroupDescription="x", SubnetIds=[subnet], **with_tags
    )
    s3 = played.client("s3")
    s3.create_bucket(Bucket=f"{deployment_id}-files")
    s3.put_bucket_tagging(Bucket=f"{deployment_id}-files", Tagging={"TagSet": tags(deployment_id)})
    s3.put_object(Bucket=f"{deployment_id}-files", Key="a/file", Body=b"x")
    played.client("ssm").put_parameter(Name=f"/{deployment_id}/licence", Value="x", Type="SecureString", **with_tags)
    rights = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
    for name in (f"{deployment_id}-server", f"{deployment_id}-ending"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.put_role_policy(RoleName=name, PolicyName="x", PolicyDocument=json.dumps(rights))
    iam.create_instance_profile(InstanceProfileName=f"{deployment_id}-server")
    iam.add_role_to_instance_profile(InstanceProfileName=f"{deployment_id}-server", RoleName=f"{deployment_id}-server")
    played.client("scheduler").create_schedule(
        Name=f"{deployment_id}-ending", ScheduleExpression="at(2999-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": "arn:aws:scheduler:::x", "RoleArn": "arn:aws:iam::1:role/x"},
    )  # fmt: skip


def test_what_aws_has_and_the_state_has_not_is_taken_away(tmp_path: Path, played_aws: PlayedAws, key: Path) -> None:
    """An order whose answer was lost, by Ctrl-C or with mmload itself: its tag or its name tells."""
    folder = tmp_path / "mmload-aws"
    folder.mkdir()
    aws.prepare(folder, RentedFromAws("lost-0123abcd", settings(key, app_count=1)))
    ordered(played_aws, "lost-0123abcd")
    ordered(played_aws, "kept-0123abcd")
    # One only: moto gives all databases the same id, by which the provider waits for its end.
    played_aws.client("rds").create_db_instance(
        DBInstanceIdentifier="lost-0123abcd", Engine="postgres", DBInstanceClass="db.r7g.large", AllocatedStorage=20,
        MasterUsername="u", MasterUserPassword="p" * 12, DBSubnetGroupName="lost-0123abcd", Tags=tags("lost-0123abcd"),
    )  # fmt: skip
    kept = played_aws.everything("kept-0123abcd")
    lost = played_aws.everything("lost-0123abcd")
    assert len(lost) == len(kept) + 1

    status = played_aws.type(tmp_path, "status")
    assert "2 of 5 machines run" in status.out, status.err
    assert played_aws.everything("lost-0123abcd") == lost, "only `down` takes anything away"
    down = played_aws.type(tmp_path, "down")

    assert down.code == 0, down.out + down.err
    assert re.search(r'aws_vpc\.lost\["vpc-\w+"\] destroyed', down.err), down.err
    assert played_aws.everything("lost-0123abcd") == []
    assert not folder.exists()
    assert played_aws.everything("kept-0123abcd") == kept


def test_the_provider_has_the_types_of_lost_things_as_they_are_written(
    tmp_path: Path, played_aws: PlayedAws, key: Path
) -> None:
    reader = ByHand(tmp_path / "reader", played_aws, settings(key), "read-0123abcd")
    reader.type("init", "-no-color")

    [provider] = json.loads(reader.type("providers", "schema", "-json"))["provider_schemas"].values()

    for kind in aws_lost.KINDS:
        schema = provider["resource_schemas"][kind.type]
        assert schema["version"] == kind.version, kind.type
        assert kind.more.keys() <= schema["block"]["attributes"].keys(), kind.type
