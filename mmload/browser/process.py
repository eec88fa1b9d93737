"""The other side of a browser's process: starts it, asks for steps, ends it. With or without greenlets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import IO, TypeVar

import msgspec

from mmload.browser.messages import CloseBrowser, DoStep, StartBrowser, StepDone
from mmload.errors import MmloadError
from mmload.signals import give_way

# A browser closes in moments; one that hangs is killed.
END_SECONDS = 15.0
# What Python and a browser need; no variable of ours, of which some are secret.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "FONTCONFIG_PATH")

Answer = TypeVar("Answer", bound=msgspec.Struct)


class BrowserGone(MmloadError):
    """The browser's process could not start, or has ended."""


class ServingProcess:
    """A Python module that carries out orders, one JSON document a line, until this side's end of its stdin is closed.

    Secrets go to it by that way only: none of our variables is in its environment, nor in its browser's.
    """

    def __init__(self, module: str, niceness: int = 0) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C at the terminal is for us: we close it.
            start_new_session=True,
            preexec_fn=partial(give_way, niceness),
            env=passed_on(os.environ),
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, order: msgspec.Struct, answer: type[Answer]) -> Answer:
        """Its answer. BrowserGone: it has ended."""
        try:
            self.send(order)
            line = _pipe(self._child.stdout).readline()
        except (OSError, ValueError):
            line = b""
        if not line:
            raise BrowserGone("the browser's process has exited")
        return msgspec.json.decode(line, type=answer)

    def send(self, order: msgspec.Struct) -> None:
        """Raises OSError, ValueError: it has ended."""
        stdin = _pipe(self._child.stdin)
        stdin.write(msgspec.json.encode(order) + b"\n")
        stdin.flush()

    def end(self) -> None:
        """Wait until the process has cleaned up after itself; kill it if that takes long."""
        with suppress(OSError, ValueError):
            _pipe(self._child.stdin).close()
        try:
            self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        _pipe(self._child.stdout).close()


class BrowserProcess(ServingProcess):
    """The one that drives a browser."""

    def __init__(self, start: StartBrowser, niceness: int = 0) -> None:
        super().__init__("mmload.browser", niceness)
        try:
            began = self.ask(start, StepDone)
            if began.failure:
                raise BrowserGone(began.failure)
        except BaseException:
            self.end()
            raise

    def step(self, name: str) -> StepDone:
        """Do a step. BrowserGone: the browser is not there any more."""
        return self.ask(DoStep(name), StepDone)

    def close(self, *, log_out: bool = False) -> None:
        """Close the browser in order, and wait until all of it is gone."""
        with suppress(OSError, ValueError):
            self.send(CloseBrowser(log_out))
        self.end()


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a browser's process. Pure."""
    return {name: environ[name] for name in _PASSED_ON if name in environ}


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "it was asked for"
    return pipe
