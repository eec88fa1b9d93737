"""What the parts of `mmload deploy` share: their parsers, the command they run, and the same done on all hosts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmload.cli import parsed
from mmload.deploy import state
from mmload.deploy.fleet import session_with
from mmload.deploy.state import DeployedHost, Deployment
from mmload.errors import MmloadError, UsageError

WITH_WORKERS = ("run", "storm", "capacity")


def add_part(parts: Any, name: str, meaning: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """The parser of a part; `run` does it, and gives the exit code."""
    part: argparse.ArgumentParser = parts.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:])
    part.set_defaults(run=run)
    return part


def add_host_part(
    parts: Any, name: str, meaning: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Of one that is about the hosts of a deployment."""
    part = add_part(parts, name, meaning, run)
    part.add_argument("--state", metavar="FILE", type=Path, default=state.STATE, help=f"default: {state.STATE}")
    return part


def inner_command(rest: Sequence[str], known: Sequence[str], part: str) -> tuple[argparse.Namespace, list[str]]:
    """The options of the command that follows `part --`, and its words. UsageError: it is none of the known."""
    words = list(rest)[1:] if rest[:1] == ["--"] else list(rest)
    if not words or words[0] not in known:
        raise UsageError(f"expected -- and one of {', '.join(known)}: {part} -- run --users 2000")
    return parsed(words), words


@dataclass(slots=True)
class ToldByHosts:
    """What hosts answered, and why others did not."""

    answers: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def on_all(
    deployment: Deployment, hosts: Iterable[DeployedHost], do: Callable[[Any], Any], tunnel_to: int = 0
) -> ToldByHosts:
    """Connect to these hosts and do the same on all at once. In the end each has answered, or it is known why not."""
    told = ToldByHosts()
    with ExitStack() as stack:
        sessions = [stack.enter_context(session_with(deployment, host, tunnel_to)) for host in hosts]
        pool = ThreadPoolExecutor(max_workers=max(1, len(sessions)))
        # Interrupted: what waits in it ends when the connections are closed.
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for session, future in [(each, pool.submit(do, each)) for each in sessions]:
            try:
                told.answers[session.name] = future.result()
            except MmloadError as error:
                told.problems[session.name] = getattr(error, "why", str(error))
    return told
