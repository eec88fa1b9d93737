"""`mmload init`: the steps in their order, and the summary of what existed and what was created."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Semaphore
from typing import Any

from mmload.client.accounts import sessions_each
from mmload.client.capabilities import capabilities
from mmload.config import Settings, read_credentials
from mmload.population.accounts import create_accounts, keep_sessions
from mmload.population.admin_api import ApiServer, Retrying, administrator
from mmload.population.channels import create_channels, create_teams
from mmload.population.history import write_history
from mmload.population.init_job import LOGINS_IN_FLIGHT, InitJob
from mmload.population.plan import Plan, plan
from mmload.population.probing import first_facts
from mmload.population.progress import InitProgress
from mmload.population.readiness import require_mattermost
from mmload.session_file import SessionFile

DEFAULT_SEED = 1
SORTS = (
    "accounts",
    "administrators",
    "teams",
    "team members",
    "public channels",
    "private channels",
    "direct channels",
    "group channels",
    "channel members",
    "posts",
    "reactions",
    "sessions",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One type of object: how many existed before, and how many were created."""

    sort: str
    there: int
    made: int

    @property
    def exist(self) -> int:
        return self.there + self.made


@dataclass(frozen=True, slots=True)
class InitSummary:
    """What `mmload init` did."""

    server: str
    version: str
    seed: int
    rows: tuple[Row, ...]
    notices: tuple[str, ...]
    seconds: float

    @property
    def made(self) -> int:
        return sum(row.made for row in self.rows)

    def to_document(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "server": self.server,
            "version": self.version,
            "seed": self.seed,
            "exist": {row.sort: row.exist for row in self.rows},
            "there": {row.sort: row.there for row in self.rows},
            "made": {row.sort: row.made for row in self.rows},
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def planned(settings: Settings) -> Plan:
    """The plan for these settings; reads the users file, if there is one."""
    users_file = settings.config.users.users_file_path
    credentials = read_credentials(users_file) if users_file else ()
    return plan(settings, settings.config.run.seed or DEFAULT_SEED, credentials)


def _notices(made: Plan, *, can_be_urgent: bool) -> tuple[str, ...]:
    urgent = 0 if can_be_urgent else sum(post.urgent for post in made.posts)
    if not urgent:
        return made.notices
    return (*made.notices, f"{urgent} urgent posts were created as ordinary ones, as message priority needs a licence")


def carry_out(
    made: Plan,
    settings: Settings,
    progress: InitProgress,
    stop: Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    *,
    sessions: SessionFile | None = None,
    only_sessions: bool = False,
) -> InitSummary:
    """Create what does not exist yet, and keep everybody's session in the file, if one is given.

    `ServerNotReady` if the server refuses, or does not answer any more.
    """
    start = clock()
    connection = settings.config.connection
    server = ApiServer(connection)
    try:
        facts = first_facts(server)
        require_mattermost(facts, settings)
        able = capabilities(facts.client_config, facts.license, settings.config.controller.server_version)
        patience = Retrying(stop, tell=progress.note)
        admin = administrator(server, connection, patience, Semaphore(LOGINS_IN_FLIGHT))
        job = InitJob(made, server, admin, patience, progress)
        can_be_urgent = able.licensed and able.post_priority
        if not only_sessions:
            admin.require_administrator()
            create_accounts(job)
            write_history(job, create_channels(job, create_teams(job)), urgent=can_be_urgent)
        if sessions is not None:
            keep_sessions(job, sessions, sessions_each(settings.config.users))
    finally:
        progress.close()
        server.close()
    notices = () if only_sessions else _notices(made, can_be_urgent=can_be_urgent)
    rows = tuple(Row(sort, job.tally.there[sort], job.tally.made[sort]) for sort in SORTS)
    version = facts.client_config.get("Version", "")
    return InitSummary(connection.server_url, version, made.seed, rows, notices, clock() - start)
