"""Sandboxes as processes of their own that start at once: one process imports all of it, and forks each of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from mmload.signals import child_setup

PATIENCE_SECONDS = 180
ROOT = Path(__file__).parents[1]


class Sandboxes:
    """The process that forks them; it begins with the first one, and all of them end with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self, *options: str) -> tuple[int, str]:
        """The process of a fresh sandbox, and its address."""
        pid, address = self._ask(options)
        return int(pid), str(address)

    def end(self, pid: int) -> None:
        """End it, and wait until it is gone."""
        self._ask(pid)

    def close(self) -> None:
        """End all of them. By an order: who was forked from us meanwhile may hold our end of the pipe open."""
        if self._process is not None:
            self._ask(None)
            self._process.wait(timeout=PATIENCE_SECONDS)
            self._process = None

    def _ask(self, order: Any) -> Any:
        with self._lock:
            if self._process is None:
                command = [sys.executable, "-m", "tests.sandboxes"]
                self._process = subprocess.Popen(
                    command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the process of the sandboxes has ended"
        return json.loads(line)


# -- in that process -----------------------------------------------------------------------------------------------


def serve() -> None:
    """Options: a sandbox is to begin; a number: it is to end; nothing: all of it is."""
    pipes: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order is None:
            print("null", flush=True)
            return
        if isinstance(order, int):
            _end(order)
            os.close(pipes.pop(order))
            answer = None
        else:
            pid, pipe = _fork(order)
            pipes[pid] = pipe
            answer = pid, os.read(pipe, 1000).decode().strip()
        print(json.dumps(answer), flush=True)


def _fork(options: list[str]) -> tuple[int, int]:
    """Its number, and the end of the pipe where its address can be read."""
    from mmload.sandbox.__main__ import main

    reading, writing = os.pipe()
    prepare = child_setup()
    if pid := os.fork():
        os.close(writing)
        return pid, reading
    prepare()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(writing, 1)
    sys.argv[1:] = options
    os._exit(main())


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    signal.alarm(PATIENCE_SECONDS)
    os.waitpid(pid, 0)
    signal.alarm(0)


if __name__ == "__main__":
    serve()
