"""What runs on a host of `mmload deploy`: sent there on standard input, it needs only Python's standard library.

It is told what to do in lines of JSON on standard input, and answers in lines on standard output. Both ends say
something every few seconds. When nothing has come for `SILENCE_SECONDS` (a pulled cable, a closed laptop), or standard
input ends, the workers are ended and so is this program: no load goes on that nobody watches.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import queue
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

SILENCE_SECONDS = 15.0
# Workers that are told to end let their users log out; the desk is told 30 s for all of it.
END_SECONDS = 8.0
# Before each line of ours: what a shell prints when somebody logs in is none.
MARK = "@mmload "
MARKER = "complete.json"
LOG = "workers.log"
_CONNECTS = 5
_SAID_LINES = 12
_PART_BYTES = 1 << 14
_PR_SET_PDEATHSIG = 1

Answer = dict[str, Any]


class NotHere(Exception):
    """It cannot be done here; its text says why."""


def tell(line: Answer) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(line)}\n")
    sys.stdout.flush()


class OnHost:
    """The program's state: one folder, and the workers that were started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.payload = b""
        self.heard = time.monotonic()
        self._workers: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Tell of workers that ended by themselves, once."""
        if self._workers is not None and self._workers.poll() is not None:
            code, self._workers = self._workers.returncode, None
            tell({"to": "ended", "code": code, "said": last_lines(self.folder / LOG)})

    def beat(self, _: Answer) -> Answer:
        return {"time": time.time(), "working": self._workers is not None}

    clock = beat

    def examine(self, told: Answer) -> Answer:
        """What there is here, and how far the server is."""
        where = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        wheels = self.folder / "wheels"
        return {
            "python": list(sys.version_info[:3]),
            "implementation": sys.implementation.name,
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": list(platform.libc_ver()),
            "venv": importlib.util.find_spec("venv") is not None,
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "free_bytes": shutil.disk_usage(where).free,
            "wheels": sorted(each.name for each in wheels.iterdir()) if wheels.is_dir() else [],
            "environments": [each.parent.name for each in self.folder.glob(f"*/{MARKER}")],
            "processes": len(list(processes_of(self.folder))),
            "server": latency(*told["server"]) if told.get("server") else None,
        }

    def wheel(self, told: Answer) -> Answer:
        """Keep one wheel, under the name of its content."""
        if hashlib.sha256(self.payload).hexdigest() != told["sha256"]:
            raise NotHere("the copied package is damaged: try again")
        wheels = self.folder / "wheels"
        wheels.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = wheels / f"{told['sha256']}.part"
        try:
            part.write_bytes(self.payload)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        part.rename(wheels / told["sha256"])
        return {}

    def install(self, told: Answer) -> Answer:
        """Make the environment of these wheels; others are removed, and wheels that it does not need."""
        made = self.folder / str(told["environment"])
        if not (made / MARKER).exists():
            self._remove_but(set())
            self._make(made, told["wheels"])
        self._remove_but({made.name})
        for wheel in (self.folder / "wheels").iterdir():
            if wheel.name not in told["wheels"]:
                wheel.unlink()
        return dict(json.loads((made / MARKER).read_text()))

    def _make(self, made: Path, wheels: list[str]) -> None:
        import venv

        try:
            venv.EnvBuilder(symlinks=True).create(made)
            [site] = made.glob("lib/python*/site-packages")
            for name in wheels:
                with zipfile.ZipFile(self.folder / "wheels" / name) as wheel:
                    wheel.extractall(site)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            raise
        versions = (
            "import json, locust, mmload, mmload.users; print(json.dumps([mmload.__version__, locust.__version__]))"
        )
        done = subprocess.run(
            [made / "bin/python", "-c", versions], capture_output=True, text=True, env=clean_environ()
        )
        if done.returncode:
            raise NotHere(
                f"the Python environment does not work there: {(done.stderr.splitlines() or ['no reason given'])[-1]}"
            )
        mmload, locust = json.loads(done.stdout.splitlines()[-1])
        (made / MARKER).write_text(json.dumps({"mmload": mmload, "locust": locust}))

    def _remove_but(self, kept: set[str]) -> None:
        for each in self.folder.glob("env-*"):
            if each.name not in kept:
                shutil.rmtree(each)

    def start(self, told: Answer) -> Answer:
        """Start workers. Settings and secrets are in their environment, documents in memory: nothing is on the disk."""
        if not (self.folder / told["environment"] / MARKER).exists():
            raise NotHere("it is not set up: run `mmload deploy up`")
        files = {name: in_memory(text) for name, text in told["files"].items()}
        paths = {name: f"/proc/self/fd/{number}" for name, number in files.items()}
        environment = self.folder / told["environment"]
        [locustfile] = environment.glob("lib/python*/site-packages/mmload/locustfile.py")
        with (self.folder / LOG).open("wb") as log:
            self._workers = subprocess.Popen(
                [environment / "bin/python", "-m", "locust", "-f", locustfile, *told["arguments"]],
                cwd=self.folder,
                env={**clean_environ(), **told["variables"], **paths},
                pass_fds=tuple(files.values()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_us(),
            )
        for number in files.values():
            os.close(number)
        return {}

    def stop(self, _: Answer) -> Answer:
        """End the workers, whatever they do."""
        workers, self._workers = self._workers, None
        if workers is None:
            return {}
        workers.terminate()
        with suppress(subprocess.TimeoutExpired):
            workers.wait(END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(workers.pid, signal.SIGKILL)
        workers.wait()
        return {}

    def logs(self, told: Answer) -> Answer:
        return {"lines": last_lines(self.folder / LOG, told["lines"])}

    def clean(self, _: Answer) -> Answer:
        """Leave nothing: end the processes, remove the folder, and look."""
        self.stop({})
        ended = list(processes_of(self.folder))
        for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 5.0)):
            for pid in processes_of(self.folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while list(processes_of(self.folder)) and time.monotonic() < deadline:
                time.sleep(0.05)
        existed = self.folder.exists()
        if existed:
            shutil.rmtree(self.folder)
        left = list(processes_of(self.folder))
        if left or self.folder.exists():
            raise NotHere(f"not removed: processes {left}, folder {self.folder}")
        return {"processes": len(ended), "existed": existed}


def clean_environ() -> dict[str, str]:
    """The environment without settings of an mmload, a Locust or a Python of this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_", "PYTHON"))}


def in_memory(text: str) -> int:
    """A file that is on no disk, as its descriptor."""
    number = os.memfd_create("mmload")
    with os.fdopen(os.dup(number), "w", encoding="utf-8") as file:
        file.write(text)
    return number


def ends_with_us() -> Callable[[], None]:
    """The `preexec_fn` of a child that is killed when we are gone, however we end."""
    libc, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def processes_of(folder: Path) -> Iterator[int]:
    """Processes, other than this one, that run from the folder or were told of it."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            inside = any(
                each == os.fsencode(folder) or each.startswith(os.fsencode(f"{folder}/")) for each in arguments
            )
            if inside and int(entry.name) != os.getpid() and entry.stat().st_uid == os.getuid():
                yield int(entry.name)


def latency(host: str, port: int) -> Answer:
    """How long a connection to the server takes from here, the shortest of some."""
    taken = []
    for _ in range(_CONNECTS):
        start = time.monotonic()
        try:
            with socket.create_connection((host, port), timeout=5):
                taken.append(time.monotonic() - start)
        except OSError as error:
            return {"problem": f"it cannot reach {host}:{port}: {error.strerror or error}"}
    return {"seconds": min(taken)}


def last_lines(path: Path, number: int = _SAID_LINES) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()[-number:]
    except OSError:
        return []


def listen(here: OnHost, inbox: queue.Queue[tuple[Answer, bytes] | None]) -> None:
    """What the desk says; None at the end."""
    while line := sys.stdin.buffer.readline():
        here.heard = time.monotonic()
        told = json.loads(line)
        payload = bytearray()
        while len(payload) < told.get("bytes", 0):
            part = sys.stdin.buffer.read(min(_PART_BYTES, told["bytes"] - len(payload)))
            if not part:
                break
            # A slow line is not a dead one.
            here.heard = time.monotonic()
            payload += part
        inbox.put((told, bytes(payload)))
    inbox.put(None)


def obey(here: OnHost, told: Answer) -> None:
    """Do what is said, and answer."""
    try:
        answer = getattr(here, told["do"])(told)
    except NotHere as refused:
        answer = {"problem": str(refused)}
    except OSError as error:
        answer = {"problem": f"{error.filename or here.folder}: {error.strerror or error}"}
    tell({"to": told["do"], **answer})


def serve(here: OnHost) -> None:
    """Until the desk has said nothing for a while, or is gone."""
    inbox: queue.Queue[tuple[Answer, bytes] | None] = queue.Queue()
    threading.Thread(target=listen, args=(here, inbox), daemon=True).start()
    while time.monotonic() - here.heard < SILENCE_SECONDS:
        with suppress(queue.Empty):
            message = inbox.get(timeout=0.5)
            if message is None:
                return
            told, here.payload = message
            obey(here, told)
        here.look()


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)
    here = OnHost(Path(sys.argv[1]))
    try:
        serve(here)
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    finally:
        here.stop({})
        # Neither a thread that reads nor an output that nobody takes may hold us.
        os._exit(0)


if __name__ == "__main__":
    main()
