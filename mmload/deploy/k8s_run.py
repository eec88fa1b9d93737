"""A run in a Kubernetes cluster: what it needs is gathered here, started there, watched, brought home, and removed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mmload.config.environment import environment_name
from mmload.deploy import manifests, pods
from mmload.deploy.fleet import needs
from mmload.deploy.kubectl import ClusterFailed, KubernetesCluster
from mmload.deploy.manifests import MASTER, RESULTS, WORKER, ClusterDeployment, Manifest
from mmload.errors import ConfigurationError, ExitCode, MmloadError
from mmload.printable import harmless_line
from mmload.report.wording import plural
from mmload.signals import handling

RUNS = "runs"
RUNS_FOLDER = environment_name("RunConfiguration", "RunsFolder")
SESSIONS_FOLDER = environment_name("RunConfiguration", "SessionsFolder")
# Kubernetes allows a Secret 1 MiB.
LARGEST_SECRET_BYTES = 1_000_000
LOOK_SECONDS = 1.0
# How long the cluster may be out of reach while a run goes on there.
PATIENCE_SECONDS = 120.0
OF_A_RUN = (f"job/{MASTER}", f"job/{WORKER}", f"secret/{manifests.SETTINGS}", f"secret/{manifests.FILES}")

Tell = Callable[[str], None]


def settings_of(environ: Mapping[str, str], token: str, files: Mapping[str, str]) -> list[Manifest]:
    """The Secrets of a run: the settings that are in force here. Raises ConfigurationError."""
    variables, documents = needs(environ, token)
    variables.pop(SESSIONS_FOLDER, None)
    secrets = manifests.secrets({**variables, RUNS_FOLDER: RUNS}, {**documents, **files})
    for secret in secrets:
        size = sum(len(value.encode()) for value in secret["stringData"].values())
        if size > LARGEST_SECRET_BYTES:
            raise ConfigurationError(
                f"the documents and the users file have {size} bytes, but a Kubernetes Secret holds "
                f"{LARGEST_SECRET_BYTES}: leave out accounts that the test does not need"
            )
    return secrets


def workers_words(workers: Sequence[Manifest]) -> str:
    """How many workers there are, and where. Pure."""
    nodes = sorted({pod["spec"].get("nodeName", "?") for pod in workers})
    return f"{plural(len(workers), 'worker')} running on {plural(len(nodes), 'node')} ({', '.join(nodes)})"


class ClusterRun:
    """One run, from its workers to its results. `patience` is how long pods may take to start, in seconds."""

    def __init__(self, cluster: KubernetesCluster, tell: Tell, patience: float) -> None:
        self._cluster, self._tell, self._patience = cluster, tell, patience
        self._interrupts = 0
        self._said = ""

    def start(
        self,
        deployment: ClusterDeployment,
        secrets: Sequence[Manifest],
        command: Sequence[str],
        workers: int,
        user_classes: Sequence[str] = (),
    ) -> None:
        """Workers first: whether there is room for them is known before anything begins."""
        try:
            self._cluster.apply(secrets)
            if workers:
                self._cluster.apply([manifests.worker_job(deployment, user_classes)])
                self._wait(WORKER, "worker", workers)
                self._tell(workers_words(pods.of_component(self._cluster.pods(), WORKER)))
            self._cluster.apply([manifests.master_job(deployment, command)])
            self._wait(MASTER, "master", 1)
        except BaseException:
            self._tell("removing what was started")
            self.remove()
            raise

    def attend(self, folder: Path) -> int:
        """Show what the master says to its end, and bring the results here; its exit code."""
        with handling(self._pass_on):
            self._wait(MASTER, "master", 1)
            code = self._follow()
        self._tell_lost_workers()
        names = self._cluster.fetch(pods.name_of(self._master()), RESULTS, RUNS, folder)
        self.remove()
        for name in names:
            self._tell(f"results in {folder / name}")
        return int(ExitCode.INTERRUPTED) if self._interrupts else code

    def remove(self) -> None:
        """What belongs to a run."""
        self._cluster.delete(*OF_A_RUN)

    def _pass_on(self, _number: int, _frame: object) -> None:
        """The first signal stops the run, as on this machine; the second leaves it alone."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._tell(
                "the run continues in the cluster: reconnect with `mmload deploy k8s fetch`, or end it with "
                "`down --discard`"
            )
            raise KeyboardInterrupt
        self._tell("interrupted; stopping all users (Ctrl-C again leaves them to the cluster)")
        with suppress(ClusterFailed, IndexError):
            master = pods.name_of(self._master())
            self._cluster.ask("exec", master, "--container", "master", "--", "sh", "-c", "kill -INT 1")

    def _master(self) -> Manifest:
        return pods.of_component(self._cluster.pods(), MASTER)[-1]

    def _wait(self, component: str, container: str, count: int) -> None:
        """Until so many pods run, or have ended. ClusterFailed: they won't, or not in time."""
        deadline, seen = time.monotonic() + self._patience, ""
        while True:
            found = pods.of_component(self._cluster.pods(), component)
            there = [pod for pod in found if pods.is_running(pod, container) or pods.exit_code(pod, container) == 0]
            if component == MASTER:
                there += [pod for pod in found if pods.exit_code(pod, container)]
            if len(there) >= count:
                return
            wrong = [f"{pods.name_of(pod)}: {pods.problem(pod)}" for pod in found if pods.problem(pod)]
            if any(pods.is_hopeless(pod) for pod in found) or time.monotonic() > deadline:
                late = f"{len(there)} of {count} running after {self._patience:.0f} s"
                raise ClusterFailed(*(wrong or [f"{component}: {late}"]))
            now = "; ".join([f"{component}: {len(there)} of {count} running", *wrong[:1]])
            if now != seen:
                self._tell(seen := now)
            time.sleep(LOOK_SECONDS)

    def _follow(self) -> int:
        """Print the master's log; its exit code. MmloadError: the cluster is out of reach for too long."""
        lost = 0.0
        while True:
            try:
                pod = self._master()
                code = pods.exit_code(pod, "master")
                self._print_log(pods.name_of(pod))
                if code is not None:
                    return code
                lost = 0.0
            except (ClusterFailed, IndexError) as error:
                lost = lost or time.monotonic()
                if time.monotonic() - lost > PATIENCE_SECONDS:
                    raise MmloadError(
                        f"lost contact with the run ({error or 'the pod of the master is gone'}); it continues in the "
                        "cluster: `mmload deploy k8s fetch` reconnects and copies its results"
                    ) from None
            time.sleep(LOOK_SECONDS)

    def _print_log(self, pod: str) -> None:
        """From where it was left."""
        process = self._cluster.follow(pod, "master", self._said)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                at, _, text = line.rstrip("\n").partition(" ")
                # The time is told to the second to begin with.
                if at > self._said:
                    self._said = at
                    print(harmless_line(text), flush=True)
        finally:
            process.kill()
            process.communicate()

    def _tell_lost_workers(self) -> None:
        for pod in pods.of_component(self._cluster.pods(), WORKER):
            if told := pods.problem(pod):
                self._tell(f"{pods.name_of(pod)}: {told}")


def wait_for_check(cluster: KubernetesCluster, pod: Manifest, patience: float, tell: Tell) -> str:
    """What a pod says that ends by itself; it is removed in any case. Raises ClusterFailed."""
    name = pods.name_of(pod)
    cluster.delete(f"pod/{name}")
    try:
        cluster.apply([pod])
        deadline, seen = time.monotonic() + patience, ""
        while True:
            found = cluster.get("pod", name)
            if found is None:
                raise ClusterFailed(f"{name}: it was removed by somebody else")
            container = found["spec"]["containers"][0]["name"]
            if (code := pods.exit_code(found, container)) == 0:
                return cluster.ask("logs", name, "--container", container)
            wrong = pods.problem(found)
            if code is not None or pods.is_hopeless(found) or time.monotonic() > deadline:
                said = cluster.ask("logs", name, "--container", container) if code is not None else ""
                raise ClusterFailed(f"{name}: {wrong or f'not running after {patience:.0f} s'} {said}".strip())
            if wrong and wrong != seen:
                tell(seen := wrong)
            time.sleep(LOOK_SECONDS)
    finally:
        with suppress(MmloadError, subprocess.SubprocessError):
            cluster.delete(f"pod/{name}")
