"""What the parts of `mmload deploy` for hosts share: the state's option, and the same done on all hosts at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmload.deploy import state
from mmload.deploy.state import DeployedHost, Deployment
from mmload.errors import MmloadError


def add_part(parts: Any, name: str, meaning: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """The parser of a part; `run` does it, and gives the exit code."""
    part: argparse.ArgumentParser = parts.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:])
    part.set_defaults(run=run)
    part.add_argument("--state", metavar="FILE", type=Path, default=state.STATE, help=f"default: {state.STATE}")
    return part


class ToldByHosts:
    """What hosts answered, and why others did not."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.problems: dict[str, str] = {}


def on_all(
    deployment: Deployment, hosts: Iterable[DeployedHost], do: Callable[[Any], Any], tunnel_to: int = 0
) -> ToldByHosts:
    """Connect to these hosts and do the same on all at once. In the end each has answered, or it is known why not."""
    from mmload.deploy.fleet import session_with

    with ExitStack() as stack:
        sessions = [stack.enter_context(session_with(deployment, host, tunnel_to)) for host in hosts]
        return _told_by(sessions, do)


def _told_by(sessions: Sequence[Any], do: Callable[[Any], Any]) -> ToldByHosts:
    told = ToldByHosts()
    pool = ThreadPoolExecutor(max_workers=max(1, len(sessions)))
    try:
        for session, future in [(each, pool.submit(do, each)) for each in sessions]:
            try:
                told.answers[session.name] = future.result()
            except MmloadError as error:
                told.problems[session.name] = getattr(error, "why", str(error))
    finally:
        # Interrupted: what waits in it ends when the connections are closed.
        pool.shutdown(wait=False, cancel_futures=True)
    return told
