"""What a worker imports, and the project's own files."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

from tests.support import Admin

PROJECT = pathlib.Path(__file__).parent.parent
# aiohttp comes with the sandbox, which is a server: no process that generates load has either.
HEAVY = (
    "rich",
    "aiohttp",
    "numpy",
    "pandas",
    "matplotlib",
    "prometheus_api_client",
    "psycopg",
    "playwright",
    "mmload.report",
    "mmload.sandbox",
)
LOADED = (
    f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    "print([name for name in sys.modules if name.startswith(('mmload.cli.', 'mmload.population', 'coordinator'))])"
)


def test_a_worker_imports_nothing_heavy() -> None:
    """Whoever pays for generators pays for what each of their processes loads."""
    assert _output(f"import sys, locust, mmload.locustfile\n{LOADED}") == ["[]", "[]"]


def test_a_worker_that_has_run_imports_no_server(sandbox: str, tmp_path: pathlib.Path) -> None:
    """What is imported inside functions counts, too: this looks at the end of a process that ran a user."""
    Admin(sandbox).channel(Admin(sandbox).team()["id"])
    program = f"""
import sys
sys.argv = ["locust", "-f", {str(PROJECT / "locustfile.py")!r}, "--headless", "-u", "1", "-t", "6s",
            "--host", {sandbox!r}, "--exit-code-on-error", "0"]
import locust.main
try:
    locust.main.main()
finally:
{textwrap.indent(LOADED, "    ")}
"""
    *_, heavy, _ = _output(program, folder=tmp_path)

    assert "aiohttp" not in heavy and "mmload.sandbox" not in heavy
    assert Admin(sandbox).ask("GET", "/users?per_page=200")[1:], "no user logged in"


def _output(program: str, folder: pathlib.Path = PROJECT) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=folder)
    assert done.stdout, done.stderr
    return done.stdout.splitlines()


def test_the_command_line_loads_neither_requests_nor_locust() -> None:
    """Commands that start Locust in their own process must not have urllib3 before it patches ssl (RecursionError)."""
    for command in (["agent"], ["fidelity"]):
        program = f"""
import sys, mmload.cli
mmload.cli.parsed({command!r})
print([name for name in ("requests", "urllib3", "locust", "gevent") if name in sys.modules])
"""
        assert _output(program) == ["[]"]


def test_the_coordinator_imports_no_locust() -> None:
    program = "import sys, coordinator.__main__; print('locust' in sys.modules, 'gevent' in sys.modules)"
    assert _output(program) == ["False False"]
