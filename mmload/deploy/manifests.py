"""What is deployed in a Kubernetes cluster, as its objects. Pure.

`standing` is made by `up` and stays until `down`; `job` objects are those of one run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mmload.deploy.expected import DEFAULT_PORT

NAME = "mmload"
MASTER, WORKER = "mmload-master", "mmload-worker"
SETTINGS, FILES = "mmload-settings", "mmload-files"
CHECK = "mmload-check"
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": NAME}
SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
COMPONENT = "app.kubernetes.io/component"
RESULTS = "results"
HOME, FILES_FOLDER = "/home/mmload", "/etc/mmload"
USER = 10001
# How long a run may last, and its results are kept for whoever has lost the connection; then all of it ends.
LONGEST_SECONDS = 24 * 3600
# A worker that is refused would be again; one whose node is taken away is started once more.
REFUSED_CODE = 4
RESTARTS = 6
STOP_SECONDS = 120

Manifest = dict[str, Any]


class ClusterDeployment(msgspec.Struct, frozen=True):
    """What `up` was told; kept in the cluster."""

    image: str
    workers: int = 1
    worker_cpu: str = "1"
    worker_memory: str = "1Gi"
    pull_secret: str = ""
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, str]] = []


def namespace(name: str) -> Manifest:
    """Where nothing may run that is allowed more than ours."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS | levels}}


def standing(deployment: ClusterDeployment) -> list[Manifest]:
    """What is there between runs."""
    port = {"port": DEFAULT_PORT, "protocol": "TCP"}
    told = msgspec.json.encode(deployment).decode()
    workers = {"podSelector": {"matchLabels": {**LABELS, COMPONENT: WORKER}}}
    return [
        _object("v1", "ConfigMap", NAME, data={"deployment.json": told}),
        _object(
            "v1",
            "Service",
            MASTER,
            spec={
                "selector": {**LABELS, COMPONENT: MASTER},
                "ports": [{"name": "workers", "targetPort": DEFAULT_PORT, **port}],
                # They look for it before it is ready.
                "publishNotReadyAddresses": True,
            },
        ),
        # Nobody reaches our pods, but the workers the master.
        _object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            NAME,
            spec={"podSelector": {"matchLabels": LABELS}, "policyTypes": ["Ingress"]},
        ),
        _object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            MASTER,
            spec={
                "podSelector": {"matchLabels": {**LABELS, COMPONENT: MASTER}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [workers], "ports": [port]}],
            },
        ),
    ]


def secrets(variables: Mapping[str, str], files: Mapping[str, str]) -> list[Manifest]:
    """The settings of master and workers. `files` by the variables that name them."""
    named = {name: f"{FILES_FOLDER}/{name}" for name in files}
    return [
        _object("v1", "Secret", SETTINGS, type="Opaque", stringData={**variables, **named}),
        _object("v1", "Secret", FILES, type="Opaque", stringData=dict(files)),
    ]


def worker_job(deployment: ClusterDeployment, user_classes: Iterable[str] = ()) -> Manifest:
    """Workers with their numbers, spread over the nodes, each on a core of its own."""
    classes = ("--", *user_classes) if user_classes else ()
    container = _container(deployment, "worker", ["agent", "--worker-of", MASTER, *classes])
    # By this they are called in the report.
    container["env"] = [{"name": "MMLOAD_HOST_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {**LABELS, COMPONENT: WORKER}},
    }
    pod = _pod(deployment, [container], volumes={"tmp": "/tmp", "home": HOME})
    pod["topologySpreadConstraints"] = [spread]
    refused = {"containerName": "worker", "operator": "In", "values": [REFUSED_CODE]}
    taken_away = {"type": "DisruptionTarget", "status": "True"}
    return _job(
        WORKER,
        pod,
        completions=deployment.workers,
        parallelism=deployment.workers,
        completionMode="Indexed",
        backoffLimit=RESTARTS,
        podFailurePolicy={
            "rules": [
                {"action": "FailJob", "onExitCodes": refused},
                {"action": "Ignore", "onPodConditions": [taken_away]},
            ]
        },
    )


def master_job(deployment: ClusterDeployment, command: Sequence[str]) -> Manifest:
    """The master, or a command without workers; a second container keeps the results until the job is deleted."""
    keeper = _container(deployment, RESULTS, [])
    # A plain sleep would not heed the signal that ends it.
    keeper["command"] = ["sh", "-c", f"trap exit TERM; sleep {LONGEST_SECONDS} & wait"]
    keeper["resources"] = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}
    del keeper["envFrom"]
    pod = _pod(deployment, [_container(deployment, "master", command), keeper], volumes={"tmp": "/tmp", "home": HOME})
    return _job(MASTER, pod, backoffLimit=0)


def check_pod(deployment: ClusterDeployment, command: Sequence[str]) -> Manifest:
    """A pod that says what it finds, to see that the image can be had."""
    container = _container(deployment, "check", [])
    container["command"] = list(command)
    del container["envFrom"]
    spec = _pod(deployment, [container], volumes={"tmp": "/tmp", "home": HOME}, files=False)
    pod = _object("v1", "Pod", CHECK, spec={**spec, "activeDeadlineSeconds": LONGEST_SECONDS})
    pod["metadata"]["labels"] = {**LABELS, COMPONENT: CHECK}
    return pod


def command_in_pod(rest: Sequence[str], workers: int, documents: Mapping[str, str]) -> list[str]:
    """The command as the master runs it: files of this machine by their names there. `documents` by their options."""
    told, left = [], list(rest)
    while left:
        option, equals, value = left.pop(0).partition("=")
        if option in documents:
            value = value if equals else left.pop(0)
            told += [option, f"{FILES_FOLDER}/{documents[option]}"]
        else:
            told.append(f"{option}{equals}{value}")
    if not workers:
        return told
    return [*told, "--expect-workers", str(workers), "--master-bind-host", "0.0.0.0"]


def _object(version: str, kind: str, name: str, **parts: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}, **parts}


def _job(name: str, pod: Manifest, **parts: Any) -> Manifest:
    labels = {**LABELS, COMPONENT: name}
    # A run is not moved to another node to save one.
    stays = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
    spec = {
        **parts,
        "activeDeadlineSeconds": LONGEST_SECONDS,
        "ttlSecondsAfterFinished": LONGEST_SECONDS,
        "template": {"metadata": {"labels": labels, "annotations": stays}, "spec": pod},
    }
    job = _object("batch/v1", "Job", name, spec=spec)
    job["metadata"]["labels"] = labels
    return job


def _pod(
    deployment: ClusterDeployment, containers: list[Manifest], volumes: Mapping[str, str], *, files: bool = True
) -> Manifest:
    for container in containers:
        mounts = [{"name": name, "mountPath": path} for name, path in volumes.items()]
        mounted = [{"name": "files", "mountPath": FILES_FOLDER, "readOnly": True}] if files else []
        container["volumeMounts"] = mounts + mounted
    secret = {"name": "files", "secret": {"secretName": FILES, "defaultMode": 0o440}}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [{"name": name, "emptyDir": {}} for name in volumes] + ([secret] if files else []),
        **({"imagePullSecrets": [{"name": deployment.pull_secret}]} if deployment.pull_secret else {}),
        **({"nodeSelector": deployment.node_selector} if deployment.node_selector else {}),
        **({"tolerations": deployment.tolerations} if deployment.tolerations else {}),
    }


def _container(deployment: ClusterDeployment, name: str, arguments: Sequence[str]) -> Manifest:
    # No limit of CPU: a throttled generator measures itself.
    cpu, memory = deployment.worker_cpu, deployment.worker_memory
    return {
        "name": name,
        "image": deployment.image,
        **({"args": list(arguments)} if arguments else {}),
        "envFrom": [{"secretRef": {"name": SETTINGS}}],
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def as_yaml(objects: Iterable[Manifest]) -> str:
    """For people, and for kubectl."""
    return "".join(f"---\n{''.join(_lines(each, ''))}" for each in objects)


def _lines(value: Any, indent: str) -> Iterator[str]:
    """Blocks, with scalars as JSON has them, which YAML reads alike."""
    items = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    for key, each in items:
        head = f"{indent}- " if key is None else f"{indent}{key}:"
        if not isinstance(each, dict | list) or not each:
            yield f"{head}{'' if key is None else ' '}{json.dumps(each)}\n"
        elif key is None:
            first, *more = _lines(each, f"{indent}  ")
            yield f"{head}{first.lstrip()}"
            yield from more
        else:
            yield f"{head}\n"
            yield from _lines(each, f"{indent}  ")
