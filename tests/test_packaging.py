"""The wheel carries all that runs without the checkout."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

PROJECT = pathlib.Path(__file__).parent.parent


def test_the_wheel_brings_the_locustfile_and_the_default_documents(tmp_path: pathlib.Path) -> None:
    """Installed into an empty environment, in an empty folder, `mmload run` must have everything it needs."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    wheel = zipfile.ZipFile(next(tmp_path.glob("mmload-*.whl")))
    names = set(wheel.namelist())

    assert {"mmload/locustfile.py", "mmload/sandbox/__main__.py", "coordinator/__main__.py"} <= names
    for document in (PROJECT / "config").glob("*.default.json"):
        assert wheel.read(f"mmload/default_documents/{document.name}") == document.read_bytes()
    packaged = {f"mmload/sandbox/documents/{path.name}" for path in (PROJECT / "mmload/sandbox/documents").iterdir()}
    assert {name for name in packaged if not name.endswith("__pycache__")} <= names
    assert "mmload/fidelity/webapp.jsonl" in names
    for path in (PROJECT / "deploy/terraform/aws").rglob("*.*"):
        if path.is_file() and ".terraform" not in str(path):
            inside = path.relative_to(PROJECT / "deploy/terraform/aws")
            assert wheel.read(f"mmload/terraform_aws/{inside}") == path.read_bytes()
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert b"mmload = mmload.cli:main" in wheel.read(entry_points)
    assert b"mmload-coordinator = coordinator.__main__:main" in wheel.read(entry_points)
    assert not any(name.startswith(("tests", "config/", "runs")) for name in names)
