"""What instances do first, carried out for real: user data as Terraform makes it, in a root folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from mmload.deploy.terraform import module_folder
from tests.deploy_aws.machine import Instance

SCRIPTS = module_folder() / "scripts"
METADATA = "http://169.254.169.254/latest"
ASK = "curl --fail --silent --show-error --max-time 5"
TOKEN = f"{ASK} --request PUT --header X-aws-ec2-metadata-token-ttl-seconds: 60 {METADATA}/api/token"
EXPIRES = f"{ASK} --header X-aws-ec2-metadata-token: t0ken {METADATA}/meta-data/tags/instance/expires-at"
SECRET = "aws ssm get-parameter --region us-east-1 --name /x/{} --with-decryption --query Parameter.Value --output text"
AWS = {"REGION": "us-east-1", "PARAMETERS": "/x/"}


def user_data(role: str, **settings: str) -> str:
    """As host/main.tf puts it together."""
    quoted = {key: value.replace("'", "'\\''") for key, value in settings.items()}
    lines = ["#!/bin/bash", *(f"{key}='{value}'" for key, value in quoted.items())]
    return "\n".join(lines) + "\n" + "".join((SCRIPTS / f"{name}.sh").read_text() for name in ("common", role))


def test_the_scripts_are_clean_shell() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("the program shellcheck is not installed")
    scripts = sorted(SCRIPTS.glob("*.sh"))
    done = subprocess.run(["shellcheck", "--shell", "bash", *scripts], capture_output=True, text=True)
    assert scripts and done.returncode == 0, done.stdout


def test_a_machine_for_load_is_known_by_its_key_and_ends_when_its_tag_says_so(
    instance: Instance, tmp_path: Path
) -> None:
    key = tmp_path / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    done = instance.boot(user_data("agent", SSH_HOST_KEY=key.read_text().rstrip()))

    assert done.returncode == 0, done.stderr
    assert instance.read("etc/ssh/ssh_host_ed25519_key") == key.read_text()
    assert (instance.root / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    public = key.with_suffix(".pub").read_text().split()
    assert instance.read("etc/ssh/ssh_host_ed25519_key.pub").split()[:2] == public[:2]
    assert (instance.root / "var/lib/mmload/ready").exists()
    assert "systemctl enable --now mmload-expire.timer" in instance.called()
    assert any("install -q -y" in call and "python3-venv" in call for call in instance.called())

    expire = ("/bin/bash", "/usr/local/sbin/mmload-expire")

    def ends() -> list[str]:
        return [call for call in instance.called() if call.startswith("shutdown -P now")]

    assert instance.run(*expire).returncode == 0 and ends() == [], "nothing can be read, and it is not an hour yet"
    instance.answer(TOKEN, "t0ken")
    instance.answer(EXPIRES, "2999-01-01T00:00:00Z")
    assert instance.run(*expire).returncode == 0 and ends() == []
    assert instance.read("var/lib/mmload/expires-at") == "2999-01-01T00:00:00Z\n"
    instance.answer(EXPIRES, "no time")
    assert instance.run(*expire).returncode == 0 and ends() == []
    instance.answer(EXPIRES, "2026-01-01T00:00:00Z")
    assert instance.run(*expire).returncode == 0 and len(ends()) == 1


def test_mattermost_is_told_its_secrets_by_a_file_that_nobody_else_reads(instance: Instance, tmp_path: Path) -> None:
    """From an archive, with a patch of the configuration, as one of several."""
    archive = tmp_path / "mattermost.tar.gz"
    (tmp_path / "mattermost/bin").mkdir(parents=True)
    (tmp_path / "mattermost/config").mkdir()
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "mattermost", "mattermost")
    url = "https://example.com/mattermost.tar.gz"
    instance.says = {
        SECRET.format("database"): "=postgres://mmuser:s3cret@db:5432/mattermost",
        SECRET.format("database-replicas"): "=",
        SECRET.format("licence"): "=a licence",
        SECRET.format("config-patch"): '={"TeamSettings": {"MaxUsersPerTeam": 7}, "PluginSettings": {"Enable": false}}',
    }
    instance.prepare()
    instance.answer(f"curl --fail --silent --show-error --location --retry 5 {url}", archive.read_bytes())
    done = instance.boot(
        user_data("app", **AWS, BUCKET="files", PACKAGE=url, IMAGE="", CLUSTER="x", SITE_URL="http://chat.example.com")
    )

    assert done.returncode == 0, done.stderr
    environment = dict(line.split("=", 1) for line in instance.read("etc/mattermost/environment").splitlines())
    assert environment["MM_SQLSETTINGS_DATASOURCE"] == "postgres://mmuser:s3cret@db:5432/mattermost"
    assert environment["MM_LICENSE"] == "a licence" and environment["MM_CLUSTERSETTINGS_CLUSTERNAME"] == "x"
    assert environment["MM_SERVICESETTINGS_SITEURL"] == "http://chat.example.com"
    assert (instance.root / "etc/mattermost").stat().st_mode & 0o077 == 0
    config = json.loads(instance.read("opt/mattermost/config/config.json"))
    assert config["TeamSettings"]["MaxUsersPerTeam"] == 7 and config["TeamSettings"]["EnableOpenServer"]
    assert config["PluginSettings"] == {"Enable": False} and not config["RateLimitSettings"]["Enable"]
    assert "systemctl enable --now mattermost" in instance.called()
    assert (instance.root / "var/lib/mmload/ready").exists()
    assert not any("s3cret" in call for call in instance.called())


def test_mattermost_from_an_image(instance: Instance) -> None:
    instance.says = {SECRET.format("database"): "=postgres://db", SECRET.format("config-patch"): "={}"}
    done = instance.boot(
        user_data("app", **AWS, BUCKET="files", PACKAGE="", IMAGE="mattermost/x:11", CLUSTER="", SITE_URL="")
    )

    assert done.returncode == 0, done.stderr
    [begun] = [call for call in instance.called() if call.startswith("docker run")]
    assert begun.endswith("mattermost/x:11") and "--env-file /etc/mattermost/environment" in begun
    assert "MM_LICENSE" not in instance.read("etc/mattermost/environment")


def test_nginx_accepts_its_configuration(instance: Instance) -> None:
    site = (SCRIPTS / "nginx-site.conf").read_text()
    done = instance.boot(user_data("proxy", APP_ADDRESSES="10.0.0.1 10.0.0.2", NGINX_SITE=site))

    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    told = instance.run("nginx", "-T").stdout
    assert "server 10.0.0.1:8065 max_fails=0;" in told and "server 10.0.0.2:8065 max_fails=0;" in told
    assert "worker_connections 20000;" in told
    assert "systemctl restart nginx" in instance.called()


def test_prometheus_accepts_its_configuration(instance: Instance) -> None:
    instance.says = {SECRET.format("database-of-postgres-exporter"): "=postgres://db"}
    done = instance.boot(
        user_data(
            "metrics", **AWS, BOARD="s3://files/setup/mmload.json", APP_ADDRESSES="10.0.0.1 10.0.0.2",
            AGENT_ADDRESSES="10.0.0.3", PROXY_ADDRESS="10.0.0.4",
        )
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout
    config = instance.read("etc/prometheus/prometheus.yml")
    assert '"10.0.0.2:8067"' in config and '"10.0.0.3:9100"' in config and '"10.0.0.4:9100"' in config
    assert instance.read("etc/default/prometheus-postgres-exporter") == "DATA_SOURCE_NAME=postgres://db\n"
    assert (
        "aws s3 cp --region us-east-1 s3://files/setup/mmload.json /etc/grafana/boards/mmload.json" in instance.called()
    )


def test_a_script_that_fails_says_where(instance: Instance) -> None:
    """Nobody waits in vain for such a machine."""
    done = instance.boot(
        user_data("app", **AWS, BUCKET="b", PACKAGE="https://example.com/no", IMAGE="", CLUSTER="", SITE_URL="")
    )

    assert done.returncode != 0
    assert instance.read("var/lib/mmload/failed").startswith("line ")
    assert not (instance.root / "var/lib/mmload/ready").exists()
