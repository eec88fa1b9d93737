"""What a worker imports, and the project's own files."""

from __future__ import annotations

import pathlib
import subprocess
import sys

PROJECT = pathlib.Path(__file__).parent.parent
HEAVY = ("rich", "aiohttp", "numpy", "pandas", "matplotlib", "prometheus_api_client", "mmload.report", "mmload.sandbox")


def test_a_worker_imports_nothing_heavy() -> None:
    """Whoever pays for generators pays for what each of their processes loads."""
    program = (
        "import sys, locust, mmload.locustfile\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith(('mmload.cli.', 'mmload.population', 'coordinator'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT)

    assert loaded.stdout.splitlines() == ["[]", "[]"]


def test_the_coordinator_imports_no_locust() -> None:
    program = "import sys, coordinator.__main__; print('locust' in sys.modules, 'gevent' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT)

    assert loaded.stdout.strip() == "False False"
