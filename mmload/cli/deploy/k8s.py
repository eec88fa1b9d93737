"""`mmload deploy k8s`: master and workers in a Kubernetes cluster, through kubectl; the results are brought here."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mmload import __version__
from mmload.cli import capacity
from mmload.cli import run as run_command
from mmload.cli.common import DOCUMENTS, overrides, print_json, runs_folder, say, whole_number
from mmload.cli.deploy.parts import WITH_WORKERS, add_part, inner_command
from mmload.config import Settings, load_settings
from mmload.config.environment import DOCUMENT_VARIABLES
from mmload.config.fields import seconds_of
from mmload.config.files import read_text
from mmload.config.stages import most_users, parse_stages
from mmload.deploy import manifests, pods
from mmload.deploy.checks import server_address
from mmload.deploy.k8s_run import ClusterRun, settings_of, wait_for_check
from mmload.deploy.kubectl import KINDS, KubernetesCluster
from mmload.deploy.manifests import FILES, MASTER, RESULTS, SETTINGS, ClusterDeployment
from mmload.errors import ExitCode, UsageError
from mmload.open_files import users_of_one
from mmload.printable import harmless_line

NAMESPACE = "mmload"
# Without workers.
ALONE = ("doctor", "init")
OF_USERS = ("run", "storm")
# Files that options name, beside the documents.
FILE_OPTIONS = ("profile", "coordinator")
PATIENCE = "10m"
# What the check finds out in the cluster; the server's address is in its arguments.
CHECK = """
import json, os, socket, sys, time
from mmload import __version__
from mmload.open_files import allowed_open_files
found = {"mmload": __version__, "python": sys.version.split()[0], "open_files": allowed_open_files()}
if sys.argv[1:]:
    began = time.monotonic()
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()
        found["seconds"] = time.monotonic() - began
    except OSError as error:
        found["problem"] = str(error)
print(json.dumps(found))
"""


def add_parser(parts: Any) -> None:
    meaning = "in a Kubernetes cluster, through kubectl"
    parser = parts.add_parser("k8s", help=meaning, description=f"Master and workers {meaning} (docs/deploy.md).")
    k8s_parts = parser.add_subparsers(dest="k8s_part", metavar="PART", required=True)
    up = _part(k8s_parts, "up", "create what runs need, and check that pods get the image and reach the server", _up)
    _add_deployment(up)
    up.add_argument("--server", metavar="URL", help="check that pods reach this server, and measure the latency")
    _add_wait(up)
    run_part = _part(
        k8s_parts, "run", "run a command there: mmload deploy k8s run -- run --users 2000 --server …", _run
    )
    _add_wait(run_part)
    _add_rest(run_part)
    _add_wait(_part(k8s_parts, "fetch", "reconnect to a run, and copy its results", _fetch))
    status = _part(k8s_parts, "status", "show the deployment and its pods", _status)
    status.add_argument("--json", action="store_true", help="as JSON")
    down = _part(k8s_parts, "down", "remove everything, and check that nothing is left", _down)
    down.add_argument(
        "--discard", action="store_true", help="even a run that is still running, or whose results have not been copied"
    )
    render = _part(k8s_parts, "render", "print the manifests, to apply them by hand", _render)
    _add_deployment(render)
    _add_rest(render)


def _part(parts: Any, name: str, meaning: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    part = add_part(parts, name, meaning, run)
    part.add_argument("--namespace", metavar="NAME", default=NAMESPACE, help=f"default: {NAMESPACE}")
    part.add_argument(
        "--context", metavar="NAME", default="", help="context of your kubeconfig (default: the current one)"
    )
    return part


def _add_deployment(part: argparse.ArgumentParser) -> None:
    add = part.add_argument
    add("--image", metavar="IMAGE", help="image of mmload that the nodes can pull")
    add("--workers", metavar="N", type=whole_number(1), help="number of worker pods (default: 1)")
    add("--worker-cpu", metavar="CPU", help="CPU request of each worker (default: 1)")
    add("--worker-memory", metavar="SIZE", help="memory request and limit of each worker (default: 1Gi)")
    add("--pull-secret", metavar="NAME", help="Secret for the image's registry")
    add("--node-selector", metavar="KEY=VALUE", action="append", help="only nodes with this label; repeatable")
    add("--toleration", metavar="KEY[=VALUE][:EFFECT]", action="append", help="also nodes with this taint; repeatable")


def _add_wait(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--wait", metavar="TIME", default=PATIENCE, help=f"how long to wait for pods (default: {PATIENCE})"
    )


def _add_rest(part: argparse.ArgumentParser) -> None:
    commands = ", ".join((*WITH_WORKERS, *ALONE))
    part.add_argument("rest", nargs=argparse.REMAINDER, metavar="-- COMMAND", help=f"one of {commands}")


def _tell(text: str) -> None:
    say("deploy", text)


def _deployment(args: argparse.Namespace, before: ClusterDeployment | None = None) -> ClusterDeployment:
    """What was said; else what was said before. UsageError."""
    given: dict[str, Any] = {
        name: getattr(args, name)
        for name in ("image", "workers", "worker_cpu", "worker_memory", "pull_secret")
        if getattr(args, name) is not None
    }
    if args.node_selector is not None:
        given["node_selector"] = dict(map(label, args.node_selector))
    if args.toleration is not None:
        given["tolerations"] = list(map(toleration, args.toleration))
    if before is not None:
        return msgspec.structs.replace(before, **given)
    if not args.image:
        raise UsageError("--image is missing: the image that the nodes pull (docs/deploy.md says how to build it)")
    return ClusterDeployment(**given)


def label(text: str) -> tuple[str, str]:
    """Of `--node-selector`. Pure."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--node-selector {text}: expected a label of the nodes as KEY=VALUE")
    return name, value


def toleration(text: str) -> dict[str, str]:
    """Of `--toleration`. Pure."""
    taint, _, effect = text.partition(":")
    key, equals, value = taint.partition("=")
    if not key or effect not in ("", "NoSchedule", "NoExecute", "PreferNoSchedule"):
        raise UsageError(
            f"--toleration {text}: expected a taint of the nodes as KEY, KEY=VALUE or KEY=VALUE:NoSchedule"
        )
    told = {"key": key, "operator": "Equal" if equals else "Exists"}
    return told | ({"value": value} if equals else {}) | ({"effect": effect} if effect else {})


def _existing(cluster: KubernetesCluster) -> ClusterDeployment | None:
    found = cluster.get("configmap", manifests.NAME)
    return msgspec.json.decode(found["data"]["deployment.json"], type=ClusterDeployment) if found else None


def _deployed(cluster: KubernetesCluster) -> ClusterDeployment:
    if (deployment := _existing(cluster)) is None:
        raise UsageError(
            f"nothing is deployed in the namespace {cluster.namespace}: run `mmload deploy k8s up --image …`"
        )
    return deployment


def _up(args: argparse.Namespace) -> int:
    cluster, wait = KubernetesCluster(args.namespace, args.context), float(seconds_of("--wait", args.wait))
    server = server_address(args.server) if args.server else ()
    version = cluster.version()
    deployment = _deployment(args, _existing(cluster))
    made = cluster.make_namespace(manifests.namespace(args.namespace))
    _tell(f"Kubernetes {version}, {'new ' if made else ''}namespace {args.namespace}")
    cluster.apply(manifests.standing(deployment))
    command = ["python3", "-c", CHECK, *map(str, server)]
    said = wait_for_check(cluster, manifests.check_pod(deployment, command), wait, _tell)
    found = json.loads(said.splitlines()[-1])
    print(harmless_line(found_words(found, deployment)))
    if problems := shortcomings(found, args.server or ""):
        for problem in problems:
            _tell(problem)
        return int(ExitCode.CONFIGURATION_REFUSED)
    _tell("mmload deploy k8s run -- run --users … --server …")
    return int(ExitCode.PASSED)


def found_words(found: Mapping[str, Any], deployment: ClusterDeployment) -> str:
    """What the check found, in words. Pure."""
    parts = [
        f"{deployment.image}: mmload {found['mmload']}, Python {found['python']}",
        f"{deployment.workers} workers, each with {deployment.worker_cpu} CPU and {deployment.worker_memory}",
        f"{found['open_files']} open files" if found["open_files"] >= 0 else "no limit of open files",
        f"{found['seconds'] * 1000:.1f} ms to the server" if "seconds" in found else "",
    ]
    return " · ".join(filter(None, parts))


def shortcomings(found: Mapping[str, Any], server: str) -> list[str]:
    """What is wrong with the image or the way to the server, in words. Pure."""
    other = f"the image has mmload {found['mmload']}, this machine {__version__}: build and push the image again"
    away = f"pods cannot reach {server}: {found.get('problem')}"
    return [*([other] if found["mmload"] != __version__ else []), *([away] if "problem" in found else [])]


def _run(args: argparse.Namespace) -> int:
    inner, rest = parsed(args.rest)
    cluster = KubernetesCluster(args.namespace, args.context)
    deployment = _deployed(cluster)
    if cluster.get("job", MASTER) is not None:
        raise UsageError(
            "there is a run already: reconnect with `mmload deploy k8s fetch`, or end it with `down --discard`"
        )
    workers = deployment.workers if inner.command in WITH_WORKERS else 0
    environ, settings = _environment(inner)
    files = {name: read_text(Path(path)) for name in FILE_OPTIONS if (path := getattr(inner, name, None)) is not None}
    if inner.command in OF_USERS:
        users, most = users_of(inner, settings)
        environ |= run_command.account_ranges(users_each(most, workers))
        # By these variables it would be the number of one worker.
        rest += [] if inner.stages or inner.profile or inner.users else ["--users", str(users)]
    elif workers:
        environ |= capacity.account_ranges_of(capacity.documents(inner, environ)[0], settings, workers)
    made = settings_of(environ, secrets.token_hex(16), files)
    running = ClusterRun(cluster, _tell, float(seconds_of("--wait", args.wait)))
    command = manifests.command_in_pod(rest, workers, file_options())
    running.start(deployment, made, command, workers, getattr(inner, "user_class", ()))
    return running.attend(Path(settings.config.run.runs_folder))


def file_options() -> dict[str, str]:
    """The options that name files, with what those are called in a pod. Pure."""
    documents = {f"--{name}": DOCUMENT_VARIABLES[name] for name in DOCUMENTS}
    return documents | {f"--{name}": name for name in FILE_OPTIONS}


def parsed(rest: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of the command, and its words. UsageError: it can't run there."""
    inner, words = inner_command(rest, (*WITH_WORKERS, *ALONE), "mmload deploy k8s run")
    if getattr(inner, "sandbox", False):
        raise UsageError(
            "--sandbox: workers in other pods cannot reach a sandbox on the master's loopback; use --server"
        )
    if getattr(inner, "processes", 1) != 1 or getattr(inner, "expect_workers", None) is not None:
        raise UsageError(
            "--processes, --expect-workers: set the number of workers with `mmload deploy k8s up --workers`"
        )
    return inner, words


def _environment(inner: argparse.Namespace) -> tuple[dict[str, str], Settings]:
    """The settings in force here, as variables. Raises UsageError, ConfigurationError."""
    environ = {**os.environ, **(run_command.overrides if inner.command in OF_USERS else overrides)(inner)}
    settings, notices = load_settings(environ=environ)
    for notice in notices:
        _tell(notice)
    return environ, settings


def users_of(inner: argparse.Namespace, settings: Settings) -> tuple[int, int]:
    """The users of a run, and the most that there will be. Pure."""
    stages = parse_stages(settings.config.run.stages)
    users = settings.config.users.initial_active_users if inner.users is None else inner.users
    users = most_users(stages) if stages else users
    spike = getattr(inner, "kind", "") == "spike"
    return users, users + ((inner.more or users) if spike else 0)


def users_each(users: int, workers: int) -> int:
    """The most users of one worker. UsageError: there are more workers. Pure."""
    if users < workers:
        raise UsageError(
            f"{users} users for {workers} workers: set fewer workers with `mmload deploy k8s up --workers`"
        )
    return users_of_one(users, workers)


def _fetch(args: argparse.Namespace) -> int:
    cluster = KubernetesCluster(args.namespace, args.context)
    if cluster.get("job", MASTER) is None:
        raise UsageError(f"there is no run in the namespace {args.namespace}")
    running = ClusterRun(cluster, _tell, float(seconds_of("--wait", args.wait)))
    return running.attend(runs_folder())


def _status(args: argparse.Namespace) -> int:
    cluster = KubernetesCluster(args.namespace, args.context)
    deployment = _deployed(cluster)
    rows = [pods.row(pod) for pod in cluster.pods()]
    if args.json:
        print_json({"deployment": msgspec.to_builtins(deployment), "pods": rows})
        return int(ExitCode.PASSED)
    print(harmless_line(f"{args.namespace}: {deployment.image}, {deployment.workers} workers; {len(rows)} pods"))
    for row in rows:
        words = (row["phase"], row["node"] and f"on {row['node']}", row.get("problem"))
        print(harmless_line(f"{row['pod']}: {', '.join(filter(None, words))}"))
    return int(ExitCode.PASSED)


def _down(args: argparse.Namespace) -> int:
    cluster = KubernetesCluster(args.namespace, args.context)
    if not args.discard and cluster.get("job", MASTER) is not None:
        raise UsageError(
            "a run is still running, or its results have not been copied: copy them with `mmload deploy k8s fetch`, "
            "or discard them with --discard"
        )
    cluster.delete(KINDS, "--selector", manifests.SELECTOR)
    left = cluster.left()
    if not left and cluster.owns_namespace():
        cluster.delete(f"namespace/{args.namespace}")
        _tell(f"removed the namespace {args.namespace}")
    if left:
        _tell(f"still there: {', '.join(left)}; run `mmload deploy k8s down` again")
        return int(ExitCode.CONFIGURATION_REFUSED)
    print(f"{args.namespace}: everything removed, nothing left")
    return int(ExitCode.PASSED)


def _render(args: argparse.Namespace) -> int:
    deployment = _deployment(args)
    inner, rest = parsed(args.rest)
    workers = deployment.workers if inner.command in WITH_WORKERS else 0
    command = manifests.command_in_pod(rest, workers, file_options())
    jobs = [manifests.worker_job(deployment, getattr(inner, "user_class", ()))] if workers else []
    objects = [manifests.namespace(args.namespace), *manifests.standing(deployment), *jobs]
    print(
        render_head(args.namespace) + manifests.as_yaml([*objects, manifests.master_job(deployment, command)]), end=""
    )
    return int(ExitCode.PASSED)


def render_head(namespace: str) -> str:
    """What goes before manifests for use by hand. Pure."""
    return f"""\
# The settings are not in this file. Create the namespace, then (with the variables as lines VARIABLE=VALUE on stdin):
#   kubectl create -n {namespace} secret generic {SETTINGS} --from-env-file=/dev/stdin   (MMLOAD_AGENT_TOKEN at least)
#   kubectl create -n {namespace} secret generic {FILES}
#   kubectl apply -n {namespace} -f THIS_FILE
# Copy the results when the container master has ended:
#   kubectl cp -n {namespace} -c {RESULTS} POD_OF_{MASTER}:runs runs
"""
