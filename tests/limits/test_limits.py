"""Open files: how many are needed, and what is done where they are not allowed."""

from __future__ import annotations

import resource
import subprocess
import sys

from mmload.open_files import (
    FILES_PER_USER,
    RESERVED_FILES,
    new_soft_limit,
    open_files_needed,
    users_of_one,
    users_possible,
)


def test_each_user_needs_its_socket_and_the_connections_of_a_browser() -> None:
    assert open_files_needed(1000) == 1000 * FILES_PER_USER + RESERVED_FILES


def test_so_many_files_are_enough_for_so_many_users() -> None:
    assert [users_possible(files) for files in (open_files_needed(30), open_files_needed(30) - 1, 10)] == [30, 29, 0]


def test_the_largest_part_of_several_processes_counts() -> None:
    assert [users_of_one(7, processes) for processes in (1, 2, 3, 7)] == [7, 4, 3, 1]


def test_a_limit_that_suffices_is_left_alone() -> None:
    assert new_soft_limit(500, soft=1024, hard=4096) == 1024
    assert new_soft_limit(500, soft=resource.RLIM_INFINITY, hard=resource.RLIM_INFINITY) == resource.RLIM_INFINITY


def test_a_limit_is_raised_as_far_as_needed_within_the_hard_one() -> None:
    assert new_soft_limit(4096, soft=1024, hard=4096) == 4096
    assert new_soft_limit(4096, soft=1024, hard=resource.RLIM_INFINITY) == 4096


def test_what_the_hard_limit_forbids_is_not_tried() -> None:
    assert new_soft_limit(4097, soft=1024, hard=4096) is None


def in_a_process_allowed(files: int, needed: int) -> str:
    """What a process with such a hard limit says and has in the end."""
    program = (
        "import resource\n"
        "from mmload.open_files import raise_open_files\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (64, {files}))\n"
        "try:\n"
        f"    raise_open_files({needed})\n"
        "    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_process_gets_what_it_needs() -> None:
    assert in_a_process_allowed(512, needed=300) == "300\n"


def test_a_process_that_may_not_have_it_is_told_what_to_do() -> None:
    said = in_a_process_allowed(256, needed=300)

    assert said.startswith("ConfigurationError this process would need 300 open files, but the system allows only 256")
    assert "ulimit -n" in said


def test_as_much_as_is_allowed_may_be_less_than_wanted() -> None:
    """An agent does not know yet how many users it will be given: it says for how many there is room."""
    program = (
        "import resource\n"
        "from mmload.open_files import raise_as_far_as_allowed\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 268))\n"
        "print(raise_as_far_as_allowed(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said == "20 268\n"
