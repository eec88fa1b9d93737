"""How many files a process may have open: what so many users need, and getting it or saying clearly why not."""

from __future__ import annotations

import resource

from mmload.errors import ConfigurationError

# A user holds its WebSocket and one connection for requests; for the moments of a page load up to six of them.
FILES_PER_USER = 7
# Locust, the run's record, log files, name resolution, a master's or worker's own connections.
RESERVED_FILES = 128


def open_files_needed(users: int) -> int:
    """Open files of a process with so many users. Pure."""
    return users * FILES_PER_USER + RESERVED_FILES


def users_possible(files: int) -> int:
    """How many users a process with so many open files can have: the inverse of `open_files_needed`. Pure."""
    return max(0, (files - RESERVED_FILES) // FILES_PER_USER)


def users_of_one(users: int, processes: int) -> int:
    """The most users that one of so many processes gets: Locust deals them out evenly. Pure."""
    return -(-users // processes)


def new_soft_limit(needed: int, soft: int, hard: int) -> int | None:
    """What the soft limit has to become; the same one if it suffices, None if the hard limit forbids it. Pure."""
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    return needed if hard == resource.RLIM_INFINITY or hard >= needed else None


def allowed_open_files() -> int:
    """As many as this process may allow itself; `RLIM_INFINITY` where nothing limits them."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_open_files(needed: int) -> None:
    """Allow this process (and those it starts) so many open files; `ConfigurationError` where that is forbidden."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = new_soft_limit(needed, soft, hard)
    if wanted is not None and wanted != soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            # Some systems allow less than the hard limit says.
            wanted = None
    if wanted is None:
        raise ConfigurationError(
            f"this process would need {needed} open files, but the system allows only {hard}: raise the limit "
            "(`ulimit -n`, LimitNOFILE= of a systemd unit, --ulimit nofile of a container), or spread the users over "
            "more processes"
        )


def raise_as_far_as_allowed(needed: int) -> int:
    """Allow this process so many open files, or as many as the system lets it; how many users that is enough for."""
    hard = allowed_open_files()
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    raise_open_files(wanted)
    return users_possible(wanted)
