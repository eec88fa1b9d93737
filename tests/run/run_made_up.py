"""`mmload run` with the made-up users in place of the packaged locustfile: `python run_made_up.py OPTIONS`.

MADE_UP_FULL: the disk is full when the figures of the first second are written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from mmload.cli import locust_process, main, run
from mmload.results.folder import FIGURES, make_folder


def on_a_full_disk(*arguments: Any) -> Path:
    folder = make_folder(*arguments)
    (folder / FIGURES).symlink_to("/dev/full")
    return folder


if __name__ == "__main__":
    file = Path(os.environ.get("MADE_UP_LOCUSTFILE", Path(__file__).with_name("made_up.py")))
    made = on_a_full_disk if os.environ.get("MADE_UP_FULL") else make_folder
    with (
        mock.patch.object(locust_process, "locustfile", return_value=file),
        mock.patch.object(run, "make_folder", made),
    ):
        sys.exit(main(["run", *sys.argv[1:]]))
