"""What a browser's process is told, and what it tells: one JSON document a line, on its stdin and stdout."""

from __future__ import annotations

import msgspec


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Which browser, and how it reaches the server. Headers may be secret: they are nowhere but here."""

    url: str
    executable: str
    headers: dict[str, str] = {}
    proxy: str = ""
    verify_tls: bool = True

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"{type(self).__name__}(url={self.url!r})"


class StartBrowser(Opening, frozen=True, kw_only=True, tag="start"):
    """Open the browser. Secrets (password, session, headers) go this way only: on no command line, to no disk."""

    version: str
    login: str
    password: str
    user_id: str = ""
    token: str = ""
    step_seconds: float = 30.0
    seed: str = ""

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"StartBrowser(url={self.url!r}, login={self.login!r})"


class DoStep(msgspec.Struct, frozen=True, tag="step"):
    name: str


class CloseBrowser(msgspec.Struct, frozen=True, tag="close"):
    """Close the browser and end; `log_out`: end the session, too."""

    log_out: bool = False


Order = StartBrowser | DoStep | CloseBrowser


class PageMeasures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the browser measured in a step. Times in milliseconds; None: there was nothing to measure."""

    ttfb: float | None = None
    lcp: float | None = None
    inp: float | None = None
    cls: float | None = None
    long_tasks: int = 0
    long_task_ms: float = 0.0
    requests: int = 0
    bytes: int = 0
    heap_bytes: int = 0


# On a machine whose CPUs are that busy, a browser waits for its turn and not for the server.
BUSY_SHARE = 0.9


class StepDone(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a step went. `usable_ms` None: it failed, then `failure` says how; or was skipped, then `skipped` says why.

    `failure` is a constant text for the step. `host_cpu`: the share of the machine's CPU time that was used meanwhile.
    """

    step: str
    usable_ms: float | None = None
    failure: str = ""
    skipped: str = ""
    measures: PageMeasures = PageMeasures()
    host_cpu: float = 0.0
    waiting: int = 0  # requests that were under way when it failed
    console: tuple[str, ...] = ()
    screenshot: bytes = b""  # JPEG
    # After a login by password: the session it brought.
    user_id: str = ""
    token: str = ""
    final: bool = False  # trying again is of no use

    def __repr__(self) -> str:
        """Without the session."""
        return f"StepDone({self.step}, usable_ms={self.usable_ms}, failure={self.failure!r}, skipped={self.skipped!r})"
