"""Everybody logs in once, a few at a time, and the sessions are kept for load tests."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from mmload.population.init_job import InitJob, in_parallel
from mmload.session_file import KeptAccount, SessionChange, SessionFile

SORT = "sessions"
# So many are lost at most, if nobody is there any more to write them down.
WRITTEN_TOGETHER = 25


def keep_sessions(job: InitJob, file: SessionFile, each: int) -> None:
    """Have `each` sessions of every planned account in the file; those that still hold stay."""
    kept = file.read()
    changes: list[SessionChange] = []
    lock = Lock()
    job.progress.start(SORT, len(job.plan.accounts))

    def write(least: int) -> None:
        with lock:
            if len(changes) >= least:
                file.change(changes, each)
                changes.clear()

    def log_in(index: int) -> None:
        job.patience.check()
        login = job.plan.accounts[index].email
        for change in _changes(job, index, kept.get(login, KeptAccount("", [])), each):
            with lock:
                changes.append(change)
        write(WRITTEN_TOGETHER)
        job.progress.advance()

    try:
        in_parallel(job.patience.stop, log_in, range(len(job.plan.accounts)))
    finally:
        write(1)


def _changes(job: InitJob, index: int, before: KeptAccount, each: int) -> Iterator[SessionChange]:
    """Look at an account's sessions, and log it in for those that are missing."""
    login, good = job.plan.accounts[index].email, 0
    for token in before.tokens:
        if job.holds(token):
            good += 1
        else:
            yield SessionChange(login, ended=token)
    job.tally.found(SORT, good)
    for number in range(each - good):
        # Who wrote history has one already.
        session = job.session(index) if number == 0 else job.another_session(index)
        token = session.log_in()
        job.tally.new(SORT)
        yield SessionChange(login, session.user_id, token)
