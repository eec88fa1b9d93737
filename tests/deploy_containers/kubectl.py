"""A cluster of one machine behind the command line of kubectl: objects are files, containers are processes.

Called as `kubectl`, with the folder of the cluster in FAKE_CLUSTER. It knows what mmload asks for, and refuses the
rest; what is applied must be as Kubernetes' own schema says. Folders of pods are below the cluster's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("FAKE_CLUSTER", "/nonexistent"))
SCHEMA = Path(__file__).parent / "schemas" / "kubernetes.json"
KINDS = {
    "job": "Job", "jobs": "Job", "pod": "Pod", "pods": "Pod", "secret": "Secret", "secrets": "Secret",
    "configmap": "ConfigMap", "configmaps": "ConfigMap", "service": "Service", "services": "Service",
    "networkpolicies": "NetworkPolicy", "namespace": "Namespace",
}  # fmt: skip
POLL_SECONDS = 0.05
HOME, FILES = "/home/mmload", "/etc/mmload"


def main(arguments: list[str]) -> int:
    with (ROOT / "asked").open("a") as log:
        log.write(json.dumps(arguments) + "\n")
    assert arguments.pop(0) == "--namespace", arguments
    _, verb, *rest = arguments
    verbs = {"apply": apply, "get": get, "delete": delete, "logs": logs, "exec": execute}
    return verbs[verb](rest)


def apply(rest: list[str]) -> int:
    import fastjsonschema  # takes longer than all else here

    assert "--server-side" in rest, "what is applied otherwise is copied into a note, secrets too"
    check = fastjsonschema.compile(json.loads(SCHEMA.read_text()))
    for each in json.load(sys.stdin)["items"]:
        try:
            check(each)
        except fastjsonschema.JsonSchemaValueException as error:
            print(f"error: strict decoding error: {error}", file=sys.stderr)
            return 1
        write(each)
        if each["kind"] == "Job":
            for index in range(each["spec"].get("completions", 1)):
                start(each["metadata"]["name"], index, each["spec"]["template"])
        if each["kind"] == "Pod":
            start(each["metadata"]["name"], 0, {"metadata": each["metadata"], "spec": each["spec"]}, alone=True)
    return 0


def path(kind: str, name: str) -> Path:
    return ROOT / kind / f"{name}.json"


def write(thing: dict[str, Any]) -> None:
    """In one step: others read it."""
    place = path(thing["kind"], thing["metadata"]["name"])
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(thing))
    fresh.rename(place)


def things(kinds: str) -> Iterator[dict[str, Any]]:
    for kind in kinds.split(","):
        for place in sorted((ROOT / KINDS[kind]).glob("*.json")):
            with suppress(FileNotFoundError):
                yield json.loads(place.read_text())


def get(rest: list[str]) -> int:
    kinds = rest.pop(0)
    if kinds == "--raw":
        assert rest == ["/version"]
        print(json.dumps({"major": "1", "minor": "32+", "gitVersion": "v1.32.4"}))
        return 0
    if rest[0] == "--selector":
        assert rest[1] == "app.kubernetes.io/name=mmload,app.kubernetes.io/managed-by=mmload", rest
        found = list(things(kinds))
        if rest[-1] == "json":
            print(json.dumps({"items": found}))
        else:
            print("\n".join(f"{each['kind'].lower()}/{each['metadata']['name']}" for each in found))
        return 0
    place = path(KINDS[kinds], rest[0])
    if place.exists():
        print(place.read_text())
    return 0


def delete(rest: list[str]) -> int:
    names = [each for each in rest if not each.startswith("--")]
    if "--selector" in rest:
        names = [f"{each['kind'].lower()}/{each['metadata']['name']}" for each in things(rest[0])]
    for each in names:
        kind, name = each.split("/")
        kind = next(known for known in KINDS.values() if known.lower() == kind)
        if kind == "Job":
            for pod in list(things("pods")):
                if pod["metadata"].get("labels", {}).get("job-name") == name:
                    remove_pod(pod)
        if kind == "Pod" and path(kind, name).exists():
            remove_pod(json.loads(path(kind, name).read_text()))
        path(kind, name).unlink(missing_ok=True)
    return 0


def remove_pod(pod: dict[str, Any]) -> None:
    """As a kubelet does: SIGTERM, and back when its processes are gone."""
    name = pod["metadata"]["name"]
    supervisor = int((ROOT / "pods" / name / "supervisor").read_text())
    with suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGTERM)
    while Path(f"/proc/{supervisor}").exists():
        time.sleep(POLL_SECONDS)
    path("Pod", name).unlink(missing_ok=True)


def start(owner: str, index: int, template: dict[str, Any], *, alone: bool = False) -> None:
    """A pod, with a process of its own that looks after its containers."""
    name = owner if alone else f"{owner}-{index}-x{os.getpid()}"
    labels = {**template["metadata"]["labels"], "job-name": owner}
    spec = {**template["spec"], "nodeName": f"node{index + 1}"}
    pod = {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"phase": "Pending"}}
    folder = ROOT / "pods" / name
    (folder / "home").mkdir(parents=True)
    write(pod)
    if os.fork():
        while not (folder / "supervisor").exists():
            time.sleep(POLL_SECONDS)
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    supervise(pod, folder)
    os._exit(0)


def supervise(pod: dict[str, Any], folder: Path) -> None:
    def end(_number: int, _frame: object) -> None:
        for process in running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    running: dict[str, subprocess.Popen[bytes]] = {}
    signal.signal(signal.SIGTERM, end)
    for container in pod["spec"]["containers"]:
        running[container["name"]] = run(pod, container, folder)
        (folder / f"{container['name']}.pid").write_text(str(running[container["name"]].pid))
    fresh = folder / "fresh"
    fresh.write_text(str(os.getpid()))
    fresh.rename(folder / "supervisor")
    before = None
    while True:
        codes = {name: process.poll() for name, process in running.items()}
        for name, process in running.items():
            if codes[name] is not None:
                # With its first process a container ends.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if codes != before:
            before = codes
            pod["status"] = status(codes)
            write(pod)
        if None not in codes.values():
            return
        time.sleep(POLL_SECONDS)


def status(codes: dict[str, int | None]) -> dict[str, Any]:
    containers: list[dict[str, Any]] = [
        {"name": name, "state": {"running": {}} if code is None else {"terminated": {"exitCode": code}}}
        for name, code in codes.items()
    ]
    ended = [code for code in codes.values() if code is not None]
    phase = "Running" if len(ended) < len(codes) else "Failed" if any(ended) else "Succeeded"
    return {"phase": phase, "containerStatuses": containers}


def here(text: str, folder: Path) -> str:
    """A container's paths, and the name of the master, on this machine."""
    if text == "mmload-master":
        return "127.0.0.1"
    return text.replace(HOME, str(folder / "home")).replace(FILES, str(folder / "files"))


def run(pod: dict[str, Any], container: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    variables = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    for source in container.get("envFrom", ()):
        variables |= values(source["secretRef"]["name"])
    for each in container.get("env", ()):
        assert each["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
        variables[each["name"]] = pod["spec"]["nodeName"]
    for volume in pod["spec"]["volumes"]:
        if "secret" in volume:
            (folder / "files").mkdir(exist_ok=True)
            for name, value in values(volume["secret"]["secretName"]).items():
                (folder / "files" / name).write_text(value)
    command = container.get("command") or ["mmload", *container["args"]]
    if "agent" in command or "--expect-workers" in command:
        # Others on this machine may have the usual port.
        at = command.index("--") if "--" in command else len(command)
        command[at:at] = ["--master-port", os.environ["FAKE_PORT"]]
    with (folder / f"{container['name']}.log").open("wb") as log:
        return subprocess.Popen(
            [here(part, folder) for part in command],
            env={name: here(value, folder) for name, value in variables.items()},
            cwd=folder / "home",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def values(secret: str) -> dict[str, str]:
    return dict(json.loads(path("Secret", secret).read_text())["stringData"])


def logs(rest: list[str]) -> int:
    pod, container = rest[0], rest[rest.index("--container") + 1]
    since = next((each.partition("=")[2] for each in rest if each.startswith("--since-time=")), "")
    with (ROOT / "pods" / pod / f"{container}.log").open() as log:
        number = 0
        while True:
            ended = has_ended(pod, container)
            while line := log.readline():
                number += 1
                at = f"2026-01-01T00:00:00.{number:09}Z"
                if at >= since:
                    print(f"{at} {line}" if "--timestamps" in rest else line, end="", flush=True)
            if ended or "--follow" not in rest:
                return 0
            time.sleep(POLL_SECONDS)


def has_ended(pod: str, container: str) -> bool:
    found = json.loads(path("Pod", pod).read_text())["status"].get("containerStatuses", ())
    return any(each["name"] == container and "terminated" in each["state"] for each in found)


def execute(rest: list[str]) -> int:
    pod, container = rest[0], rest[rest.index("--container") + 1]
    folder = ROOT / "pods" / pod
    command = [here(part, folder) for part in rest[rest.index("--") + 1 :]]
    pid = (folder / f"{container}.pid").read_text()
    # PID 1 of the container.
    command[-1] = command[-1].replace("kill -INT 1", f"kill -INT {pid}")
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
