"""The cluster as `kubectl` gives it: the user's own configuration and rights, and nothing beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from mmload.deploy.manifests import HOME, LABELS, SELECTOR, Manifest
from mmload.errors import ConfigurationError, MmloadError, UsageError

# Of a single question; what takes longer (an image to be pulled) is asked for again and again.
ANSWER_SECONDS = 60
DELETE_SECONDS = 300
MANAGER = "mmload"
# All that is ever made. Pods and replicas of jobs go with these.
KINDS = "jobs,pods,secrets,configmaps,services,networkpolicies"
OLDEST_MINOR = 26
_LONGEST_TOLD = 2000


class ClusterFailed(ConfigurationError):
    """What the cluster, or kubectl, does not do, and why."""


def is_too_old(major: str, minor: str) -> bool:
    """By the server's version; hosted ones add a plus, one that was built by hand may have none. Pure."""
    number = "".join(filter(str.isdigit, minor))
    return major == "1" and bool(number) and int(number) < OLDEST_MINOR


class KubernetesCluster:
    """One namespace of one cluster."""

    def __init__(self, namespace: str, context: str = "") -> None:
        self.namespace = namespace
        self._kubectl = ["kubectl", *(("--context", context) if context else ())]

    def command(self, *arguments: str) -> list[str]:
        """For this namespace."""
        return [*self._kubectl, "--namespace", self.namespace, *arguments]

    def ask(self, *arguments: str, given: str | None = None, seconds: float = ANSWER_SECONDS) -> str:
        """What kubectl prints. Raises ClusterFailed. What is secret comes on its standard input only."""
        try:
            done = subprocess.run(
                self.command(*arguments), input=given, capture_output=True, text=True, timeout=seconds, check=False
            )
        except FileNotFoundError:
            raise UsageError(
                "kubectl was not found: install it (https://kubernetes.io/docs/tasks/tools/), or add it to PATH"
            ) from None
        except subprocess.TimeoutExpired:
            raise ClusterFailed(f"kubectl {arguments[0]}: no answer within {seconds:.0f} s") from None
        if done.returncode:
            raise ClusterFailed(f"kubectl {arguments[0]}: {done.stderr.strip()[:_LONGEST_TOLD] or done.returncode}")
        return done.stdout

    def version(self) -> str:
        """The server's. ClusterFailed: it can't be reached, or is too old."""
        server = json.loads(self.ask("get", "--raw", "/version"))
        if is_too_old(str(server.get("major", "")), str(server.get("minor", ""))):
            raise ClusterFailed(f"Kubernetes {server['gitVersion']}: expected 1.{OLDEST_MINOR} or newer")
        return str(server["gitVersion"])

    def apply(self, objects: Iterable[Manifest]) -> None:
        """Make them, or what has changed of them. By the server's rules, and without a copy of secrets in notes."""
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        options = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--validate=strict")
        self.ask("apply", *options, "--filename", "-", given=content)

    def get(self, kind: str, name: str) -> Manifest | None:
        """One object, or None."""
        found = self.ask("get", kind, name, "--ignore-not-found", "--output", "json")
        return dict(json.loads(found)) if found.strip() else None

    def pods(self) -> list[Manifest]:
        """All of ours."""
        return list(json.loads(self.ask("get", "pods", "--selector", SELECTOR, "--output", "json"))["items"])

    def left(self) -> list[str]:
        """What is there of ours, by kind and name."""
        return self.ask("get", KINDS, "--selector", SELECTOR, "--output", "name").split()

    def delete(self, *what: str) -> None:
        """These, with all that belongs to them; back when they are gone."""
        options = ("--ignore-not-found", "--cascade=foreground", "--wait=true", f"--timeout={DELETE_SECONDS}s")
        self.ask("delete", *what, *options, seconds=DELETE_SECONDS + ANSWER_SECONDS)

    def make_namespace(self, wanted: Manifest) -> bool:
        """Whether it was made now. One of somebody else is used as it is."""
        if self.get("namespace", self.namespace) is not None:
            return False
        self.apply([wanted])
        return True

    def owns_namespace(self) -> bool:
        """Whether it was made for us: then it goes with the rest."""
        found = self.get("namespace", self.namespace)
        labels: Mapping[str, str] = ((found or {}).get("metadata") or {}).get("labels") or {}
        return all(labels.get(name) == value for name, value in LABELS.items())

    def follow(self, pod: str, container: str, since: str) -> subprocess.Popen[str]:
        """What a container says, until it ends; `since`: this time, if any."""
        options = (f"--since-time={since}",) if since else ()
        return subprocess.Popen(
            self.command("logs", pod, "--container", container, "--follow", "--timestamps", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A Ctrl-C is for the run, not for this.
            start_new_session=True,
        )

    def fetch(self, pod: str, container: str, folder: str, to: Path) -> list[str]:
        """Copy what is in a folder of the container's home; the names. Raises MmloadError: not all of it came."""
        script = f"mkdir -p {HOME}/{folder} && tar -czf - -C {HOME}/{folder} ."
        command = self.command("exec", pod, "--container", container, "--", "sh", "-c", script)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                return unpack(process.stdout, to)
            except (tarfile.TarError, EOFError, OSError) as error:
                process.kill()
                said = process.stderr.read().decode(errors="replace").strip()
                raise MmloadError(f"cannot copy the results: {said or error}; they are still in the cluster") from None


def unpack(stream: IO[bytes], to: Path) -> list[str]:
    """Folders and files of a compressed archive, nothing else; the names at its top.

    Raises TarError, EOFError, OSError: it is cut off (its checksum says so), or has files for other places.
    """
    names: set[str] = set()
    with tarfile.open(fileobj=stream, mode="r|gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise tarfile.ExtractError(f"{member.name}: a file for another place")
            if member.isdir():
                (to / path).mkdir(parents=True, exist_ok=True)
            elif source := archive.extractfile(member) if member.isreg() else None:
                (to / path).parent.mkdir(parents=True, exist_ok=True)
                with (to / path).open("wb") as file:
                    shutil.copyfileobj(source, file)
            names |= set(path.parts[:1])
    return sorted(names)
