"""What is wanted of AWS, what it costs and what is told of it: without AWS, without Terraform."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from mmload.deploy import aws, aws_lost, aws_settings, terraform
from mmload.deploy.aws_prices import costs, prices, told
from mmload.deploy.aws_settings import AwsSettings, RentedFromAws
from mmload.errors import ConfigurationError, MmloadError, UsageError
from tests.deploy.conftest import wait_until
from tests.run import processes

NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
# What is told to Terraform in another way than as a setting.
TOLD_OTHERWISE = {
    "deployment_id", "ssh_public_key", "ssh_host_key", "licence", "config_patch", "database_password", "grafana_board",
}  # fmt: skip


def variables_of_the_module() -> dict[str, str | None]:
    """Each variable with its default as it is written there."""
    text = (terraform.module_folder() / "variables.tf").read_text()
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    return {
        name: (found[1].strip() if (found := re.search(r"^  default\s+= (.*)$", block, re.MULTILINE)) else None)
        for name, block in blocks
    }


def test_settings_are_the_variables_of_the_module_with_their_defaults() -> None:
    there = variables_of_the_module()
    ours = {name: value for name, value in msgspec.to_builtins(AwsSettings()).items() if not name.endswith("_file")}
    assert set(ours) | TOLD_OTHERWISE == set(there)
    for name, value in ours.items():
        # Without a default: they are always told.
        assert name in {"owner", "expires_at", "allow"} or json.loads(str(there[name])) == value, name


def test_nothing_secret_is_written_for_terraform(tmp_path: Path) -> None:
    key, licence = tmp_path / "key.pub", tmp_path / "licence"
    key.write_text("ssh-ed25519 AAAA me\n")
    licence.write_text("the licence\n")
    settings = AwsSettings(ssh_public_key_file=str(key), licence_file=str(licence), app_count=1)
    folder = tmp_path / "folder"
    folder.mkdir()
    aws.prepare(folder, RentedFromAws("x-1", settings))

    secret = aws_settings.secret_variables(settings, folder)

    assert secret["TF_VAR_licence"] == "the licence"
    assert secret["TF_VAR_ssh_host_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    written = (folder / terraform.VARIABLES).read_text() + (folder / aws_settings.SETTINGS).read_text()
    assert not any(value in written for value in secret.values())
    assert aws_settings.read(folder) == RentedFromAws("x-1", settings)
    again = dict(secret)
    aws_settings.make_secrets(folder)
    assert aws_settings.secret_variables(settings, folder) == again, "the machines that stand know the first ones"


@pytest.mark.parametrize(
    ("text", "block"), [("203.0.113.7", "203.0.113.7/32"), ("10.1.2.3/16", "10.1.0.0/16"), ("10.0.0.0/8", "10.0.0.0/8")]
)
def test_who_is_let_in(text: str, block: str) -> None:
    assert aws_settings.checked_block(text) == block


@pytest.mark.parametrize("text", ["0.0.0.0/0", "128.0.0.0/1", "::/0", "everybody", ""])
def test_the_whole_internet_is_not_let_in(text: str) -> None:
    with pytest.raises(UsageError, match="--allow"):
        aws_settings.checked_block(text)


def test_ones_own_address_is_asked_for_where_it_cannot_be_found_out() -> None:
    def offline(_url: str) -> str:
        raise OSError("network is unreachable")

    assert aws_settings.own_address(lambda url: "203.0.113.7\n" if "amazonaws" in url else "") == "203.0.113.7/32"
    for fetch in (offline, lambda _url: "<html>log in to this wireless network</html>"):
        with pytest.raises(UsageError, match=r"checkip\.amazonaws\.com.*name it with --allow 203\.0\.113\.7/32"):
            aws_settings.own_address(fetch)


def test_a_private_key_is_not_sent_to_aws(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(ConfigurationError, match="this is the private key"):
        aws_settings.public_key(AwsSettings(ssh_public_key_file=str(path)))
    path.write_text("hello\n")
    with pytest.raises(ConfigurationError, match="expected one public key"):
        aws_settings.public_key(AwsSettings(ssh_public_key_file=str(path)))
    with pytest.raises(UsageError, match="create one with ssh-keygen"):
        aws_settings.completed(AwsSettings(), tmp_path, lambda _url: "203.0.113.7")


def test_what_was_said_before_holds_until_something_else_is_said() -> None:
    before = AwsSettings(agent_count=5, region="eu-west-1")
    after = aws_settings.settings_from(before, {"agent_type": "c7g.xlarge", "spot": True}, {"spot": False})
    assert (after.agent_count, after.agent_type, after.spot, after.region) == (5, "c7g.xlarge", False, "eu-west-1")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"agent_cuont": 5}, "agent_cuont: no such setting. did you mean agent_count"),
        ({"agent_count": "many"}, "agent_count"),
        ({"region": "us-east-2"}, "this deployment is in us-east-1"),
    ],
)
def test_settings_that_cannot_be(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        aws_settings.settings_from(AwsSettings(), document, {})


def test_nothing_is_rented_for_longer_than_a_week() -> None:
    assert aws_settings.expiry(NOW, 4 * 3600) == "2026-11-27T14:00:00Z"
    with pytest.raises(UsageError, match="a week"):
        aws_settings.expiry(NOW, 8 * 24 * 3600)
    left = AwsSettings(expires_at="2026-11-27T14:00:00Z").remaining(NOW)
    assert left == timedelta(hours=4)


def test_an_estimate_adds_up() -> None:
    settings = AwsSettings(agent_count=4, spot=True, app_count=2, database_engine="aurora", database_count=3)
    items = {each.what: each for each in costs(settings, prices())}

    assert items["c7i.xlarge (agents, spot: at most)"].total == pytest.approx(4 * 0.1785)
    assert items["db.r7g.large (database, aurora)"].total == pytest.approx(3 * 0.276)
    assert items["public addresses"].count == 4 + 2 + 1 + 1
    table = told(settings, prices(), 2.5)
    hourly = sum(each.total for each in items.values())
    assert f"{hourly:.3f}" in table and f"{hourly * 2.5:.2f}" in table and "2 h 30 min" in table
    assert prices()["date"] in table


def test_an_estimate_says_what_it_does_not_know() -> None:
    table = told(AwsSettings(agent_type="x9.huge", region="eu-west-1"), prices(), 1)
    assert "at least" in table and "Price not known: x9.huge (agents)" in table
    assert "prices in eu-west-1 differ" in table


def test_an_estimate_needs_no_aws_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "wanted.toml").write_text("agent_count = 3\n")
    done = processes.mmload_here(tmp_path, "deploy", "aws", "estimate", "--settings", "wanted.toml", "--expire", "2h")
    assert done.returncode == 0 and "3 × c7i.xlarge (agents)" in done.stdout and "2 h" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["wanted.toml"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("# mine\n")
    for part in ("up", "down"):
        done = processes.mmload_here(tmp_path.parent, "deploy", "aws", part, "--folder", str(tmp_path))
        assert done.returncode == 2 and "contains other files" in done.stderr, done.stderr
    assert (tmp_path / "main.tf").read_text() == "# mine\n"
    nothing = processes.mmload_here(tmp_path.parent, "deploy", "aws", "down", "--folder", str(tmp_path / "none"))
    assert nothing.returncode == 0 and "nothing is rented" in nothing.stderr


def test_without_terraform_it_is_said_where_to_get_it(tmp_path: Path) -> None:
    key = tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAA me\n")
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "ssh-keygen").symlink_to("/usr/bin/ssh-keygen")
    only = {"PATH": str(tmp_path / "programs")}
    up = processes.mmload(tmp_path, "deploy", "aws", "up", "--allow", "127.0.0.1", "--ssh-key", str(key), **only)
    assert up.returncode == 4
    assert "terraform was not found" in up.stderr and "nothing was created" in up.stderr


def test_only_what_is_done_is_told_of_what_terraform_says() -> None:
    resource = {"addr": "module.agent[0].aws_instance.this"}
    made = {"type": "apply_complete", "hook": {"resource": resource, "action": "create", "elapsed_seconds": 12}}
    slow = {"type": "apply_progress", "hook": {"resource": resource, "elapsed_seconds": 120}}
    quick = {"type": "apply_progress", "hook": {"resource": resource, "elapsed_seconds": 10}}
    read = {"type": "apply_complete", "hook": {"resource": {"addr": "data.aws_ami.debian"}, "action": "read"}}
    plan = {"type": "change_summary", "@message": "Plan: 2 to add.", "changes": {"operation": "plan", "add": 2}}
    assert terraform.progress_of(plan) == "Plan: 2 to add."
    assert terraform.progress_of(plan | {"changes": {"operation": "plan", "add": 0}}) == ""
    assert terraform.progress_of(made) == "module.agent[0].aws_instance.this created (12 s)"
    assert terraform.progress_of(slow) == "module.agent[0].aws_instance.this: 120 s so far"
    assert terraform.progress_of(quick) == terraform.progress_of(read) == terraform.progress_of({"type": "log"}) == ""


def test_why_aws_refuses_is_one_line() -> None:
    refused = {
        "severity": "error",
        "summary": "creating EC2 VPC: UnauthorizedOperation",
        "detail": "You are not authorized\nto perform this operation.",
        "address": "aws_vpc.own[0]",
    }
    assert terraform.problem_of({"type": "diagnostic", "diagnostic": refused}) == (
        "aws_vpc.own[0]: creating EC2 VPC: UnauthorizedOperation: You are not authorized to perform this operation."
    )
    assert terraform.problem_of({"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "x"}}) == ""


def test_what_stands_is_counted_by_terraforms_state(tmp_path: Path) -> None:
    assert terraform.standing(tmp_path) == 0
    resources = [{"mode": "managed", "instances": [{}, {}]}, {"mode": "data", "instances": [{}]}]
    (tmp_path / terraform.STATE).write_text(json.dumps({"resources": resources}))
    assert terraform.standing(tmp_path) == 2
    (tmp_path / terraform.STATE).write_text("{")
    assert terraform.standing(tmp_path) is None


def test_machines_are_known_by_their_own_key_only(tmp_path: Path) -> None:
    """Never a host key that was not made at the desk; the user's own configuration holds besides."""
    rented = RentedFromAws("x-1", AwsSettings(ssh_public_key_file=str(tmp_path / "key.pub")))
    config = aws_settings.ssh_config(rented, tmp_path, {"agent1": "203.0.113.1", "metrics": "203.0.113.2"})
    assert "Host agent1\n  HostName 203.0.113.1\n" in config
    assert "StrictHostKeyChecking yes" in config and "HostKeyAlias x-1" in config
    assert config.endswith("Host *\n  Include ~/.ssh/config\n")
    assert "IdentityFile" not in config, "the private key is in an agent"


def test_a_start_up_script_that_failed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'line 7: apt-get'\nexit 1\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(MmloadError, match="app1: its start-up script failed: line 7: apt-get"):
        aws.wait_for_hosts(tmp_path, ["app1"], print)


def test_prometheus_reads_a_run_through_a_tunnel_that_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a machine with Prometheus."""
    ssh, called = tmp_path / "ssh", tmp_path / "called"
    ssh.write_text(f'#!/bin/sh\necho "$*" >{called}.part\nmv {called}.part {called}\nexec sleep 600\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / aws.SSH_CONFIG).write_text("Host agent1\n  HostName 203.0.113.1\n")
    with aws.metrics_tunnel(tmp_path) as more:
        assert more == {} and not called.exists()
    before = set(psutil.Process().children())
    (tmp_path / aws.SSH_CONFIG).write_text("Host metrics\n  HostName 203.0.113.2\n")

    with aws.metrics_tunnel(tmp_path) as more:
        address = more["MMLOAD_RUNCONFIGURATION_METRICSADDRESS"]
        wait_until(called.exists, "ssh is started")
        begun = set(psutil.Process().children()) - before

    assert f"-N -R 127.0.0.1:8089:{address} -T metrics" in called.read_text()
    assert begun and not any(each.is_running() for each in begun)


def test_lost_things_by_their_names() -> None:
    """Twice listed is one thing; what is of no kind that we make is left for people."""
    arn = "arn:aws:{}:us-east-1:1:{}"
    found = {
        "instances": ["i-0a", "i-0b"],
        "databases": ["x-01234567", "x-01234567-2"],
        "others": [
            arn.format("rds", "cluster:x-01234567"), arn.format("rds", "subgrp:x-01234567"),
            arn.format("ec2", "vpc/vpc-1"), arn.format("ec2", "key-pair/key-0c"), arn.format("ec2", "natgateway/nat-1"),
            "arn:aws:s3:::x-01234567-files", arn.format("ssm", "parameter/x-01234567/licence"),
        ],
    }  # fmt: skip
    found |= aws_lost.untagged(RentedFromAws("x-01234567", AwsSettings(app_count=1)))

    resources = aws_lost.state("x-01234567", found)["resources"]

    assert {each["type"]: [one["attributes"]["id"] for one in each["instances"]] for each in resources} == {
        "aws_instance": ["i-0a", "i-0b"],
        "aws_rds_cluster_instance": ["x-01234567-2"],
        "aws_db_instance": ["x-01234567"],
        "aws_rds_cluster": ["x-01234567"],
        "aws_db_subnet_group": ["x-01234567"],
        "aws_vpc": ["vpc-1"],
        "aws_key_pair": ["x-01234567"],
        "aws_s3_bucket": ["x-01234567-files"],
        "aws_ssm_parameter": ["/x-01234567/licence"],
        "aws_scheduler_schedule": [f"default/x-01234567{which}-ending" for which in ("-1", "-cluster", "")],
        "aws_iam_instance_profile": ["x-01234567-server"],
        "aws_iam_role": ["x-01234567-ending", "x-01234567-server"],
    }
