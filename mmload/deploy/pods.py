"""What becomes of pods, from what Kubernetes says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mmload.deploy.manifests import COMPONENT, Manifest

# Reasons of a container that waits for something that won't come by itself.
_HOPELESS = {
    "ErrImagePull": "cannot pull the image",
    "ImagePullBackOff": "cannot pull the image",
    "InvalidImageName": "not a valid name of an image",
    "ErrImageNeverPull": "the image is not on the node",
    "CreateContainerConfigError": "cannot start",
    "CreateContainerError": "cannot start",
    "RunContainerError": "cannot start",
}


def name_of(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])


def of_component(pods: Iterable[Manifest], component: str) -> list[Manifest]:
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT) == component]


def phase(pod: Manifest) -> str:
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else str(pod["status"].get("phase", "Pending"))


def state_of(pod: Manifest, container: str) -> dict[str, Any]:
    """What Kubernetes says of a container: `waiting`, `running` or `terminated`; {} for nothing yet."""
    for status in pod["status"].get("containerStatuses", ()):
        if status["name"] == container:
            return dict(status.get("state") or {})
    return {}


def is_running(pod: Manifest, container: str) -> bool:
    return "running" in state_of(pod, container)


def exit_code(pod: Manifest, container: str) -> int | None:
    """Of a container that has ended, or of a pod that was ended for it (evicted, out of time: 1)."""
    if ended := state_of(pod, container).get("terminated"):
        return int(ended["exitCode"])
    return 1 if phase(pod) == "Failed" else None


def problem(pod: Manifest) -> str:
    """Why it does not run and won't by itself, or what it waits for; "" if nothing is wrong."""
    status = pod["status"]
    for each in status.get("containerStatuses", ()):
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            return f"{_HOPELESS[waiting['reason']]}: {waiting.get('message') or waiting['reason']}"
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f"exited with code {ended['exitCode']} ({ended.get('reason', 'Error')})"
    if phase(pod) == "Failed":
        return f"{status.get('reason', 'Failed')}: {status.get('message', 'no reason given')}"
    return "; ".join(_unscheduled(status))


def _unscheduled(status: dict[str, Any]) -> Iterator[str]:
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"no suitable node: {condition.get('message') or condition.get('reason', 'Unschedulable')}"


def is_hopeless(pod: Manifest) -> bool:
    """Whether waiting is of no use. A node may still be made for one that none takes yet."""
    return bool(problem(pod)) and not any(_unscheduled(pod["status"]))


def row(pod: Manifest) -> dict[str, Any]:
    """One pod for `status`."""
    return {
        "pod": name_of(pod),
        "node": pod.get("spec", {}).get("nodeName", ""),
        "phase": phase(pod),
        **({"problem": told} if (told := problem(pod)) else {}),
    }
