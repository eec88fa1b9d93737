"""What is deployed in Kubernetes: the objects by its own schema, and what their pods may do."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml

from mmload import __version__
from mmload.cli import main
from mmload.cli import parsed as options_of
from mmload.cli.deploy.k8s import (
    file_options,
    found_words,
    label,
    parsed,
    shortcomings,
    toleration,
    users_each,
    users_of,
)
from mmload.config import load_settings
from mmload.deploy import manifests, pods
from mmload.deploy.k8s_run import settings_of
from mmload.deploy.kubectl import is_too_old, unpack
from mmload.deploy.manifests import ClusterDeployment, as_yaml, command_in_pod
from mmload.errors import ConfigurationError, UsageError

ROOT = Path(__file__).resolve().parents[2]
RENDERED = ROOT / "deploy" / "kubernetes" / "mmload.yaml"
CHECK = fastjsonschema.compile(json.loads((Path(__file__).parent / "schemas" / "kubernetes.json").read_text()))
PLAIN = ClusterDeployment(image="registry.example.com/mmload:0.1.0")
ALL = ClusterDeployment(
    image="registry.example.com/mmload:0.1.0",
    workers=40,
    worker_cpu="2",
    worker_memory="2Gi",
    pull_secret="registry",
    node_selector={"pool": "load"},
    tolerations=[{"key": "load", "operator": "Exists"}, {"key": "a", "operator": "Equal", "value": "b"}],
)
RUN = ["run", "--users", "2000", "--server", "http://chat.example.com"]


def objects(deployment: ClusterDeployment) -> list[dict[str, Any]]:
    return [
        manifests.namespace("load"),
        *manifests.standing(deployment),
        *manifests.secrets({"MMLOAD_AGENT_TOKEN": "secret"}, {"MMLOAD_CONFIG": "{}"}),
        manifests.worker_job(deployment, ["IdleUser"]),
        manifests.master_job(deployment, RUN),
        manifests.check_pod(deployment, ["mmload", "--version"]),
    ]


def pod_specs(deployment: ClusterDeployment) -> list[dict[str, Any]]:
    made = objects(deployment)
    return [each["spec"]["template"]["spec"] if each["kind"] == "Job" else each["spec"] for each in made[-3:]]


@pytest.mark.parametrize("deployment", [PLAIN, ALL])
def test_every_object_is_what_kubernetes_reads(deployment: ClusterDeployment) -> None:
    for each in objects(deployment):
        CHECK(each)


def test_a_word_that_kubernetes_does_not_know_is_found() -> None:
    job = manifests.worker_job(PLAIN)
    job["spec"]["template"]["spec"]["automountServiceAccountTokens"] = False

    with pytest.raises(fastjsonschema.JsonSchemaValueException, match="automountServiceAccountTokens"):
        CHECK(job)


@pytest.mark.parametrize("deployment", [PLAIN, ALL])
def test_as_yaml_they_are_the_same(deployment: ClusterDeployment) -> None:
    assert list(yaml.safe_load_all(as_yaml(objects(deployment)))) == objects(deployment)


@pytest.mark.parametrize("deployment", [PLAIN, ALL])
def test_pods_are_as_the_restricted_level_of_kubernetes_wants_them(deployment: ClusterDeployment) -> None:
    for pod in pod_specs(deployment):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert set(container["resources"]["limits"]) == {"memory"}  # a limit of CPU would throttle it


def test_workers_are_numbered_and_spread_and_a_refused_one_is_not_started_again() -> None:
    spec = manifests.worker_job(ALL)["spec"]
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]

    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 40, 40)
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["podFailurePolicy"]["rules"][0] == {
        "action": "FailJob",
        "onExitCodes": {"containerName": "worker", "operator": "In", "values": [4]},
    }


def test_nobody_but_workers_reaches_the_masters_port() -> None:
    _, service, nobody, masters = manifests.standing(PLAIN)
    worker, master = (
        job["spec"]["template"]["metadata"]["labels"]
        for job in (manifests.worker_job(PLAIN), manifests.master_job(PLAIN, RUN))
    )

    assert nobody["spec"] == {"podSelector": {"matchLabels": manifests.LABELS}, "policyTypes": ["Ingress"]}
    assert manifests.LABELS.items() <= worker.items()
    assert masters["spec"]["podSelector"]["matchLabels"] == master == service["spec"]["selector"]
    (rule,) = masters["spec"]["ingress"]
    assert rule == {"from": [{"podSelector": {"matchLabels": worker}}], "ports": [{"port": 5557, "protocol": "TCP"}]}


def test_settings_go_into_secrets_with_a_token_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD": "hidden-1",
        "MMLOAD_RUNCONFIGURATION_RUNSFOLDER": "/data/runs",
        "MMLOAD_AGENT_TOKEN": "of-somebody-else",
    }
    settings, files = settings_of(environ, "drawn", {"profile": "{}"})

    assert settings["stringData"] == {
        "MMLOAD_CONNECTIONCONFIGURATION_ADMINPASSWORD": "hidden-1",
        "MMLOAD_RUNCONFIGURATION_RUNSFOLDER": "runs",
        "MMLOAD_AGENT_TOKEN": "drawn",
        "profile": "/etc/mmload/profile",
    }
    assert files["stringData"] == {"profile": "{}"}


def test_documents_that_are_too_large_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="a Kubernetes Secret holds"):
        settings_of({}, "drawn", {"profile": "x" * 1_100_000})


def test_files_of_the_desk_have_other_names_in_a_pod() -> None:
    told = command_in_pod(["run", "--config", "a.json", "--profile=b.json", "--users=5"], 3, file_options())

    assert told == [
        *("run", "--config", "/etc/mmload/MMLOAD_CONFIG", "--profile", "/etc/mmload/profile", "--users=5"),
        *("--expect-workers", "3", "--master-bind-host", "0.0.0.0"),
    ]
    assert command_in_pod(["doctor"], 0, file_options()) == ["doctor"]


def test_the_master_is_told_what_it_understands() -> None:
    for command in (RUN, ["storm", "reconnect", "--users", "10"], ["capacity", "--server", "http://chat.example.com"]):
        args = options_of(command_in_pod(command, 3, file_options()))
        assert (args.expect_workers, args.master_bind_host) == (3, "0.0.0.0")


@pytest.mark.parametrize("rest", [[], ["--", "mix"], ["--", "run", "--sandbox"], ["--", "run", "--processes", "2"]])
def test_what_cannot_run_there_is_refused(rest: list[str]) -> None:
    with pytest.raises(UsageError):
        parsed(rest)


def test_labels_and_taints_of_nodes() -> None:
    assert label("pool=load") == ("pool", "load")
    assert toleration("load") == {"key": "load", "operator": "Exists"}
    assert toleration("a=b:NoSchedule") == {"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}
    for wrong in ("", "=b", "a:Never"):
        with pytest.raises(UsageError):
            toleration(wrong)
    with pytest.raises(UsageError):
        label("pool")


@pytest.mark.parametrize(
    ("command", "workers", "each"),
    [
        (["run", "--users", "2000"], 3, 667),
        (["run", "--users", "3"], 3, 1),
        (["storm", "spike", "--users", "100"], 4, 50),
        (["storm", "spike", "--users", "100", "--more", "20"], 4, 30),
    ],
)
def test_users_of_a_worker(command: list[str], workers: int, each: int) -> None:
    _, most = users_of(options_of(command), load_settings({})[0])

    assert users_each(most, workers) == each


def test_more_workers_than_users_are_refused() -> None:
    with pytest.raises(UsageError, match="2 users for 3 workers"):
        users_each(2, 3)


def pod(phase: str = "Pending", state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "worker", "state": state}] if state else []
    return {"metadata": {"name": "w"}, "status": {"phase": phase, "containerStatuses": containers, **status}}


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}


@pytest.mark.parametrize(
    ("found", "running", "code", "hopeless", "told"),
    [
        (pod(), False, None, False, ""),
        (pod("Running", {"running": {}}), True, None, False, ""),
        (pod("Pending", {"waiting": {"reason": "ContainerCreating"}}), False, None, False, ""),
        (
            pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            *(False, None, True, "cannot pull the image: no such image"),
        ),
        (pod(conditions=[UNSCHEDULED]), False, None, False, f"no suitable node: {UNSCHEDULED['message']}"),
        (pod("Succeeded", {"terminated": {"exitCode": 0}}), False, 0, False, ""),
        (
            pod("Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            *(False, 137, True, "exited with code 137 (OOMKilled)"),
        ),
        (pod("Failed", reason="Evicted", message="low on memory"), False, 1, True, "Evicted: low on memory"),
    ],
)
def test_what_becomes_of_a_pod(
    found: dict[str, Any], running: bool, code: int | None, hopeless: bool, told: str
) -> None:
    assert pods.is_running(found, "worker") is running
    assert pods.exit_code(found, "worker") == code
    assert pods.is_hopeless(found) is hopeless
    assert pods.problem(found) == told


def archive(**members: bytes | None) -> bytes:
    """Files by their names; None is a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("_up_", ".."))
            member.size = len(content or b"")
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            made.addfile(member, io.BytesIO(content or b""))
    return out.getvalue()


def test_results_are_unpacked_and_nothing_else(tmp_path: Path) -> None:
    content = archive(**{"./run/run.json": b"{}", "./run/latest": None, "./other": b"x"})

    assert unpack(io.BytesIO(content), tmp_path) == ["other", "run"]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["other", "run", "run/run.json"]


def test_an_archive_that_is_cut_off_or_reaches_out_is_refused(tmp_path: Path) -> None:
    whole = archive(**{"./run": bytes(range(256)) * 400})
    with pytest.raises((tarfile.TarError, EOFError)):
        unpack(io.BytesIO(whole[: len(whole) // 2]), tmp_path)
    with pytest.raises(tarfile.TarError, match="another place"):
        unpack(io.BytesIO(archive(**{"_up_/run": b"x"})), tmp_path / "inside")


def test_versions_that_lack_what_is_needed_are_refused() -> None:
    assert [
        is_too_old(*each) for each in (("1", "25"), ("1", "25+"), ("1", "26"), ("1", "32+"), ("2", "0"), ("", ""))
    ] == [
        *(True, True, False, False, False, False),
    ]


def test_what_the_check_found() -> None:
    found = {"mmload": __version__, "python": "3.12.14", "open_files": 1048576, "seconds": 0.0012}

    assert found_words(found, PLAIN) == (
        f"registry.example.com/mmload:0.1.0: mmload {__version__}, Python 3.12.14 · "
        "1 workers, each with 1 CPU and 1Gi · 1048576 open files · 1.2 ms to the server"
    )
    assert shortcomings(found, "http://x") == []
    assert len(shortcomings({"mmload": "0.0.9", "problem": "timed out"}, "http://x")) == 2


def test_the_manifests_of_the_repository_are_those_that_are_rendered() -> None:
    out = io.StringIO()
    command = ["deploy", "k8s", "render", "--image", "registry.example.com/mmload:0.1.0", "--workers", "4", "--", *RUN]
    with contextlib.redirect_stdout(out):
        assert main(command) == 0

    assert out.getvalue() == RENDERED.read_text(), f"mmload {' '.join(command)} > {RENDERED.relative_to(ROOT)}"
    kinds = [each["kind"] for each in yaml.safe_load_all(RENDERED.read_text())]
    assert kinds == ["Namespace", "ConfigMap", "Service", "NetworkPolicy", "NetworkPolicy", "Job", "Job"]
