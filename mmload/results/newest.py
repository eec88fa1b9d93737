"""Which folder is meant by `latest`, by a folder's name or by its path."""

from __future__ import annotations

from pathlib import Path

from mmload.errors import UsageError
from mmload.results.folder import FACTS, SECONDS, TOTALS

LATEST = "latest"
_SIGNS_OF_A_RUN = (FACTS, SECONDS, TOTALS)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, be it a torn one."""
    return any((folder / name).is_file() for name in _SIGNS_OF_A_RUN)


def newest(runs: Path) -> Path:
    """The newest run below a folder: names begin with the time, so the last name is it. `UsageError` if none."""
    found = sorted(path for path in runs.iterdir() if is_run(path)) if runs.is_dir() else []
    if not found:
        raise UsageError(f"{runs}: no run here; name its folder, or where the runs are with --runs-folder")
    return found[-1]


def run_folder(given: str, runs: Path) -> Path:
    """The folder of `given`: `latest`, a path, or a name below `runs`. `UsageError` if there is no such run."""
    if given == LATEST:
        return newest(runs)
    for folder in (Path(given), runs / given):
        if folder.is_dir():
            return _checked(folder)
    places = given if Path(given).is_absolute() else f"{given} or {runs / given}"
    raise UsageError(f"{places}: no such folder; `{LATEST}` is the newest run below {runs}")


def _checked(folder: Path) -> Path:
    if not is_run(folder):
        raise UsageError(f"{folder}: not the folder of a run (no {', '.join(_SIGNS_OF_A_RUN)} in it)")
    return folder
