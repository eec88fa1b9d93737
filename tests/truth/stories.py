"""What is done to messages in each run, and the runs themselves: all at once, since they mostly wait."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.conftest import running_sandbox
from tests.run.processes import distributed
from tests.truth.talk import USERS, SandboxTalk, Told, talking, told, wait_for

# Two cores start no more of them at a time without keeping each other waiting.
AT_ONCE = 4
HELD_MS = 120_000


def lossy(talk: SandboxTalk) -> None:
    """Seven are lost, five doubled, up to four overtaken."""
    for what, times in (("lose", 7), ("double", 5), ("reorder", 4)):
        talk.fault(event="posted", what=what, times=times, share=0.2)
    talk.wait_until_done(lose=7, double=5)
    wait_for(lambda: talk.done("reorder") >= 1)
    talk.go_on()


def quiet(talk: SandboxTalk) -> None:
    """Nothing is done to them."""
    posts = talk.posts()
    wait_for(lambda: talk.posts() >= posts + 40)


def slow(talk: SandboxTalk) -> None:
    """Six are held back for 4 s."""
    talk.fault(event="posted", what="delay", times=6, share=0.2, delay_ms=4000)
    talk.wait_until_done(delay=6)
    talk.go_on()
    talk.go_on()


def gappy(talk: SandboxTalk) -> None:
    """Three events are numbered and not sent: the client must notice, and take the connection up again."""
    talk.fault(swallow_events=3)
    wait_for(lambda: talk.counts()["sockets_resumed"] >= 1)
    talk.go_on()


def forgotten(talk: SandboxTalk) -> None:
    """Eight are held back when the server forgets all connections, as by a restart: they will never come."""
    _hold_back(talk, 8)
    talk.fault(forget_sockets=True)
    wait_for(lambda: talk.counts()["sockets_renewed"] >= USERS)
    talk.no_faults()
    talk.go_on()


def gone(talk: SandboxTalk) -> None:
    """The same, and no socket gets in again: the run ends with all of them lost."""
    _hold_back(talk, 8)
    talk.fault(route="GET /api/v4/websocket", status=503)
    talk.fault(forget_sockets=True)
    wait_for(lambda: talk.counts()["sockets_open"] == 0)


def _hold_back(talk: SandboxTalk, number: int) -> None:
    """So many events will come much later, if ever; no others are under way when this returns."""
    talk.fault(event="posted", what="delay", times=number, share=0.2, delay_ms=HELD_MS)
    talk.wait_until_done(delay=number)
    talk.silence()


def lost_for_good(talk: SandboxTalk) -> None:
    """Gaps are noticed, but the server has forgotten the connections before the clients are back."""
    talk.fault(route="GET /api/v4/websocket", status=503)
    talk.fault(swallow_events=3)
    wait_for(lambda: talk.counts()["sockets_open"] < USERS)
    talk.silence()
    talk.fault(forget_sockets=True)
    talk.no_faults()
    wait_for(lambda: talk.counts()["sockets_open"] == USERS)
    talk.go_on()


def stormy(talk: SandboxTalk) -> None:
    """Twice all sockets are lost at once and come back, while windows come to the front and go."""
    for storm in (1, 2):
        talk.fault(drop_sockets=True)
        wait_for(lambda storm=storm: talk.counts()["sockets_resumed"] >= USERS * storm)  # type: ignore[misc]
        talk.go_on()


def restarted(talk: SandboxTalk) -> None:
    """The server is away for a moment and knows no socket afterwards; all pages ask for everything twice."""
    talk.fault(restart_seconds=1.0)
    wait_for(talk.all_renewed)
    talk.go_on()


def bereaved(talk: SandboxTalk) -> None:
    """One of two workers is killed; the other one's users go on."""
    children = Path(f"/proc/{talk.process.pid}/task/{talk.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    wait_for(lambda: "worker lost" in next(talk.folder.glob("runs/*/notes.jsonl")).read_text())
    talk.go_on()


# In front for three seconds, away for two.
RESTLESS = {
    "MMLOAD_SIMULCONTROLLER_PERCENTTIMEINFRONT": "0.6",
    "MMLOAD_SIMULCONTROLLER_AVGMINUTESINFRONT": "0.05",
}
LATE = {"MMLOAD_RUNCONFIGURATION_LATEDELIVERYMS": "3000"}
# Name: what is done, how many workers (0: one process), settings.
STORIES: dict[str, tuple[Callable[[SandboxTalk], None], int, dict[str, str]]] = {
    "lossy, two workers": (lossy, 2, {}),
    "quiet, two workers": (quiet, 2, {}),
    "a worker killed": (bereaved, 2, {}),
    "lossy": (lossy, 0, {}),
    "stormy": (stormy, 0, RESTLESS),
    "restarted": (restarted, 0, RESTLESS),
    "slow": (slow, 0, LATE),
    "gappy": (gappy, 0, {}),
    "forgotten": (forgotten, 0, {}),
    "gone": (gone, 0, {}),
    "lost for good": (lost_for_good, 0, {}),
}


class Stories:
    """The runs, each made once."""

    def __init__(self, folder: Path) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._made: dict[str, Future[Told]] = {}
        for number, name in enumerate(STORIES):
            (folder / str(number)).mkdir()
            self._made[name] = self._pool.submit(_make, folder / str(number), name)

    def of(self, name: str) -> Told:
        """What this run left; raises what went wrong in it."""
        return self._made[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _make(folder: Path, name: str) -> Told:
    happens, workers, settings = STORIES[name]
    options = distributed(workers) if workers else []
    with running_sandbox() as server:
        with talking(server, folder, *options, **settings) as talk:
            happens(talk)
        counts = talk.counts()
        return told(folder, talk.posts(), counts["event_faults"], counts["posts_acknowledged"])
